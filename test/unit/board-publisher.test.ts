import { expect, test } from "vitest";

import { BoardPublisher } from "../../cluster/counts/board-publisher.ts";
import { RegionBoards } from "../../cluster/counts/region-boards.ts";
import { REGIONS, regionOf } from "../../engine/regions.ts";

const CA = regionOf("CA");

/** A node that owns all regions, with one partition. */
class Subject {
  readonly boards = new RegionBoards(1, 77);
  readonly published: { region: number; term: number; version: number; players: number[] }[] = [];
  readonly publisher = new BoardPublisher(this.boards, (region, term, version, counts) =>
    this.published.push({ region, term, version, players: counts.map(({ players }) => players) }),
  );
  private version = 0;

  constructor() {
    this.boards.onView(1, () => true);
  }
  say(cells: readonly number[], modes = ["GM01"]): void {
    const entry = {
      partition: 0,
      term: 1,
      from: 0,
      to: ++this.version,
      isWhole: true,
      isDoubtful: false,
      isUnsure: false,
    };
    this.boards.apply({ modes, entries: [{ ...entry, cells }] }, 0, () => undefined);
  }
  /** @returns the regions published */
  publish(nowMs: number): number[] {
    this.published.length = 0;
    this.publisher.publish(nowMs);
    return this.published.map(({ region }) => region);
  }
}

test("BoardPublisher publishes no board that is not whole (R22)", () => {
  expect(new Subject().publish(0)).toEqual([]);
});
test("BoardPublisher publishes each board once, 50 at a time, and then those that change (R23)", () => {
  const subject = new Subject();
  subject.say([]);
  const regions = [0, 100, 200, 300, 400].map((nowMs) => subject.publish(nowMs));
  expect(regions.map(({ length }) => length)).toEqual([50, 50, 50, 50, 49]);
  expect(new Set(regions.flat()).size).toBe(REGIONS.length);
  expect(subject.publish(500)).toEqual([]);
  subject.say([CA, 0, 3]);
  expect(subject.publish(600)).toEqual([CA]);
});
test("BoardPublisher publishes all modes, most players first, under the board's term and version", () => {
  const subject = new Subject();
  const modes = Array.from({ length: 150 }, (_, mode) => `mode-${mode}`);
  subject.say(
    modes.flatMap((_, mode) => [CA, mode, mode + 1]),
    modes,
  );
  for (let nowMs = 0; !subject.publish(nowMs).includes(CA); nowMs += 100);
  const { term, version, players } = subject.published.find(({ region }) => region === CA)!;
  expect({ term, version }).toMatchObject({ term: 1, version: subject.boards.state(CA)?.version });
  expect([players.length, players[0], players.at(-1)]).toEqual([150, 150, 1]);
});
test("BoardPublisher: boards that change all the time take their turns", () => {
  const subject = new Subject();
  const counts = new Map<number, number>();
  for (let pass = 0; pass < 20; pass++) {
    subject.say([...REGIONS.keys()].flatMap((region) => [region, 0, pass + 1]));
    for (const region of subject.publish(pass * 100)) counts.set(region, (counts.get(region) ?? 0) + 1);
  }
  expect(new Set(counts.values())).toEqual(new Set([4, 5]));
});
test("BoardPublisher publishes what stands again after 10 s: the store may have lost it", () => {
  const subject = new Subject();
  subject.say([]);
  for (let nowMs = 0; nowMs < 500; nowMs += 100) subject.publish(nowMs);
  expect([subject.publish(9999), subject.publish(10_000).length, subject.publish(10_100).length]).toEqual([[], 50, 50]);
});
test("BoardPublisher publishes no board that became another's", () => {
  const subject = new Subject();
  subject.say([]);
  subject.publish(0);
  subject.boards.onView(2, (region) => region === CA);
  expect(subject.publish(20_000)).toEqual([CA]);
});
