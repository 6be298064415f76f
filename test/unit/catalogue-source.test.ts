/** A file of a catalogue while it is written, and one that takes too much to read. */
import { execFileSync } from "node:child_process";
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
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

test("a file that changes again and again is not read, and that is told", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.yaml");
  writeFileSync(path, "version: 1\nmodes: []\n");
  const warnings: string[] = [];
  const log = { info: () => {}, warn: (_about: object, message: string) => void warnings.push(message) };
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const source = new CatalogueSource(path, log as unknown as Logger);
  onTestFinished(() => source.close());
  const read = new Promise<void>((resolve) => source.start(resolve));
  await read;
  for (let second = 1; second <= 60; second++) {
    writeFileSync(path, `version: ${second}${" ".repeat(second)}\nmodes: []\n`);
    vi.advanceTimersByTime(1000);
  }
  expect([source.reads.taken, source.reads["put off"]]).toEqual([1, 60]);
  expect(warnings).toEqual(Array(2).fill(expect.stringContaining("changes again and again")));
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
    faults: [expect.objectContaining({ message: expect.stringMatching(/^c\.yaml: to read it /) })],
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
  expect(seen).toEqual(["c.yaml: it must be a file, and is a folder, a pipe or a device", "sound"]);
});
