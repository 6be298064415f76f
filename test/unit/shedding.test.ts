import fc from "fast-check";
import { expect, test } from "vitest";
import { KINDS, type Readings, Shedding } from "../../node/limits/shedding.ts";

const CALM: Readings = { waitMs: 0, idle: 1, storeQueue: 0 };
const LATE: Readings = { waitMs: 60, idle: 0, storeQueue: 0 };
const anyReadings = fc.record({
  waitMs: fc.double({ min: 0, max: 100, noNaN: true }),
  idle: fc.double({ min: 0, max: 1, noNaN: true }),
  storeQueue: fc.double({ min: 0, max: 1, noNaN: true }),
});
const anyLoad = fc.array(fc.tuple(anyReadings, fc.array(fc.constantFrom(...KINDS), { maxLength: 50 })));

test("Shedding refuses nothing while nobody has to wait", () => {
  const shedding = new Shedding();
  for (let look = 0; look < 100; look++) shedding.look({ waitMs: 29, idle: 0, storeQueue: 0.4 });
  expect(shedding.isShedding).toBe(false);
});
test("Shedding takes a short spell of waiting, as on a machine that has other things to do, for no load", () => {
  const shedding = new Shedding();
  for (let spell = 0; spell < 50; spell++) {
    for (let look = 0; look < 3; look++) shedding.look(LATE);
    expect(shedding.isShedding).toBe(false);
    shedding.look(CALM);
  }
  for (let look = 0; look < 4; look++) shedding.look(LATE);
  expect(shedding.isShedding).toBe(true);
});
test("Shedding refuses look-ups before other reads, those before reports, and heartbeats last", () => {
  fc.assert(
    fc.property(anyLoad, (load) => {
      const shedding = new Shedding();
      for (const [readings, kinds] of load) {
        shedding.look(readings);
        const { level } = shedding;
        for (const kind of kinds) {
          const index = KINDS.indexOf(kind);
          const isRefused = shedding.refuses(kind);
          if (isRefused) expect(level).toBeGreaterThan(index);
          else expect(level).toBeLessThan(index + 1);
        }
      }
    }),
  );
});
test("Shedding is over half a second after the load has gone, whatever was before", () => {
  fc.assert(
    fc.property(anyLoad, (load) => {
      const shedding = new Shedding();
      for (const [readings, kinds] of load) {
        shedding.look(readings);
        for (const kind of kinds) shedding.refuses(kind);
      }
      for (let look = 0; look < 13; look++) shedding.look(CALM);
      expect(shedding.isShedding).toBe(false);
      for (const kind of KINDS) expect(shedding.refuses(kind)).toBe(false);
    }),
  );
});
test("Shedding does not refuse much more of the reports than a fifth, where reports are all there is", () => {
  const shedding = new Shedding();
  let [asked, refused] = [0, 0];
  for (let look = 0; look < 500; look++) {
    shedding.look(LATE);
    for (let request = 0; request < 100; request++) refused += Number(shedding.refuses("reports"));
    asked += 100;
  }
  expect(refused / asked).toBeGreaterThan(0.15);
  expect(refused / asked).toBeLessThan(0.35);
  expect(shedding.isAtMost || shedding.level < 2.4).toBe(true);
});
test("Shedding refuses heartbeats where there is nothing else", () => {
  const shedding = new Shedding();
  for (let look = 0; look < 100; look++) {
    for (let request = 0; request < 100; request++) shedding.refuses("heartbeats");
    shedding.look(LATE);
  }
  expect(shedding.level).toBeGreaterThan(KINDS.indexOf("heartbeats"));
});
test("Shedding for the store refuses reports at the most, and lengthens the pace before", () => {
  const shedding = new Shedding();
  expect(shedding.strainOf({ storeQueue: 0.25 })).toBe(0.5);
  for (let look = 0; look < 100; look++) shedding.look({ waitMs: 0, idle: 0.5, storeQueue: 0.9 });
  expect(shedding.level).toBe(KINDS.indexOf("heartbeats"));
  expect(shedding.refuses("heartbeats")).toBe(false);
  expect(shedding.strainOf({ storeQueue: 0 })).toBe(1);
});
