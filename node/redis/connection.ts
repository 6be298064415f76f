/**
 * A way to Redis: one server, the master that Sentinel names, or the masters of a Redis Cluster. Every call is bounded in
 * time; nothing waits for a connection to come back and nothing is sent twice: what failed is the caller's to repeat.
 */
import { Cluster, Command, Redis, type RedisOptions } from "ioredis";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { refuseDatabase } from "./fitness.ts";
import { unavailable } from "./redis-errors.ts";
import type { RedisUrl } from "./redis-url.ts";
import type { Script } from "./scripts.ts";

export interface ConnectionOptions {
  /** For `CLIENT LIST`. */
  readonly name: string;
  /** Longest wait for an answer. */
  readonly timeoutMs: number;
}

type Argument = string | Buffer;
type CommonOptions = Omit<RedisOptions, "replyMapping">;

const RECONNECT_FIRST_MS = 50;
const RECONNECT_LAST_MS = 500;
const SLOTS_REFRESH_MS = 1000;
const REDIRECTIONS_MAX = 4;

export class Connection {
  readonly #client: Redis | Cluster;
  readonly #timeoutMs: number;
  /** Why it is not there, or was not lately. */
  #lastError: Error | undefined;
  #isClosed = false;
  #reopening: NodeJS.Timeout | undefined;

  constructor(url: RedisUrl, { name, timeoutMs }: ConnectionOptions) {
    this.#timeoutMs = timeoutMs;
    const options: CommonOptions = {
      connectionName: name,
      ...(url.username !== undefined && { username: url.username }),
      ...(url.password !== undefined && { password: url.password }),
      ...(url.isEncrypted && { tls: {} }),
      commandTimeout: timeoutMs,
      connectTimeout: Math.max(timeoutMs, 1000),
      socketTimeout: 2 * timeoutMs,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      // A master that became a replica: look again who the master is. The command is not sent again.
      reconnectOnError: (error) => error.message.startsWith("READONLY"),
    };
    this.#client = url.kind === "cluster" ? openCluster(url, options) : openRedis(url, options);
    this.#client.on("error", (error: Error) => (this.#lastError = error));
    this.#client.on("ready", () => (this.#lastError = undefined));
    this.#client.on("end", () => this.#reopen());
  }

