/**
 * All connections of a store to one Redis. Behind one address (a cloud's endpoint, a balancer, a name) a failover moves
 * only those that break; one that stands stays at the old master, which is a replica now and keeps it. So what one of them
 * learns makes all of them look for the master again.
 */
import { Connection, type ConnectionOptions } from "./connection.ts";
import type { RedisUrl } from "./redis-url.ts";

/** Until the address leads to the new master, looking more often would only cost. */
const RECONNECT_EVERY_MS = 500;

export class Fleet {
  readonly #connections: Connection[] = [];
  #reconnectedAtMs = -Infinity;

  open(url: RedisUrl, options: Omit<ConnectionOptions, "onReplica">): Connection {
    const connection = new Connection(url, { ...options, onReplica: () => this.#reconnect() });
    this.#connections.push(connection);
    return connection;
  }

  /** Resolves when calls can be made on all. Rejects with a `StoreUnavailableError` where that takes too long. */
  async untilReady(): Promise<void> {
    await Promise.all(
      this.#connections.map(async (connection) => {
        await connection.untilReady();
        await connection.info("connect", "server"); // of a Redis Cluster every master must be connected, not only one
      }),
    );
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #reconnect(): void {
    const nowMs = performance.now();
    if (nowMs - this.#reconnectedAtMs < RECONNECT_EVERY_MS) return;
    this.#reconnectedAtMs = nowMs;
    for (const connection of this.#connections) connection.reconnect();
  }
}
