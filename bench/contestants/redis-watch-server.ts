/**
 * The same design on Redis with WATCH, MULTI and EXEC: read where the player is, then change player and boards together, and
 * begin again if somebody else changed the player meanwhile. A transaction needs a connection of its own.
 */
import { Redis } from "ioredis";
import { listen, type ReportBody, reportApp } from "./report-app.ts";

const socketPath = process.argv[2] as string;
const idle: Redis[] = [];

async function take(profileId: string, report: ReportBody): Promise<boolean> {
  const redis = idle.pop() ?? new Redis(socketPath);
  for (;;) {
    const changed = await tryReport(redis, `profile:${profileId}`, report);
    if (changed === undefined) continue;
    idle.push(redis);
    return changed;
  }
}

/** Whether the player moved; `undefined` where another one was faster. Two round trips. */
async function tryReport(redis: Redis, key: string, { region, gamemode }: ReportBody): Promise<boolean | undefined> {
  const [, [fromRegion = null, fromMode = null]] = await Promise.all([
    redis.watch(key),
    redis.hmget(key, "region", "gamemode"),
  ]);
  if (fromRegion === region && fromMode === gamemode) {
    await redis.unwatch();
    return false;
  }
  const change = redis.multi().hset(key, { region, gamemode });
  if (fromRegion !== null && fromMode !== null) change.zincrby(`region:${fromRegion}`, -1, fromMode);
  const done = await change.zincrby(`region:${region}`, 1, gamemode).exec();
  return done === null ? undefined : true;
}

await listen(reportApp(take));
