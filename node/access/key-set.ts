/**
 * The keys of whoever signs tokens. A set is read from a file or from the web, and again when it changes, or when a token names
 * a key that is not in it. The last good set stands, whatever comes after it.
 */
import { createPublicKey, type JsonWebKey } from "node:crypto";
import { calculateJwkThumbprint, type JWK } from "jose";
import type { Logger } from "pino";
import { fileMark, readBeginning } from "../environment.ts";
import { classOf, PacedLog } from "../paced-log.ts";
import { reasonOf } from "../reason.ts";
import { SettingError } from "../setting-error.ts";
import { isKeyFor } from "../signing-key.ts";
import { type KeySource, TOKEN_SETTINGS } from "../token-settings.ts";
import type { KnownKey } from "./grant.ts";
import type { Keys } from "./verify-worker.ts";

export interface KeySetPorts {
  /** Those that tokens are taken with. */
  readonly algorithms: readonly string[];
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  readonly nowMs: () => number;
  readonly fetch: typeof globalThis.fetch;
}

export const SET_BYTES_MAX = 65_536;
const FETCH_WITHIN_MS = 5000;
/** What strangers can cause: tokens may name any key. */
const FETCH_PAUSE_MS = 30_000;
/** A key that was removed is trusted for so long at the most. */
const FETCH_EVERY_MS = 300_000;
/** While there is no set at all. */
const FIRST_FETCH_EVERY_MS = 2000;
const LOOK_EVERY_MS = 1000;
const KEY_TYPES = ["RSA", "EC", "OKP"];

export class KeySet {
  /** Reads of the set by what came of them. */
  readonly reads = { changed: 0, unchanged: 0, failed: 0 };
  /** `undefined` until there is a first set. */
  keys: Keys | undefined;
  private readonly source: KeySource;
  private readonly ports: KeySetPorts;
  private readonly paced: PacedLog;
  private readonly known = new Map<string, KnownKey>();
  private readAtMs = -Infinity;
  private fileMark = "";
  /** The last read did. */
  private hasFailed = false;
  private reading: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  private constructor(source: KeySource, ports: KeySetPorts) {
    this.source = source;
    this.ports = ports;
    this.paced = new PacedLog(ports.log, ports.nowMs);
  }

  /**
   * A set on the web may be away at the start: then it is asked for again and again.
   * @throws {SettingError} (rejects) where it is a file and no set
   */
  static async open(source: KeySource, ports: KeySetPorts): Promise<KeySet> {
    const set = new KeySet(source, ports);
    const { kind } = source;
    if (kind === "pem" || kind === "secret") {
      set.keys = { kind, text: source.text, version: 0 };
      set.known.set("", { isRemoved: false });
      return set;
    }
    try {
      await set.take(await set.text());
    } catch (error) {
      const { name, form } = TOKEN_SETTINGS.jwks;
      if (kind === "file") throw new SettingError(`${name} must be ${form} with a set of keys: ${reasonOf(error)}`);
      set.onFailed(error);
    }
    set.timer = setInterval(() => set.tick(), LOOK_EVERY_MS).unref();
    return set;
  }

  /** The key of a set by its thumbprint; `undefined` where it has just been removed. */
  key(id: string): KnownKey | undefined {
    return this.known.get(id);
  }

  /** For a token that names a key which is not there: reads the set once more, unless that was just done. */
  async refresh(): Promise<void> {
    const pauseMs = this.source.kind === "url" ? FETCH_PAUSE_MS : LOOK_EVERY_MS;
    const isDue = this.timer !== undefined && this.ports.nowMs() - this.readAtMs >= pauseMs;
    await (this.reading ?? (isDue ? this.read() : undefined));
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    this.paced.tick();
    if (this.reading !== undefined) return;
    const { source } = this;
    const isDue =
      source.kind === "file"
        ? this.hasFailed || fileMark(source.path) !== this.fileMark
        : this.ports.nowMs() - this.readAtMs >= this.pauseMs;
    if (isDue) void this.read();
  }

  private get pauseMs(): number {
    if (this.keys === undefined) return FIRST_FETCH_EVERY_MS;
    return this.hasFailed ? FETCH_PAUSE_MS : FETCH_EVERY_MS;
  }

