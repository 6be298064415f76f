/** A Redis server of our own: on a Unix socket, pinned to a core, keeping nothing on disk. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { end, lineOf, spawnOn, temporaryFolder } from "./children.ts";

export interface RedisServer {
  readonly socketPath: string;
  /** 0: it listens on the socket only. */
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

/** @param port where it listens on loopback, besides its socket */
export async function startRedis(core: number, port = 0): Promise<RedisServer> {
  if (!hasRedis)
    throw new Error("Cannot start Redis: there is no redis-server here (Debian: apt-get install redis-server)");
  const folder = temporaryFolder();
  const socketPath = join(folder, "redis.sock");
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    unixsocket: socketPath,
    dir: folder,
    save: "",
    appendonly: "no",
    "maxmemory-policy": "noeviction",
  };
  const child = spawnOn(core, [
    "redis-server",
    ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
  ]);
  await lineOf(child, /The server is now ready to accept connections/);
  child.stdout?.resume();
  return { socketPath, port, pid: child.pid ?? 0, stop: () => end(child) };
}
