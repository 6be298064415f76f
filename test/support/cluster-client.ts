/**
 * A client of a cluster as a sensible game would be, behind nothing: keeps connections alive, prefers nodes whose `/readyz`
 * says 200, and asks another node where one refuses, breaks off or stays silent. Notes how long calls took in all, and
 * every answer that was a failure to whoever does not retry.
 */
import { setTimeout as pause } from "node:timers/promises";

import { type Answer, HttpClient, type RequestOptions } from "./http.ts";
import type { SeededRandom } from "../../simulator/seeded-random.ts";

/** Of one attempt; longer than a node may take. */
const SILENCE_AFTER_DEADLINE_MS = 700;
const LOOK_EVERY_MS = 100;
const LOOK_LIMIT_MS = 400;
const RETRY_AFTER_MS = 30;
/** A call that nobody answers for so long is a failure of the test. */
const GIVE_UP_MS = 45_000;

export interface Answered {
  readonly answer: Answer;
  /** False where an attempt stayed without an answer: it may still take effect. */
  readonly isSure: boolean;
}

/** What was measured since `measureAnew()`. */
export class Measurements {
  calls = 0;
  /** Answers 202: counted, but not remembered yet. */
  counted = 0;
  longestWait = { waitMs: 0, call: "none", attempts: [] as readonly string[] };
  /** Answers 5xx, and rows of batches refused with 503. */
  readonly refusals: string[] = [];
  /** Broken connections and silence: not those that nobody listened to, which any client may try elsewhere. */
  readonly broken: string[] = [];
}

export class ClusterClient implements AsyncDisposable {
  measured = new Measurements();
  private readonly urls: () => readonly string[];
  private readonly attemptMs: number;
  private readonly random: SeededRandom;
  private readonly pools = new Map<string, HttpClient>();
  private readonly unready = new Set<string>();
  private isClosing = false;
  private readonly looking: Promise<void>;

  /** @param urls of the nodes that there may be, at any time */
  constructor(urls: () => readonly string[], { deadlineMs, random }: { deadlineMs: number; random: SeededRandom }) {
    this.urls = urls;
    this.attemptMs = deadlineMs + SILENCE_AFTER_DEADLINE_MS;
    this.random = random;
    this.looking = this.lookForReady();
  }

  /** The measurements so far; new ones begin. */
  measureAnew(): Measurements {
    const { measured } = this;
    this.measured = new Measurements();
    return measured;
  }

  /** Until some node gives an answer that is not 5xx. */
  async call(method: string, path: string, options: RequestOptions = {}): Promise<Answered> {
    const startedMs = performance.now();
    const attempts: string[] = [];
    let isSure = true;
    let last: string | undefined;
    for (;;) {
      const url = this.choose(last);
      const attempt = await this.attempt(url, method, path, options);
      if (typeof attempt !== "string" && attempt.status < 500) {
        this.note(performance.now() - startedMs, `${method} ${path}`, attempts);
        if (attempt.status === 202) this.measured.counted++;
        return { answer: attempt, isSure };
      }
      const elapsedMs = Math.round(performance.now() - startedMs);
      const told = typeof attempt === "string" ? attempt : `${attempt.status} ${attempt.text}`;
      const line = `${url} after ${elapsedMs} ms: ${told}`;
      attempts.push(line);
      if (typeof attempt !== "string") this.measured.refusals.push(`${method} ${path} at ${line}`);
      else if (attempt !== "ECONNREFUSED") {
        isSure = false;
        this.measured.broken.push(`${method} ${path} at ${line}`);
      }
      if (elapsedMs > GIVE_UP_MS) throw new Error(`Nobody answers ${method} ${path}:\n${attempts.join("\n")}`);
      if (typeof attempt === "string") this.unready.add(url);
      last = url;
      await pause(RETRY_AFTER_MS);
    }
  }

  /** The pool of connections to one node. */
  at(url: string): HttpClient {
    let pool = this.pools.get(url);
    if (pool === undefined) this.pools.set(url, (pool = new HttpClient(url, 64)));
    return pool;
  }

  /** Looks no more who is ready. */
  async stopLooking(): Promise<void> {
    this.isClosing = true;
    await this.looking;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopLooking();
    for (const pool of this.pools.values()) await pool[Symbol.asyncDispose]();
  }

  private async attempt(url: string, method: string, path: string, options: RequestOptions): Promise<Answer | string> {
    try {
      return await this.at(url).request(method, path, { ...options, signal: AbortSignal.timeout(this.attemptMs) });
    } catch (error) {
      return nameOf(error);
    }
  }

  /** Any that is ready, and not the one that just refused where there is another. */
  private choose(last: string | undefined): string {
    const urls = this.urls();
    const others = urls.filter((url) => url !== last);
    const ready = others.filter((url) => !this.unready.has(url));
    return this.random.pick([ready, others, urls].find((some) => some.length > 0)!);
  }

  private note(waitMs: number, call: string, attempts: readonly string[]): void {
    const { measured } = this;
    measured.calls++;
    if (waitMs > measured.longestWait.waitMs) measured.longestWait = { waitMs: Math.round(waitMs), call, attempts };
  }

  /** As a load balancer would. */
  private async lookForReady(): Promise<void> {
    while (!this.isClosing) {
      const urls = this.urls();
      for (const url of this.pools.keys()) if (!urls.includes(url)) this.unready.delete(url);
      await Promise.all(urls.map((url) => this.look(url)));
      await pause(LOOK_EVERY_MS);
    }
  }

  private async look(url: string): Promise<void> {
    const status = await this.at(url)
      .get("/readyz", { signal: AbortSignal.timeout(LOOK_LIMIT_MS) })
      .then(
        (answer) => answer.status,
        () => undefined,
      );
    if (status === 200) this.unready.delete(url);
    else this.unready.add(url);
  }
}

/** What tells failures of connections apart. */
function nameOf(error: unknown): string {
  const { code, name, message } = error as NodeJS.ErrnoException;
  return code === undefined || typeof code !== "string" ? `${name}: ${message}` : code;
}
