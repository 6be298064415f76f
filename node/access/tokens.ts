/**
 * Which tokens are good. What was verified is remembered until it expires: by the connection that sent it, whose next requests
 * bring the same bytes, and by its hash. What is unknown is verified in another thread.
 */
import { hash, timingSafeEqual } from "node:crypto";
import { Piscina } from "piscina";
import type { Logger } from "pino";
import { PacedLog } from "../paced-log.ts";
import { reasonOf } from "../reason.ts";
import { type Grant, playerOf, scopesOf } from "./grant.ts";
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

/** What a connection's last good token was. */
export interface TokenHolder {
  lastToken: { readonly bytes: Buffer; readonly grant: Grant } | undefined;
}

interface Remembered {
  readonly judgement: Extract<Judgement, { kind: "granted" | "refused" }>;
  /** Of a refusal: milliseconds since 1970. */
  readonly untilMs: number;
}

interface Waiting {
  readonly token: string;
  readonly digest: string;
  /** Verified once already, with keys that were older. */
  readonly isAgain: boolean;
  readonly settle: (judgement: Judgement) => void;
}

export const TOKEN_LENGTH_MAX = 8192;
/** Some 50 MB. */
export const REMEMBERED_MAX = 131_072;
export const WAITING_MAX = 16_384;
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
  /** By hash; the one that was asked for longest ago comes first. */
  private readonly remembered = new Map<string, Remembered>();
  private readonly pending = new Map<string, Promise<Judgement>>();
  private waiting: Waiting[] = [];
  private batches = 0;

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
    if (lastToken !== undefined && isSame(lastToken.bytes, token) && this.isGood(lastToken.grant)) {
      this.judged["by connection"]++;
      return lastToken.grant;
    }
    const judgement = this.recall(digestOf(token));
    if (judgement?.kind !== "granted") return undefined;
    this.judged["by hash"]++;
    holder.lastToken = { bytes: Buffer.from(token), grant: judgement.grant };
    return judgement.grant;
  }

  /** Never rejects. */
  judge(token: string): Promise<Judgement> {
    if (token.length > TOKEN_LENGTH_MAX) {
      this.judged.refused++;
      return Promise.resolve({ kind: "refused", why: `one that is longer than ${TOKEN_LENGTH_MAX} characters` });
    }
    const digest = digestOf(token);
    const remembered = this.recall(digest);
    if (remembered !== undefined) {
      this.judged[remembered.kind === "granted" ? "by hash" : "refused"]++;
      return Promise.resolve(remembered);
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

  private recall(digest: string): Remembered["judgement"] | undefined {
    const found = this.remembered.get(digest);
    if (found === undefined) return undefined;
    this.remembered.delete(digest);
    const { judgement, untilMs } = found;
    const stands = judgement.kind === "granted" ? this.isGood(judgement.grant) : this.ports.wallMs() < untilMs;
    if (!stands) return undefined;
    this.remembered.set(digest, found);
    return judgement;
  }

  private remember(digest: string, judgement: Remembered["judgement"]): void {
    this.remembered.set(digest, { judgement, untilMs: this.ports.wallMs() + REFUSED_FOR_MS });
    if (this.remembered.size > REMEMBERED_MAX) this.remembered.delete(this.remembered.keys().next().value!);
  }

  /** As whoever verified it would say now. */
  private isGood({ expiresS, key }: Grant): boolean {
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
      for (const { settle } of batch) settle({ kind: "busy" });
    }
  }

  private conclude(waiting: Waiting, verdict: Verdict, version: number): void {
    if (verdict.kind === "unknown key") return void this.onUnknownKey(waiting, version);
    const { digest, settle } = waiting;
    const judgement = this.judgementOf(verdict);
    this.judged[judgement.kind === "granted" ? "verified" : "refused"]++;
    this.remember(digest, judgement);
    settle(judgement);
  }

  private judgementOf(verdict: Exclude<Verdict, { kind: "unknown key" }>): Remembered["judgement"] {
    if (verdict.kind === "invalid") return { kind: "refused", why: verdict.why };
    const { sub, scope, expiresS, keyId } = verdict;
    const key = this.keys.key(keyId);
    if (key === undefined) return { kind: "refused", why: "one whose key was removed" };
    return { kind: "granted", grant: { player: playerOf(sub), scopes: scopesOf(scope), expiresS, key } };
  }

  /** The set may have it by now. @param version of the set that had not */
  private async onUnknownKey({ token, digest, isAgain, settle }: Waiting, version: number): Promise<void> {
    if (!isAgain) {
      await this.keys.refresh();
      if (this.keys.keys?.version !== version) return settle(await this.verified({ token, digest, isAgain: true }));
    }
    this.judged.refused++;
    const judgement = { kind: "refused", why: "one whose key is not known" } as const;
    this.remember(digest, judgement);
    settle(judgement);
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

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

function digestOf(token: Buffer | string): string {
  return hash("sha256", token, "base64url");
}
