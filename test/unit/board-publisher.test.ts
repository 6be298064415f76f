import { expect, test } from "vitest";

import { BoardPublisher } from "../../cluster/counts/board-publisher.ts";
import { NO_TALLIES } from "../../cluster/counts/counts-codec.ts";
import { RegionBoards } from "../../cluster/counts/region-boards.ts";
import { countrySums } from "../../cluster/counts/sums.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { PublishAnswer, PublishedBoard } from "../../cluster/ports/shared-store.ts";
import { COUNTRIES, REGIONS, regionOf } from "../../engine/places.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";

const [CA, US] = [regionOf("CA"), regionOf("US")];

interface Call {
  readonly region: number;
  readonly board: PublishedBoard;
}

/** A node that owns all regions, with one partition, over the store's model. */
class Subject {
  nowMs = 0;
  mayPublish = true;
  /** What happens to the next calls instead of being done. */
  readonly faults: (() => Promise<PublishAnswer>)[] = [];
  readonly store = new SharedStoreModel();
  readonly boards = new RegionBoards(countrySums(1), 77);
  readonly calls: Call[] = [];
  atOnce = 0;
  atOnceMax = 0;
  readonly publisher = new BoardPublisher(this.boards, {
    nowMs: () => this.nowMs,
    mayPublish: () => this.mayPublish,
    publish: async (region, board) => {
      this.calls.push({ region, board });
      this.atOnceMax = Math.max(this.atOnceMax, ++this.atOnce);
      await Promise.resolve();
      this.atOnce--;
      return this.faults.shift()?.() ?? this.store.publish(itemAt(REGIONS, region), board);
    },
  });
  private version = 0;

  constructor() {
    this.view(1, () => true);
  }

  view(epoch: number, isMine: (region: number) => boolean): void {
    this.boards.onView(epoch, ["me"], isMine);
  }

  /** All cells of the partition: players by mode, in each of these regions. */
  say(players: Readonly<Record<string, number>>, regions: readonly number[] = [CA]): void {
    const marks = { isAllCells: true, isDoubtful: false, isUnsure: false, isUnreadable: false };
    const cells = regions.flatMap((region) => Object.values(players).flatMap((count, mode) => [region, mode, count]));
    const tally = { source: 0, term: 1, version: ++this.version, ...marks, cells };
    this.boards.apply("me", { ...NO_TALLIES, modes: Object.keys(players), items: [tally] }, 0, () => undefined);
  }

  /** @returns the calls that a tick makes */
  async tickAt(nowMs: number): Promise<Call[]> {
    this.nowMs = nowMs;
    this.calls.length = 0;
    this.publisher.note(this.boards.takeTouched());
    this.publisher.tick();
    for (let turn = 0; turn < 2000; turn++) await Promise.resolve();
    return [...this.calls];
  }

  published(region: number): Record<string, number> {
    return Object.fromEntries(this.store.published.get(itemAt(REGIONS, region))?.players ?? []);
  }
}

