import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Slices } from "../../node/http/slices.ts";

const AMPLE = { waitMs: 60_000, bytesMax: 1000 };

let nowMs = 0;
beforeEach(() => void vi.spyOn(performance, "now").mockImplementation(() => nowMs));
afterEach(() => void vi.restoreAllMocks());

/** A task that takes longer than a slice. */
function work(): void {
  nowMs += 8;
}

test("a task that takes long has a turn of the event loop of its own; short ones share one; all keep their order", async () => {
  const slices = new Slices(AMPLE);
  const done: string[] = [];
  for (const name of ["long 1", "long 2", "short 1", "short 2"])
    slices.add(1, () => {
      if (name.startsWith("long")) work();
      done.push(name);
    });
  expect(done).toEqual([]);
  await turn();
  expect(done).toEqual(["long 1"]);
  await turn();
  expect(done).toEqual(["long 1", "long 2"]);
  await turn();
  expect(done).toEqual(["long 1", "long 2", "short 1", "short 2"]);
});
test("a task that is added by another is run too", async () => {
  const slices = new Slices(AMPLE);
  const done: string[] = [];
  slices.add(1, () => {
    work();
    slices.add(1, () => done.push("added"));
  });
  await turn();
  await turn();
  expect(done).toEqual(["added"]);
});
test("more than may wait is refused until some has run", async () => {
  const slices = new Slices(AMPLE);
  const ran: number[] = [];
  const add = (bytes: number): boolean => slices.add(bytes, () => ran.push(bytes));
  expect([add(600), add(400), add(1)]).toEqual([true, true, false]);
  await turn();
  expect(ran).toEqual([600, 400]);
  expect([add(1000), add(1)]).toEqual([true, false]);
});
test("a task learns that it has waited too long", async () => {
  const slices = new Slices({ ...AMPLE, waitMs: 4 });
  const late: boolean[] = [];
  slices.add(1, (isLate) => {
    work();
    late.push(isLate);
  });
  slices.add(1, (isLate) => late.push(isLate));
  await turn();
  await turn();
  expect(late).toEqual([false, true]);
});
