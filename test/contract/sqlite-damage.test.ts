/**
 * The embedded store on files whose bytes changed behind its back: it says so, changes nothing, and repairs what it can.
 *
 * Each commit carries message n of every partition, so a commit's number and its messages' are the same.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DamagedStoreError } from "../../node/store/damage.ts";
import { SqliteStore } from "../../node/store/sqlite-store.ts";
import { readWal } from "../../node/store/wal.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { FileStore } from "../support/file-store.ts";
import { commitUnderHead, messageOf, readBack, snapshotOf, type ReadBack } from "../support/store-history.ts";

const PARTITIONS = Array.from({ length: 16 }, (_, index) => index);
const COMMITS = 60;
const READER = { term: 9, incarnation: "reader" };
const FRAME_BYTES = 4120;

/** Both files as bytes; of `headcount.db` alone where the store was closed. */
interface Files {
  readonly database: Buffer;
  readonly wal: Buffer | undefined;
}

let folder = "";
let closed: Files;
let killed: Files;
/** What each partition's record must hold. */
const truth: ReadBack[] = PARTITIONS.map((partition) => ({
  snapshot: snapshotAt(partition),
  log: Array.from({ length: COMMITS - snapshotAt(partition) }, (_, index) => snapshotAt(partition) + index + 1),
}));

/** Three partitions have no snapshot yet; the others' fall into the second half of the commits. */
function snapshotAt(partition: number): number {
  return partition < 3 ? 0 : 30 + partition;
}

