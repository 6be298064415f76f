import { expect, test } from "vitest";
import { MODES_MAX } from "../../engine/modes.ts";
import { REGIONS } from "../../engine/regions.ts";
import { plainMessage } from "../support/rows.ts";
import { CA, NumberedEngine, OPTIONS } from "../support/numbered-engine.ts";

test("Engine.admitMode() refuses what has not the form of a mode", () => {
  expect(new NumberedEngine().engine.admitMode("no mode")).toBe(-1);
});
test("Engine.admitMode() knows 1024 modes at the most, and those that it knows for ever while somebody is there", () => {
  const subject = new NumberedEngine();
  for (let mode = 0; mode < MODES_MAX; mode++) expect(subject.engine.admitMode(`m${mode}`)).toBe(mode);
  expect(subject.engine.admitMode("one-more")).toBe(-1);
  expect([subject.engine.admitMode("m0"), subject.engine.admitMode("m1023")]).toEqual([0, 1023]);
  expect(subject.engine.modes.count).toBe(1024);
});
test("Engine.admitMode() forgets empty modes that a session's life went by without, when room is needed", () => {
  const subject = new NumberedEngine();
  subject.report(1, CA, "busy");
  subject.report(2, REGIONS.length - 1, "far");
  for (let mode = 2; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  subject.pass(OPTIONS.sessionMs - 100);
  subject.renew(1);
  subject.renew(2);
  expect(subject.engine.admitMode("m2"), "in use again").toBe(2);
  expect(subject.engine.admitMode("new"), "too early to forget").toBe(-1);
  subject.pass(1000);
  expect(subject.engine.modes.count, "no room is needed yet").toBe(MODES_MAX);
  expect(subject.engine.admitMode("new")).toBeGreaterThan(2);
  expect(["busy", "far", "m2", "new"].map((name) => subject.engine.modes.find(name, 0) >= 0)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(subject.engine.modes.count).toBe(4);
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
  expect(subject.engine.modes.find("left", 0), "the log has it, nobody needs it").toBe(-1);
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
test("Engine.admitMode() looks for modes to forget at most once a second", () => {
  const subject = new NumberedEngine({ sessionMs: 500 });
  for (let mode = 0; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  expect(subject.engine.admitMode("a"), "looked at 0 s").toBe(-1);
  subject.pass(900);
  expect(subject.engine.admitMode("a"), "not again so soon").toBe(-1);
  subject.pass(100);
  expect(subject.engine.admitMode("a")).toBeGreaterThanOrEqual(0);
});
test("Engine.admitMode() at its first need looks at once", () => {
  const subject = new NumberedEngine({ sessionMs: 0 });
  for (let mode = 0; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  expect(subject.engine.admitMode("a")).toBeGreaterThanOrEqual(0);
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
  const number = subject.engine.modes.find("old", 0);
  subject.remove(1);
  subject.report(2, CA, "new");
  expect(subject.engine.modes.find("new", 0), "it is the same number").toBe(number);
  const board = subject.engine.boards.of(CA);
  expect(board.top(5)).toEqual([{ mode: "new", players: 1 }]);
  expect(board.version).toBeGreaterThan(version);
});
