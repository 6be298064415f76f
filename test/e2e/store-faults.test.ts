/**
 * The embedded store on a machine that fails it: no room, failing writes, a thread that dies, a file that changes while
 * it is open. Calls are refused, never worse; nothing acknowledged is lost; and it heals by itself.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { Loss } from "../../node/store/damage.ts";
import { SqliteStore } from "../../node/store/sqlite-store.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { commitUnderHead, messageOf, newestOf, snapshotOf } from "../support/store-history.ts";
import { until } from "../support/until.ts";

const PARTITIONS = Array.from({ length: 16 }, (_, index) => index);
const CLAIM = { term: 1, incarnation: "writer" };
const FOUNDING = { partitions: 16, hashKey: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };

let folder = "";
let undo: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headcount-store-"));
  const made = folder;
  undo = [() => rmSync(made, { recursive: true })];
});
afterEach(() => {
  for (const step of undo.toReversed()) step();
});

/** Writes message after message to all partitions, as an owner does: what is refused is sent again, the same bytes. */
class Writer {
  readonly store: SqliteStore;
  newest = 0;
  #lengths = PARTITIONS.map(() => 0);
  #snapshots = 0;

  constructor(store: SqliteStore) {
    this.store = store;
  }

  static async start(store: SqliteStore): Promise<Writer> {
    await store.found(FOUNDING);
    await store.claim(PARTITIONS, CLAIM);
    return new Writer(store);
  }

