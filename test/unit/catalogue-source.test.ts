/** A file of a catalogue while it is written, and one that takes too much to read. */
import { execFileSync } from "node:child_process";
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { CatalogueSource } from "../../node/rules/catalogue-source.ts";
import { readCatalogue } from "../../node/rules/read-catalogue.ts";
import { temporaryFolder } from "../support/node-process.ts";
import { until } from "../support/until.ts";

test("a file that is written slowly is not taken for a catalogue of fewer modes", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.yaml");
  writeFileSync(path, "version: 1\nmodes: []\n");
  const source = new CatalogueSource(path, pino({ level: "silent" }));
  onTestFinished(() => source.close());
  const seen: (number | undefined)[] = [];
  source.start(() => seen.push(source.read?.kind === "sound" ? source.read.catalogue.modes.length : undefined));
  await until("it is read", () => seen.length === 1);

  writeFileSync(path, "version: 2\nmodes:\n");
  let written = 0;
  const writing = setInterval(() => {
    appendFileSync(path, `  - mode: GM${written++}\n`);
    if (written === 12) clearInterval(writing);
  }, 250);
  onTestFinished(() => clearInterval(writing));
  await until("it is read again", () => seen.length > 1);
  expect([written, seen]).toEqual([12, [0, 12]]);
});

test("what is made to be slow, or to take all memory, is a fault after a while", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.yaml");
  writeFileSync(path, "- ".repeat(500_000));
  const turns = { count: 0 };
  const turning = setInterval(() => turns.count++, 10);
  const read = await readCatalogue(path);
  clearInterval(turning);
  expect(read).toEqual({
    kind: "faulty",
    faults: [expect.objectContaining({ message: expect.stringMatching(/^c\.yaml:1:1: /) })],
  });
  expect(turns.count, "the loop goes on meanwhile").toBeGreaterThan(10);
}, 60_000);

test("a pipe is a fault, since to open it waits for whoever writes; a file in its place is read", async () => {
  await using folder = await temporaryFolder();
  const [path, next] = [join(folder.path, "c.yaml"), join(folder.path, "next.yaml")];
  execFileSync("mkfifo", [path]);
  onTestFinished(() => rmSync(path, { force: true }));
  const source = new CatalogueSource(path, pino({ level: "silent" }));
  onTestFinished(() => source.close());
  const seen: unknown[] = [];
  source.start(() => seen.push(source.read?.kind === "faulty" ? source.read.faults[0]?.message : source.read?.kind));
  await until("it is refused", () => seen.length === 1);
  writeFileSync(next, "version: 1\nmodes: []\n");
  renameSync(next, path);
  await until("the file is read", () => seen.length === 2);
  expect(seen).toEqual(["c.yaml:1:1: it must be a file, and is a folder, a pipe or a device", "sound"]);
});
