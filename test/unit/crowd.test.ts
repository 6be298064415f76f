import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Agenda } from "../../crowd/agenda.ts";
import { compare } from "../../crowd/check.ts";
import { Crowd, type CrowdSetup, HABITS, type Message, type Outcome } from "../../crowd/crowd.ts";
import { progressLine, summaryLines } from "../../crowd/lines.ts";
import type { Answer, Caller } from "../../crowd/link.ts";
import { Meter } from "../../crowd/meter.ts";
import { type CrowdOptions, parseOptions } from "../../crowd/options.ts";
import { profileIdOf } from "../../crowd/profile-id.ts";
import { runCrowd } from "../../crowd/run.ts";
import { chance, Quantiles, WeightedPick } from "../../crowd/sampling.ts";
import { Sender } from "../../crowd/sender.ts";
import { batchOutcomesOf, outcomeOf } from "../../crowd/wire.ts";
import { loadGamemodes, loadWorld } from "../../crowd/world.ts";
import { itemAt, nonEmpty, take } from "../../simulator/item-at.ts";
import { startStubService, type StubService } from "../support/stub-service.ts";
import { until } from "../support/until.ts";

const world = loadWorld();
const MINUTE_MS = 60_000;
const TTL_MS = 90_000;
const HEARD: Outcome = { kind: "heard", renewInMs: TTL_MS / 3 };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("sampling", () => {
  test("Quantiles.at() meets every percentile, and rises in between", () => {
    const quantiles = new Quantiles({ 0: 3, 25: 9, 50: 30, 100: 360 });
    expect([0, 0.25, 0.5].map((u) => quantiles.at(u))).toEqual([3, 9, 30].map((value) => expect.closeTo(value)));
    const values = Array.from({ length: 100 }, (_, percent) => quantiles.at(percent / 100));
    expect(values).toEqual(values.toSorted((a, b) => a - b));
  });

  test.each([{ 25: 9, 100: 30 }, { 0: 0, 100: 1 }, { 0: 5, 100: 4 }, {}])("Quantiles refuses %j", (points) => {
    expect(() => new Quantiles(points)).toThrow(/^Cannot draw from percentiles: they must rise from 0 to 100, got/);
  });

  test("Quantiles.residual() has the mean that renewal theory gives: E[x²] / 2 E[x]", () => {
    const quantiles = new Quantiles({ 0: 1, 100: 100 });
    const values = Array.from({ length: 20_000 }, (_, index) => quantiles.at((index + 0.5) / 20_000));
    const expected = mean(values.map((value) => value ** 2)) / mean(values) / 2;
    let count = 0;
    const residuals = values.map(() => quantiles.residual(() => chance(1, 2, count++)));
    expect(mean(residuals) / expected).toBeCloseTo(1, 1);
  });

  test("WeightedPick.at() gives each index its share, and none to weight 0", () => {
    const pick = new WeightedPick([0, 3, 0, 1, 0]);
    const counts = [0, 0, 0, 0, 0];
    for (let step = 0; step < 400; step++) (counts[pick.at(step / 400)] as number)++;
    expect(counts).toEqual([0, 300, 0, 100, 0]);
  });

  test.each([[[]], [[0, 0]], [[1, -1]], [[NaN]]])("WeightedPick refuses the weights %j", (weights) => {
    expect(() => new WeightedPick(weights)).toThrow(/^Cannot pick by weight: /);
  });

  test("chance() is even, whichever way the numbers are read", () => {
    for (const read of [
      (n: number) => chance(1, 2, n),
      (n: number) => chance(1, n, 0),
      (n: number) => chance(n, 0, 0),
    ]) {
      const counts = Array.from({ length: 16 }, () => 0);
      for (let n = 0; n < 16_000; n++) (counts[Math.floor(read(n) * 16)] as number)++;
      expect(Math.min(...counts)).toBeGreaterThan(850); // 1,000 ± 31 expected: five deviations
      expect(Math.max(...counts)).toBeLessThan(1_150);
    }
  });

  test("profileIdOf() gives valid UUIDs, none twice, others for another seed", () => {
    const ids = [1, 2, 2 ** 32 - 1].flatMap((seed) =>
      Array.from({ length: 5_000 }, (_, serial) => profileIdOf(seed, serial)),
    );
    expect(ids.filter((id) => !UUID.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test("Agenda always names the earliest, after any changes", () => {
  const seats = 20;
  const change = fc.tuple(fc.nat(seats - 1), fc.option(fc.integer({ min: 0, max: 50 })));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const [agenda, model] = [new Agenda(seats), new Map<number, number>()];
      for (const [seat, timeMs] of changes) {
        if (timeMs === null) {
          agenda.remove(seat);
          model.delete(seat);
        } else {
          agenda.set(seat, timeMs);
          model.set(seat, timeMs);
        }
        expect(agenda.firstMs).toBe(Math.min(...model.values()));
        if (model.size > 0) expect(model.get(agenda.first)).toBe(agenda.firstMs);
      }
      for (let left = model.size; left > 0; left--) {
        expect(model.get(agenda.first)).toBe(Math.min(...model.values()));
        model.delete(agenda.first);
        agenda.remove(agenda.first);
      }
      expect(agenda.firstMs).toBe(Infinity);
    }),
  );
});

describe("world", () => {
  test("loadGamemodes() gives distinct names of the service's form, without what is no longer or never was played", () => {
    const names = loadGamemodes();
    expect(names.length).toBeGreaterThan(60);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/.test(name))).toEqual([]);
    expect(names).toEqual(
      expect.arrayContaining(["lol:5v5-ranked-solo", "dota2:all-pick", "lol:teamfight-tactics-tockers-trials"]),
    );
    expect(names.filter((name) => /unknown|blind-pick|hexakill|custom-games|test-games/.test(name))).toEqual([]);
  });

  test("loadWorld() has all 249 countries, Namibia too, and people even where nobody counted them", () => {
    expect(world.regions).toHaveLength(249);
    expect(world.regions).toContain("NA");
    expect(world.regions.filter((code) => !/^[A-Z]{2}$/.test(code))).toEqual([]);
    const shares = world.regions.map((_, region) => world.regionShare(region));
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(sum(shares)).toBeCloseTo(1);
    expect(shares[world.regions.indexOf("IN")]).toBeCloseTo(0.18, 2);
    expect(shares.filter((share) => share * 8.1e9 < 10_500)).toHaveLength(35); // 34 without a figure, and Tuvalu
  });

  test("loadWorld() lets modes fall off as measured, and one mode take nearly all in some countries", () => {
    const tastes = world.regions.map((_, region) =>
      world.gamemodes.map((__, gamemode) => world.gamemodeShare(region, gamemode)).sort((a, b) => b - a),
    );
    for (const shares of tastes) expect(sum(shares)).toBeCloseTo(1);
    const dominated = tastes.filter((shares) => itemAt(shares, 0) > 0.5);
    expect(dominated.length).toBeGreaterThan(10);
    expect(dominated.length).toBeLessThan(40);
    expect(itemAt(dominated, 0)[0]).toBeCloseTo(265 / 307);
    const usual = tastes.find((shares) => itemAt(shares, 0) < 0.5)!;
    expect(itemAt(usual, 0) / itemAt(usual, 1)).toBeCloseTo(0.1573 / 0.107);
    expect(itemAt(usual, 4) / itemAt(usual, 9)).toBeCloseTo(0.0516 / 0.0221);
    expect(Math.min(...usual)).toBeGreaterThan(0);
  });

  test("pickNeighbour() stays in the same part of the world, and never at home", () => {
    let count = 0;
    const draw = (): number => chance(3, 0, count++);
    const canada = world.regions.indexOf("CA");
    const near = new Set(Array.from({ length: 500 }, () => itemAt(world.regions, world.pickNeighbour(canada, draw))));
    expect([...near].filter((code) => !["US", "BM", "GL", "PM"].includes(code))).toEqual([]);
    const antarctica = world.regions.indexOf("AQ"); // in no part at all
    expect(world.pickNeighbour(antarctica, draw)).not.toBe(antarctica);
  });

  test("pickRegion() prefers those for whom it is evening", () => {
    const shareAt = (utcHour: number, code: string): number => {
      let count = 0;
      const draw = (): number => chance(4, 0, count++);
      const picks = Array.from({ length: 20_000 }, () => world.pickRegion(draw, utcHour));
      return picks.filter((region) => world.regions[region] === code).length / picks.length;
    };
    expect(shareAt(0, "US")).toBeGreaterThan(1.3 * shareAt(9, "US")); // 18:00 there against 3:00
    expect(shareAt(12, "CN")).toBeGreaterThan(1.3 * shareAt(19, "CN"));
  });
});

describe("Crowd", () => {
  test("one seed is one crowd: the same messages at the same times; another seed is another", () => {
    const [first, again, other] = take(
      3,
      [7, 7, 8].map((seed) => play({ seed, players: 200 }, 5 * MINUTE_MS)),
    );
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(first.length).toBeGreaterThan(1_000);
  });

  test("what players do does not depend on how often the service wants to hear from them", () => {
    const doings = [TTL_MS / 3, TTL_MS / 7].map((renewInMs) =>
      play({ seed: 7, players: 200 }, 10 * MINUTE_MS, ({ kind }) =>
        kind === "leave" ? { kind: "gone" } : { kind: "heard", renewInMs },
      )
        .filter(({ cause }) => cause === "switch" || cause === "border" || cause === "leave")
        .map(({ seat, cause, gamemode, region, dueMs }) => ({ seat, cause, gamemode, region, dueMs })),
    );
    expect(itemAt(doings, 0).length).toBeGreaterThan(100);
    // Who falls silent frees the seat later when heard later; before that, all is the same.
    const untilSilence = doings.map((messages) => messages.slice(0, 50));
    expect(untilSilence[0]).toEqual(untilSilence[1]);
  });

  test.each([1, 2, 3, 4, 5])(
    "every player's messages make sense, whatever is answered, however late: seed %i",
    (seed) => {
      const crowd = new Crowd(setupOf({ seed, players: 40, rampMs: 20_000 }));
      const witness = new Witness();
      const underWay: { message: Message; answerMs: number }[] = [];
      let draws = 0;
      const draw = (): number => chance(seed, 99, draws++);
      for (let nowMs = 0; nowMs < 60 * MINUTE_MS; nowMs += 250) {
        for (const call of underWay.filter(({ answerMs }) => answerMs <= nowMs)) {
          underWay.splice(underWay.indexOf(call), 1);
          const outcome = anyOutcome(call.message, draw);
          witness.answered(call.message, outcome, nowMs);
          crowd.settle(call.message, outcome, nowMs);
        }
        for (let message = crowd.take(nowMs); message; message = crowd.take(nowMs)) {
          witness.sent(message, nowMs);
          underWay.push({ message, answerMs: nowMs + (draw() < 0.1 ? 5_000 : 300) * draw() });
        }
      }
      expect(witness.problems).toEqual([]);
      expect([...witness.causes]).toEqual(expect.arrayContaining(["begin", "leave", "renew", "switch"]));
    },
  );

  test("the crowd arrives evenly within the ramp, and stays as many", () => {
    const [players, rampMs] = [2_000, 20_000];
    const crowd = new Crowd(setupOf({ players, rampMs }));
    const standing: number[] = [];
    for (let second = 0; second <= 40 * 60; second++) {
      takeAll(crowd, second * 1_000);
      standing.push(crowd.connectedCount);
    }
    expect(standing[10]).toBe(players / 2 + 1);
    expect(new Set(standing.slice(20))).toEqual(new Set([players]));
    expect(crowd.silentCount).toBeGreaterThan(0);
  });

  test("shares come out near the data: countries, modes, session lengths, ways to go", () => {
    const [players, forMs] = [4_000, 6 * 60 * MINUTE_MS];
    const messages = play({ players, rampMs: 0 }, forMs, ({ kind }) =>
      kind === "leave" ? { kind: "gone" } : { kind: "heard", renewInMs: 10 * 60 * MINUTE_MS },
    ); // whom nobody asks to renew, is seen only when something happens
    const begins = messages.filter(({ cause }) => cause === "begin");
    const shareIn = (code: string): number => begins.filter(({ region }) => region === code).length / begins.length;
    for (const code of ["IN", "CN", "US", "BR", "DE"]) {
      expect(shareIn(code), code).toBeCloseTo(world.regionShare(world.regions.indexOf(code)), 1.7);
    }
    const india = begins.filter(({ region }) => region === "IN");
    const top = world.gamemodes[0];
    const topShare = india.filter(({ gamemode }) => gamemode === top).length / india.length;
    expect(topShare).toBeCloseTo(world.gamemodeShare(world.regions.indexOf("IN"), 0), 1.5);

    const [switches, borders] = take(
      2,
      ["switch", "border"].map((cause) => messages.filter((message) => message.cause === cause)),
    );
    expect(borders.length).toBeGreaterThan(50);
    expect(borders.length / switches.length).toBeLessThan(2 * HABITS.borderShare);

    const leaves = messages.filter(({ cause }) => cause === "leave");
    const ended = begins.length - players;
    expect(1 - leaves.length / ended).toBeCloseTo(HABITS.silentShare, 1);
    // Sessions that began after the crowd was there, and early enough to be seen to end.
    const beginOf = new Map<string, number>();
    const minutes: number[] = [];
    for (const { cause, profileId, dueMs } of messages) {
      if (cause === "begin") beginOf.set(profileId, dueMs);
      const beganMs = beginOf.get(profileId)!;
      if (cause === "leave" && beganMs > 0 && beganMs < forMs / 6) minutes.push((dueMs - beganMs) / MINUTE_MS);
    }
    minutes.sort((a, b) => a - b);
    expect(minutes.length).toBeGreaterThan(1_000);
    const atPercent = (percent: number): number => itemAt(minutes, Math.floor((minutes.length * percent) / 100));
    expect(atPercent(25) / 9).toBeCloseTo(1, 0.5);
    expect(atPercent(50) / 30).toBeCloseTo(1, 0.5);
    expect(atPercent(90) / 127).toBeCloseTo(1, 0.5);
  });

  test("a hurried crowd always has something to say, in the order of its matches, and nobody ends before the time", () => {
    const crowd = new Crowd(setupOf({ players: 100, rampMs: 0, isHurried: true }));
    let count = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
      const message = crowd.take(nowMs)!;
      expect(message, `at ${nowMs}`).toBeDefined();
      expect(message.cause === "leave" ? nowMs >= message.dueMs : true).toBe(true);
      crowd.settle(message, message.kind === "leave" ? { kind: "gone" } : HEARD, nowMs);
      count += message.cause === "switch" ? 1 : 0;
    }
    expect(count).toBeGreaterThan(800);
    expect(crowd.connectedCount).toBe(100);
  });

  test("those who come late to a hurried crowd play no faster than the others", () => {
    const crowd = new Crowd(setupOf({ players: 20, rampMs: 20_000, isHurried: true }));
    const switches = new Map<number, number>();
    for (let nowMs = 0; nowMs < 30_000; nowMs += 5) {
      const { seat, kind, cause } = crowd.take(nowMs)!;
      crowd.settle({ seat, kind, cause } as Message, kind === "leave" ? { kind: "gone" } : HEARD, nowMs);
      if (nowMs >= 19_000 && cause === "switch") switches.set(seat, (switches.get(seat) ?? 0) + 1);
    }
    expect(switches.get(19)! / mean([...switches.values()])).toBeCloseTo(1, 0);
  });

  test("a seat goes on to somebody new, or now and then to the same player again", () => {
    const begins = play({ players: 200, rampMs: 0 }, 5 * 60 * MINUTE_MS).filter(({ cause }) => cause === "begin");
    const again = begins.length - new Set(begins.map(({ profileId }) => profileId)).size;
    expect(again / (begins.length - 200)).toBeCloseTo(HABITS.returnShare, 1);
  });

  test("a goodbye that fails and fails is given up: the player falls silent", () => {
    const crowd = new Crowd(setupOf({ players: 30, rampMs: 0 }));
    const goodbyes = new Map<number, number>(); // in a row, by seat
    let [ended, most] = [0, 0];
    for (let nowMs = 0; nowMs < 60 * MINUTE_MS; nowMs += 1_000) {
      for (let message = crowd.take(nowMs); message; message = crowd.take(nowMs)) {
        const isGoodbye = message.kind === "leave";
        if (isGoodbye) goodbyes.set(message.seat, (goodbyes.get(message.seat) ?? 0) + 1);
        if (message.cause === "begin" && goodbyes.delete(message.seat)) ended++;
        most = Math.max(most, goodbyes.get(message.seat) ?? 0);
        crowd.settle(message, isGoodbye ? { kind: "failed", retryInMs: 0 } : HEARD, nowMs);
      }
    }
    expect(ended).toBeGreaterThan(10);
    expect(most).toBe(HABITS.goodbyeTries);
    expect(crowd.connectedCount).toBe(30);
  });

  test("belief() is what was acknowledged, and says what it cannot know", () => {
    const crowd = new Crowd(setupOf({ players: 3, rampMs: 0 }));
    const [sure, unsure] = [crowd.take(0)!, crowd.take(0)!];
    crowd.settle(sure, HEARD, 0);
    crowd.settle(unsure, { kind: "failed", retryInMs: 0 }, 0);
    expect(crowd.belief(0).players).toEqual({ sure: 1, perhaps: 1 });
    const cell = world.regions.indexOf(sure.region) * world.gamemodes.length + world.gamemodes.indexOf(sure.gamemode);
    expect(itemAt(crowd.belief(0).cells, cell).sure).toBe(1);
    expect(crowd.belief(TTL_MS).players).toEqual({ sure: 0, perhaps: 2 }); // not renewed: perhaps dropped

    // A switch that may or may not have arrived: perhaps still there, perhaps here.
    const moving = new Crowd(setupOf({ players: 1, rampMs: 0 }));
    takeAll(moving, 0);
    let nowMs = 0;
    let message = moving.take(nowMs);
    for (; message?.cause !== "switch"; message = moving.take(++nowMs))
      if (message) moving.settle(message, HEARD, nowMs);
    moving.settle(message, { kind: "failed", retryInMs: 0 }, nowMs);
    expect(moving.belief(nowMs).players).toEqual({ sure: 0, perhaps: 1 });
    expect(moving.belief(nowMs).cells.filter(({ perhaps }) => perhaps === 1)).toHaveLength(2);
  });

  test("failures are tried again later and later, and not before the service wants", () => {
    const crowd = new Crowd(setupOf({ players: 1, rampMs: 0 }));
    const pauses: number[] = [];
    let nowMs = 0;
    for (const retryInMs of [0, 0, 0, 0, 0, 0, 0, 0, 0, 100_000]) {
      crowd.settle(crowd.take(nowMs)!, { kind: "failed", retryInMs }, nowMs);
      pauses.push(crowd.nextDueMs - nowMs);
      nowMs = crowd.nextDueMs;
    }
    expect(pauses[0]).toBeGreaterThanOrEqual(HABITS.retryMs);
    expect(pauses[4]).toBeGreaterThanOrEqual(HABITS.retryMs * 16);
    expect(pauses[8]).toBeLessThanOrEqual(HABITS.retryMaxMs * 1.5);
    expect(pauses[9]).toBeGreaterThanOrEqual(100_000);
  });

  test("whom the service has forgotten reports again at once", () => {
    const crowd = new Crowd(setupOf({ players: 50, rampMs: 0 }));
    takeAll(crowd, 0);
    let heartbeat: Message | undefined;
    let nowMs = 0;
    for (; heartbeat?.kind !== "heartbeat"; nowMs += 1_000) {
      heartbeat = crowd.take(nowMs);
      if (heartbeat && heartbeat.kind !== "heartbeat") crowd.settle(heartbeat, { kind: "heard" }, nowMs);
    }
    crowd.settle(heartbeat, { kind: "unknown" }, nowMs);
    expect(crowd.connectedCount).toBe(49);
    const { seat, profileId, region, gamemode } = heartbeat;
    expect(takeAll(crowd, nowMs)).toContainEqual(
      expect.objectContaining({ kind: "report", seat, profileId, region, gamemode }),
    );
    expect(crowd.connectedCount).toBe(50);
  });
});

