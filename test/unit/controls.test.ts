import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { blocking, lifting, quarantining, switching, unblocking } from "../../node/admin/changes.ts";
import { TextFile } from "../../node/alone/text-file.ts";
import { DamagedTextError } from "../../node/followed-text.ts";
import type { Kept } from "../../node/text-store.ts";
import { BlockFormCases } from "../support/block-cases.ts";
import { blockOf, Blocks } from "../../node/controls/block.ts";
import { Controls, NOT_KNOWN } from "../../node/controls/controls.ts";
import { BLOCKS_MAX, decisionsIn, keep, NOTHING_DECIDED, QUARANTINE_MAX } from "../../node/controls/decisions.ts";
import { FickleStore } from "../support/fickle-store.ts";
import { temporaryFolder } from "../support/node-process.ts";
import { until } from "../support/until.ts";

const log = pino({ level: "silent" });
const SINCE = "2026-11-27T00:00:00.000Z";
const OFF = { reason: "a match server loops", since: SINCE };

function following(store: FickleStore): Controls & Disposable {
  const controls = new Controls(store, log);
  controls.start();
  return Object.assign(controls, { [Symbol.dispose]: () => controls.stop() });
}

test("what one node decides the others follow, and the newest of two changes undoes nothing of the other", async () => {
  const store = new FickleStore();
  using one = following(store);
  using other = following(store);
  await Promise.all([one.known, other.known]);
  await Promise.all([
    one.change(switching("reports", OFF)),
    other.change(quarantining({ mode: "GM01", since: SINCE })),
    one.change(blocking({ block: "203.0.113.0/24", since: SINCE })),
  ]);
  await until("both follow", () => [one, other].every(({ decisions }) => decisions.revision === 3));
  for (const controls of [one, other]) {
    expect(controls.offOf("reports")).toEqual(OFF);
    expect(controls.offOf("queries")).toBeUndefined();
    expect([...controls.quarantined]).toEqual(["GM01"]);
    expect([controls.isBlockedAddress("203.0.113.9"), controls.isBlockedAddress("203.0.114.9")]).toEqual([true, false]);
  }
  await other.change(switching("reports", undefined));
  await other.change(lifting("GM01"));
  await other.change(unblocking("203.0.113.0/24"));
  await until("the first follows", () => one.decisions.revision === 6);
  expect([one.isAnyOff, one.hasBlocks, one.quarantined.size]).toEqual([false, false, 0]);
  expect(one.isBlockedAddress("203.0.113.9"), "what was looked at is not kept").toBe(false);
});

test("while the store is away a node goes by what it knows, and nothing can be changed", async () => {
  const store = new FickleStore();
  using controls = following(store);
  await controls.known;
  await controls.change(switching("queries", OFF));
  store.isAway = true;
  await expect(controls.change(switching("queries", undefined))).rejects.toThrow(StoreUnavailableError);
  await until("reads fail", () => controls.reads.failed > 0);
  expect(controls.offOf("queries")).toEqual(OFF);
});

test("a node that cannot read the decisions yet does not know them", async () => {
  const store = new FickleStore();
  store.isAway = true;
  using controls = following(store);
  await until("a read fails", () => controls.reads.failed > 0);
  expect([controls.isKnown, controls.isAnyOff, controls.offOf("reports")]).toEqual([false, true, NOT_KNOWN]);
  store.isAway = false;
  await controls.known;
  expect([controls.isKnown, controls.isAnyOff, controls.offOf("reports")]).toEqual([true, false, undefined]);
});

test("what the store lost is written back by whoever knows it", async () => {
  const store = new FickleStore();
  using controls = following(store);
  await controls.known;
  await controls.change(switching("reports", OFF));
  const before = store.standing;
  await controls.change(switching("queries", OFF));
  for (const lost of [before, { mark: "", text: "" }]) {
    store.lose(lost);
    await until("it is back", () => store.standing.mark !== lost.mark);
    expect(decisionsIn(store.standing)).toMatchObject({ revision: 2, off: { reports: OFF, queries: OFF } });
  }
});

test("many changes at once at one node are all made", async () => {
  const store = new FickleStore();
  using controls = following(store);
  await controls.known;
  const made = Array.from({ length: 30 }, (_, at) =>
    controls.change(blocking({ block: `10.0.${at}.0/24`, since: SINCE })),
  );
  expect(new Set(await Promise.all(made))).toEqual(new Set(["done"]));
  expect(controls.decisions.blocks).toHaveLength(30);
});

test("what is damaged in the store is replaced by the next change, with what the node knows", async () => {
  const store = new FickleStore();
  using controls = following(store);
  await controls.known;
  await controls.change(switching("reports", OFF));
  store.lose({ mark: "99.abc", text: "{broken" });
  await until("a read fails", () => controls.reads.failed > 0);
  expect(controls.offOf("reports"), "it goes by what it knows").toEqual(OFF);
  expect(await controls.change(switching("queries", OFF))).toBe("done");
  expect(decisionsIn(store.standing).off).toEqual({ reports: OFF, queries: OFF });
});

