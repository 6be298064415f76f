/**
 * Which tokens are good. What was verified is remembered until it expires: by the connection that sent it, whose next requests
 * bring the same bytes, and by its hash. What is unknown is verified in another thread.
 */
import { hash, timingSafeEqual } from "node:crypto";
import { Piscina } from "piscina";
import type { Logger } from "pino";
import { PacedLog } from "../paced-log.ts";
import { Recent } from "../recent.ts";
import { reasonOf } from "../reason.ts";
import { entitlementsIn, type Grant, playerOf, scopesOf } from "./grant.ts";
import type { KeySet } from "./key-set.ts";
import type { Rules, Verdict, VerifyTask } from "./verify-worker.ts";

export type Judgement =
  | { readonly kind: "granted"; readonly grant: Grant }
  /** `why` completes "a token must be …, got" and holds nothing of the token. */
  | { readonly kind: "refused"; readonly why: string }
  /** Too many tokens wait to be verified. */
  | { readonly kind: "busy" }
  /** There are no keys yet. */
  | { readonly kind: "no keys" };

/** Verifies some tokens, in another thread. */
export type VerifyMany = (task: VerifyTask) => Promise<Verdict[]>;

export interface TokensPorts {
  readonly verify: VerifyMany;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
}

interface LastToken {
  /** Begins with the token; used again for the next one. */
  readonly bytes: Buffer;
  length: number;
  grant: Grant;
}

/** What a connection's last good token was. */
export interface TokenHolder {
  lastToken: LastToken | undefined;
}

interface Refusal {
  readonly why: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  /** Of the set of keys. */
  readonly version: number;
}

interface Waiting {
  readonly token: string;
  readonly digest: string;
  /** Verified once already, with keys that were older. */
  readonly isAgain: boolean;
  readonly settle: (judgement: Judgement) => void;
}

export const TOKEN_LENGTH_MAX = 8192;
/** Some 60 MB where each is of another player. */
export const REMEMBERED_MAX = 262_144;
/** Apart from the good ones, so that bad ones cannot make those forgotten. */
const REFUSALS_MAX = 4096;
export const WAITING_MAX = 16_384;
/** For the set of keys to be read anew. It may take seconds, and any token may name a key that is not there. */
const WAITING_FOR_KEYS_MAX = 256;
const BATCH_MAX = 64;
const BATCHES_MAX = 2;
/** Bad tokens that come again cost no signature; a key may become known meanwhile. */
const REFUSED_FOR_MS = 5000;

export class Tokens {
  /** Tokens by how they were judged. */
  readonly judged = { "by connection": 0, "by hash": 0, verified: 0, refused: 0, busy: 0 };
  private readonly keys: KeySet;
  private readonly rules: Rules;
  private readonly ports: TokensPorts;
  private readonly paced: PacedLog;
  /** By hash. */
  private readonly remembered = new Recent<Grant>(REMEMBERED_MAX);
  private readonly refusals = new Recent<Refusal>(REFUSALS_MAX);
  private readonly pending = new Map<string, Promise<Judgement>>();
  private waiting: Waiting[] = [];
  private batches = 0;
  private waitingForKeys = 0;

  constructor(keys: KeySet, rules: Rules, ports: TokensPorts) {
    this.keys = keys;
    this.rules = rules;
    this.ports = ports;
    this.paced = new PacedLog(ports.log, ports.wallMs);
  }

  /** How many wait to be verified. */
  get waitingCount(): number {
    return this.waiting.length;
  }

  /** Whether few enough wait, so that tokens may be verified for whoever would be refused else. */
  get hasTime(): boolean {
    return this.pending.size < WAITING_MAX / 16;
  }

  get rememberedCount(): number {
    return this.remembered.size;
  }

  /**
   * What a token is known to allow; `undefined` where it has to be verified, or is none.
   * @param token its bytes, which may change afterwards
   * @param holder the connection that sent it
   */
  known(token: Buffer, holder: TokenHolder): Grant | undefined {
    const { lastToken } = holder;
    if (lastToken !== undefined && isSame(lastToken, token) && this.isGood(lastToken.grant)) {
      this.judged["by connection"]++;
      return lastToken.grant;
    }
    const grant = this.recall(digestOf(token));
    if (grant === undefined) return undefined;
    this.judged["by hash"]++;
    holder.lastToken = keptWith(lastToken, token, grant);
    return grant;
  }

  /** Whether it is known to be good. */
  isKnown(token: string): boolean {
    return this.recall(digestOf(token)) !== undefined;
  }

  /** Never rejects. */
  judge(token: string): Promise<Judgement> {
    if (token.length > TOKEN_LENGTH_MAX) {
      this.judged.refused++;
      return Promise.resolve({ kind: "refused", why: `one that is longer than ${TOKEN_LENGTH_MAX} characters` });
    }
    const digest = digestOf(token);
    const grant = this.recall(digest);
    if (grant !== undefined) {
      this.judged["by hash"]++;
      return Promise.resolve({ kind: "granted", grant });
    }
    const refusal = this.recallRefusal(digest);
    if (refusal !== undefined) {
      this.judged.refused++;
      return Promise.resolve({ kind: "refused", why: refusal.why });
    }
    const pending = this.pending.get(digest);
    if (pending !== undefined) return pending;
    if (this.keys.keys === undefined) return Promise.resolve({ kind: "no keys" });
    if (this.pending.size >= WAITING_MAX) {
      this.judged.busy++;
      return Promise.resolve({ kind: "busy" });
    }
    const judged = this.verified({ token, digest, isAgain: false }).finally(() => this.pending.delete(digest));
    this.pending.set(digest, judged);
    return judged;
  }

