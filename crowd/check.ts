// Does the service say what the crowd believes? Both side by side; other users of the service show as a difference.
import type { Belief, Interval } from "./crowd.ts";
import { whole } from "./lines.ts";
import type { Caller } from "./link.ts";
import type { World } from "./world.ts";

const REGIONS_SHOWN = 5;
const TOP = 5;

const OTHERS = " (others are there too, or an earlier run's players have not lapsed yet)";

interface Believing {
  belief(nowMs: number): Belief;
}

/**
 * Lines to print. Rejects where the service cannot be asked.
 * @param pushed the mode that bots push: an operator may have taken it off the boards
 */
export async function compare(
  link: Caller,
  crowd: Believing,
  world: World,
  now: () => number,
  pushed?: string,
): Promise<string[]> {
  const { players } = await ask<{ players: number }>(link, "/v1/players");
  const everyone = crowd.belief(now()).players;
  const lines = [
    "check: the service, asked with no-cache, beside what the crowd knows of itself",
    `  players    ${whole(players)}, crowd ${range(everyone)}: ${verdict(isWithin(players, everyone))}` +
      (players > everyone.sure + everyone.perhaps ? OTHERS : ""),
  ];
  for (const region of largestRegions(crowd, world, now()))
    lines.push(...(await compareRegion(link, crowd, world, region, now, pushed)));
  return lines;
}

async function compareRegion(
  link: Caller,
  crowd: Believing,
  world: World,
  region: number,
  now: () => number,
  pushed: string | undefined,
): Promise<string[]> {
  const answer = await ask<TopAnswer>(link, `/v1/regions/${world.regions[region]}/gamemode?top=${TOP}`);
  const cells = cellsOf(crowd, world, region, now());
  const players = cells.reduce((sum, { sure, perhaps }) => ({ sure: sum.sure + sure, perhaps: sum.perhaps + perhaps }));
  const believed = cells.map((interval, gamemode) => ({ mode: world.gamemodes[gamemode] as string, interval }));
  const listed = new Map(answer.gamemodes.map((row) => [row.mode, row.players]));
  const least = answer.gamemodes.length < TOP ? 0 : Math.min(...listed.values());
  // A mode listed has the crowd's count; one that is not has no more than the last of the list.
  const wrong = believed.filter(
    ({ mode, interval }) => !isWithin(listed.get(mode) ?? Math.min(interval.sure, least), interval),
  );
  const isPushedHidden = wrong.some(({ mode }) => mode === pushed && !listed.has(mode));
  const areModesRight = wrong.length === (isPushedHidden ? 1 : 0);
  const isRight = isWithin(answer.players, players) && areModesRight && listed.size <= believed.length;
  const marks = [answer.complete === false ? "incomplete" : "", answer.stale === true ? "stale" : ""]
    .filter(Boolean)
    .join(", ");
  const top = believed
    .filter(({ interval }) => interval.sure + interval.perhaps > 0)
    .sort((a, b) => b.interval.sure - a.interval.sure || (a.mode < b.mode ? -1 : 1))
    .slice(0, TOP);
  return [
    `  ${world.regions[region]} service ${whole(answer.players)}${marks && ` (${marks})`}: ` +
      answer.gamemodes.map((row) => `${row.mode} ${whole(row.players)}`).join(", "),
    `     crowd   ${range(players)}: ${top.map(({ mode, interval }) => `${mode} ${range(interval)}`).join(", ")}: ${verdict(isRight)}` +
      (isPushedHidden ? ` (the bots' ${pushed} is not on the board: is it in quarantine?)` : ""),
  ];
}

interface TopAnswer {
  readonly players: number;
  readonly gamemodes: readonly { readonly mode: string; readonly players: number }[];
  readonly complete?: boolean;
  readonly stale?: boolean;
}

function largestRegions(crowd: Believing, world: World, nowMs: number): number[] {
  const { cells } = crowd.belief(nowMs);
  const counts = world.regions.map((_, region) =>
    sliceOf(cells, world, region).reduce((sum, { sure }) => sum + sure, 0),
  );
  return [...counts.keys()]
    .filter((region) => (counts[region] as number) > 0)
    .sort((a, b) => (counts[b] as number) - (counts[a] as number))
    .slice(0, REGIONS_SHOWN);
}

function cellsOf(crowd: Believing, world: World, region: number, nowMs: number): Interval[] {
  return sliceOf(crowd.belief(nowMs).cells, world, region);
}

function sliceOf(cells: readonly Interval[], { gamemodes }: World, region: number): Interval[] {
  return cells.slice(region * gamemodes.length, (region + 1) * gamemodes.length);
}

async function ask<T>(link: Caller, path: string): Promise<T> {
  const { status, body } = await link.call("GET", path, { "cache-control": "no-cache" });
  if (status !== 200) throw new Error(`GET ${path} was answered with ${status}: ${body.slice(0, 200)}`);
  return JSON.parse(body) as T;
}

function isWithin(count: number, { sure, perhaps }: Interval): boolean {
  return count >= sure && count <= sure + perhaps;
}

function range({ sure, perhaps }: Interval): string {
  return perhaps === 0 ? whole(sure) : `${whole(sure)} to ${whole(sure + perhaps)}`;
}

function verdict(isRight: boolean): string {
  return isRight ? "agrees" : "DIFFERS";
}
