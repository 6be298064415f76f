/**
 * A value that all nodes follow: read from the store several times a second, so that a change made at one node is followed by all
 * within a second, and written there by one compare-and-set, so that no change undoes another.
 */
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { StoreUnavailableError } from "../cluster/ports/record-store.ts";
import { PacedLog } from "./paced-log.ts";
import { type Kept, NOTHING_KEPT, type TextStore } from "./text-store.ts";

/** How a value is written, and which of two is newer. */
export interface TextForm<Value> {
  /** For messages: "what operators decided". */
  readonly subject: string;
  /** Where nothing lies in the store. */
  readonly nothing: Value;
  /** The newer of two has the higher one. */
  revisionOf(value: Value): number;
  print(value: Value): string;
  /** @throws {Error} whose message says what is wrong */
  parse(text: string): Value;
}

/** What lies in the store is nothing that a node wrote. */
export class DamagedTextError extends Error {
  override readonly name = "DamagedTextError";
  /** Of what lies there. */
  readonly mark: string;

  constructor(message: string, mark: string) {
    super(message);
    this.mark = mark;
  }
}

export type Changed = "done" | "unneeded" | "crowded";

export interface TextPorts<Value> {
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  /** Called with each value that takes the place of another. */
  readonly onFollow: (value: Value) => void;
  /**
   * Called after every read that went well, before the value counts as known.
   * @throws {StoreUnavailableError} (rejects) as a read does
   */
  readonly afterRead?: () => Promise<void>;
}

const READ_EVERY_MS = 250;
/** Where somebody asked while a read was under way, which may have come too early. */
const READ_AGAIN_MS = 10;
const WRITES_MAX = 5;
/** Reads that failed one after another before that is told: at the start the store is not connected yet. */
const TOLD_AFTER = 8;
const TICK_MS = 1000;
const MARK_BYTES = 6;

/** As it is to lie in the store. Two that were made of the same one have different marks. */
export function keptAs<Value>(form: TextForm<Value>, value: Value): Kept {
  return { mark: `${form.revisionOf(value)}.${randomBytes(MARK_BYTES).toString("hex")}`, text: form.print(value) };
}

/** @throws {DamagedTextError} */
export function valueIn<Value>(form: TextForm<Value>, { mark, text }: Kept, place?: string): Value {
  if (mark === "" && text === "") return form.nothing;
  const where = place === undefined ? "" : ` (${place})`;
  if (mark === "") throw new DamagedTextError(`${form.subject} is damaged${where}: it has no mark`, mark);
  try {
    return form.parse(text);
  } catch (error) {
    throw new DamagedTextError(`${form.subject} is damaged${where}: ${(error as Error).message}`, mark);
  }
}

export class FollowedText<Value> {
  /** What stands, as far as this node knows. */
  value: Value;
  /** False until it has been read. */
  isKnown = false;
  /** Resolves when it has been read for the first time; rejects where it is damaged. */
  readonly known: Promise<void>;
  /** Reads of the store. */
  readonly reads = { done: 0, failed: 0 };
  /** What is wrong with what lies in the store. */
  damage: string | undefined;
  /** Why the last read, or what followed it, could not be done; for people. */
  absence: string | undefined;
  readonly paced: PacedLog;
  private readonly store: TextStore;
  private readonly form: TextForm<Value>;
  private readonly ports: TextPorts<Value>;
  private kept: Kept = NOTHING_KEPT;
  private readonly first = Promise.withResolvers<void>();
  private failedInRow = 0;
  /** Changes of this node come one after the other; the store decides between nodes. */
  private changing: Promise<unknown> = Promise.resolve();
  private looking: Promise<void> | undefined;
  private isWanted = false;
  private isStopped = false;
  private ticking: NodeJS.Timeout | undefined;
  private pausing: NodeJS.Timeout | undefined;

  constructor(store: TextStore, form: TextForm<Value>, ports: TextPorts<Value>) {
    this.store = store;
    this.form = form;
    this.ports = ports;
    this.value = form.nothing;
    this.paced = new PacedLog(ports.log, () => performance.now());
    this.known = this.first.promise;
    this.known.catch(() => {}); // whoever starts the node waits for it
  }

  /** Begins to follow the store. */
  start(): void {
    this.ticking = setInterval(() => this.paced.tick(), TICK_MS).unref();
    this.look();
  }

