/**
 * Answers that this node asked others for, and keeps as long as they are wanted: counts of subdivisions, which are not pushed
 * to everybody (R31). Of each place one question is under way at a time, whoever waits for it, and while somebody wants to
 * know the next one goes before the answer is too old. There are as many at most as there are places.
 */
import { isVersionAbove } from "./read-views.ts";

/** (term, version) never goes back. */
interface Answer {
  readonly term: number;
  readonly version: number;
}

/** An answer, and when it was asked for, by this node's clock. */
export interface Kept<T> {
  readonly answer: T;
  readonly askedAtMs: number;
}

export interface KeptPorts<T> {
  nowMs(): number;
  /** Answers for those places that their owners know. Never rejects. */
  ask(places: readonly number[]): Promise<ReadonlyMap<number, T>>;
}

interface Entry<T> {
  kept: Kept<T> | undefined;
  wantedAtMs: number;
  isAsked: boolean;
  askedAtMs: number;
  waiting: { readonly untilMs: number; readonly settle: (kept: Kept<T> | undefined) => void }[];
}

/** Answers are given from memory so long; what the owner knew then may be 200 ms older. */
export const KEPT_MS = 750;
/** They are asked for again so soon while they are few; of all that the world has, 5,040, after 600 ms. */
const REFRESH_MS = 350;
const REFRESH_MS_EACH = 0.05;
/** Who wants to know comes back within this time, as a stream does that looks every 2 seconds. */
const WANTED_MS = 3000;
/** Who could have an older answer waits so long for a newer one. */
const NEWER_MS = 250;
/** Pause after a question without an answer. */
const RETRY_MS = 50;

export class KeptAnswers<T extends Answer> {
  /** Questions that were asked. */
  asked = 0;
  private readonly ports: KeptPorts<T>;
  private readonly entries = new Map<number, Entry<T>>();

  constructor(ports: KeptPorts<T>) {
    this.ports = ports;
  }

  get size(): number {
    return this.entries.size;
  }

  /** What was heard last of a place, however old; and somebody wants to know. */
  of(place: number): Kept<T> | undefined {
    return this.wanted(place).kept;
  }

  /**
   * `settle` is called once: at once with what is known lately, else by `untilMs` with what is known then. Who could have an
   * older answer does not wait long for a newer one.
   */
  ask(place: number, untilMs: number, settle: (kept: Kept<T> | undefined) => void): void {
    const { kept, waiting } = this.wanted(place);
    const nowMs = this.ports.nowMs();
    if (kept === undefined) waiting.push({ untilMs, settle });
    else if (nowMs - kept.askedAtMs <= KEPT_MS) settle(kept);
    else waiting.push({ untilMs: Math.min(untilMs, nowMs + NEWER_MS), settle });
  }

  /** To be called some 50 times a second. */
  tick(): void {
    const nowMs = this.ports.nowMs();
    const refreshMs = REFRESH_MS + REFRESH_MS_EACH * this.entries.size;
    const due: number[] = [];
    for (const [place, entry] of this.entries) {
      this.giveUp(entry, nowMs);
      if (entry.waiting.length === 0 && nowMs - entry.wantedAtMs > WANTED_MS) this.entries.delete(place);
      else if (isDue(entry, nowMs, refreshMs)) due.push(place);
    }
    if (due.length > 0) void this.askAll(due, nowMs);
  }

  /** Nobody waits any longer: who does is told what is known. */
  close(): void {
    for (const entry of this.entries.values()) settleAll(entry);
    this.entries.clear();
  }

  private wanted(place: number): Entry<T> {
    const nowMs = this.ports.nowMs();
    let entry = this.entries.get(place);
    if (entry === undefined) {
      entry = { kept: undefined, wantedAtMs: nowMs, isAsked: false, askedAtMs: -Infinity, waiting: [] };
      this.entries.set(place, entry);
    }
    entry.wantedAtMs = nowMs;
    return entry;
  }

  private giveUp(entry: Entry<T>, nowMs: number): void {
    if (!entry.waiting.some(({ untilMs }) => untilMs <= nowMs)) return;
    const over = entry.waiting.filter(({ untilMs }) => untilMs <= nowMs);
    entry.waiting = entry.waiting.filter(({ untilMs }) => untilMs > nowMs);
    for (const { settle } of over) settle(entry.kept);
  }

  private async askAll(places: readonly number[], nowMs: number): Promise<void> {
    const asked = places.map((place) => this.entries.get(place) as Entry<T>);
    for (const entry of asked) [entry.isAsked, entry.askedAtMs] = [true, nowMs];
    this.asked += places.length;
    const answers = await this.ports.ask(places);
    for (const [index, entry] of asked.entries()) {
      entry.isAsked = false;
      const answer = answers.get(places[index] as number);
      if (answer !== undefined) this.learn(entry, { answer, askedAtMs: nowMs });
    }
  }

  private learn(entry: Entry<T>, kept: Kept<T>): void {
    const { answer } = kept;
    if (entry.kept !== undefined && isVersionAbove(entry.kept.answer, answer.term, answer.version)) return;
    entry.kept = kept;
    settleAll(entry);
  }
}

function settleAll<T>(entry: Entry<T>): void {
  const { waiting, kept } = entry;
  entry.waiting = [];
  for (const { settle } of waiting) settle(kept);
}

function isDue<T>({ kept, isAsked, askedAtMs }: Entry<T>, nowMs: number, refreshMs: number): boolean {
  if (isAsked || nowMs - askedAtMs < RETRY_MS) return false;
  return kept === undefined || nowMs - kept.askedAtMs >= refreshMs;
}
