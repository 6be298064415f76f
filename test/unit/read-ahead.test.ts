/** R1, R10: what a node reads of records whose holder seems to be dead, and when that may be used. */
import { expect, test } from "vitest";
import { placementOf } from "../../cluster/members/placement.ts";
import { isAsRead, ReadAhead, type RecordAhead } from "../../cluster/moves/read-ahead.ts";
import { Turns } from "../../cluster/moves/turns.ts";
import type { FoundRecord, Standing } from "../../cluster/ports/shared-records.ts";
import type { View } from "../../cluster/ports/view.ts";
import { emptyProfileId } from "../../engine/profile-id.ts";
import { encodeRows } from "../../engine/codec.ts";
import { Engine } from "../../engine/engine.ts";
import { RecordCopy } from "../../engine/record-copy.ts";
import { HASH_KEY } from "../support/renewals.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";

const PARTITIONS = 64;
const TAGS = 2;
const LEASE_MS = 3000;
const RUN = "run";
const OPTIONS = { partitions: PARTITIONS, hashKey: HASH_KEY, sessionMs: 90_000, removalMs: 4000, graceMs: 50_000 };
/** A snapshot with one player of a partition. */
function snapshotOf(engine: Engine, partition: number): Uint8Array {
  const id = emptyProfileId();
  while (engine.partitionOf(engine.hash(id)) !== partition) id[0]++;
  const rows = { words: Int32Array.of(...id, 0, 0, 0), count: 1, modeNames: ["GM01"], now: 0, writtenAtMs: 0 };
  return encodeRows("snapshot", rows);
}

function standingOf(holder: number): Standing {
  const claim = { term: 3, incarnation: incarnationOf(holder), founding: incarnationOf(9) };
  return { claim, raisedTo: 3, length: 5, snapshotNumber: 1, isAbsent: false };
}

/** Node 1 of three, each of which holds what the view gives it. */
class Bench {
  nowMs = 0;
  readonly membership = { me: memberNumber(1), view: viewOfMembers(5, [1, 2, 3]) };
  isStoreAway = false;
  isOpen = true;
  run = RUN;
  /** Snapshots are one byte, far less than their tables: the partition. */
  isPacked = false;
  readonly calls: (readonly number[])[] = [];
  /** Who has them, where that is another than the view says. */
  readonly holders = new Map<number, number>();
  decompress = (bytes: Uint8Array): Promise<Uint8Array> => Promise.resolve(bytes);
  /** Another snapshot than usual, or another standing. */
  found: Partial<FoundRecord> = {};
  readonly readAhead: ReadAhead;
  readonly engine = new Engine({ ...OPTIONS, isLogged: true }, 0);

  constructor({ bytesMax, tags = TAGS }: { bytesMax?: number; tags?: number } = {}) {
    this.readAhead = new ReadAhead(
      {
        engine: this.engine,
        membership: this.membership,
        guard: {
          tagOf: (partition) => partition % tags,
          runOf: () => this.run,
          isOpenFor: () => this.isOpen,
          read: async (partitions) => ({ run: this.run, found: this.read(partitions) }),
        },
        placement: () => this.placement,
        decompress: (bytes) => this.decompress(bytes),
        turns: new Turns({ nowMs: () => this.nowMs, atTurnEnd: (task) => void setImmediate(task) }),
        nowMs: () => this.nowMs,
        wallMs: () => 1_700_000_000_000 + this.nowMs,
      },
      { partitions: PARTITIONS, leaseMs: LEASE_MS, ...(bytesMax === undefined ? {} : { bytesMax }) },
    );
  }

  get placement() {
    return placementOf(this.membership.view, PARTITIONS);
  }

  /** What node 1 will own of what the others have, without them. */
  heirloomsOf(...others: number[]): number[] {
    const left = [1, 2, 3].filter((number) => !others.includes(number));
    const mine = placementOf(viewOfMembers(6, left), PARTITIONS).partitionsOf(incarnationOf(1));
    return mine.filter((partition) => others.some((other) => this.owns(other, partition)));
  }

