/** Whatever is pushed was true, in order, not too often; and in the end everybody has what stands. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FanOut, type Sink, type Watch } from "../../node/live/fan-out.ts";
import type { Frame } from "../../node/live/frame.ts";
import { bodyOf, LiveSource, LiveTime, tagOf } from "../support/live-world.ts";

const PLACES = 3;
const VALUES = 4;
const EVERY = [250, 300, 1000, 60_000];

class Reader implements Sink {
  readonly place: number;
  readonly everyMs: number;
  hasRoom = true;
  watch: Watch | undefined;
  known: string | undefined;
  private sentMs = -Infinity;
  private readonly world: World;

  constructor(world: World, place: number, everyMs: number) {
    this.world = world;
    this.place = place;
    this.everyMs = everyMs;
  }

  send({ tag, body }: Frame): boolean {
    const { source, time } = this.world;
    expect(body).toBe(bodyOf(this.place, 5, source.value(this.place))); // true at this very moment
    expect(tag).not.toBe(this.known);
    expect(time.ms - this.sentMs).toBeGreaterThanOrEqual(this.everyMs);
    if (!this.hasRoom) return false;
    this.known = tag;
    this.sentMs = time.ms;
    return true;
  }
}

class World {
  readonly source = new LiveSource();
  readonly time = new LiveTime();
  readonly fanOut = new FanOut(this.source, this.time);
  readonly readers: Reader[] = [];
}

type Step = (world: World) => void;

const place = fc.nat(PLACES - 1);
const value = fc.nat(VALUES - 1);
const change = fc.tuple(place, value).map(
  ([at, said]): Step =>
    (world) =>
      world.source.set(at, said),
);
const pass = fc.nat(700).map(
  (ms): Step =>
    (world) =>
      world.time.pass(ms),
);
const turn = fc.nat(30).map((ms): Step => (world) => {
  world.time.ms += ms;
  world.time.turn();
});
const join = fc
  .tuple(place, fc.constantFrom(...EVERY), fc.option(value))
  .map(([at, everyMs, known]): Step => (world) => {
    const reader = new Reader(world, at, everyMs);
    reader.known = known === null ? undefined : tagOf(known);
    reader.watch = world.fanOut.watch({ place: at, top: 5 }, everyMs, reader, { known: reader.known });
    world.readers.push(reader);
  });
const ofOne = (run: (reader: Reader, world: World) => void) =>
  fc.nat().map((at): Step => (world) => {
    const reader = world.readers[at % Math.max(1, world.readers.length)];
    if (reader !== undefined) run(reader, world);
  });
const fill = ofOne((reader) => void (reader.hasRoom = false));
const drain = ofOne((reader) => {
  reader.hasRoom = true;
  reader.watch?.drained();
});
const leave = ofOne((reader, world) => {
  reader.watch?.end();
  world.readers.splice(world.readers.indexOf(reader), 1);
});
const rest = fc.boolean().map(
  (isAnswering): Step =>
    (world) =>
      void (world.source.isAnswering = isAnswering),
);
const slow = fc.constantFrom(0, 1, 3).map(
  (ms): Step =>
    (world) =>
      void (world.time.readingMs = ms),
);

test("what is pushed is true and not too often, and in the end everybody has what stands", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(change, change, pass, turn, join, fill, drain, leave, rest, slow), { maxLength: 80 }),
      (steps) => {
        const world = new World();
        for (const step of steps) step(world);
        world.source.isAnswering = true;
        world.time.readingMs = 0;
        for (const reader of world.readers) {
          reader.hasRoom = true;
          reader.watch?.drained();
        }
        world.time.pass(Math.max(...EVERY) + 1000);
        for (const reader of world.readers) expect(reader.known).toBe(tagOf(world.source.value(reader.place)));
        expect(world.fanOut.count).toBe(world.readers.length);
      },
    ),
    { numRuns: 300 },
  );
});
