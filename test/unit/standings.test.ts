import { expect, test } from "vitest";

import { Standings } from "../../engine/standings.ts";
import { hashOf, KEY, playerId } from "../../simulator/players.ts";

const LIFE_TENTHS = 300;
type Player = [hash: number, id0: number, id1: number, id2: number, id3: number];

function player(number: number): Player {
  const id = playerId(number);
  return [hashOf(id), id[0], id[1], id[2], id[3]];
}

const ANNA = player(1);
const standings = (): Standings => new Standings(KEY, LIFE_TENTHS);

test("R30: the connection that played last stands, and no other", () => {
  const subject = standings();
  const first = subject.play(...ANNA, 3);
  expect(subject.renew(...ANNA, first, 0)).toBe(true);
  const second = subject.play(...ANNA, 3);
  expect([subject.renew(...ANNA, first, 0), subject.renew(...ANNA, second, 0)]).toEqual([false, true]);
  expect(subject.size).toBe(1);
});

test("R30: a report that is no connection's, or a removal, ends the standing, and a later play begins another", () => {
  const subject = standings();
  const stamp = subject.play(...ANNA, 3);
  subject.vacate(...ANNA, 50);
  expect(subject.renew(...ANNA, stamp, 0)).toBe(false);
  const again = subject.play(...ANNA, 3);
  expect([subject.renew(...ANNA, stamp, 0), subject.renew(...ANNA, again, 0)]).toEqual([false, true]);
});

test("R30: after a failover renewals bring the stamps back, the higher one in whatever order they come", () => {
  const before = standings();
  const [older, newer] = [before.play(...ANNA, 3), before.play(...ANNA, 3)];
  for (const order of [
    [older, newer],
    [newer, older],
  ]) {
    const subject = standings();
    for (const stamp of order) subject.renew(...ANNA, stamp, 0);
    expect([subject.renew(...ANNA, older, 0), subject.renew(...ANNA, newer, 0)]).toEqual([false, true]);
  }
});

test("R30: a play at a new owner is above all of former ones, also where those are heard of only later", () => {
  const before = standings();
  for (let count = 0; count < 100; count++) before.play(...ANNA, 3);
  const [old, subject] = [before.play(...ANNA, 3), standings()];
  const fresh = subject.play(...ANNA, 4);
  expect([subject.renew(...ANNA, old, 0), subject.renew(...ANNA, fresh, 0)]).toEqual([false, true]);
});

test("R30: what a new owner has heard since is above former stamps: a report ends what they brought back", () => {
  const before = standings();
  const [older, newer] = [before.play(...ANNA, 3), before.play(...ANNA, 3)];
  const subject = standings();
  subject.play(...player(2), 4);
  subject.renew(...ANNA, older, 0);
  subject.vacate(...ANNA, 0);
  expect(subject.renew(...ANNA, newer, 0), "it played before that report").toBe(false);
});

test("R30: a new owner under which nobody has played yet notes a report above former stamps all the same", () => {
  const stamp = standings().play(...ANNA, 3);
  const subject = standings();
  subject.own(4);
  expect(subject.renew(...ANNA, stamp, 0)).toBe(true);
  subject.vacate(...ANNA, 0);
  expect([subject.renew(...ANNA, stamp, 0), subject.end(...ANNA, stamp, 10), subject.due(1e6)]).toEqual([
    false,
    false,
    undefined,
  ]);
});

test("R30: whose connection ended is due after the grace, once it passed, and only where the stamp stands", () => {
  const subject = standings();
  const [old, stamp] = [subject.play(...ANNA, 3), subject.play(...ANNA, 3)];
  expect(subject.end(...ANNA, old, 100), "not the one that stands").toBe(false);
  expect(subject.end(...player(2), stamp, 100), "an unknown one").toBe(false);
  expect(subject.due(1000)).toBeUndefined();
  expect(subject.end(...ANNA, stamp, 103)).toBe(true);
  expect(subject.due(109)).toBeUndefined();
  expect(subject.due(110)).toEqual(Int32Array.from(ANNA.slice(1)));
});

test("R30: a play, a report, or a heartbeat from elsewhere keeps whose connection ended", () => {
  for (const heard of [
    (subject: Standings) => void subject.play(...ANNA, 3),
    (subject: Standings) => subject.vacate(...ANNA, 90),
    (subject: Standings) => subject.hear(...ANNA, 90),
  ]) {
    const subject = standings();
    const stamp = subject.play(...ANNA, 3);
    subject.end(...ANNA, stamp, 100);
    heard(subject);
    expect(subject.due(150)).toBeUndefined();
    expect(subject.renew(...ANNA, stamp, 0)).toBe(false);
  }
});