test("BoardPublisher publishes no board that is not whole (R22)", async () => {
  expect(await new Subject().tickAt(0)).toEqual([]);
});
test("BoardPublisher publishes each board once, one call at a time, and then those that change (R16, R23)", async () => {
  const subject = new Subject();
  subject.say({});
  const calls = await subject.tickAt(0);
  expect(new Set(calls.map(({ region }) => region)).size).toBe(COUNTRIES);
  expect([calls.length, subject.atOnceMax]).toEqual([COUNTRIES, 1]);
  expect(await subject.tickAt(5000)).toEqual([]);
  subject.say({ GM01: 3 });
  expect((await subject.tickAt(6000)).map(({ region }) => region)).toEqual([CA]);
  expect(subject.published(CA)).toEqual({ GM01: 3 });
});
test("BoardPublisher publishes all modes first, then only those that changed or are gone (R16)", async () => {
  const subject = new Subject();
  const many = Object.fromEntries(Array.from({ length: 150 }, (_, mode) => [`mode-${mode}`, mode + 1]));
  subject.say(many);
  const { board } = itemAt(
    (await subject.tickAt(0)).filter(({ region }) => region === CA),
    0,
  );
  const { term, version } = subject.boards.state(CA)!;
  expect(board).toMatchObject({ term, version, modes: 150, since: undefined, gone: [] });
  expect([board.players.length, subject.published(CA)]).toEqual([150, many]);
  const { "mode-7": _, ...rest } = many;
  subject.say({ ...rest, "mode-9": 77, new: 1 });
  const [call] = take(1, await subject.tickAt(1000));
  expect(call.board).toMatchObject({ modes: 150, since: { term, version }, gone: ["mode-7"] });
  expect(new Map(call.board.players.map(({ mode, players }) => [mode, players]))).toEqual(
    new Map([
      ["mode-9", 77],
      ["new", 1],
    ]),
  );
  expect(subject.published(CA)).toEqual({ ...rest, "mode-9": 77, new: 1 });
});
test("BoardPublisher: a region comes at most once a second, however often it changes, and then as it is (R16)", async () => {
  const subject = new Subject();
  const counts = new Map<number, number>();
  for (let pass = 0; pass < 50; pass++) {
    subject.say(
      { GM01: pass + 1 },
      Array.from({ length: COUNTRIES }, (_, country) => country),
    );
    for (const { region } of await subject.tickAt(pass * 100)) counts.set(region, (counts.get(region) ?? 0) + 1);
  }
  expect(new Set(counts.values())).toEqual(new Set([5]));
  await subject.tickAt(5000);
  expect(subject.published(US)).toEqual({ GM01: 50 });
});
test("BoardPublisher waits while something is ahead, and goes on with what stands then (R16)", async () => {
  const subject = new Subject();
  subject.mayPublish = false;
  subject.say({ GM01: 3 });
  expect(await subject.tickAt(0)).toEqual([]);
  subject.mayPublish = true;
  subject.say({ GM01: 4 });
  expect(await subject.tickAt(100)).toHaveLength(COUNTRIES);
  expect(subject.published(CA)).toEqual({ GM01: 4 });
});
test("BoardPublisher sends all of a board where something else stands in the store (R16)", async () => {
  const subject = new Subject();
  subject.say({ GM01: 3, GM02: 1 });
  await subject.tickAt(0);
  subject.store.published.clear(); // the store is another
  subject.say({ GM01: 4, GM02: 1 });
  const calls = await subject.tickAt(1000);
  expect(calls.map(({ board }) => board.since === undefined)).toEqual([false, true]);
  expect(subject.published(CA)).toEqual({ GM01: 4, GM02: 1 });
});
test("BoardPublisher counts a call that fails, pauses, and tries again (R16)", async () => {
  const subject = new Subject();
  subject.say({ GM01: 3 });
  await subject.tickAt(0);
  subject.say({ GM01: 4 });
  subject.faults.push(() => Promise.reject(new StoreUnavailableError("Cannot publish: told to fail")));
  expect(await subject.tickAt(1000)).toHaveLength(1);
  expect([await subject.tickAt(1900), subject.publisher.failures]).toEqual([[], 1]);
  expect(await subject.tickAt(2000)).toHaveLength(1);
  expect([subject.published(CA), subject.publisher.failures]).toEqual([{ GM01: 4 }, 1]);
});
test("BoardPublisher: a call that landed unheard is followed by all of the board (R16)", async () => {
  const subject = new Subject();
  subject.say({ GM01: 3 });
  await subject.tickAt(0);
  subject.say({ GM01: 4 });
  subject.faults.push(() => {
    const { region, board } = subject.calls.at(-1)!;
    subject.store.publish(itemAt(REGIONS, region), board);
    return Promise.reject(new StoreUnavailableError("Cannot publish: the answer was lost"));
  });
  await subject.tickAt(1000);
  subject.say({ GM01: 5 });
  expect((await subject.tickAt(2000)).map(({ board }) => board.since === undefined)).toEqual([false, true]);
  expect(subject.published(CA)).toEqual({ GM01: 5 });
});
test("BoardPublisher lets a newer board of another owner stand, and does not insist (R23)", async () => {
  const subject = new Subject();
  subject.store.published.set("CA", { term: 9, version: 1, players: new Map([["other", 1]]) });
  subject.say({ GM01: 3 });
  await subject.tickAt(0);
  expect([subject.published(CA), await subject.tickAt(1000)]).toEqual([{ other: 1 }, []]);
});
test("BoardPublisher publishes what stands again after 10 s: the store may have lost it", async () => {
  const subject = new Subject();
  subject.say({ GM01: 3 });
  await subject.tickAt(0);
  expect(await subject.tickAt(9999)).toEqual([]);
  const calls = await subject.tickAt(10_000);
  expect(calls).toHaveLength(COUNTRIES);
  expect(calls.every(({ board }) => board.since !== undefined && board.players.length === 0)).toBe(true);
});
test("BoardPublisher publishes no board that became another's", async () => {
  const subject = new Subject();
  subject.say({});
  await subject.tickAt(0);
  subject.view(2, (region) => region === CA);
  expect((await subject.tickAt(20_000)).map(({ region }) => region)).toEqual([CA]);
});
test("BoardPublisher publishes no board anew before it is whole again (R22)", async () => {
  const subject = new Subject();
  subject.say({});
  await subject.tickAt(0);
  subject.view(3, () => true); // an epoch was skipped: all begin anew
  expect(await subject.tickAt(20_000)).toEqual([]);
});