beforeAll(async () => {
  const source = mkdtempSync(join(tmpdir(), "headcount-store-"));
  const claim = { term: 1, incarnation: "writer" };
  let store = new FileStore(source);
  await store.found({ partitions: PARTITIONS.length, hashKey: Uint8Array.of(11, 22, 33, 44, 55, 66, 77, 88) });
  await store.claim(PARTITIONS, claim);
  const lengths = PARTITIONS.map(() => 0);
  for (let number = 1; number <= COMMITS; number += 1) {
    const appends = PARTITIONS.map((partition) => ({
      partition,
      claim,
      from: itemAt(lengths, partition),
      message: messageOf(partition, number),
    }));
    expect(new Set(await store.append(commitUnderHead(appends)))).toEqual(new Set(["landed"]));
    for (const { partition, message } of appends) (lengths[partition] as number) += message.length;
    const [due] = PARTITIONS.filter((partition) => snapshotAt(partition) === number);
    if (due !== undefined)
      await store.snapshot(due, claim, {
        number: 1,
        covers: itemAt(lengths, due),
        coversAll: false,
        bytes: snapshotOf(due, number),
      });
    if (number === 20) {
      await store.close();
      store = new FileStore(source);
    }
  }
  killed = {
    database: readFileSync(join(source, "headcount.db")),
    wal: readFileSync(join(source, "headcount.db-wal")),
  };
  await store.close();
  closed = { database: readFileSync(join(source, "headcount.db")), wal: undefined };
  rmSync(source, { recursive: true });
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headcount-store-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put({ database, wal }: Files): void {
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  writeFileSync(join(folder, "headcount.db"), database);
  if (wal !== undefined) writeFileSync(join(folder, "headcount.db-wal"), wal);
}

function flipped(bytes: Buffer, at: number, mask = 0xff): Buffer {
  const changed = Buffer.from(bytes);
  (changed[at] as number) ^= mask;
  return changed;
}

function overwritten(bytes: Buffer, at: number, count: number, mask: number): Buffer {
  const changed = Buffer.from(bytes);
  for (let index = at; index < Math.min(at + count, bytes.length); index += 1) (changed[index] as number) ^= mask;
  return changed;
}

async function recordsIn(store: FileStore): Promise<ReadBack[]> {
  return (await store.claim(PARTITIONS, READER)).map((answer, partition) => {
    if (answer.kind === "refused") throw new Error("refused");
    return readBack(partition, answer.record);
  });
}

/** Opens without leave to repair; the error where that is refused, having changed nothing, else the records. */
async function openPlainly(): Promise<DamagedStoreError | ReadBack[]> {
  const contents = (): string[] =>
    readdirSync(folder)
      .sort()
      .map((name) => `${name} ${crc32(readFileSync(join(folder, name)))}`);
  const before = contents();
  let store: FileStore;
  try {
    store = new FileStore(folder);
  } catch (error) {
    if (!(error instanceof DamagedStoreError)) throw error;
    expect(contents()).toEqual(before);
    return error;
  }
  const records = await recordsIn(store);
  await store.close();
  return records;
}

async function damageOf(files: Files): Promise<DamagedStoreError> {
  put(files);
  const error = await openPlainly();
  if (!(error instanceof DamagedStoreError)) throw new Error("The damage was not noticed");
  return error;
}

async function repaired(): Promise<{ records: ReadBack[]; store: FileStore }> {
  const store = new FileStore(folder, { repair: true });
  return { records: await recordsIn(store), store };
}

const startOf = (files: Files, bytes: Uint8Array): number => {
  const at = files.database.indexOf(bytes.subarray(0, 200));
  expect(at).toBeGreaterThan(0);
  return at;
};

describe("a damaged store", () => {
  test("that is not damaged opens, closed or killed, and holds everything", async () => {
    for (const files of [closed, killed]) {
      put(files);
      expect(await openPlainly()).toEqual(truth);
    }
  });

  test("names the partition whose snapshot changed, and repaired keeps all but that snapshot", async () => {
    const place = startOf(closed, snapshotOf(7, snapshotAt(7))) + 100;
    const damaged = { database: flipped(closed.database, place, 1), wal: undefined };
    const error = await damageOf(damaged);
    expect(error.message).toContain("the snapshot of partition 7 does not match its checksum");
    expect(error.message).toContain("would lose the snapshot of partition 7");
    expect(error.message).toContain("HEADCOUNT_REPAIR=1");
    expect(error.loss).toMatchObject({ founding: false, records: [], snapshots: [7], commits: [] });
    const { records, store } = await repaired();
    expect(store.loss).toEqual(error.loss);
    expect(itemAt(records, 7).snapshot).toBe(0);
    expect(records.filter((_, partition) => partition !== 7)).toEqual(truth.filter((_, partition) => partition !== 7));
    expect(await store.found({ partitions: 32, hashKey: new Uint8Array(8) })).toMatchObject({
      partitions: 16,
      hashKey: Uint8Array.of(11, 22, 33, 44, 55, 66, 77, 88),
    });
    await store.close();
    expect(readFileSync(join(folder, "headcount.db.damaged-1"))).toEqual(damaged.database);
    expect(await openPlainly()).toEqual(records);
  });

  test("names the log commit that changed, and repaired keeps those before and after it", async () => {
    const place = startOf(closed, messageOf(1, 50)) + 20;
    const error = await damageOf({ database: flipped(closed.database, place), wal: undefined });
    expect(error.message).toContain("would lose log commit 50.");
    const { records, store } = await repaired();
    for (const partition of PARTITIONS) {
      const { snapshot, log } = itemAt(truth, partition);
      expect(records[partition]).toEqual({ snapshot, log: log.filter((number) => number !== 50) });
    }
    await store.close();
  });

  test("with a broken header of the file is read without it", async () => {
    for (const place of [0, 15, 16, 18, 19, 20, 44, 47, 59, 67]) {
      const error = await damageOf({ database: flipped(closed.database, place, 1), wal: undefined });
      expect(error.message).toContain("headcount.db cannot be read");
      const { records, store } = await repaired();
      expect(records).toEqual(truth);
      await store.close();
    }
  });

  test("with a broken page above its rows loses none of them", async () => {
    const pages = closed.database.length / 4096;
    const interior = Array.from({ length: pages }, (_, page) => page).filter(
      (page) => page > 0 && closed.database[page * 4096] === 0x05,
    );
    expect(interior.length).toBeGreaterThan(0);
    for (const page of interior) {
      const database = Buffer.from(closed.database);
      database.fill(0xaa, page * 4096, page * 4096 + 200);
      const error = await damageOf({ database, wal: undefined });
      expect(error.message).toContain("would lose nothing that was acknowledged");
      const { records, store } = await repaired();
      expect(records).toEqual(truth);
      await store.close();
    }
  });

  test("with a bad frame before the last commits of its write-ahead log is noticed, and loses at most that frame's rows", async () => {
    const wal = killed.wal ?? Buffer.alloc(0);
    const { frames } = readWal(wal);
    const ends = frames.flatMap((frame, index) => (frame.isCommit ? [index] : []));
    for (const frame of [0, 1, itemAt(ends, 3) + 1, ends.at(-3) ?? 0, ends.at(-2) ?? 0]) {
      for (const at of [3, 7, 10, 17, 24 + 8, 24 + 2000]) {
        const error = await damageOf({ ...killed, wal: flipped(wal, 32 + frame * FRAME_BYTES + at) });
        expect(error.message).toContain("headcount.db-wal fails its checksum");
        const { records, store } = await repaired();
        const lost = error.loss.commits.flatMap(([first, last]) =>
          Array.from({ length: last - first + 1 }, (_, index) => first + index),
        );
        expect(lost.length).toBeLessThanOrEqual(2);
        for (const [partition, { snapshot, log }] of truth.entries()) {
          if (error.loss.snapshots.includes(partition)) continue;
          expect(records[partition]).toEqual({ snapshot, log: log.filter((number) => !lost.includes(number)) });
        }
        await store.close();
      }
    }
  });

  test("with one bit changed in the header of its write-ahead log is noticed, and repaired loses nothing", async () => {
    const wal = killed.wal ?? Buffer.alloc(0);
    for (let bit = 0; bit < 32 * 8; bit++) {
      const damaged = flipped(wal, bit >> 3, 1 << (bit & 7));
      expect(readWal(damaged).damage, `bit ${bit}`).toContain("the header of headcount.db-wal");
      // Byte 3 says in which order the checksums read their bytes; byte 17 is of the salt that each frame repeats.
      if (bit !== 3 * 8 && bit !== 17 * 8) continue;
      const error = await damageOf({ ...killed, wal: damaged });
      expect(error.message).toContain("the header of headcount.db-wal");
      const { records, store } = await repaired();
      expect(records).toEqual(truth);
      await store.close();
    }
  });

  test("with one bit changed in the header before a single commit of one page is noticed", () => {
    const path = join(folder, "one-page.db");
    const database = new DatabaseSync(path);
    database.exec(
      "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; CREATE TABLE t (a); PRAGMA wal_checkpoint(TRUNCATE)",
    );
    database.exec("INSERT INTO t VALUES (1)");
    const wal = readFileSync(`${path}-wal`);
    database.close();
    expect(readWal(wal)).toMatchObject({ frames: [{ isCommit: true, isValid: true }], damage: undefined });
    for (let bit = 0; bit < 32 * 8; bit++)
      expect(readWal(flipped(wal, bit >> 3, 1 << (bit & 7))).damage, `bit ${bit}`).toContain("the header");
  });

  test("with one bit changed in the frame before a last commit of one page is noticed, in that frame's checksum too", () => {
    const path = join(folder, "two-pages.db");
    const database = new DatabaseSync(path);
    database.exec(
      "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; CREATE TABLE t (a); PRAGMA wal_checkpoint(TRUNCATE)",
    );
    database.exec("INSERT INTO t VALUES (1)");
    database.exec("INSERT INTO t VALUES (2)");
    const wal = readFileSync(`${path}-wal`);
    database.close();
    expect(readWal(wal).frames.map(({ isCommit, isValid }) => [isCommit, isValid])).toEqual([
      [true, true],
      [true, true],
    ]);
    const places = [...Array.from({ length: 4 }, (_, at) => at), ...Array.from({ length: 100 }, (_, at) => 16 + at)];
    for (const at of places)
      for (let bit = 0; bit < 8; bit++)
        expect(readWal(flipped(wal, 32 + at, 1 << bit)).damage, `byte ${at}, bit ${bit}`).toContain("frame 1");
  });

  test("of which nothing can be read says that everything would be lost, and repaired is empty", async () => {
    const error = await damageOf({ database: Buffer.alloc(closed.database.length, 0x5a), wal: undefined });
    expect(error.message).toContain("would lose everything");
    const { records, store } = await repaired();
    expect(records).toEqual(PARTITIONS.map(() => ({ snapshot: 0, log: [] })));
    const anew = { partitions: 32, hashKey: new Uint8Array(8).fill(5) };
    expect(await store.found(anew)).toEqual(anew);
    await store.close();
  });

  test("without its founding takes it from a record", async () => {
    // The founding's row is the only one that ends in the key and a checksum; every record holds the key before "partitions".
    const key = Buffer.from([11, 22, 33, 44, 55, 66, 77, 88]);
    const rows: number[] = [];
    for (let at = closed.database.indexOf(key); at !== -1; at = closed.database.indexOf(key, at + 1)) rows.push(at);
    const founding = rows.filter((at) => closed.database.readUInt16LE(at + 8) !== 16);
    expect(founding).toHaveLength(1);
    const error = await damageOf({ database: flipped(closed.database, itemAt(founding, 0)), wal: undefined });
    expect(error.message).toContain("the founding does not match its checksum");
    expect(error.loss.founding).toBe(false);
    const { records, store } = await repaired();
    expect(records).toEqual(truth);
    expect((await store.found({ partitions: 32, hashKey: new Uint8Array(8) })).hashKey).toEqual(new Uint8Array(key));
    await store.close();
  });

  test("reaches the caller of SqliteStore.open() as it is", async () => {
    put({ database: flipped(closed.database, startOf(closed, snapshotOf(4, snapshotAt(4))) + 60), wal: undefined });
    const opening = SqliteStore.open({ folder, repair: false });
    await expect(opening).rejects.toThrow(DamagedStoreError);
    await expect(opening).rejects.toMatchObject({ loss: { snapshots: [4] } });
    const store = await SqliteStore.open({ folder, repair: true });
    expect(store.loss).toMatchObject({ snapshots: [4] });
    await store.close();
  });

  test(
    "changed in any byte, or in a run of them, is noticed, or has lost nothing; a repair keeps all that it does not name",
    { timeout: 120_000 },
    async () => {
      const anyPlace = fc.record({
        isKilled: fc.boolean(),
        isInWal: fc.boolean(),
        place: fc.nat(),
        mask: fc.integer({ min: 1, max: 255 }),
        bytes: fc.oneof(fc.constant(1), fc.nat(9000)),
      });
      await fc.assert(
        fc.asyncProperty(anyPlace, async ({ isKilled, isInWal, place, mask, bytes }) => {
          const files = isKilled ? killed : closed;
          const { frames } = readWal(files.wal ?? Buffer.alloc(0));
          const walEnd = 32 + frames.length * FRAME_BYTES;
          const isWal = isInWal && files.wal !== undefined;
          put(
            isWal
              ? { ...files, wal: flipped(files.wal ?? Buffer.alloc(0), place % walEnd, mask) }
              : { ...files, database: overwritten(files.database, place % files.database.length, bytes, mask) },
          );
          const seen = await openPlainly();
          if (!(seen instanceof DamagedStoreError)) {
            const isTorn =
              isWal &&
              place % walEnd >=
                32 +
                  (frames.findLastIndex((frame, index) => frame.isCommit && index < frames.length - 1) + 1) *
                    FRAME_BYTES;
            const expected = isTorn
              ? truth.map(({ snapshot, log }) => ({ snapshot, log: log.filter((number) => number < COMMITS) }))
              : truth;
            expect(seen).toEqual(expected);
            return;
          }
          const { loss } = seen;
          const { records, store } = await repaired();
          await store.close();
          const isLost = (number: number): boolean =>
            loss.commits.some(([first, last]) => first <= number && number <= last);
          for (const [partition, { snapshot, log }] of truth.entries()) {
            if (loss.founding || loss.records.includes(partition)) continue;
            const known = itemAt(records, partition);
            if (!loss.snapshots.includes(partition)) expect(known.snapshot).toBe(snapshot);
            expect(known.log.filter((number) => number > snapshot)).toEqual(log.filter((number) => !isLost(number)));
          }
        }),
        { numRuns: Number(process.env.HEADCOUNT_TEST_RUNS ?? 60) },
      );
    },
  );
});
