import { expect, test } from "vitest";
import { FanOut, type Sink, TICK_MS, type Watch } from "../../node/live/fan-out.ts";
import type { Frame, FrameKind } from "../../node/live/frame.ts";
import { bodyOf, LiveSource, LiveTime, tagOf } from "../support/live-world.ts";

const [CA, US] = [1, 2];

class Reader implements Sink {
  readonly frames: { readonly value: number; readonly atMs: number }[] = [];
  hasRoom = true;
  watch: Watch | undefined;
  private readonly time: LiveTime;

  constructor(time: LiveTime) {
    this.time = time;
  }

  get values(): number[] {
    return this.frames.map(({ value }) => value);
  }

  send({ body }: Frame): boolean {
    if (this.hasRoom) this.frames.push({ value: JSON.parse(body).value, atMs: this.time.ms });
    return this.hasRoom;
  }
}

function scene() {
  const [source, time] = [new LiveSource(), new LiveTime()];
  const fanOut = new FanOut(source, time);
  const reader = (everyMs = 250, place = CA, known?: string): Reader => {
    const made = new Reader(time);
    made.watch = fanOut.watch({ place, top: 5 }, everyMs, made, { known });
    return made;
  };
  return { source, time, fanOut, reader };
}

test("who begins to watch gets what stands at once, and then nothing until it changes", () => {
  const { source, time, reader } = scene();
  source.set(CA, 1);
  const one = reader();
  expect(one.values).toEqual([1]);
  time.pass(10_000);
  source.set(CA, 1); // counts moved, and the answer is the same
  time.pass(10_000);
  expect(one.values).toEqual([1]);
});

test("after a quiet time a change is sent within a tick, however seldom frames may come", () => {
  const { source, time, reader } = scene();
  const one = reader(60_000);
  time.pass(60_001);
  source.set(CA, 2);
  time.pass(2 * TICK_MS);
  expect(one.values).toEqual([0, 2]);
});

test("between two frames at least `every` passes, and what came between is left out", () => {
  const { source, time, reader } = scene();
  const one = reader(1000);
  for (let value = 1; value <= 5000; value++) {
    source.set(CA, value);
    time.pass(1);
  }
  const gaps = one.frames.slice(1).map(({ atMs }, at) => atMs - (one.frames[at]?.atMs ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1000);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(1000 + 2 * TICK_MS);
  expect(one.values).toHaveLength(5);
});

test("who knows what stands is sent nothing until something else does", () => {
  const { source, time, reader } = scene();
  source.set(CA, 7);
  const one = reader(250, CA, tagOf(7));
  const other = reader(250, CA, tagOf(6));
  expect([one.values, other.values]).toEqual([[], [7]]);
  source.set(CA, 8);
  time.pass(2 * TICK_MS);
  expect(one.values).toEqual([8]);
});

test("a watcher that became ready while another change was under way is told of the next one", () => {
  const { source, time, reader } = scene();
  source.set(CA, 1);
  const [one] = [reader()];
  time.pass(1000); // ready, with 1
  source.set(CA, 2);
  time.pass(TICK_MS * 2);
  time.pass(1000); // ready, with 2
  source.set(CA, 1);
  const other = reader(250, CA, tagOf(1)); // ready, with 1
  source.set(CA, 2); // what those who were ready have
  time.pass(1000);
  expect([one.values.at(-1), other.values.at(-1)]).toEqual([2, 2]);
});

test("a slow reader is not sent another frame, and gets the newest when it has taken that", () => {
  const { source, time, fanOut, reader } = scene();
  const slow = reader();
  slow.hasRoom = false;
  for (let value = 1; value <= 100; value++) {
    source.set(CA, value);
    time.pass(100);
  }
  expect(slow.values).toEqual([0]);
  expect(fanOut.skipped).toBe(1);
  slow.hasRoom = true;
  slow.watch?.drained();
  expect(slow.values).toEqual([0, 100]);
});

test("a frame is made once for all who watch the same, and its bytes once for each kind of reader", () => {
  const { source, time, fanOut, reader } = scene();
  const encoded: string[] = [];
  const kind: FrameKind = {
    encode: ({ body }) => {
      encoded.push(body);
      return Buffer.from(body);
    },
  };
  const bytes = new Set<Buffer>();
  const send = (frame: Frame): boolean => {
    bytes.add(frame.bytes(kind));
    return true;
  };
  for (let count = 0; count < 100; count++) fanOut.watch({ place: CA, top: 5 }, 250, { send });
  source.set(CA, 1);
  time.pass(1000);
  expect(encoded).toEqual([bodyOf(CA, 5, 0), bodyOf(CA, 5, 1)]);
  expect(bytes.size).toBe(2);
  expect(source.made).toBe(2);
  const other = reader(250, US);
  source.set(CA, 2);
  time.pass(1000);
  expect(other.values).toEqual([0]);
});

test("while the node cannot answer nothing is sent, and then what stands", () => {
  const { source, time, reader } = scene();
  source.isAnswering = false;
  source.set(CA, 3);
  const one = reader();
  time.pass(5000);
  expect(one.values).toEqual([]);
  source.isAnswering = true;
  time.pass(2 * TICK_MS);
  expect(one.values).toEqual([3]);
});

test("who does not watch any more is sent nothing, and nobody is looked for without watchers", () => {
  const { source, time, fanOut, reader } = scene();
  const [one, other] = [reader(), reader()];
  one.watch?.end();
  one.watch?.end();
  one.watch?.drained();
  expect(fanOut.count).toBe(1);
  source.set(CA, 1);
  time.pass(1000);
  expect([one.values, other.values]).toEqual([[0], [0, 1]]);
  other.watch?.end();
  expect([fanOut.count, time.isQuiet]).toEqual([0, true]);
  expect(reader().values).toEqual([1]);
});

test("many frames are sent in slices, the newest in each", () => {
  const { source, time, reader } = scene();
  const all = Array.from({ length: 1000 }, () => reader());
  time.pass(1000);
  time.readingMs = 1; // a slice ends after a few readings of the clock
  source.set(CA, 1);
  for (let turn = 0; turn < 5; turn++, time.ms += TICK_MS) time.turn();
  const told = all.filter((one) => one.values.length > 1).length;
  expect(told).toBeGreaterThan(0);
  expect(told).toBeLessThan(1000);
  source.set(CA, 2);
  time.readingMs = 0;
  time.pass(2000);
  expect(new Set(all.map((one) => one.values.at(-1)))).toEqual(new Set([2]));
  expect(all.filter((one) => one.values.includes(1))).toHaveLength(told);
});

test("who has ended takes no room, however seldom it could have been sent something", () => {
  const { time, fanOut, reader } = scene();
  reader(60_000);
  const waiting = (): number => [...fanOut["slots"].values()].reduce((sum, slot) => sum + slot.length, 0);
  const ended = Array.from({ length: 1000 }, (_, count) => reader(250 * (1 + (count % 200)), count % 3));
  expect(waiting()).toBe(1001);
  for (const { watch } of ended) watch?.end();
  expect(waiting()).toBe(1);
  time.pass(60_001);
  expect(waiting()).toBe(0);
});
