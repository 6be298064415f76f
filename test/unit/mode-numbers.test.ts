import { expect, test } from "vitest";
import { MODES_MAX } from "../../engine/modes.ts";
import { REGIONS } from "../../engine/places.ts";
import { plainMessage } from "../support/rows.ts";
import { CA, NumberedEngine, OPTIONS } from "../support/numbered-engine.ts";

test("Engine.admitMode() refuses what has not the form of a mode", () => {
  expect(new NumberedEngine().engine.admitMode("no mode")).toBe(-1);
});
test("Engine.admitMode() lets players be in 1024 modes at the most, and knows those for ever while somebody is there", () => {
  const subject = new NumberedEngine();
  for (let mode = 0; mode < MODES_MAX; mode++) {
    expect(subject.engine.admitMode(`m${mode}`)).toBe(mode);
    subject.report(mode, CA, `m${mode}`);
  }
  expect(subject.engine.admitMode("one-more")).toBe(-1);
  expect([subject.engine.admitMode("m0"), subject.engine.admitMode("m1023")]).toEqual([0, 1023]);
  expect(subject.engine.modes.count).toBe(1024);
  subject.remove(7);
  expect(subject.engine.admitMode("one-more"), "nobody is in m7 any more").toBeGreaterThanOrEqual(0);
});
test.each([true, false])(
  "Engine.admitMode(): one player who goes through modes without end leaves room, logged: %s",
  (isLogged) => {
    const subject = new NumberedEngine({ isLogged });
    for (let mode = 0; mode < 10 * MODES_MAX; mode++) {
      if (isLogged && mode % MODES_MAX === 0) subject.drain(subject.partitionOf(1));
      expect(subject.report(1, CA, `m${mode}`)).toBe("changed");
      if (mode % 500 === 0) expect(subject.report(2, CA, `other${mode}`)).toBe("changed");
    }
    expect(subject.engine.modes.count).toBeLessThanOrEqual(3 * MODES_MAX);
    subject.engine.assertSound();
    expect([subject.find(1)?.mode, subject.find(2)?.mode]).toEqual(["m10239", "other10000"]);
  },
);
test("Engine.admitMode() knows no more than three times as many names, also while all wait for the log", () => {
  const subject = new NumberedEngine();
  for (let mode = 0; mode < 3 * MODES_MAX; mode++) expect(subject.report(1, CA, `m${mode}`)).toBe("changed");
  expect(subject.engine.admitMode("one-more")).toBe(-1);
  subject.drain(subject.partitionOf(1));
  expect(subject.engine.admitMode("one-more"), "the log has them").toBeGreaterThanOrEqual(0);
});
test("Engine.admitMode() lets players be in 1024 modes at the most, also where it knows more", () => {
  const subject = new NumberedEngine();
  for (let mode = 0; mode < 3 * MODES_MAX; mode++) subject.report(1, CA, `m${mode}`);
  for (let mode = 0; mode < MODES_MAX - 1; mode++) expect(subject.report(2 + mode, CA, `m${mode}`)).toBe("changed");
  expect(subject.engine.boards.modesInUse).toBe(MODES_MAX);
  expect(subject.engine.admitMode("m2000"), "nobody is in it").toBe(-1);
  expect(subject.engine.admitMode("m5"), "somebody is in it").toBe(5);
  subject.remove(7);
  expect(subject.engine.admitMode("m2000"), "nobody is in m5 any more").toBe(2000);
});
test("Engine.admitMode() forgets names past 1024 as soon as it may, also where nobody brings a new one", () => {
  const subject = new NumberedEngine();
  for (let mode = 0; mode < 3 * MODES_MAX; mode++) subject.report(1, CA, `m${mode}`);
  subject.drain(subject.partitionOf(1));
  expect(subject.engine.admitMode("m3071")).toBe(3071);
  expect(subject.engine.modes.count).toBe(1);
});
test("Engine.admitMode() forgets modes that nobody is in, when room is needed", () => {
  const subject = new NumberedEngine();
  subject.report(1, CA, "busy");
  subject.report(2, REGIONS.length - 1, "far");
  for (let mode = 2; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  subject.pass(OPTIONS.sessionMs - 100);
  subject.renew(1);
  subject.renew(2);
  expect(subject.engine.modes.count, "no room is needed yet").toBe(MODES_MAX);
  expect(subject.engine.admitMode("new")).toBeGreaterThanOrEqual(2);
  expect(["busy", "far", "new"].map((name) => subject.engine.modes.peek(name) >= 0)).toEqual([true, true, true]);
  expect(subject.engine.modes.count).toBe(3);
  expect(subject.find(1)?.mode).toBe("busy");
  expect(subject.find(2)?.mode).toBe("far");
});
test("Engine.admitMode() forgets no mode that a row names which waits for the log", () => {
  const subject = new NumberedEngine();
  const outlast = (mode: string): void => {
    for (let number = subject.engine.modes.count; number < MODES_MAX; number++) subject.engine.admitMode(`m${number}`);
    for (const _ of [1, 2]) {
      subject.pass(OPTIONS.sessionMs / 2);
      subject.renew(1);
    }
    expect(subject.engine.admitMode(mode)).toBeGreaterThanOrEqual(0);
  };
  for (const mode of ["first", "left", "stays"]) subject.report(1, CA, mode);
  outlast("new");
  expect(subject.engine.modes.count).toBe(4);
  const places = plainMessage(subject.drain(subject.partitionOf(1))).map(({ place }) => place?.[1]);
  expect(places).toEqual(["first", "left", "stays"]);
  outlast("newer");
  expect(subject.engine.modes.peek("left"), "the log has it, nobody needs it").toBe(-1);
  expect(subject.find(1)?.mode).toBe("stays");
});
test("Engine.admitMode() forgets no mode that somebody outside still knows by its number", () => {
  const subject = new NumberedEngine();
  const held = subject.engine.admitMode("held");
  subject.engine.modesHeld = () => [held];
  for (let number = subject.engine.modes.count; number < MODES_MAX; number++) subject.engine.admitMode(`m${number}`);
  subject.pass(OPTIONS.sessionMs);
  expect(subject.engine.admitMode("new")).toBeGreaterThanOrEqual(0);
  expect(subject.engine.modes.names[held]).toBe("held");
  expect(subject.engine.modes.count).toBe(2);
});
test("Engine.admitMode() looks for modes to forget once a second at the most, or where many came since", () => {
  const subject = new NumberedEngine();
  let looks = 0;
  subject.engine.modesHeld = () => {
    looks++;
    return subject.engine.modes.names.keys();
  };
  for (let mode = 0; mode < 3 * MODES_MAX; mode++) expect(subject.engine.admitMode(`m${mode}`)).toBe(mode);
  const ask = (): number[] => Array.from({ length: 100 }, () => subject.engine.admitMode("a"));
  expect(new Set(ask())).toEqual(new Set([-1]));
  expect(looks, "at the 1025th, and then for every 256").toBe(1 + (2 * MODES_MAX) / 256);
  subject.pass(900);
  ask();
  expect(looks, "not again so soon").toBe(1 + (2 * MODES_MAX) / 256);
  subject.pass(100);
  ask();
  expect(looks).toBe(2 + (2 * MODES_MAX) / 256);
});
test("Engine.admitMode() at its first need looks at once", () => {
  const subject = new NumberedEngine();
  for (let mode = 0; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  expect(subject.engine.admitMode("a")).toBeGreaterThanOrEqual(0);
  expect(subject.engine.modes.count).toBe(1);
});

test("Engine: a mode's number that goes to another name within one tick makes another version of its board", () => {
  const subject = new NumberedEngine({ isLogged: false });
  for (let mode = 1; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  subject.report(1, CA, "old");
  subject.engine.boards.catchUp();
  const { version } = subject.engine.boards.of(CA);
  for (let passed = 0; passed < 3 * OPTIONS.sessionMs; passed += 1000) {
    subject.pass(1000);
    subject.renew(1);
  }
  const number = subject.engine.modes.peek("old");
  subject.remove(1);
  subject.report(2, CA, "new");
  expect(subject.engine.modes.peek("new"), "it is the same number").toBe(number);
  const board = subject.engine.boards.of(CA);
  expect(board.top(5)).toEqual([{ mode: "new", players: 1 }]);
  expect(board.version).toBeGreaterThan(version);
});