describe("Sender", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("a service that stalls is seen to stall: latency counts from the intended time", async () => {
    const { sender, meter, link } = setUp({ players: 100, rampMs: 1_000 }, { connections: 5 });
    sender.start();
    await vi.advanceTimersByTimeAsync(500);
    expect(meter.lap(500).latencyMs(100)).toBeLessThan(2);
    link.isStalled = true;
    await vi.advanceTimersByTimeAsync(400);
    expect(sender.behindMs(900)).toBeGreaterThan(300);
    link.isStalled = false;
    await vi.advanceTimersByTimeAsync(200);
    const lap = meter.lap(1_100);
    expect(lap.messages).toBe(49); // those after 500 ms
    // Due evenly in those 500 ms, of which 400 were lost: the first waited for 400, the one in the middle for 200.
    expect(lap.latencyMs(100)).toBeGreaterThan(390);
    expect(lap.latencyMs(100)).toBeLessThan(410);
    expect(lap.latencyMs(60)).toBeGreaterThan(130);
    expect(lap.latencyMs(60)).toBeLessThan(270);
  });

  test("no more calls at a time than there are connections", async () => {
    const { sender, link, crowd } = setUp({ players: 100, rampMs: 0 }, { connections: 7 });
    link.answersAfterMs = 5;
    sender.start();
    await vi.advanceTimersByTimeAsync(200);
    expect(link.mostAtOnce).toBe(7);
    expect(crowd.connectedCount).toBe(100);
  });

  test("a rate is kept to, and time that nobody could use is not made up for", async () => {
    const even = setUp({ players: 100, rampMs: 0, isHurried: true }, { rate: 200 });
    even.sender.start();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(even.meter.total(5_000).messages).toBeCloseTo(1_000, -1.5);

    const lonely = setUp({ players: 1, rampMs: 0, isHurried: true }, { rate: 200 });
    lonely.link.answersAfterMs = 100;
    lonely.sender.start();
    await vi.advanceTimersByTimeAsync(5_000);
    const total = lonely.meter.total(5_000);
    expect(total.messages).toBeCloseTo(49, -0.5);
    expect(total.latencyMs(100)).toBeLessThan(110);
  });

  test("a batch goes out when it is full, when its first report has waited, and when all ends", async () => {
    const { sender, link } = setUp({ players: 25, rampMs: 0, isHeartbeatless: true }, { batch: 10 });
    sender.start();
    await vi.advanceTimersByTimeAsync(1);
    expect(link.rowCounts).toEqual([10, 10]);
    await vi.advanceTimersByTimeAsync(60);
    expect(link.rowCounts).toEqual([10, 10, 5]);

    const ending = setUp({ players: 3, rampMs: 0, isHeartbeatless: true }, { batch: 10 });
    ending.sender.start();
    await ending.sender.stop();
    expect(ending.link.rowCounts).toEqual([3]);
  });

  test("rows refused and answers not as agreed are errors of their own", async () => {
    const { sender, link, meter, crowd } = setUp({ players: 3, rampMs: 0, isHeartbeatless: true }, { batch: 10 });
    const rejected = [{ index: 2, code: "503", message: "no room" }];
    link.answer = () => ({ status: 202, headers: {}, body: JSON.stringify({ accepted: 2, remembered: 0, rejected }) });
    sender.start();
    await vi.advanceTimersByTimeAsync(60);
    expect([...meter.total(60).answers]).toEqual([
      ["row 503", 1],
      ["202", 1],
    ]);
    expect(crowd.connectedCount).toBe(2);
    link.answer = () => ({ status: 200, headers: {}, body: "<html>" });
    await vi.advanceTimersByTimeAsync(2_000);
    expect([...meter.total(60).answers.keys()]).toContain("200 not as agreed");
  });

  function setUp(setup: Partial<CrowdSetup>, options: { rate?: number; batch?: number; connections?: number }) {
    const startMs = performance.now();
    const [crowd, meter, link] = [new Crowd(setupOf(setup)), new Meter(0), new FakeLink()];
    const now = (): number => performance.now() - startMs;
    return {
      crowd,
      meter,
      link,
      sender: new Sender({ crowd, meter, link, now, connections: 64, batch: 0, ...options }),
    };
  }

  /** Agrees to everything, at once or later. */
  class FakeLink implements Caller {
    answersAfterMs = 0;
    isStalled = false;
    mostAtOnce = 0;
    readonly rowCounts: number[] = [];
    #atOnce = 0;

    async call(_method: string, path: string, _headers: object, body?: string): Promise<Answer> {
      this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
      if (this.answersAfterMs > 0) await pause(this.answersAfterMs);
      while (this.isStalled) await pause(1);
      this.#atOnce--;
      return this.answer(path, body);
    }

    answer = (path: string, body = ""): Answer => {
      if (path !== "/v1/reports")
        return { status: 200, headers: { "renew-in-ms": "30000" }, body: `{"renewInMs":30000}` };
      const rowCount = (JSON.parse(body) as { reports: unknown[] }).reports.length;
      this.rowCounts.push(rowCount);
      return { status: 200, headers: {}, body: JSON.stringify({ accepted: rowCount, rejected: [] }) };
    };
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
});