  private read(): Promise<void> {
    this.reading = this.text()
      .then((text) => this.take(text))
      .catch((error: unknown) => this.onFailed(error))
      .finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async text(): Promise<string> {
    const { source } = this;
    this.readAtMs = this.ports.nowMs();
    if (source.kind === "url") return fetchText(source.url, this.ports.fetch);
    if (source.kind !== "file") return source.text;
    this.fileMark = fileMark(source.path);
    const bytes = readBeginning(source.path, SET_BYTES_MAX + 1);
    if (bytes.length > SET_BYTES_MAX) throw new RangeError(`the set is longer than ${SET_BYTES_MAX} bytes`);
    return bytes.toString();
  }

  private async take(text: string): Promise<void> {
    const { usable, ignored } = keysIn(text, this.ports.algorithms, this.keys !== undefined);
    this.hasFailed = false;
    const set = JSON.stringify({ keys: usable });
    if (set === this.keys?.text) {
      this.reads.unchanged++;
      return;
    }
    const ids = new Set(await Promise.all(usable.map((key) => calculateJwkThumbprint(key))));
    for (const [id, key] of this.known) {
      if (ids.has(id)) continue;
      key.isRemoved = true;
      this.known.delete(id);
    }
    for (const id of ids) if (!this.known.has(id)) this.known.set(id, { isRemoved: false });
    this.keys = { kind: "set", text: set, version: (this.keys?.version ?? 0) + 1 };
    this.reads.changed++;
    if (ids.size > 0) this.ports.log.info({ keys: ids.size, ignored }, "loaded the keys of tokens");
    else this.ports.log.warn({ ignored }, "all keys were taken back: every token is refused");
  }

  private onFailed(error: unknown): void {
    this.reads.failed++;
    this.hasFailed = true;
    const reason = reasonOf(error);
    const what = this.keys === undefined ? "tokens cannot be verified" : "the last good ones stand";
    this.paced.write("error", classOf(reason), { reason }, `could not read the keys of tokens: ${what}`);
  }
}

/**
 * Of a set, what signatures can be verified with: no secrets, no private keys, no keys for something else, none that are broken
 * (RFC 7517, 5).
 * @param mayBeEmpty a set without such keys takes all back that were there, unless something in it is broken
 * @throws {TypeError} where it is no set, or nothing in it can be used
 */
function keysIn(
  text: string,
  algorithms: readonly string[],
  mayBeEmpty: boolean,
): { readonly usable: JWK[]; readonly ignored: number } {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    throw new TypeError("it is no JSON");
  }
  const keys = (set as { readonly keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) throw new TypeError('it has no list of "keys"');
  const read = keys.map((key) => readKey(key, algorithms));
  const usable = read.filter((key) => typeof key !== "string");
  if (usable.length === 0 && !(mayBeEmpty && !read.includes("broken")))
    throw new TypeError(`it has no public key for signatures by ${algorithms.join(", ")}`);
  return { usable, ignored: keys.length - usable.length };
}

/** The key as it is written where nothing is written twice, so that its thumbprint is the same wherever it is made. */
function readKey(key: unknown, algorithms: readonly string[]): JWK | "not for this" | "broken" {
  if (typeof key !== "object" || key === null) return "broken";
  const { kty, use, key_ops: operations, d, kid, alg } = key as JWK;
  if (operations !== undefined && !Array.isArray(operations)) return "broken";
  if (kty === "oct" || d !== undefined) return "broken"; // who shows a secret shows the wrong file
  const isForThis = KEY_TYPES.includes(String(kty)) && (use === undefined || use === "sig");
  if (!isForThis || operations?.includes("verify") === false) return "not for this";
  try {
    const read = createPublicKey({ key: key as JsonWebKey, format: "jwk" });
    if (!algorithms.some((each) => isKeyFor(read, each))) return "not for this";
    const named = { ...(typeof kid === "string" ? { kid } : {}), ...(typeof alg === "string" ? { alg } : {}) };
    return { ...(read.export({ format: "jwk" }) as JWK), ...named };
  } catch {
    return "broken";
  }
}

async function fetchText(url: string, fetch: typeof globalThis.fetch): Promise<string> {
  const signal = AbortSignal.timeout(FETCH_WITHIN_MS);
  const response = await fetch(url, { redirect: "error", signal, headers: { accept: "application/json" } }).catch(
    (error: unknown) => {
      throw error instanceof Error && error.cause !== undefined ? error.cause : error; // "fetch failed" says nothing
    },
  );
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new RangeError(`it was answered with ${response.status}`);
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body) {
    length += piece.length;
    if (length > SET_BYTES_MAX) throw new RangeError(`the set is longer than ${SET_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}
