import { expect, test } from "vitest";

import type { Done, Outcome, PlayerRequest } from "../../cluster/ports/rows.ts";
import { StandingSessions } from "../../cluster/standing-sessions.ts";
import { playerId } from "../../simulator/players.ts";

const LIFE_MS = 90_000;
const THIRD_MS = LIFE_MS / 3;
const TICK_MS = 20;

const done = (effect: Done["effect"]): Done => ({ kind: "done", effect, isRemembered: true, place: undefined });

class Bench {
  nowMs = 1000;
  readonly asked: { readonly request: PlayerRequest; readonly settle: (outcome: Outcome) => void }[] = [];
  readonly superseded: number[] = [];
  /** What is answered at once; `undefined`: the test answers. */
  answer: Outcome | undefined = done("renewed");
  readonly wheel = new StandingSessions(
    {
      nowMs: () => this.nowMs,
      submit: (request, settle) => {
        this.asked.push({ request, settle });
        if (this.answer !== undefined) settle(this.answer);
      },
    },
    LIFE_MS,
  );

  session(number: number) {
    return { id: playerId(number), onSuperseded: () => void this.superseded.push(number) };
  }

  pass(forMs: number): void {
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs;) {
      this.nowMs += TICK_MS;
      this.wheel.tick();
    }
  }
}

test("R30: each connection that stands is renewed once in a third of the session's life, and names its stamp", () => {
  const bench = new Bench();
  for (let number = 0; number < 1000; number++) {
    bench.wheel.stand(bench.session(number), { term: 2, count: number });
    if (number % 10 === 0) bench.pass(200);
  }
  bench.asked.length = 0;
  bench.pass(THIRD_MS);
  const stamps = bench.asked.map(({ request }) => request.stamp?.count);
  expect(new Set(stamps).size).toBe(1000);
  expect(stamps.length).toBe(1000);
  expect(bench.asked[0]?.request).toMatchObject({ operation: "renew", isBulk: true, region: 0, mode: "" });
});

test("no more than some rows leave in one tick", () => {
  const bench = new Bench();
  for (let number = 0; number < 5000; number++) bench.wheel.stand(bench.session(number), { term: 1, count: number });
  let most = 0;
  for (let tick = 0; tick < THIRD_MS / TICK_MS + 20; tick++) {
    const before = bench.asked.length;
    bench.pass(TICK_MS);
    most = Math.max(most, bench.asked.length - before);
  }
  expect([most, bench.asked.length]).toEqual([500, 5000]);
});

test.each(["superseded", "nowhere"] as const)("R30: a connection that is told %s stands no longer", (effect) => {
  const bench = new Bench();
  bench.wheel.stand(bench.session(1), { term: 1, count: 1 });
  bench.answer = done(effect);
  bench.pass(THIRD_MS);
  expect(bench.superseded).toEqual([1]);
  bench.pass(2 * THIRD_MS);
  expect(bench.asked.length, "asked no more").toBe(1);
  expect(bench.wheel.figures).toMatchObject({ standing: 0, superseded: 1, renewals: 1 });
});

test("R30: a renewal that nobody answered in time goes again with the next slot, not only a third later", () => {
  const bench = new Bench();
  bench.wheel.stand(bench.session(1), { term: 1, count: 1 });
  bench.answer = { kind: "refused", reason: "no owner" };
  bench.pass(THIRD_MS);
  expect(bench.asked.length).toBe(1);
  bench.pass(THIRD_MS / 10);
  expect(bench.asked.length).toBe(2);
  bench.answer = done("renewed");
  bench.pass(THIRD_MS / 10);
  expect([bench.asked.length, bench.wheel.figures.failed]).toEqual([3, 2]);
  bench.pass(THIRD_MS - THIRD_MS / 10);
  expect(bench.asked.length, "as seldom as ever again").toBe(3);
});

test("R30: what is answered about a stamp that has been replaced meanwhile changes nothing", () => {
  const bench = new Bench();
  const session = bench.session(1);
  bench.wheel.stand(session, { term: 1, count: 1 });
  bench.answer = undefined;
  bench.pass(THIRD_MS);
  bench.wheel.stand(session, { term: 1, count: 2 });
  bench.asked[0]?.settle(done("superseded"));
  expect([bench.superseded, bench.wheel.figures.standing]).toEqual([[], 1]);
});

test("R30: while a renewal is under way there is no other, and who dropped meanwhile is told nothing", () => {
  const bench = new Bench();
  const session = bench.session(1);
  bench.wheel.stand(session, { term: 1, count: 1 });
  bench.answer = undefined;
  bench.pass(3 * THIRD_MS);
  expect(bench.asked.length).toBe(1);
  bench.wheel.drop(session);
  bench.asked[0]?.settle(done("superseded"));
  expect(bench.superseded).toEqual([]);
});

test("R30: the end of a connection that stands is told with its stamp, once; of others nothing is told", () => {
  const bench = new Bench();
  const [session, other] = [bench.session(1), bench.session(2)];
  bench.wheel.stand(session, { term: 4, count: 9 });
  bench.wheel.end(other);
  bench.wheel.end(session);
  bench.wheel.end(session);
  expect(bench.asked.map(({ request }) => [request.operation, request.stamp])).toEqual([
    ["end", { term: 4, count: 9 }],
  ]);
  bench.pass(THIRD_MS);
  expect(bench.asked.length).toBe(1);
});

test("after a standstill of the process the wheel turns once, however long it was", () => {
  const bench = new Bench();
  bench.wheel.stand(bench.session(1), { term: 1, count: 1 });
  bench.nowMs += 20 * THIRD_MS;
  bench.wheel.tick();
  expect(bench.asked.length).toBe(1);
});
