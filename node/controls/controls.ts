/**
 * What operators decided, as this node follows it: read from the store several times a second, so that a change made at one node
 * is followed by all within a second, and written there by one compare-and-set, so that no change undoes another.
 */
import type { Logger } from "pino";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { type ControlsStore, type Kept, NOTHING_KEPT } from "../controls-store.ts";
import type { Metrics } from "../metrics.ts";
import { PacedLog } from "../paced-log.ts";
import { Recent } from "../recent.ts";
import { Blocks } from "./block.ts";
import {
  DamagedDecisionsError,
  type Decisions,
  decisionsIn,
  isOver,
  keep,
  NOTHING_DECIDED,
  type Off,
  type Switch,
  SWITCHES,
} from "./decisions.ts";

const READ_EVERY_MS = 250;
const WRITES_MAX = 5;
/** Reads that failed one after another before that is told: at the start the store is not connected yet. */
const TOLD_AFTER = 8;
const ADDRESSES_MAX = 65_536;
const TICK_MS = 1000;

/** Until the decisions have been read. */
export const NOT_KNOWN: Off = {
  reason: "what operators decided has not been read yet",
  since: new Date().toISOString(),
};

export type Changed = "done" | "crowded";

export class Controls {
  /** Whether anything is off; until the decisions are known, all is. */
  isAnyOff = true;
  /** Resolves when the decisions have been read for the first time; rejects where they are damaged. */
  readonly known: Promise<void>;
  decisions: Decisions = NOTHING_DECIDED;
  quarantined: ReadonlySet<string> = new Set();
  /** Reads of the store. */
  readonly reads = { done: 0, failed: 0 };
  private readonly store: ControlsStore;
  private readonly paced: PacedLog;
  private kept: Kept = NOTHING_KEPT;
  private blocks = new Blocks([]);
  private isBlockedByAddress = new Recent<boolean>(ADDRESSES_MAX);
  private readonly first = Promise.withResolvers<void>();
  private isRead = false;
  private failedInRow = 0;
  /** Changes of this node come one after the other; the store decides between nodes. */
  private changing: Promise<unknown> = Promise.resolve();
  private isStopped = false;
  private ticking: NodeJS.Timeout | undefined;
  private reading: NodeJS.Timeout | undefined;

  constructor(store: ControlsStore, log: Pick<Logger, "info" | "warn" | "error">) {
    this.store = store;
    this.paced = new PacedLog(log, () => performance.now());
    this.known = this.first.promise;
    this.known.catch(() => {}); // whoever starts the node waits for it
  }

  /** Begins to follow the store. */
  start(): void {
    this.ticking = setInterval(() => this.paced.tick(), TICK_MS).unref();
    void this.readAgain();
  }

  stop(): void {
    this.isStopped = true; // a read that is under way asks for no other
    clearInterval(this.ticking);
    clearTimeout(this.reading);
  }

  /** False until the decisions have been read: a node that does not know them must not get requests. */
  get isKnown(): boolean {
    return this.isRead;
  }

  get hasBlocks(): boolean {
    return this.blocks.count > 0;
  }

  /** `undefined` where such calls are answered. */
  offOf(kind: Switch): Off | undefined {
    if (!this.isRead) return NOT_KNOWN;
    const off = this.decisions.off[kind];
    return off === undefined || isOver(off) ? undefined : off;
  }

  /** @param address IPv4 where it can be written so */
  isBlockedAddress(address: string): boolean {
    let isBlocked = this.isBlockedByAddress.get(address);
    if (isBlocked === undefined) this.isBlockedByAddress.set(address, (isBlocked = this.blocks.hasAddress(address)));
    return isBlocked;
  }

  isBlockedIssuer(issuer: string): boolean {
    return this.blocks.hasIssuer(issuer);
  }