test("R30: a heartbeat does not end the standing of a connection that is there", () => {
  const subject = standings();
  const stamp = subject.play(...ANNA, 3);
  subject.end(...player(2), subject.play(...player(2), 3), 100);
  subject.hear(...ANNA, 90);
  expect(subject.renew(...ANNA, stamp, 0)).toBe(true);
});

test("R30: that nobody stands is forgotten after a session's life, so what is known stays bounded", () => {
  const subject = standings();
  for (let number = 1; number <= 1000; number++) {
    subject.play(...player(number), 3);
    if (number % 2 === 0) subject.vacate(...player(number), 100);
  }
  expect(subject.due(100 + LIFE_TENTHS - 1)).toBeUndefined();
  expect(subject.size).toBe(1000);
  expect(subject.due(110 + LIFE_TENTHS)).toBeUndefined();
  expect(subject.size).toBe(500);
});

test("R30: a session of somebody of whom nothing is known ends nothing", () => {
  const subject = standings();
  subject.vacate(...ANNA, 0);
  subject.hear(...ANNA, 0);
  expect(subject.size).toBe(0);
});

test("stamps rise on, also past 2^32 under one claim", () => {
  const subject = standings();
  subject.renew(...ANNA, { term: 2 ** 32 - 1, count: 2 ** 32 - 1 }, 0);
  expect(subject.renew(...ANNA, { term: 2 ** 31, count: 5 }, 0)).toBe(false);
  expect(subject.renew(...ANNA, { term: 2 ** 32 - 1, count: 2 ** 32 - 1 }, 0)).toBe(true);
});

test("R30: with a former owner's stamp nobody is removed before everybody who stands had time to renew", () => {
  const before = standings();
  const [older, newer] = [before.play(...ANNA, 3), before.play(...ANNA, 3)];
  const subject = standings();
  subject.renew(...ANNA, older, 50);
  expect(subject.end(...ANNA, older, 60 + 100), "it does not know better").toBe(true);
  expect(subject.due(240)).toBeUndefined();
  expect(subject.renew(...ANNA, newer, 245)).toBe(true);
  expect(subject.due(5000)).toBeUndefined();
  expect(subject.end(...ANNA, newer, 5100)).toBe(true);
  expect(subject.due(5100)).toEqual(Int32Array.from(ANNA.slice(1)));
});

test("R30: with a former owner's stamp nobody is removed who sends heartbeats too: a report may have ended that standing", () => {
  const before = standings();
  const stamp = before.play(...ANNA, 3);
  const subject = standings();
  subject.renew(...ANNA, stamp, 0);
  subject.hear(...ANNA, 10);
  expect(subject.renew(...ANNA, stamp, 20), "it stands on").toBe(true);
  expect(subject.end(...ANNA, stamp, 1000)).toBe(true);
  expect(subject.due(2000)).toBeUndefined();
});

test.each([-1234, 0, 567])(
  "R30: what is handed over goes on as it was, with a clock that is %i tenths ahead",
  (aheadBy) => {
    const [BEN, CLEO, now] = [player(2), player(3), 10_000];
    const before = standings();
    before.own(3);
    const [old, stands] = [before.play(...ANNA, 3), before.play(...ANNA, 3)];
    const ended = before.play(...BEN, 3);
    before.end(...BEN, ended, now + 100);
    const over = before.play(...CLEO, 3);
    before.vacate(...CLEO, now);
    const subject = standings();
    subject.adopt(before.copy(), aheadBy);
    subject.own(4);
    const here = now + aheadBy;
    expect(subject.size).toBe(3);
    expect([old, stands].map((stamp) => subject.renew(...ANNA, stamp, here))).toEqual([false, true]);
    expect([subject.renew(...BEN, ended, here), subject.renew(...CLEO, over, here)]).toEqual([false, false]);
    expect([subject.due(here + 90), subject.due(here + 120)]).toEqual([undefined, Int32Array.from(BEN.slice(1))]);
    // It is no stranger's stamp: nobody waits until all who stand have renewed.
    expect(subject.end(...ANNA, stands, here + 100)).toBe(true);
    expect(subject.due(here + 120)?.length).toBe(8);
  },
);
