/** The Lua design's script as a command of ioredis, shared by the engine and the HTTP contestants. */
import { readFileSync } from "node:fs";
import { Redis, type ChainableCommander } from "ioredis";
import { COUNTRY_CODES } from "../../engine/places.ts";

export interface LuaRedis extends Redis {
  report(key: string, region: string, gamemode: string): Promise<number>;
  pipeline(): LuaPipeline;
}

export interface LuaPipeline extends ChainableCommander {
  report(key: string, region: string, gamemode: string): this;
}

const SCRIPT = readFileSync(new URL("report-1.lua", import.meta.url), "utf8");

export function connectLua(path: string, enableAutoPipelining = false): LuaRedis {
  const redis = new Redis({ path, enableAutoPipelining });
  redis.defineCommand("report", { numberOfKeys: 1, lua: SCRIPT });
  return redis as LuaRedis;
}

/** Players by "region/mode"; those with no player left out. */
export async function boardsOf(redis: Redis): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const region of COUNTRY_CODES) {
    const board = await redis.zrange(`region:${region}`, 0, "-1", "WITHSCORES");
    for (let at = 0; at < board.length; at += 2)
      if (Number(board[at + 1]) > 0) counts.set(`${region}/${board[at]}`, Number(board[at + 1]));
  }
  return counts;
}