  /** Resolves when calls can be made. Rejects with a `StoreUnavailableError` where that takes too long. */
  async untilReady(): Promise<void> {
    if (this.#client.status === "ready") return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      reject(unavailable("connect", new Error("Connection is closed."), this.#lastError));
    }, this.#timeoutMs);
    this.#client.once("ready", resolve);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#client.off("ready", resolve);
    }
  }

  /** Runs a script. @param action for the message of the `StoreUnavailableError` that it rejects with */
  async call(action: string, script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    const rest = [String(script.keysCount), ...keys, ...args];
    try {
      return await this.#client.callBuffer("evalsha", script.sha, ...rest);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw this.#unavailable(action, error);
    }
    try {
      return await this.#client.callBuffer("eval", script.source, ...rest);
    } catch (error) {
      throw this.#unavailable(action, error);
    }
  }

  /**
   * Makes sure that the database of the URL is the one that is used: the client goes on with the first where it is not there.
   * @throws {UnfitRedisError} (rejects) where there is no such database
   */
  async select(database: number): Promise<void> {
    if (database === 0 || !(this.#client instanceof Redis)) return;
    try {
      await this.#client.select(database);
    } catch (error) {
      if (error instanceof Error && error.message.includes("out of range")) refuseDatabase(database);
      throw this.#unavailable("select the database", error);
    }
  }

  /** A section of INFO of every master. */
  async info(action: string, section: string): Promise<string[]> {
    try {
      return await Promise.all(this.#masters().map((master) => master.info(section)));
    } catch (error) {
      throw this.#unavailable(action, error);
    }
  }

  /** The address of the master that has a key. @throws {StoreUnavailableError} where nobody serves it */
  masterOf(action: string, key: string): string {
    if (this.#client instanceof Redis) return HOME;
    const [address] = this.#client.slots[new Command("get", [key]).getSlot() ?? 0] ?? [];
    if (address === undefined)
      throw this.#unavailable(action, new StoreUnavailableError("a part of the Redis Cluster has no master"));
    return address;
  }

  /** R15: of the master at an address; it changes with every restart and every promotion. */
  async replicationId(action: string, address: string): Promise<string> {
    try {
      const info = await this.#masterAt(address).info("replication");
      const id = /^master_replid:(?<id>[\da-f]+)/m.exec(info)?.groups?.["id"];
      if (id !== undefined && /^role:master/m.test(info)) return id;
    } catch (error) {
      throw this.#unavailable(action, error);
    }
    throw new StoreUnavailableError(`Cannot ${action}: this Redis is a replica just now`);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#reopening);
    this.#client.disconnect();
  }

  /** The client reconnects by itself, but for a few faults after which it gives up. */
  #reopen(): void {
    if (this.#isClosed) return;
    this.#reopening = setTimeout(() => void this.#client.connect().catch(() => {}), RECONNECT_LAST_MS);
  }

  /** All of them: of a Redis Cluster, whoever serves a slot. */
  #masters(): Redis[] {
    if (this.#client instanceof Redis) return [this.#client];
    const nodes = new Map<string, Redis>(
      this.#client.nodes("master").map((node) => [`${node.options.host}:${node.options.port}`, node] as const),
    );
    const serving = new Set<string>();
    for (let slot = 0; slot < SLOTS_COUNT; slot += 1) serving.add(this.#client.slots[slot]?.[0] ?? "");
    return [...serving].map((address) => {
      const node = nodes.get(address);
      if (node === undefined) throw new StoreUnavailableError("a part of the Redis Cluster has no master");
      return node;
    });
  }

  #masterAt(address: string): Redis {
    if (this.#client instanceof Redis) return this.#client;
    const node = this.#client.nodes("master").find(({ options: { host, port } }) => `${host}:${port}` === address);
    if (node === undefined) throw new StoreUnavailableError("a part of the Redis Cluster has no master");
    return node;
  }

  #unavailable(action: string, error: unknown): StoreUnavailableError {
    return unavailable(action, error, this.#lastError);
  }
}

const SLOTS_COUNT = 16_384;

/** The only master there is, but in a Redis Cluster. */
const HOME = "";

function reconnectDelayMs(times: number): number {
  return Math.min(RECONNECT_FIRST_MS * times, RECONNECT_LAST_MS);
}

function openRedis(url: RedisUrl & { readonly kind: "standalone" | "sentinel" }, common: CommonOptions): Redis {
  const options: CommonOptions = { ...common, enableOfflineQueue: false, retryStrategy: reconnectDelayMs };
  if (url.kind === "standalone") return new Redis({ ...options, ...url.address, db: url.database });
  return new Redis({
    ...options,
    sentinels: url.sentinels.map((address) => ({ ...address })),
    name: url.master,
    role: "master",
    sentinelRetryStrategy: reconnectDelayMs,
    sentinelCommandTimeout: common.commandTimeout,
    ...(url.password !== undefined && { sentinelPassword: url.password }),
  });
}

function openCluster(url: RedisUrl & { readonly kind: "cluster" }, redisOptions: CommonOptions): Cluster {
  const cluster = new Cluster(
    url.addresses.map((address) => ({ ...address })),
    {
      redisOptions,
      enableOfflineQueue: false,
      clusterRetryStrategy: reconnectDelayMs,
      clusterNodeRetryStrategy: reconnectDelayMs,
      slotsRefreshInterval: SLOTS_REFRESH_MS,
      maxRedirections: REDIRECTIONS_MAX,
      // Nobody knows whether a command landed whose connection broke: it is not sent again.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
    },
  );
  // Without a queue, a connection that is only being made refuses every call but the first.
  cluster.on("+node", (node: Redis) => void node.connect().catch(() => {}));
  return cluster;
}