  /** Writes what is told once a minute. */
  tick(): void {
    this.paced.tick();
  }

  private recall(digest: string): Grant | undefined {
    const grant = this.remembered.get(digest);
    if (grant === undefined || this.isGood(grant)) return grant;
    this.remembered.delete(digest);
    return undefined;
  }

  private recallRefusal(digest: string): Refusal | undefined {
    const refusal = this.refusals.get(digest);
    if (refusal === undefined) return undefined;
    const ageMs = this.ports.wallMs() - refusal.sinceMs; // below 0: the clock was set back
    if (ageMs >= 0 && ageMs < REFUSED_FOR_MS && refusal.version === this.keys.keys?.version) return refusal;
    this.refusals.delete(digest);
    return undefined;
  }

  private refuse({ digest, settle }: Waiting, why: string, version: number): void {
    this.judged.refused++;
    this.refusals.set(digest, { why, sinceMs: this.ports.wallMs(), version });
    settle({ kind: "refused", why });
  }

  /** Whether what a token allows still holds, as whoever verified it would say now. */
  isGood({ expiresS, key }: Grant): boolean {
    const nowS = Math.floor(this.ports.wallMs() / 1000);
    return !key.isRemoved && expiresS > nowS - this.rules.toleranceMs / 1000;
  }

  private verified(asked: Omit<Waiting, "settle">): Promise<Judgement> {
    return new Promise((settle) => {
      this.waiting.push({ ...asked, settle });
      if (this.waiting.length === 1) setImmediate(() => this.send());
    });
  }

  private send(): void {
    while (this.waiting.length > 0 && this.batches < BATCHES_MAX) {
      this.batches++;
      void this.verifyBatch(this.waiting.splice(0, BATCH_MAX)).finally(() => {
        this.batches--;
        this.send();
      });
    }
  }

  private async verifyBatch(batch: readonly Waiting[]): Promise<void> {
    const { keys } = this.keys;
    try {
      if (keys === undefined) throw new TypeError("there are no keys");
      const verdicts = await this.ports.verify({ tokens: batch.map(({ token }) => token), keys, rules: this.rules });
      for (const [index, waiting] of batch.entries()) this.conclude(waiting, verdicts[index] as Verdict, keys.version);
    } catch (error) {
      const reason = reasonOf(error);
      this.paced.write("error", "verify", { reason }, "could not verify tokens");
      this.judged.busy += batch.length;
      for (const { settle } of batch) settle({ kind: "busy" });
    }
  }

  /** @param version of the set that it was verified with */
  private conclude(waiting: Waiting, verdict: Verdict, version: number): void {
    if (verdict.kind === "unknown key") return void this.onUnknownKey(waiting, version);
    if (verdict.kind === "invalid") return this.refuse(waiting, verdict.why, version);
    const { sub, scope, entitlements, expiresS, keyId } = verdict;
    const key = this.keys.key(keyId);
    if (key === undefined) return this.refuse(waiting, "one whose key was removed", version);
    const rights = { scopes: scopesOf(scope), entitlements: entitlementsIn(entitlements) };
    const grant = { player: playerOf(sub), ...rights, expiresS, key };
    this.judged.verified++;
    this.remembered.set(waiting.digest, grant);
    waiting.settle({ kind: "granted", grant });
  }

  /** The set may have it by now. */
  private async onUnknownKey(waiting: Waiting, version: number): Promise<void> {
    const { token, digest, isAgain, settle } = waiting;
    if (!isAgain && this.waitingForKeys >= WAITING_FOR_KEYS_MAX) {
      this.judged.busy++;
      return settle({ kind: "busy" });
    }
    if (!isAgain) {
      this.waitingForKeys++;
      await this.keys.refresh().finally(() => this.waitingForKeys--);
      if (this.keys.keys?.version !== version) return settle(await this.verified({ token, digest, isAgain: true }));
    }
    this.refuse(waiting, "one whose key is not known", version);
  }
}

/** The thread that verifies. */
export function verifyInThread(): { readonly verify: VerifyMany; readonly close: () => Promise<void> } {
  const pool = new Piscina<VerifyTask, Verdict[]>({
    filename: new URL("./verify-worker.ts", import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: BATCHES_MAX,
    resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 128 },
  });
  return { verify: (task) => pool.run(task), close: () => pool.destroy() };
}

/** A buffer of its own, not a slice of a pool, all of which would be kept with it. */
function keptWith(last: LastToken | undefined, token: Buffer, grant: Grant): LastToken {
  const kept = last !== undefined && last.bytes.length >= token.length ? last : undefined;
  const now = kept ?? { bytes: Buffer.allocUnsafeSlow(token.length), length: 0, grant };
  token.copy(now.bytes);
  now.length = token.length;
  now.grant = grant;
  return now;
}

function isSame({ bytes, length }: LastToken, token: Buffer): boolean {
  return length === token.length && timingSafeEqual(length === bytes.length ? bytes : bytes.subarray(0, length), token);
}

function digestOf(token: Buffer | string): string {
  return hash("sha256", token, "base64url");
}
