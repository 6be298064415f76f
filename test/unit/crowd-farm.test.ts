import { describe, expect, test } from "vitest";
import { playersOrigin } from "../../crowd/addresses.ts";
import { Crowd, type Message, type Outcome, type Speaking } from "../../crowd/crowd.ts";
import { Everyone } from "../../crowd/everyone.ts";
import { openFarm } from "../../crowd/farm.ts";
import { agreeably, setupOf, TTL_MS, world } from "../support/crowd.ts";

const BOTS = 200;
const MINUTE_MS = 60_000;
const REFUSED: Outcome = { kind: "refused", retryInMs: 30_000 };

describe("openFarm()", () => {
  test("the mode is one of few players, in the country of the most", () => {
    const { region, gamemode, prefixes } = open();
    expect(region).toBe("IN");
    const india = world.regions.indexOf("IN");
    const shareOf = (mode: string): number => world.gamemodeShare(india, world.gamemodes.indexOf(mode));
    expect(shareOf(gamemode)).toBe(Math.min(...world.gamemodes.map(shareOf)));
    expect(prefixes).toHaveLength(4);
  });

  test("bots report nothing else, from the prefixes only, and come anew under ids never seen before", () => {
    const { bots, region, gamemode, prefixes } = open();
    const messages = play(bots, 10 * MINUTE_MS);
    const places = new Set(messages.map((message) => `${message.region} ${message.gamemode}`));
    expect([...places]).toEqual([`${region} ${gamemode}`]);
    const networks = new Set(messages.map(({ origin }) => origin!.address.replace(/\d+$/, "0/24")));
    expect(networks).toEqual(new Set(prefixes));
    const begins = messages.filter(({ cause }) => cause === "begin");
    expect(begins.length).toBeGreaterThan(4 * BOTS);
    expect(new Set(begins.map(({ profileId }) => profileId)).size).toBe(begins.length);
    expect(new Set(messages.map(({ kind }) => kind))).toEqual(new Set(["report", "heartbeat", "leave"]));
    expect(play(open().bots, MINUTE_MS)).toEqual(messages.filter(({ dueMs }) => dueMs <= MINUTE_MS));
    const players = new Set(play(new Crowd(setupOf({})), MINUTE_MS).map(({ profileId }) => profileId));
    expect(begins.filter(({ profileId }) => players.has(profileId))).toEqual([]);
  });

  test("bots who are refused for good are not there, and nobody is unsure of it", () => {
    const { bots, prefixes } = open();
    const blocked = prefixes[0]!.replace(/0\/24$/, "");
    const isBlocked = ({ kind, origin }: Message): boolean => kind === "report" && origin!.address.startsWith(blocked);
    const messages = play(bots, 5 * MINUTE_MS, (message) => (isBlocked(message) ? REFUSED : agreeably(message)));
    expect(bots.connectedCount).toBe((3 / 4) * BOTS);
    const { sure, perhaps } = bots.belief(5 * MINUTE_MS).players;
    expect(sure + perhaps).toBe((3 / 4) * BOTS);
    expect(perhaps, "silent, and about to lapse").toBeLessThan(10);
    expect(messages.filter(isBlocked).length).toBeGreaterThan(BOTS);
  });
});

describe("Everyone", () => {
  test("whoever has been due the longest says something first, and hears what became of it", () => {
    const { everyone, players, bots } = together(false);
    const messages = play(everyone, 5 * MINUTE_MS);
    const dues = messages.map(({ dueMs }) => dueMs);
    expect(dues).toEqual(dues.toSorted((one, other) => one - other));
    expect([players.connectedCount, bots.connectedCount]).toEqual([100, BOTS]);
    const alone = play(new Crowd(setupOf({ originOf: playersOrigin(1) })), 5 * MINUTE_MS);
    expect(messages.filter(({ origin }) => !origin!.isBot)).toEqual(alone);
    expect(messages.filter(({ origin }) => origin!.isBot)).toEqual(play(open().bots, 5 * MINUTE_MS));
  });

  test("belief() is of both", () => {
    const { everyone, players, bots } = together(false);
    play(everyone, MINUTE_MS);
    const belief = everyone.belief(MINUTE_MS);
    expect(belief.players).toEqual({ sure: 100 + BOTS, perhaps: 0 });
    const cells = [players, bots].map((crowd) => crowd.belief(MINUTE_MS).cells);
    expect(belief.cells.map(({ sure }) => sure)).toEqual(
      cells[0]!.map(({ sure }, index) => sure + cells[1]![index]!.sure),
    );
  });

  test("a hurried crowd, which has always something to say, lets bots speak when they are due", () => {
    const { everyone, bots } = together(true);
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
      const message = everyone.take(nowMs)!;
      everyone.settle(message, agreeably(message), nowMs);
    }
    expect(bots.connectedCount).toBe(BOTS);
  });
});

function open() {
  return openFarm({ world, seed: 1, players: BOTS, rampMs: 1_000, sessionTtlMs: TTL_MS });
}

function together(isHurried: boolean) {
  const players = new Crowd(setupOf({ isHurried, originOf: playersOrigin(1) }));
  const { bots } = open();
  return { players, bots, everyone: new Everyone(players, bots) };
}

/** All messages, of those whose service answers at once. */
function play(speaking: Speaking, untilMs: number, answer = agreeably): Message[] {
  const messages: Message[] = [];
  for (let nowMs = speaking.nextDueMs; nowMs <= untilMs; nowMs = speaking.nextDueMs) {
    const message = speaking.take(nowMs);
    if (!message) continue;
    messages.push(message);
    speaking.settle(message, answer(message), nowMs);
  }
  return messages;
}