  /**
   * Changes what is decided, for all nodes.
   * @param change called with what stands, perhaps more than once; what it throws is passed on and nothing changes
   * @returns `crowded` where others changed it at the same time again and again
   * @throws {StoreUnavailableError} (rejects) where nobody knows whether it was written
   */
  change(change: (standing: Decisions) => Decisions): Promise<Changed> {
    const done = this.changing.then(() => this.changeNext(change));
    this.changing = done.catch(() => {});
    return done;
  }

  private async changeNext(change: (standing: Decisions) => Decisions): Promise<Changed> {
    for (let tries = 0; tries < WRITES_MAX; tries++) {
      await this.readForChange();
      const next = { ...change(this.decisions), revision: this.decisions.revision + 1 };
      const kept = keep(next);
      if (!(await this.store.write(this.kept.mark, kept))) continue;
      if (this.decisions.revision < next.revision) this.follow(kept, next); // else a newer one has come meanwhile
      return "done";
    }
    return "crowded";
  }

  /** What is damaged in the store is replaced by what this node knows. */
  private async readForChange(): Promise<void> {
    try {
      await this.readOnce();
    } catch (error) {
      if (!(error instanceof DamagedDecisionsError) || !this.isRead) throw error;
      this.kept = { ...this.kept, mark: error.mark };
    }
  }

  registerMetrics(metrics: Metrics): void {
    metrics.labelledGauge("switch_on", "1 while such calls are answered", "switch", () =>
      Object.fromEntries(SWITCHES.map((name) => [name, this.offOf(name) === undefined ? 1 : 0])),
    );
    metrics.gauge("modes_in_quarantine", "Modes taken out of all boards", () => this.quarantined.size);
    metrics.gauge("blocks", "Prefixes and issuers whose reports are refused", () => this.blocks.count);
    metrics.labelledCounter("control_reads_total", "Reads of what operators decided", "outcome", () => this.reads);
  }

  private async readAgain(): Promise<void> {
    try {
      await this.readOnce();
      this.failedInRow = 0;
      if (!this.isRead) this.learn();
    } catch (error) {
      this.reads.failed++;
      this.failedInRow++;
      this.tellFault(error);
    }
    if (!this.isStopped) this.reading = setTimeout(() => void this.readAgain(), READ_EVERY_MS).unref();
  }

  private tellFault(error: unknown): void {
    if (!(error instanceof StoreUnavailableError)) {
      this.first.reject(error);
      const told = "what operators decided cannot be read: this node goes by what it knows";
      this.paced.write("error", "damaged", { err: error }, told);
    } else if (this.failedInRow >= TOLD_AFTER)
      this.paced.write("warn", "away", { reason: error.message }, "what operators decided cannot be read just now");
  }

  private learn(): void {
    this.isRead = true;
    this.isAnyOff = Object.keys(this.decisions.off).length > 0;
    this.first.resolve();
    if (this.isAnyOff)
      this.paced.write(
        "warn",
        "off",
        { off: Object.keys(this.decisions.off) },
        "calls are switched off by an operator",
      );
  }

  private async readOnce(): Promise<void> {
    const found = await this.store.read(this.kept.mark);
    this.reads.done++;
    if (found === undefined) return;
    const decisions = decisionsIn(found);
    if (decisions.revision >= this.decisions.revision) return this.follow(found, decisions);
    // The store lost the newest, as after a failover: whoever knows it writes it back.
    if (!(await this.store.write(found.mark, this.kept))) return this.readOnce();
  }

  private follow(kept: Kept, decisions: Decisions): void {
    const { off, quarantine, blocks } = decisions;
    this.kept = kept;
    this.decisions = decisions;
    this.isAnyOff = !this.isRead || Object.keys(off).length > 0;
    this.quarantined = new Set(quarantine.map(({ mode }) => mode));
    this.blocks = new Blocks(blocks.map(({ block }) => block));
    this.isBlockedByAddress = new Recent(ADDRESSES_MAX);
  }
}