  async append(): Promise<Set<string>> {
    const number = this.newest + 1;
    const appends = PARTITIONS.map((partition) => ({
      partition,
      claim: CLAIM,
      from: itemAt(this.#lengths, partition),
      message: messageOf(partition, number),
    }));
    const answers = new Set<string>(await this.store.append(commitUnderHead(appends)));
    if (answers.size === 1 && answers.has("landed")) {
      this.newest = number;
      for (const { partition, message } of appends) (this.#lengths[partition] as number) += message.length;
    }
    return answers;
  }

  /** R4: what heals a store that lost something. */
  async snapshotAll(): Promise<void> {
    this.#snapshots += 1;
    for (const partition of PARTITIONS) {
      (this.#lengths[partition] as number) += 1000;
      const snapshot = {
        number: this.#snapshots,
        covers: itemAt(this.#lengths, partition),
        coversAll: true,
        bytes: snapshotOf(partition, this.newest),
      };
      expect(await this.store.snapshot(partition, CLAIM, snapshot)).toBe("landed");
    }
  }
}

/** The newest message that each partition holds, all the same. */
async function newestIn(store: SqliteStore): Promise<number> {
  const newest = (await store.claim(PARTITIONS, CLAIM)).map((answer, partition) => {
    if (answer.kind === "refused") throw new Error("refused");
    return newestOf(partition, answer.record);
  });
  expect(new Set(newest).size).toBe(1);
  return itemAt(newest, 0);
}

async function refusal(call: () => Promise<unknown>): Promise<StoreUnavailableError | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    if (error instanceof StoreUnavailableError) return error;
    throw error;
  }
}

async function refusedAppend(writer: Writer): Promise<StoreUnavailableError> {
  for (;;) {
    const error = await refusal(() => writer.append());
    if (error !== undefined) return error;
  }
}

async function healed(writer: Writer): Promise<void> {
  await until("the store takes appends again", async () => {
    let answers = new Set<string>();
    await refusal(async () => (answers = await writer.append()));
    expect([...answers].filter((answer) => answer !== "landed")).toEqual([]);
    return answers.has("landed");
  });
}

async function keepsAll(writer: Writer): Promise<void> {
  expect(await newestIn(writer.store)).toBe(writer.newest);
  await writer.store.close();
  const again = await SqliteStore.open({ folder, repair: false });
  expect(await newestIn(again)).toBe(writer.newest);
  await again.close();
}

test("store: on a full disk appends are refused, and land again when there is room", async () => {
  const disk = mkdtempSync(join(tmpdir(), "headcount-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]);
  undo.push(() => rmSync(disk, { recursive: true }));
  if (mounted.status !== 0)
    return console.log(`Not tested: this user may not mount a small disk (${mounted.stderr?.toString().trim()})`);
  undo.push(() => spawnSync("umount", [disk]));
  folder = join(disk, "data");
  const writer = await Writer.start(await SqliteStore.open({ folder, repair: false }));
  for (let count = 0; count < 50; count += 1) await writer.append();
  const filler = join(disk, "filler");
  for (let isFull = false; !isFull;) {
    try {
      appendFileSync(filler, Buffer.alloc(16_384));
    } catch {
      isFull = true;
    }
  }
  const error = await refusedAppend(writer);
  expect(error.message).toMatch(/^Cannot append: /);
  expect(writer.store.stats.lastError).toBe(error.message);
  expect(await refusal(() => writer.append())).toBeInstanceOf(StoreUnavailableError);
  rmSync(filler);
  await healed(writer);
  await keepsAll(writer);
});

test("store: where writes fail appends are refused, and the file is written anew when they work again", async () => {
  const limit = (bytes: string): ReturnType<typeof spawnSync> =>
    spawnSync("prlimit", ["--pid", String(process.pid), `--fsize=${bytes}:`]);
  const writer = await Writer.start(await SqliteStore.open({ folder, repair: false }));
  for (let count = 0; count < 50; count += 1) await writer.append();
  const limited = limit("1000000");
  undo.push(() => limit("unlimited"));
  if (limited.status !== 0)
    return console.log(`Not tested: the size of files cannot be limited here (${limited.stderr?.toString().trim()})`);
  const error = await refusedAppend(writer);
  expect(error.message).toMatch(/^Cannot append: /);
  limit("unlimited");
  await healed(writer);
  await keepsAll(writer);
});

test("store: a thread that dies is replaced, and its calls are refused meanwhile", async () => {
  let thread: Worker | undefined;
  process.once("worker", (worker) => (thread = worker));
  const writer = await Writer.start(await SqliteStore.open({ folder, repair: false }));
  for (let count = 0; count < 50; count += 1) await writer.append();
  const pending = Promise.all([refusal(() => writer.append()), refusal(() => writer.store.highestTerm())]);
  await thread?.terminate();
  for (const error of await pending) expect(error?.message ?? "").toMatch(/^$|thread ended/);
  await healed(writer);
  expect(writer.store.stats.commits).toBeGreaterThan(0);
  await keepsAll(writer);
});

test.each(["its thread is replaced", "a claim reads it"])(
  "store: damage that comes while it is open is told, left behind, and healed by snapshots, when %s",
  async (when) => {
    const losses: Loss[] = [];
    const first = await SqliteStore.open({ folder, repair: false });
    await (await Writer.start(first)).snapshotAll();
    await first.close();
    let thread: Worker | undefined;
    process.once("worker", (worker) => (thread = worker));
    const store = await SqliteStore.open({ folder, repair: false, onRepaired: (loss) => losses.push(loss) });
    const claim = { ...CLAIM, term: 2 };
    await store.claim([0], claim);
    const path = join(folder, "headcount.db");
    const database = readFileSync(path);
    // Somewhere in the middle of a snapshot: which one, does not matter.
    const inMiddle = database.indexOf(snapshotOf(5, 0).subarray(4000, 4016));
    expect(inMiddle).toBeGreaterThan(0);
    (database[inMiddle] as number) ^= 1;
    writeFileSync(path, database);
    if (when === "a claim reads it")
      expect((await refusal(() => store.claim(PARTITIONS, claim)))?.message).toContain("does not match its checksum");
    else await thread?.terminate();
    const message = messageOf(0, 1);
    const appendAt = async (from: number, under = claim) =>
      (
        await until("the store answers again", () =>
          store.append(commitUnderHead([{ partition: 0, claim: under, from, message }])),
        )
      )[0];
    expect(await appendAt(0)).toBe("behind");
    await until("the loss is told", () => losses.length > 0);
    expect(losses).toMatchObject([{ snapshots: [expect.any(Number)], records: [], commits: [], founding: false }]);
    expect(readdirSync(folder)).toContain("headcount.db.damaged-1");
    expect(await store.found({ partitions: 32, hashKey: new Uint8Array(8) })).toEqual(FOUNDING);
    const raised = { ...CLAIM, term: 3 };
    await store.claim(PARTITIONS, raised);
    expect(await appendAt(0, raised)).toBe("behind");
    const snapshot = { number: 1, covers: 0, coversAll: false, bytes: snapshotOf(0, 1) };
    expect(await store.snapshot(0, raised, snapshot)).toBe("behind");
    expect(await store.snapshot(0, raised, { ...snapshot, covers: 500, coversAll: true })).toBe("landed");
    expect(await appendAt(500, raised)).toBe("landed");
    await store.close();
  },
);

test("store: close() answers what was called before it and refuses what comes after", async () => {
  const writer = await Writer.start(await SqliteStore.open({ folder, repair: false }));
  const appended = writer.append();
  const term = writer.store.highestTerm();
  const closed = writer.store.close();
  expect(await refusal(() => writer.store.highestTerm())).toBeInstanceOf(StoreUnavailableError);
  expect(await refusal(() => writer.append())).toBeInstanceOf(StoreUnavailableError);
  expect(await appended).toEqual(new Set(["landed"]));
  expect(await term).toBe(1);
  await closed;
  await writer.store.close();
  expect(readdirSync(folder).sort()).toEqual(["headcount.db", "headcount.lock"]);
});
