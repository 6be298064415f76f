/**
 * A way to Redis: one server, the master that Sentinel names, or the masters of a Redis Cluster. Every call is bounded in
 * time; nothing waits for a connection to come back and nothing is sent twice: what failed is the caller's to repeat.
 */
import { type Cluster, Command, Redis } from "ioredis";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { type ClientOptions, openClient, RECONNECT_LAST_MS } from "./client.ts";
import { refuseDatabase } from "./fitness.ts";
import { isDisconnection, isOfReplica, NO_MASTER, unavailable } from "./redis-errors.ts";
import type { RedisUrl } from "./redis-url.ts";
import type { Script } from "./scripts.ts";

export interface ConnectionOptions extends ClientOptions {
  /** Told of every answer by which whoever is on the other side is no master, or not any more. */
  readonly onReplica: () => void;
}

/** Both ends of a connection that stands, as addresses. */
export interface Ends {
  readonly local: string;
  readonly remote: string;
}

type Argument = string | Buffer;

export class Connection {
  readonly #client: Redis | Cluster;
  readonly #timeoutMs: number;
  readonly #onReplica: () => void;
  /** Why it is not there, or was not lately. */
  #lastError: Error | undefined;
  #isClosed = false;
  #reopening: NodeJS.Timeout | undefined;

  constructor(url: RedisUrl, { onReplica, ...options }: ConnectionOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#onReplica = onReplica;
    this.#client = openClient(url, options);
    this.#client.on("error", (error: Error) => this.#note(error));
    this.#client.on("node error", (error: Error) => this.#note(error));
    this.#client.on("ready", () => (this.#lastError = undefined));
    this.#client.on("end", () => this.#reopen());
  }

  /** Resolves when calls can be made. Rejects with a `StoreUnavailableError` where that takes too long. */
  async untilReady(): Promise<void> {
    if (this.#client.status === "ready") return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      reject(this.#unavailable("connect", new Error("Connection is closed.")));
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
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT")))
        throw this.#unavailable(action, error, script);
    }
    try {
      return await this.#client.callBuffer("eval", script.source, ...rest);
    } catch (error) {
      throw this.#unavailable(action, error, script);
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
      const texts = await Promise.all(this.#masters().map((master) => master.info(section)));
      if (texts.some((text) => /^role:slave/m.test(text))) this.#onReplica();
      return texts;
    } catch (error) {
      throw this.#unavailable(action, error);
    }
  }

  /** The address of the master that has a key. @throws {StoreUnavailableError} where nobody serves it */
  masterOf(action: string, key: string): string {
    if (this.#client instanceof Redis) return HOME;
    const [address] = this.#client.slots[new Command("get", [key]).getSlot() ?? 0] ?? [];
    if (address === undefined) throw this.#unavailable(action, new StoreUnavailableError(NO_MASTER));
    return address;
  }

  /** R15: of the master at an address; it changes with every restart and every promotion. */
  async replicationId(action: string, address: string): Promise<string> {
    try {
      const info = await this.#masterAt(address).info("replication");
      const id = /^master_replid:(?<id>[\da-f]+)/m.exec(info)?.groups?.["id"];
      if (id !== undefined && /^role:master/m.test(info)) return id;
      this.#onReplica();
    } catch (error) {
      throw this.#unavailable(action, error);
    }
    throw new StoreUnavailableError(`Cannot ${action}: this Redis is a replica just now`);
  }

  /** Looks again where the master is: asks Sentinel, or resolves the name and connects to the address anew. */
  reconnect(): void {
    // A Redis Cluster tells by itself who is the master now.
    if (this.#client instanceof Redis && this.#client.status === "ready") this.#client.disconnect(true);
  }

  /** Of what is connected just now: of a Redis Cluster, to all masters. */
  get ends(): Ends[] {
    const clients = this.#client instanceof Redis ? [this.#client] : this.#client.nodes("master");
    return clients.flatMap(({ status, stream }) => {
      const { localAddress: local, remoteAddress: remote } = stream ?? {};
      return status === "ready" && local !== undefined && remote !== undefined ? [{ local, remote }] : [];
    });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#reopening);
    this.#client.disconnect();
  }

  /** Of a Redis Cluster several are told for one fault, and not all of them say why: "failed to refresh slots cache". */
  #note(error: Error): void {
    const { lastNodeError = error } = error as Error & { readonly lastNodeError?: Error | null };
    const cause = lastNodeError ?? error;
    if (this.#lastError === undefined || !isDisconnection(cause.message)) this.#lastError = cause;
  }

  /** The client reconnects by itself, but for a few faults after which it gives up. */
  #reopen(): void {
    if (this.#isClosed) return;
    this.#reopening = setTimeout(() => void this.#client.connect().catch(() => {}), RECONNECT_LAST_MS);
  }

  /** All of them: of a Redis Cluster, whoever serves a slot. */
  #masters(): Redis[] {
    if (this.#client instanceof Redis) return [this.#client];
    const serving = new Set<string>();
    for (let slot = 0; slot < SLOTS_COUNT; slot += 1) serving.add(this.#client.slots[slot]?.[0] ?? "");
    return [...serving].map((address) => this.#masterAt(address));
  }

  #masterAt(address: string): Redis {
    if (this.#client instanceof Redis) return this.#client;
    const node = this.#client.nodes("master").find(({ options: { host, port } }) => `${host}:${port}` === address);
    if (node === undefined) throw new StoreUnavailableError(NO_MASTER);
    return node;
  }

  #unavailable(action: string, error: unknown, script?: Script): StoreUnavailableError {
    if (error instanceof Error && isOfReplica(error.message)) this.#onReplica();
    return unavailable(action, error, { connectionError: this.#lastError, script });
  }
}

const SLOTS_COUNT = 16_384;

/** The only master there is, but in a Redis Cluster. */
const HOME = "";