  async close(number: number): Promise<void> {
    this.readAhead.onClosed(incarnationOf(number));
    await new Promise(setImmediate);
  }

  expel(number: number): void {
    const { view } = this.membership;
    const members = view.members.filter(({ incarnation }) => incarnation !== incarnationOf(number));
    this.see({ ...view, epoch: view.epoch + 1, members });
  }

  see(view: View): void {
    this.membership.view = view;
    this.readAhead.onView();
  }

  /** What counts as if the store had just been asked who holds it. */
  get standing(): number[] {
    return this.had.filter((at) => this.readAhead.standingOf(at) !== undefined);
  }

  get tableBytes(): number {
    return [...this.engine.apart].reduce((bytes, table) => bytes + table.bytes, 0);
  }

  get had(): number[] {
    return Array.from({ length: PARTITIONS }, (_, at) => at).filter((at) => this.readAhead.of(at) !== undefined);
  }

  private owns(number: number, partition: number): boolean {
    return placementOf(viewOfMembers(5, [1, 2, 3]), PARTITIONS).partitionOwner(partition) === incarnationOf(number);
  }

  private read(partitions: readonly number[]): FoundRecord[] {
    this.calls.push(partitions);
    if (this.isStoreAway) throw new Error("The store is away");
    return partitions.map((partition) => {
      const holder = this.holders.get(partition) ?? [1, 2, 3].find((number) => this.owns(number, partition)) ?? 0;
      const snapshot = this.isPacked ? Uint8Array.of(partition) : snapshotOf(this.engine, partition);
      const record = { snapshot, log: [] };
      return { standing: standingOf(holder), record, ...this.found };
    });
  }
}

/** Whatever was begun is done: each record takes no more than a few turns of the event loop. */
async function drained(): Promise<void> {
  for (let turn = 0; turn < 4 * PARTITIONS; turn++) await new Promise(setImmediate);
}