describe("compare()", () => {
  test("agrees with a service that says what the crowd did", async () => {
    const lines = await compareWith((truth) => truth);
    expect(lines).toHaveLength(12); // what it is, players, five countries with two lines each
    expect(lines[1]).toBe("  players    500, crowd 500: agrees");
    expect(lines.join("\n")).not.toContain("DIFFERS");
  });

  test("tells of others where there are more players than in the crowd", async () => {
    const lines = await compareWith((truth) => ({ ...truth, players: truth.players + 1 }));
    expect(lines[1]).toMatch(/^ {2}players {4}501, crowd 500: DIFFERS \(others are there too, /);
  });

  test.each<[string, (truth: Truth) => object]>([
    ["one player more in all", (truth) => ({ ...truth, players: truth.players + 1 })],
    ["one player more in a country", (truth) => ({ ...truth, players: truth.players + (truth.gamemodes ? 1 : 0) })],
    ["one player less in all", (truth) => ({ ...truth, players: truth.players - 1 })],
    [
      "one more in a mode",
      (truth) => withModes(truth, ([first, ...rest]) => [{ ...first, players: first.players + 1 }, ...rest]),
    ],
    ["a mode missing", (truth) => withModes(truth, ([, ...rest]) => rest)],
    ["an unknown mode", (truth) => withModes(truth, ([first, ...rest]) => [{ ...first, mode: "unheard-of" }, ...rest])],
    ["nothing", (truth) => withModes({ ...truth, players: 0 }, () => [])],
  ])("differs from a service that says %s", async (_, lie) => {
    expect((await compareWith(lie)).join("\n")).toContain("DIFFERS");
  });

  test("says where the service itself is not sure, and rejects where it is not to be asked", async () => {
    const lines = await compareWith((truth) => ({ ...truth, complete: false, stale: true }));
    expect(lines[2]).toMatch(/^ {2}IN service \d+ \(incomplete, stale\): /);
    const refusing = { call: async () => ({ status: 503, headers: {}, body: "starting" }) };
    const asking = compare(refusing, new Crowd(setupOf({})), world, () => 0);
    await expect(asking).rejects.toThrow("GET /v1/players was answered with 503: starting");
  });

  interface Row {
    readonly mode: string;
    readonly players: number;
  }

  interface Truth {
    readonly players: number;
    /** Of a region. */
    readonly gamemodes?: Row[];
  }

  function withModes(truth: Truth, change: (rows: readonly [Row, ...Row[]]) => Row[]): Truth {
    return truth.gamemodes ? { ...truth, gamemodes: change(nonEmpty(truth.gamemodes)) } : truth;
  }

  /** 500 players all arrived, and a service that says the truth about them, or something else. */
  function compareWith(tell: (truth: Truth) => object): Promise<string[]> {
    const crowd = new Crowd(setupOf({ players: 500, rampMs: 0 }));
    const reports = takeAll(crowd, 0);
    const service = {
      async call(_: string, path: string): Promise<Answer> {
        const region = path.split("/")[3];
        const places = reports.filter((report) => region === undefined || report.region === region);
        const gamemodes = [...Map.groupBy(places, ({ gamemode }) => gamemode)]
          .map(([mode, players]) => ({ mode, players: players.length }))
          .sort((a, b) => b.players - a.players || (a.mode < b.mode ? -1 : 1))
          .slice(0, 5);
        const truth = { players: places.length, ...(region && { gamemodes }) };
        return { status: 200, headers: {}, body: JSON.stringify(tell(truth)) };
      },
    };
    return compare(service, crowd, world, () => 0);
  }
});

describe("options", () => {
  test("parseOptions() has defaults for all that is needed", () => {
    expect(optionsOf([])).toEqual({
      players: 10_000,
      url: new URL("http://127.0.0.1:8080"),
      batch: 0,
      seed: 1,
      connections: 64,
      sessionTtl: 90,
    });
    expect(optionsOf(["--players", "5", "--check", "--rate=20", "--hour", "19.5"])).toMatchObject({
      players: 5,
      check: true,
      rate: 20,
      hour: 19.5,
    });
  });

  test.each([
    [["--players", "0"], '--players must be a whole number from 1 to 5000000, got "0"'],
    [["--players=many"], '--players must be a whole number from 1 to 5000000, got "many"'],
    [["--rate", "1.5"], '--rate must be a whole number from 1 to 1000000, got "1.5"'],
    [["--rate", "-5"], '--rate must be a whole number from 1 to 1000000, got "-5"'],
    [["--url", "ftp://x"], '--url must be an http or https address such as http://127.0.0.1:8080, got "ftp://x"'],
    [
      ["--url", "x\u001b[2J"],
      String.raw`--url must be an http or https address such as http://127.0.0.1:8080, got "x\u001b[2J"`,
    ],
    [["--seconds", ""], '--seconds must be a number from 0.001 to 2000000, got ""'],
    [["--batch", "10001"], '--batch must be a whole number from 0 to 10000, got "10001"'],
    [["--seed", "4294967296"], '--seed must be a whole number from 0 to 4294967295, got "4294967296"'],
    [
      ["--connections", "9".repeat(99)],
      `--connections must be a whole number from 1 to 1024, got "${"9".repeat(64)}…"`,
    ],
    [["--hour", "24"], '--hour must be a number from 0 to 23.99, got "24"'],
    [["--players"], "option '--players <number>' argument missing (--help lists the options)"],
    [["--player", "5"], "unknown option '--player' (Did you mean --players?) (--help lists the options)"],
    [["5"], "too many arguments. Expected 0 arguments but got 1: 5. (--help lists the options)"],
  ])("parseOptions(%j) is one clear line", (args, line) => {
    expect(parseOptions(args)).toEqual({ kind: "wrong", line });
  });

  test("main exits with 2 and one line on a wrong value, and with 0 on --help", async () => {
    const wrong = await runMain(["--batch", "no"]);
    expect(wrong).toEqual({
      code: 2,
      stdout: "",
      stderr: '--batch must be a whole number from 0 to 10000, got "no"\n',
    });
    const help = await runMain(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("--ramp-seconds");
  });
});

describe("wire", () => {
  const report = messageOf("report");
  const answer = (status: number, body: unknown = "", headers = {}) => ({
    status,
    headers,
    body: JSON.stringify(body),
  });

  test.each([
    ["report", 200, { renewInMs: 30_000 }, {}, { kind: "heard", renewInMs: 30_000 }],
    ["report", 202, { renewInMs: 1 }, {}, { kind: "heard", renewInMs: 50 }],
    ["heartbeat", 204, "", { "renew-in-ms": "25000" }, { kind: "heard", renewInMs: 25_000 }],
    ["heartbeat", 404, "", {}, { kind: "unknown" }],
    ["leave", 204, "", {}, { kind: "gone" }],
    ["leave", 202, "", {}, { kind: "gone" }],
    ["report", 503, "", { "retry-after": "3" }, { kind: "failed", retryInMs: 3_000 }],
    ["report", 429, "", {}, { kind: "failed", retryInMs: 0 }],
    ["report", 400, "", {}, { kind: "failed", retryInMs: 30_000 }],
    ["report", 404, "", {}, { kind: "failed", retryInMs: 30_000 }],
  ] as const)("outcomeOf(%s, %i %j %j)", (kind, status, body, headers, outcome) => {
    expect(outcomeOf(messageOf(kind), answer(status, body, headers))).toEqual(outcome);
  });

  test("outcomeOf() throws where the pace is missing or no number", () => {
    for (const body of [{}, { renewInMs: "soon" }, { renewInMs: -1 }]) {
      expect(() => outcomeOf(report, answer(200, body))).toThrow(/^Not a time to renew in/);
    }
    expect(() => outcomeOf(messageOf("heartbeat"), answer(204))).toThrow(/^Not a time to renew in/);
    expect(() => outcomeOf(report, { status: 200, headers: {}, body: "<html>" })).toThrow(SyntaxError);
  });

  test("batchOutcomesOf() settles row by row", () => {
    const refused: string[] = [];
    const rejected = [{ index: 1, code: "503", message: "no owner in time" }];
    const outcomes = batchOutcomesOf(
      [report, report, report],
      answer(202, { accepted: 2, remembered: 0, rejected }),
      (code) => refused.push(code),
    );
    expect(outcomes).toEqual([{ kind: "heard" }, { kind: "failed", retryInMs: 0 }, { kind: "heard" }]);
    expect(refused).toEqual(["503"]);
    const none = batchOutcomesOf([report], answer(503, "", { "retry-after": "2" }), () => {});
    expect(none).toEqual([{ kind: "failed", retryInMs: 2_000 }]);
    expect(() => batchOutcomesOf([report, report], answer(200, { accepted: 1, rejected: [] }), () => {})).toThrow(
      TypeError,
    );
  });
});

describe("lines", () => {
  test("progressLine() tells the last second, summaryLines() all of it", () => {
    const meter = new Meter(0);
    for (const latencyMs of [0.5, 0.5, 80]) meter.took(latencyMs);
    for (const status of ["200", "202", "503", "ECONNREFUSED"]) meter.called(status);
    meter.delivered("begin");
    expect(progressLine(1, meter.lap(2_000), { connected: 12_345, silent: 12, behindMs: 1_500 })).toMatch(
      /^ {4}1 s {2}connected 12,345 \(12 silent\) {2}1 reports\/s {2}p50 0\.500 ms {2}p99 80\.\d ms {2}202: 1 {2}errors: 503: 1 {2}ECONNREFUSED: 1 {2}behind 1\.5 s$/,
    );
    expect(progressLine(2, meter.lap(3_000), { connected: 1, silent: 0, behindMs: 3 })).toBe(
      "    2 s  connected 1  0 reports/s  p50 -  p99 -  202: 0  errors: none",
    );
    const summary = summaryLines(meter.total(4_000), { connected: 1, silent: 0, behindMs: 0 }).join("\n");
    expect(summary).toMatch(/^4\.0 s: 1 messages, 0 a second/);
    expect(summary).toMatch(/1 began, 0 switched/);
    expect(summary).toMatch(/answers {4}200: 1 {2}202: 1\n/);
  });
});

describe("a run", () => {
  const PLAYERS = 300;

  test.each([
    ["one by one", []],
    ["in batches", ["--batch", "50", "--session-ttl", "1"]],
    ["at a rate", ["--rate", "2000"]],
  ])("%s: the service has all players, the check agrees, players switch and renew", async (_, args) => {
    await using service = await startStubService({ renewInMs: 200 });
    const run = startRun(service, [...args, "--check"]);
    await until(
      "all are there and some were heard of again",
      () => messagesOf(service) > 3 * PLAYERS && service.players.size >= PLAYERS,
    );
    const { code, said, warned } = await run.stop();
    expect({ code, warned }).toEqual({ code: 0, warned: "" });
    expect(said).toMatch(/300 players in 249 countries/);
    expect(said).toMatch(/errors +none/);
    expect(said).toMatch(/players +30\d, crowd .*: agrees/);
    expect(said).not.toContain("DIFFERS");
    expect([...service.players.keys()].filter((id) => !UUID.test(id))).toEqual([]);
  });

  test("players whose report is refused for a while, or cut off, come all the same; the errors are counted", async () => {
    await using service = await startStubService({ renewInMs: 200 });
    let count = 0;
    service.intercept = ({ method }) => {
      if (method !== "POST" || ++count > 100) return undefined;
      return count % 2 === 0 ? { status: 503, headers: { "retry-after": "0" }, json: {} } : "hang up";
    };
    const run = startRun(service, ["--check"]);
    await until("all are there", () => service.players.size >= PLAYERS);
    const { code, said } = await run.stop();
    expect(code).toBe(0);
    expect(said).toMatch(/errors .*503: 50/);
    expect(said).toMatch(/errors .*closed: 50/);
    expect(said).not.toContain("DIFFERS");
  });

  test("players whom a restarted service has lost report again", async () => {
    await using service = await startStubService({ renewInMs: 200 });
    const run = startRun(service, []);
    await until("all are there", () => service.players.size >= PLAYERS);
    service.players.clear();
    await until("all are there again", () => service.players.size >= PLAYERS);
    expect((await run.stop()).said).toMatch(/errors .*404: \d+/);
  });

  test("a service that was never reached: tried again and again, exit code 1", async () => {
    const { code, stdout, stderr } = await runMain(["--url", "http://127.0.0.1:9", "--seconds", "0.3"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^http:\/\/127\.0\.0\.1:9 does not answer \(ECONNREFUSED\), trying again in 0\.2 s\n/);
    expect(stderr).toMatch(/was never reached\n$/);
  });

  test("Ctrl-C ends main with a summary and exit code 0", async () => {
    await using service = await startStubService();
    const main = spawnMain(["--url", service.url, "--players", "50", "--ramp-seconds", "0"]);
    const [output, exit] = [text(main.stdout), once(main, "exit")];
    await until("all are there", () => service.players.size >= 50);
    main.kill("SIGINT");
    expect(await exit).toEqual([0, null]);
    expect(await output).toMatch(/players {4}50 connected/);
  });

  interface Ended {
    readonly code: number;
    readonly said: string;
    readonly warned: string;
  }

  /** A run in this process, against the stub, until it is stopped. */
  function startRun(service: StubService, args: readonly string[]): { stop(): Promise<Ended> } {
    const [said, warned]: [string[], string[]] = [[], []];
    const screen = { progress() {}, say: (line: string) => said.push(line), warn: (line: string) => warned.push(line) };
    const stop = new AbortController();
    const options = optionsOf(["--url", service.url, "--players", `${PLAYERS}`, "--ramp-seconds", "0.1", ...args]);
    const ended = runCrowd(options, screen, stop.signal);
    return {
      stop: async () => {
        stop.abort();
        return { code: await ended, said: said.join("\n"), warned: warned.join("\n") };
      },
    };
  }

  function messagesOf({ calls, rowCount }: StubService): number {
    return calls.length + rowCount;
  }
});

interface Seat {
  profileId: string;
  isHere: boolean;
  isBusy: boolean;
  place: string;
  told: string;
  heardMs: number;
}

/** What a player may say next, given what was answered: a second, plain account of the crowd. */
class Witness {
  readonly problems: string[] = [];
  readonly causes = new Set<string>();
  readonly #seats = new Map<number, Seat>();

  sent(message: Message, nowMs: number): void {
    const { seat, kind, cause, profileId, region, gamemode, dueMs } = message;
    const before = this.#seats.get(seat);
    const place = `${region} ${gamemode}`;
    const problem = (what: string): void => void this.problems.push(`${nowMs}: ${JSON.stringify(message)}: ${what}`);
    if (dueMs > nowMs) problem("before its time");
    if (before?.isBusy) problem("while another message of the player is under way");
    if (before?.profileId !== profileId && cause !== "begin") problem("by somebody new");
    if (cause === "begin" && before?.isHere && nowMs < before.heardMs + TTL_MS) problem("in a seat still taken");
    if (cause === "begin" && kind !== "report") problem("begins without a report");
    if (kind === "heartbeat" && before?.told !== place) problem("a heartbeat for what was not acknowledged");
    if (cause === "leave" && !before?.isHere) problem("leaves without having come");
    if (cause === "switch" && before?.told === place) problem("switches to the same");
    if (cause === "border" && before?.place.slice(0, 2) === region) problem("crosses no border");
    this.causes.add(cause);
    const isNew = before?.profileId !== profileId;
    const known = isNew ? { isHere: false, told: "", heardMs: 0 } : before;
    this.#seats.set(seat, { ...known, profileId, isBusy: true, place });
  }

  answered(message: Message, outcome: Outcome, nowMs: number): void {
    const seat = this.#seats.get(message.seat)!;
    seat.isBusy = false;
    if (outcome.kind === "gone") [seat.isHere, seat.told] = [false, ""];
    if (outcome.kind === "unknown") seat.told = "";
    if (outcome.kind === "heard") [seat.isHere, seat.heardMs] = [true, nowMs];
    if (outcome.kind === "heard" && message.kind === "report") seat.told = seat.place;
  }
}

function anyOutcome({ kind }: Message, draw: () => number): Outcome {
  if (draw() < 0.1) return { kind: "failed", retryInMs: draw() < 0.5 ? 0 : 2_000 };
  if (kind === "leave") return { kind: "gone" };
  if (kind === "heartbeat" && draw() < 0.05) return { kind: "unknown" };
  return { kind: "heard", renewInMs: 20_000 + 20_000 * draw() };
}

function setupOf(setup: Partial<CrowdSetup>): CrowdSetup {
  return { world, seed: 1, players: 100, rampMs: 1_000, sessionTtlMs: TTL_MS, ...setup };
}

/** All messages of a crowd whose service answers at once. */
function play(setup: Partial<CrowdSetup>, untilMs: number, answer = agreeably): Message[] {
  const crowd = new Crowd(setupOf(setup));
  const messages: Message[] = [];
  for (let nowMs = crowd.nextDueMs; nowMs <= untilMs; nowMs = crowd.nextDueMs) {
    const message = crowd.take(nowMs);
    if (!message) continue;
    messages.push(message);
    crowd.settle(message, answer(message), nowMs);
  }
  return messages;
}

function takeAll(crowd: Crowd, nowMs: number): Message[] {
  const messages: Message[] = [];
  for (let message = crowd.take(nowMs); message; message = crowd.take(nowMs)) {
    messages.push(message);
    crowd.settle(message, agreeably(message), nowMs);
  }
  return messages;
}

function agreeably({ kind }: Message): Outcome {
  return kind === "leave" ? { kind: "gone" } : HEARD;
}

function messageOf(kind: Message["kind"]): Message {
  const profileId = profileIdOf(1, 1);
  return { kind, cause: "renew", seat: 0, profileId, region: "CA", gamemode: "dota2:turbo", dueMs: 0 };
}

function optionsOf(args: readonly string[]): CrowdOptions {
  const parsed = parseOptions(args);
  if (parsed.kind !== "run") throw new Error(`Not options: ${JSON.stringify(parsed)}`);
  return parsed.options;
}

function spawnMain(args: readonly string[]) {
  const main = fileURLToPath(new URL("../../crowd/main.ts", import.meta.url));
  return spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

async function runMain(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = spawnMain(args);
  const [[code], stdout, stderr] = await Promise.all([once(main, "exit"), text(main.stdout), text(main.stderr)]);
  return { code: code as number, stdout, stderr };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