test("what is damaged stays told after a change that was refused", async () => {
  const store = new FickleStore();
  using controls = following(store);
  await controls.known;
  await controls.change(switching("reports", OFF));
  store.lose({ mark: "99.abc", text: "{broken" });
  const refused = controls.change(() => {
    throw new RangeError("full");
  });
  await expect(refused).rejects.toThrow("full");
  const { failed } = controls.reads;
  await until("reads fail", () => controls.reads.failed > failed + 1);
  expect(await controls.change(switching("queries", OFF))).toBe("done");
  expect(decisionsIn(store.standing).off).toEqual({ reports: OFF, queries: OFF });
});

test("what is older and cannot be replaced is damage that is told, and the store is not asked without end", async () => {
  class Stuck extends FickleStore {
    readsDone = 0;
    override async read(known: string): Promise<Kept | undefined> {
      if (++this.readsDone > 1000) this.isAway = true;
      return super.read(known);
    }
    override async write(known: string, kept: Kept): Promise<boolean> {
      return known.includes("\ufffd") ? false : super.write(known, kept);
    }
  }
  const store = new Stuck();
  using controls = following(store);
  await controls.known;
  await controls.change(switching("queries", OFF));
  store.lose({ mark: "0.\ufffd", text: keep(NOTHING_DECIDED).text });
  await until("a read fails", () => controls.reads.failed > 0);
  expect(store.isAway).toBe(false);
  expect(controls.offOf("queries")).toEqual(OFF);
});

test("what is off until an instant is on again then, and the next change forgets it", async () => {
  const store = new FickleStore();
  using controls = following(store);
  await controls.known;
  await controls.change(switching("reports", { ...OFF, until: new Date(Date.now() + 300).toISOString() }));
  expect(controls.offOf("reports")).toBeDefined();
  await until("it is on again", () => controls.offOf("reports") === undefined);
  await controls.change(switching("queries", OFF));
  expect(Object.keys(controls.decisions.off)).toEqual(["queries"]);
});

test("quarantine and blocks are bounded; one that is there already may be changed", () => {
  let standing = NOTHING_DECIDED;
  for (let number = 0; number < QUARANTINE_MAX; number++)
    standing = quarantining({ mode: `GM${number}`, since: SINCE })(standing);
  expect(() => quarantining({ mode: "more", since: SINCE })(standing)).toThrow(/32 modes at the most/);
  expect(quarantining({ mode: "GM1", reason: "again", since: SINCE })(standing).quarantine).toHaveLength(32);
  for (let number = 0; number < BLOCKS_MAX; number++)
    standing = blocking({ block: `https://${number}.example`, since: SINCE })(standing);
  expect(() => blocking({ block: "10.0.0.0/8", since: SINCE })(standing)).toThrow(/1024 at the most/);
});

test.each([
  ["no JSON", "{"],
  ["another form", "[]"],
  ["an unknown revision", JSON.stringify({ ...NOTHING_DECIDED, revision: -1 })],
  ["no mode's name", JSON.stringify({ ...NOTHING_DECIDED, quarantine: [{ mode: "a b", since: SINCE }] })],
  [
    "a block in another spelling",
    JSON.stringify({ ...NOTHING_DECIDED, blocks: [{ block: "10.1.0.0/8", since: SINCE }] }),
  ],
  ["no instant", JSON.stringify({ ...NOTHING_DECIDED, off: { reports: { reason: "x", since: "now" } } })],
])("what is stored and is %s is refused", (_what, text) => {
  expect(() => decisionsIn({ mark: "1.x", text })).toThrow(DamagedTextError);
  expect(() => decisionsIn({ mark: "", text })).toThrow(DamagedTextError);
});

test("TextFile keeps the decisions over a restart, whole or not at all", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "data");
  const file = new TextFile(path, "controls");
  expect(await file.read("")).toBeUndefined();
  const kept = keep({ ...NOTHING_DECIDED, revision: 1 });
  await expect(file.write("", kept), "the folder is not there").rejects.toThrow(StoreUnavailableError);
  await mkdir(path);
  expect(await Promise.all([file.write("", kept), file.write("", keep(NOTHING_DECIDED))])).toEqual([true, false]);
  expect(await file.read(kept.mark)).toBeUndefined();
  expect(await new TextFile(path, "controls").read("")).toEqual({ ...kept, text: `${kept.text}\n` });
  await writeFile(join(path, "controls.json"), "");
  const empty = await new TextFile(path, "controls").read("x");
  expect(() => decisionsIn(empty as Kept), "a file that is there but empty").toThrow(DamagedTextError);
  await writeFile(join(path, "controls.json"), "1.x\n{");
  const damaged = new Controls(new TextFile(path, "controls"), log);
  damaged.start();
  await expect(damaged.known).rejects.toThrow(DamagedTextError);
  damaged.stop();
  expect(await readFile(join(path, "controls.json"), "utf8")).toBe("1.x\n{");
});

test.each(BlockFormCases)("blockOf(%j) is %j", (text, block) => {
  expect(blockOf(text)).toEqual(block);
});

test("Blocks knows the addresses in its prefixes and the issuers by their names", () => {
  const blocks = new Blocks(["203.0.113.0/24", "2001:db8:1::/48", "https://login.example"]);
  const addresses = ["203.0.113.255", "203.0.114.0", "2001:db8:1:ffff::1", "2001:db8:2::"];
  expect(addresses.map((address) => blocks.hasAddress(address))).toEqual([true, false, true, false]);
  expect(["https://login.example", "203.0.113.0/24"].map((issuer) => blocks.hasIssuer(issuer))).toEqual([true, false]);
});
