/**
 * R15: the replication ids of the masters that have the list and each tag's records. An id changes with every restart and
 * every promotion. The list's master is asked once: a script that names an id which is not its own any more is refused, and
 * then it is asked anew. The others are asked in the background, so that one that is away or slow delays no renewal: what
 * was known of it stands meanwhile.
 */
import type { Connection } from "./connection.ts";
import { UNKNOWN } from "./run.ts";

export interface MasterIds {
  /** Of the master that has the list. */
  readonly list: string;
  /** By tag. */
  readonly tags: readonly string[];
}

/** So often the other masters are asked. */
const REFRESH_MS = 500;

interface Known {
  id: string;
  askedAtMs: number;
  /** It was asked and has answered, or failed to. */
  isTried: boolean;
  asking: Promise<void> | undefined;
}

export class MasterRuns {
  readonly #connection: Connection;
  readonly #listKey: string;
  readonly #tagKeys: () => readonly string[];
  #home: { readonly address: string; readonly id: string } | undefined;
  /** By the master's address. */
  readonly #known = new Map<string, Known>();

  constructor(connection: Connection, listKey: string, tagKeys: () => readonly string[]) {
    this.#connection = connection;
    this.#listKey = listKey;
    this.#tagKeys = tagKeys;
  }

  /**
   * Rejects with a `StoreUnavailableError` where the list's master does not answer.
   * @param isAnew true to ask the list's master although its id is known
   */
  async read(isAnew: boolean): Promise<MasterIds> {
    const home = this.#connection.masterOf("read the run", this.#listKey);
    if (isAnew || this.#home?.address !== home)
      this.#home = { address: home, id: await this.#connection.replicationId("read the run", home) };
    const list = this.#home.id;
    const others = this.#tagKeys().map((key) => this.#addressOf(key));
    await Promise.all(others.filter((address) => address !== home).map((address) => this.#refresh(address)));
    return { list, tags: others.map((address) => (address === home ? list : this.#idOf(address))) };
  }

  #addressOf(key: string): string | undefined {
    try {
      return this.#connection.masterOf("read the run", key);
    } catch {
      return undefined; // nobody serves it just now
    }
  }

  #idOf(address: string | undefined): string {
    return (address === undefined ? undefined : this.#known.get(address)?.id) ?? UNKNOWN;
  }

  /** Resolves at once, but the first time: when that master has answered, or failed to. */
  async #refresh(address: string | undefined): Promise<void> {
    if (address === undefined) return;
    const known = this.#known.get(address) ?? { id: UNKNOWN, askedAtMs: -Infinity, isTried: false, asking: undefined };
    this.#known.set(address, known);
    const nowMs = performance.now();
    if (known.asking === undefined && nowMs - known.askedAtMs >= REFRESH_MS) {
      known.askedAtMs = nowMs;
      known.asking = this.#connection
        .replicationId("read the run", address)
        .then(
          (id) => void (known.id = id),
          () => undefined, // what was known stands
        )
        .finally(() => Object.assign(known, { asking: undefined, isTried: true }));
    }
    if (!known.isTried) await known.asking;
  }
}
