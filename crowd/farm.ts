// A farm of bots: a crowd that plays one mode in one country, comes again and again under new ids, and stays a minute.
import { botsOrigin, farmPrefixes } from "./addresses.ts";
import { Crowd, type CrowdSetup, HABITS } from "./crowd.ts";
import { hash32, Quantiles } from "./sampling.ts";
import type { World } from "./world.ts";

const FARM_STREAM = 0xfa42; // so that bots have other ids than the players of the same seed
const HABITS_OF_BOTS = { ...HABITS, silentShare: 0.5, returnShare: 0, borderShare: 0 };
const SESSION_MINUTES = new Quantiles({ 0: 0.2, 100: 1.5 });

export interface Farm {
  readonly bots: Crowd;
  /** What an operator should find: the country, the mode that is pushed there, and from where. */
  readonly region: string;
  readonly gamemode: string;
  readonly prefixes: readonly string[];
}

/** @param setup of the players whom the bots are among; `players` is how many bots there are */
export function openFarm({
  world,
  seed,
  players,
  rampMs,
  sessionTtlMs,
}: Pick<CrowdSetup, "world" | "seed" | "players" | "rampMs" | "sessionTtlMs">): Farm {
  const region = indexOfMost(world.regions, (index) => world.regionShare(index));
  const gamemode = indexOfMost(world.gamemodes, (index) => -world.gamemodeShare(region, index));
  const prefixes = farmPrefixes(seed);
  const bots = new Crowd({
    world: worldOfBots(world, region, gamemode),
    seed: hash32(seed, FARM_STREAM, 0),
    players,
    rampMs,
    sessionTtlMs,
    habits: HABITS_OF_BOTS,
    originOf: botsOrigin(prefixes),
  });
  return { bots, region: world.regions[region] as string, gamemode: world.gamemodes[gamemode] as string, prefixes };
}

function worldOfBots(world: World, region: number, gamemode: number): World {
  return {
    ...world,
    pickRegion: () => region,
    pickNeighbour: () => region,
    pickGamemode: () => gamemode,
    sessionMinutes: SESSION_MINUTES,
  };
}

function indexOfMost(items: readonly unknown[], weightOf: (index: number) => number): number {
  return [...items.keys()].reduce((most, index) => (weightOf(index) > weightOf(most) ? index : most));
}