test("ReadAhead reads what this node will own of a peer whose port is closed, tag by tag, and gives it once that is expelled", async () => {
  const bench = new Bench();
  await bench.close(2);
  expect(bench.calls.flat().toSorted((one, other) => one - other)).toEqual(bench.heirloomsOf(2));
  expect(bench.heirloomsOf(2).length).toBeGreaterThan(1);
  for (const call of bench.calls) expect(new Set(call.map((partition) => partition % TAGS)).size).toBe(1);
  expect(bench.had, "its holder is listed").toEqual([]);
  bench.expel(2);
  expect(bench.had).toEqual(bench.heirloomsOf(2));
  const [first = -1] = bench.had;
  expect(bench.readAhead.of(first)).toMatchObject({ standing: standingOf(2), run: RUN, newestMs: 0 });
  bench.readAhead.of(first)?.copy.install(0);
  expect([...bench.engine.partitions.entries()].flatMap(([at, { table }]) => (table.size > 0 ? [at] : []))).toEqual([
    first,
  ]);
  bench.readAhead.drop(first);
  expect(bench.readAhead.of(first)).toBeUndefined();
});
test("ReadAhead reads for two that die at once as if both were gone", async () => {
  const bench = new Bench();
  await Promise.all([bench.close(2), bench.close(3)]);
  for (const number of [2, 3]) bench.expel(number);
  expect(bench.had).toEqual(bench.heirloomsOf(2, 3));
  expect(bench.had).toHaveLength(
    PARTITIONS - placementOf(viewOfMembers(5, [1, 2, 3]), PARTITIONS).partitionsOf(incarnationOf(1)).length,
  );
});
test("ReadAhead reads again where a port is found closed again", async () => {
  const bench = new Bench();
  await bench.close(2);
  const calls = bench.calls.length;
  bench.found = { standing: { ...standingOf(2), length: 8 } };
  await bench.close(2);
  expect(bench.calls).toHaveLength(2 * calls);
  bench.expel(2);
  const [first = -1] = bench.had;
  expect(bench.readAhead.of(first)?.standing.length).toBe(8);
});
test("ReadAhead keeps nothing that another has, that is absent or damaged, or that cannot be read", async () => {
  for (const found of [
    { standing: standingOf(3) },
    { standing: { ...standingOf(2), claim: undefined, isAbsent: true }, record: undefined },
    { record: { snapshot: Uint8Array.of(1, 2, 3), log: [] } },
    { record: { snapshot: snapshotOf(new Bench().engine, 63), log: [] } }, // of another partition
  ]) {
    const bench = new Bench();
    bench.found = found;
    await bench.close(2);
    expect(bench.calls.length).toBeGreaterThan(0);
    bench.expel(2);
    expect(bench.had).toEqual([]);
  }
  const bench = new Bench();
  bench.isStoreAway = true;
  await bench.close(2);
  expect(bench.calls.length, "once each").toBeLessThanOrEqual(TAGS);
  bench.expel(2);
  expect(bench.had).toEqual([]);
});
test("ReadAhead reads nothing of who is not listed, of this node itself, or where a tag is closed", async () => {
  const bench = new Bench();
  await bench.close(4);
  await bench.close(1);
  bench.isOpen = false;
  await bench.close(2);
  expect(bench.calls).toEqual([]);
});
test("ReadAhead forgets who is not expelled within a lease", async () => {
  const bench = new Bench();
  await bench.close(2);
  bench.nowMs = LEASE_MS;
  bench.readAhead.tick();
  bench.expel(2);
  expect(bench.had).not.toEqual([]);
  bench.nowMs++;
  bench.readAhead.tick();
  expect(bench.had).toEqual([]);
});
test("ReadAhead stops where it has as many bytes as it may", async () => {
  for (const [bytesMax, calls] of [
    [undefined, 3],
    [1, 1],
  ] as const) {
    const bench = new Bench({ tags: 1, ...(bytesMax === undefined ? {} : { bytesMax }) });
    await Promise.all([bench.close(2), bench.close(3)]);
    expect(bench.calls).toHaveLength(calls);
  }
});
test("ReadAhead has no more bytes than it may, also where many tags are read at once", async () => {
  const all = new Bench();
  await Promise.all([all.close(2), all.close(3)]);
  const tables = [...all.engine.apart];
  const bytesMax = 3.5 * (tables[0]?.bytes ?? 0);
  for (const tags of [1, 16])
    for (const isPacked of [false, true]) {
      const bench = new Bench({ tags, bytesMax });
      bench.isPacked = isPacked;
      let [waiting, most] = [0, 0];
      bench.decompress = async (bytes) => {
        waiting += bytes.length;
        most = Math.max(most, bench.tableBytes + waiting);
        await new Promise(setImmediate);
        waiting -= bytes.length;
        return isPacked ? snapshotOf(bench.engine, bytes[0] ?? 0) : bytes;
      };
      for (const number of [2, 3]) bench.readAhead.onClosed(incarnationOf(number));
      await drained();
      for (const number of [2, 3]) bench.expel(number);
      expect(bench.had.length, `${tags} tags`).toBeGreaterThan(0);
      expect(bench.had.length).toBeLessThan(tables.length);
      expect(Math.max(most, bench.tableBytes)).toBeLessThanOrEqual(bytesMax);
    }
});
test("ReadAhead.standingOf() is who holds it only while no view can have given it to another since", async () => {
  const bench = new Bench();
  const mine = bench.heirloomsOf(2);
  await bench.close(2);
  expect(bench.standing, "its holder is listed").toEqual([]);
  bench.expel(2);
  expect(bench.standing).toEqual(mine);
  bench.run = "another";
  expect(bench.standing, "read under a run that is over").toEqual([]);

  const skipping = new Bench();
  await skipping.close(2);
  skipping.see({ ...skipping.membership.view, epoch: 6 });
  skipping.see(viewOfMembers(8, [1, 3]));
  expect([skipping.had, skipping.standing], "a view was left out").toEqual([mine, []]);

  const between = new Bench();
  await between.close(2);
  between.see(viewOfMembers(6, [1, 3, 4]));
  const ofNewcomer = mine.filter((at) => between.placement.partitionOwner(at) === incarnationOf(4));
  expect(ofNewcomer.length).toBeGreaterThan(0);
  between.see(viewOfMembers(7, [1, 3]));
  expect(between.had).toEqual(mine);
  for (const at of ofNewcomer) expect(between.standing).not.toContain(at);
});
test("ReadAhead.standingOf() is nobody where a view came while the store was asked, or another than the holder owned it", async () => {
  const late = new Bench();
  late.decompress = (bytes) => {
    if (late.membership.view.epoch === 5) late.see({ ...late.membership.view, epoch: 6 });
    return Promise.resolve(bytes);
  };
  const mine = late.heirloomsOf(2);
  await late.close(2);
  const asked = late.calls.slice(0, TAGS).flat(); // before that view
  late.see(viewOfMembers(7, [1, 3]));
  expect(late.had).toEqual(mine);
  for (const at of asked) expect(late.standing).not.toContain(at);

  const [first = -1] = mine;
  const other = new Bench();
  other.holders.set(first, 3);
  await Promise.all([other.close(2), other.close(3)]);
  for (const number of [2, 3]) other.expel(number);
  expect(other.had).toContain(first);
  expect(other.standing).not.toContain(first);
});
test("ReadAhead reads again what the store did not answer", async () => {
  const bench = new Bench();
  bench.isStoreAway = true;
  await bench.close(2);
  bench.isStoreAway = false;
  await bench.close(3);
  for (const number of [2, 3]) bench.expel(number);
  expect(bench.had).toEqual(bench.heirloomsOf(2, 3));
});
test("ReadAhead makes tables for some 10 ms in one turn of the event loop, of all tags together", async () => {
  const bench = new Bench();
  let [thisTurnMs, mostMs, isOver] = [0, 0, false];
  const turn = (): void => {
    thisTurnMs = 0;
    if (!isOver) setImmediate(turn);
  };
  turn();
  bench.decompress = (bytes) => {
    bench.nowMs += 4;
    thisTurnMs += 4;
    mostMs = Math.max(mostMs, thisTurnMs);
    return Promise.resolve(bytes);
  };
  await Promise.all([bench.close(2), bench.close(3)]);
  await drained();
  isOver = true;
  for (const number of [2, 3]) bench.expel(number);
  expect(bench.had).toEqual(bench.heirloomsOf(2, 3));
  expect(mostMs).toBeLessThanOrEqual(12);
});
test("ReadAhead holds no names of modes for what it has dropped", async () => {
  const bench = new Bench();
  await bench.close(2);
  expect(bench.engine.apart.size).toBe(bench.heirloomsOf(2).length);
  bench.nowMs = LEASE_MS + 1;
  bench.readAhead.tick();
  expect(bench.engine.apart.size).toBe(0);
});
test("isAsRead() compares claim, length, snapshot and run", () => {
  const ahead: RecordAhead = {
    standing: standingOf(2),
    run: RUN,
    copy: new RecordCopy(new Bench().engine, 0),
    newestMs: 0,
    storedBytes: 0,
  };
  const before = standingOf(2);
  expect(isAsRead(ahead, before, RUN)).toBe(true);
  expect(isAsRead(ahead, { ...before, length: 6 }, RUN)).toBe(false);
  expect(isAsRead(ahead, { ...before, snapshotNumber: 2 }, RUN)).toBe(false);
  expect(isAsRead(ahead, standingOf(3), RUN)).toBe(false);
  expect(isAsRead(ahead, { ...before, claim: undefined }, RUN)).toBe(false);
  expect(isAsRead(ahead, before, "another")).toBe(false);
});
