import { describe, expect, test } from "vitest";
import { Crowd, type CrowdSetup, HABITS, type Message, type Outcome } from "../../crowd/crowd.ts";
import { chance } from "../../crowd/sampling.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { agreeably, HEARD, mean, setupOf, takeAll, TTL_MS, world } from "../support/crowd.ts";

const MINUTE_MS = 60_000;

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

    // What was refused outright has changed nothing; it takes back no doubt about what was said before.
    const refused = new Crowd(setupOf({ players: 2, rampMs: 0 }));
    const [never, doubtful] = [refused.take(0)!, refused.take(0)!];
    refused.settle(never, { kind: "refused", retryInMs: 0 }, 0);
    refused.settle(doubtful, { kind: "failed", retryInMs: 0 }, 0);
    expect(refused.belief(0).players).toEqual({ sure: 0, perhaps: 1 });
    while (refused.nextDueMs < 2_000) {
      const again = refused.take(refused.nextDueMs);
      if (again) refused.settle(again, { kind: "refused", retryInMs: 0 }, again.dueMs);
    }
    expect(refused.belief(2_000).players).toEqual({ sure: 0, perhaps: 1 });

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
