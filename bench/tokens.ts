/**
 * Part 9: what tokens cost. A token that the connection sent before, and one that is known by its hash, against a node that asks
 * for none; and how others fare while players arrive whose tokens are unknown here, as after the death of another node.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { TokensResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { fillByBatches } from "./support/fill.ts";
import { LONG_SESSION, startHeadcount } from "./support/headcount.ts";
import { singleReport, singleReports } from "./support/reports.ts";
import type { Server } from "./support/servers.ts";
import { bearer, Signer } from "./support/signer.ts";
import { startLoad } from "./support/steady-load.ts";
import { randomOf, uuidOf } from "./support/traffic.ts";
import { inTurns, type LoadFigures, type Running, runSpell, seriesOf, startAll, stopAll } from "./support/turns.ts";
import { writeRequests } from "./support/wrk.ts";

/** The same players come again and again, more often than the limit lets anybody. */
const OFTEN = { HEADCOUNT_RATE_PROFILE: "100000/10s" };
const WARMED_AT_ONCE = 64;
const FIRST_STRANGER = 1e7;

interface Way {
  readonly name: string;
  /** Asks for tokens. */
  readonly isAsking: boolean;
  /** What each player's request shows. */
  readonly tokenOf: (player: number) => string | undefined;
}

export async function measureTokens({ rounds, tokens }: Settings): Promise<Omit<TokensResult, "date" | "isQuick">> {
  const { players, connections } = tokens;
  const signer = new Signer();
  const gateway = signer.token({ scope: "reports:batch" });
  const own = Array.from({ length: players }, (_, player) => signer.token({ sub: uuidOf(player) }));
  const ways: readonly Way[] = [
    { name: "no tokens", isAsking: false, tokenOf: () => undefined },
    { name: "known by the connection", isAsking: true, tokenOf: () => gateway },
    { name: "known by the hash", isAsking: true, tokenOf: (player) => own[player] },
  ];
  const start = (isAsking: boolean): Promise<Server> =>
    startHeadcount({ durability: "none", env: { ...LONG_SESSION, ...OFTEN, ...(isAsking ? signer.settings : {}) } });
  const running = await startAll(
    ways.map(({ name, isAsking, tokenOf }) => ({
      name,
      start: () => start(isAsking),
      fill: async (server) => {
        await fillByBatches(server, players, bearer(gateway));
        await showAll(server, players, tokenOf);
      },
    })),
  );
  const paths = await Promise.all(ways.map(({ tokenOf }) => writeRequests(withTokens(players, tokenOf))));
  const figures = await inTurns(running, rounds, (contestant) =>
    runSpell(contestant, { ...tokens, requestsPath: paths[running.indexOf(contestant)] as string, isForLane: true }),
  );
  const contestants = [];
  for (const [at, contestant] of running.entries())
    contestants.push(await seriesOf(contestant, figures[at] as LoadFigures[]));
  const arrivals = await measureArrivals(running[1] as Running, paths[1] as string, signer, rounds, tokens);
  await stopAll(running);
  return { players, connections, contestants, arrivals };
}

/** Players arrive at a steady rate, each with a token that was never seen, while others report as before. */
async function measureArrivals(
  { server }: Running,
  othersPath: string,
  signer: Signer,
  rounds: number,
  { connections, arrivals }: Settings["tokens"],
): Promise<TokensResult["arrivals"]> {
  const { strangers, seconds, othersPerSecond } = arrivals;
  const perSecond = Math.round(strangers / seconds);
  const [quietP99Ms, p99Ms, strangersP99Ms]: [number[], number[], number[]] = [[], [], []];
  let refused = 0;
  server.resume();
  for (let round = 0; round < rounds; round++) {
    const from = FIRST_STRANGER + round * strangers;
    const strangersPath = await writeRequests(strangersFrom(from, strangers, signer));
    const load = (requestsPath: string, requestsPerSecond: number) =>
      startLoad({ urls: [server.url], requestsPath, first: 0, requestsPerSecond, connections, isSharing: false });
    const others = load(othersPath, othersPerSecond);
    await sleep(1000);
    await others.figures();
    await sleep((seconds * 1000) / 3);
    quietP99Ms.push((await others.figures()).p99Ms);
    const arriving = load(strangersPath, perSecond);
    await sleep(seconds * 1000);
    const [one, all] = [await others.figures(), await arriving.figures()];
    await Promise.all([others.stop(), arriving.stop()]);
    p99Ms.push(one.p99Ms);
    strangersP99Ms.push(all.p99Ms);
    refused += one.refused + all.refused;
  }
  return { strangers, seconds, othersPerSecond, quietP99Ms, p99Ms, strangersP99Ms, refused };
}

/** Signs tokens, and tells a node how to take them. */
function withToken(request: string, token: string | undefined): string {
  return token === undefined ? request : request.replace("\r\n", `\r\nAuthorization: Bearer ${token}\r\n`);
}

function* withTokens(players: number, tokenOf: Way["tokenOf"]): Generator<string> {
  let at = 0;
  for (const request of singleReports(players)) yield withToken(request, tokenOf(at++ % players));
}

function* strangersFrom(first: number, count: number, signer: Signer): Generator<string> {
  const random = randomOf(5);
  for (let player = first; player < first + count; player++)
    yield withToken(singleReport(player, random), signer.token({ sub: uuidOf(player) }));
}

/** Every token once, so that none is verified while it is measured. */
async function showAll(server: Server, players: number, tokenOf: Way["tokenOf"]): Promise<void> {
  let next = 0;
  const showOn = async (): Promise<void> => {
    while (next < players) {
      const player = next++;
      const token = tokenOf(player);
      if (token === undefined) return;
      const url = `${server.url}/v1/profiles/${uuidOf(player)}/heartbeat`;
      const answer = await fetch(url, { method: "PUT", headers: bearer(token) });
      if (!answer.ok) throw new Error(`Cannot show the token of player ${player}: answered ${answer.status}`);
    }
  };
  await Promise.all(Array.from({ length: WARMED_AT_ONCE }, showOn));
}
