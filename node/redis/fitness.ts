/** Whether a Redis may keep a cluster, and how full it is, from what its masters say of themselves (INFO). */
import { UnfitRedisError } from "./redis-errors.ts";

const VERSION_MIN = 7;

/** @throws {UnfitRedisError} the first reason, and what to do about it */
export function refuseUnfit(servers: readonly string[], memories: readonly string[], isRedisCluster: boolean): void {
  for (const server of servers) {
    const version = fieldOf(server, "redis_version") ?? "unknown";
    if (!(Number.parseInt(version, 10) >= VERSION_MIN)) refuse(`it is of version ${version}, and must be 7 or newer`);
    const isCluster = fieldOf(server, "redis_mode") === "cluster";
    if (isCluster && !isRedisCluster) {
      refuse("it is part of a Redis Cluster: name several of its nodes, separated by commas");
    }
    if (!isCluster && isRedisCluster) refuse("it is not part of a Redis Cluster: name it alone");
  }
  for (const memory of memories) {
    const policy = fieldOf(memory, "maxmemory_policy");
    if (policy !== "noeviction") {
      refuse(`its maxmemory-policy is ${policy}: it may throw away what it acknowledged. Set it to noeviction`);
    }
  }
}

/** @throws {UnfitRedisError} */
export function refuseDatabase(database: number): never {
  refuse(`it has no database ${database}: name another, or none`);
}

/** R16. Of the fullest; 0 where none has a limit. */
export function memoryRatio(memories: readonly string[]): number {
  return Math.max(
    0,
    ...memories.map((memory) => {
      const limit = Number(fieldOf(memory, "maxmemory") ?? 0);
      return limit === 0 ? 0 : Number(fieldOf(memory, "used_memory")) / limit;
    }),
  );
}

function fieldOf(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1];
}

function refuse(reason: string): never {
  throw new UnfitRedisError(`Cannot use this Redis: ${reason}`);
}
