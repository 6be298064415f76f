/**
 * The design on Redis at its best: one Lua script a report, sent in pipelines of 1,000 over a Unix socket, two under
 * way at a time, so that client and server work side by side. It keeps no session times: kinder than life.
 */
import { COUNTRY_CODES } from "../../engine/places.ts";
import { MODES, uuidOf, type ReportStream } from "../support/traffic.ts";
import type { EngineContestant } from "./engine-contestant.ts";
import { boardsOf, connectLua, type LuaPipeline, type LuaRedis } from "./redis-lua.ts";

const PIPELINE_REPORTS = 1_000;

interface NamedReports {
  readonly keys: readonly string[];
  readonly regions: readonly string[];
  readonly modes: readonly string[];
}

export async function openRedisPipeline(_playersMax: number, socketPath: string): Promise<EngineContestant> {
  const redis = connectLua(socketPath);
  return new RedisPipeline(redis, await usedMemory(redis));
}

class RedisPipeline implements EngineContestant {
  private readonly redis: LuaRedis;
  private readonly emptyBytes: number;

  constructor(redis: LuaRedis, emptyBytes: number) {
    this.redis = redis;
    this.emptyBytes = emptyBytes;
  }

  prepare(stream: ReportStream): NamedReports {
    const { count } = stream;
    return {
      keys: Array.from({ length: count }, (_, at) => `profile:${uuidOf(stream.players[at] as number)}`),
      regions: Array.from({ length: count }, (_, at) => COUNTRY_CODES[stream.regions[at] as number] as string),
      modes: Array.from({ length: count }, (_, at) => MODES[stream.modes[at] as number] as string),
    };
  }

  async apply(reports: NamedReports): Promise<void> {
    let underWay: Promise<unknown> | undefined;
    for (let first = 0; first < reports.keys.length; first += PIPELINE_REPORTS) {
      const next = this.send(reports, first);
      await underWay;
      underWay = next;
    }
    await underWay;
  }

  private async send({ keys, regions, modes }: NamedReports, first: number): Promise<void> {
    const pipeline: LuaPipeline = this.redis.pipeline();
    const end = Math.min(first + PIPELINE_REPORTS, keys.length);
    for (let at = first; at < end; at++)
      pipeline.report(keys[at] as string, regions[at] as string, modes[at] as string);
    const answers = await pipeline.exec();
    for (const [error] of answers ?? []) if (error) throw error;
  }

  counts(): Promise<Map<string, number>> {
    return boardsOf(this.redis);
  }

  async bytes(): Promise<number> {
    return (await usedMemory(this.redis)) - this.emptyBytes;
  }

  close(): void {
    this.redis.disconnect();
  }
}

async function usedMemory(redis: LuaRedis): Promise<number> {
  const found = /^used_memory:(\d+)/m.exec(await redis.info("memory"));
  if (found === null) throw new Error("Cannot read Redis' memory: INFO memory has no used_memory");
  return Number(found[1]);
}
