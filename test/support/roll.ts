/** Players with what each of them was told, for tests that look at single answers. */
import { expect } from "vitest";

import type { Answer, HttpClient } from "./http.ts";
import { freshPlayer } from "./shared-node.ts";
import { until } from "./until.ts";

export const REGION = "CA";
/** In turn, so that they can all be known to the cluster: who reports one after the other is never where it was before. */
const MODES = ["GM01", "GM02", "GM03", "GM04"];

export interface Listed {
  readonly profileId: string;
  /** The modes it may be in, `undefined` for nowhere: one after an answer 200. */
  possible: ReadonlySet<string | undefined>;
}

export class Roll {
  readonly players: readonly Listed[];
  private rounds = 0;

  constructor(count: number) {
    this.players = Array.from({ length: count }, () => ({
      profileId: freshPlayer(),
      possible: new Set<string | undefined>([undefined]),
    }));
  }

  /** Each reports the next mode. What is answered by anything but 200, 202 and 503 fails the test. */
  async report(http: HttpClient, of: readonly Listed[] = this.players): Promise<Map<Listed, Answer>> {
    const gamemode = MODES[this.rounds++ % MODES.length];
    const report = async (player: Listed): Promise<[Listed, Answer]> => {
      player.possible = new Set([...player.possible, gamemode]);
      const answer = await http.report(player.profileId, { region: REGION, gamemode });
      expect([200, 202, 503], answer.text).toContain(answer.status);
      if (answer.status === 200) player.possible = new Set([gamemode]);
      return [player, answer];
    };
    return new Map(await Promise.all(of.map(report)));
  }

  /** All modes are known to the cluster, and everybody is told 200. */
  async introduce(http: HttpClient): Promise<void> {
    for (const _ of MODES) await this.untilRemembered(http);
  }

  /** Until all of one round are told 200. */
  async untilRemembered(http: HttpClient, of: readonly Listed[] = this.players, limitMs = 20_000): Promise<void> {
    const look = async () => {
      const statuses = statusesOf(await this.report(http, of));
      if (statuses.size > 1 || !statuses.has(200)) throw new Error(`Answered ${JSON.stringify([...statuses])}`);
      return true;
    };
    await until("everybody is told 200", look, { limitMs, intervalMs: 50 });
  }

  /** Each is where it was last told to be, and so say the counts. */
  async expectKept(http: HttpClient): Promise<void> {
    const { there } = await this.expectNothingInvented(http);
    expect(there).toHaveLength(this.players.filter(({ possible }) => !possible.has(undefined)).length);
  }

  /** Each is where it was last told to be or nowhere, and so say the counts. */
  async expectNothingInvented(http: HttpClient): Promise<{ there: readonly Listed[]; gone: readonly Listed[] }> {
    const modes = new Map(
      await Promise.all(this.players.map(async (player) => [player, await modeOf(http, player)] as const)),
    );
    for (const [{ profileId, possible }, mode] of modes)
      if (mode !== undefined) expect([...possible], profileId).toContain(mode);
    const there = this.players.filter((player) => modes.get(player) !== undefined);
    const gone = this.players.filter((player) => modes.get(player) === undefined);
    const counts = await until("the counts are whole", async () => {
      const { status, json } = await http.top(REGION, 100);
      return status === 200 && json.complete !== false && json.stale !== true ? json : undefined;
    });
    expect(counts.players).toBe(there.length);
    return { there, gone };
  }
}

/** How many got which status. */
export function statusesOf(answers: ReadonlyMap<Listed, Answer>): Map<number, number> {
  const statuses = Map.groupBy(answers.values(), ({ status }) => status);
  return new Map([...statuses].map(([status, some]) => [status, some.length]));
}

/** Where a player is connected; asks again while that is not known. */
export async function modeOf(http: HttpClient, { profileId }: Listed): Promise<string | undefined> {
  const answer = await until(`it is known where ${profileId} is`, async () => {
    const found = await http.profile(profileId);
    return found.status === 503 ? undefined : found;
  });
  expect([200, 404], answer.text).toContain(answer.status);
  return answer.status === 200 ? answer.json.gamemode : undefined;
}