  stop(): void {
    this.isStopped = true; // a read that is under way asks for no other
    clearInterval(this.ticking);
    clearTimeout(this.pausing);
  }

  /** Asks the store now; while it is being asked already, soon again, once for all calls. */
  look(): void {
    if (this.looking !== undefined) this.isWanted = true;
    else if (!this.isStopped) this.looking = this.lookOnce().finally(() => this.pause());
  }

  private pause(): void {
    this.looking = undefined;
    clearTimeout(this.pausing);
    const pauseMs = this.isWanted ? READ_AGAIN_MS : READ_EVERY_MS;
    this.isWanted = false;
    if (!this.isStopped) this.pausing = setTimeout(() => this.look(), pauseMs).unref();
  }

  /**
   * Changes the value, for all nodes.
   * @param change called with what stands, perhaps more than once; `undefined`: nothing is to be changed; what it throws is
   * passed on and nothing changes
   * @returns `crowded` where others changed it at the same time again and again
   * @throws {StoreUnavailableError} (rejects) where nobody knows whether it was written
   */
  change(change: (standing: Value) => Value | undefined): Promise<Changed> {
    const done = this.changing.then(() => this.changeNext(change));
    this.changing = done.catch(() => {});
    return done;
  }

  private async changeNext(change: (standing: Value) => Value | undefined): Promise<Changed> {
    for (let tries = 0; tries < WRITES_MAX; tries++) {
      const mark = await this.readForChange();
      const next = change(this.value);
      if (next === undefined) return "unneeded";
      const kept = keptAs(this.form, next);
      if (!(await this.store.write(mark, kept))) continue;
      if (this.revisionOf(this.value) < this.revisionOf(next)) this.follow(kept, next); // else a newer one has come meanwhile
      return "done";
    }
    return "crowded";
  }

  /**
   * What is damaged in the store is replaced by what this node knows.
   * @returns the mark of what lies there
   */
  private async readForChange(): Promise<string> {
    try {
      await this.readOnce();
      return this.kept.mark;
    } catch (error) {
      if (!(error instanceof DamagedTextError) || !this.isKnown) throw error;
      return error.mark;
    }
  }

  private async lookOnce(): Promise<void> {
    try {
      const damage = await this.readOnce().catch((error: unknown) => this.damageIn(error));
      await this.ports.afterRead?.(); // it may replace what is damaged
      if (damage !== undefined) throw damage;
      this.failedInRow = 0;
      this.damage = this.absence = undefined;
      if (this.isKnown) return;
      this.isKnown = true;
      this.first.resolve();
    } catch (error) {
      this.reads.failed++;
      this.failedInRow++;
      this.tellFault(error);
    }
  }

  /** Whoever knows a value goes on by it. */
  private damageIn(error: unknown): DamagedTextError {
    if (error instanceof DamagedTextError && this.isKnown) return error;
    throw error;
  }

  private tellFault(error: unknown): void {
    const { paced, form } = this;
    if (!(error instanceof StoreUnavailableError)) {
      this.damage = (error as Error).message;
      this.first.reject(error);
      paced.write(
        "error",
        "damaged",
        { err: error },
        `${form.subject} cannot be read: this node goes by what it knows`,
      );
      return;
    }
    this.absence = error.told;
    if (this.failedInRow >= TOLD_AFTER)
      paced.write("warn", "away", { reason: error.message }, `${form.subject} cannot be read or stored just now`);
  }

  private async readOnce(): Promise<void> {
    let mark = "";
    for (let tries = 0; tries < WRITES_MAX; tries++) {
      const found = await this.store.read(this.kept.mark);
      this.reads.done++;
      if (found === undefined) return;
      const value = valueIn(this.form, found, this.store.place);
      if (this.revisionOf(value) >= this.revisionOf(this.value)) return this.follow(found, value);
      // The store lost the newest, as after a failover: whoever knows it writes it back.
      if (await this.store.write(found.mark, this.kept)) return;
      ({ mark } = found);
    }
    // No node wrote that mark: one that is no text, say, is read as another than it is.
    const where = `${this.form.subject} is damaged (${this.store.place})`;
    throw new DamagedTextError(`${where}: an older one lies there, and cannot be replaced`, mark);
  }

  private follow(kept: Kept, value: Value): void {
    this.kept = kept;
    this.value = value;
    this.ports.onFollow(value);
  }

  private revisionOf(value: Value): number {
    return this.form.revisionOf(value);
  }
}
