/** What operators decided, as this node follows it. */
import type { Logger } from "pino";
import { type Changed, FollowedText } from "../followed-text.ts";
import type { Metrics } from "../metrics.ts";
import { Recent } from "../recent.ts";
import type { TextStore } from "../text-store.ts";
import { Blocks } from "./block.ts";
import { DECISIONS, type Decisions, isOver, type Off, type Switch, SWITCHES } from "./decisions.ts";

const ADDRESSES_MAX = 65_536;

/** Until the decisions have been read. */
export const NOT_KNOWN: Off = {
  reason: "what operators decided has not been read yet",
  since: new Date().toISOString(),
};

export class Controls {
  /** Whether anything is off; until the decisions are known, all is. */
  isAnyOff = true;
  /** Resolves when the decisions have been read for the first time; rejects where they are damaged. */
  readonly known: Promise<void>;
  quarantined: ReadonlySet<string> = new Set();
  private readonly text: FollowedText<Decisions>;
  private blocks = new Blocks([]);
  private isBlockedByAddress = new Recent<boolean>(ADDRESSES_MAX);

  constructor(store: TextStore, log: Pick<Logger, "info" | "warn" | "error">) {
    this.text = new FollowedText(store, DECISIONS, { log, onFollow: (decisions) => this.follow(decisions) });
    this.known = this.text.known.then(() => this.learn());
    this.known.catch(() => {}); // whoever starts the node waits for it
  }

  /** Begins to follow the store. */
  start(): void {
    this.text.start();
  }

  stop(): void {
    this.text.stop();
  }

  get decisions(): Decisions {
    return this.text.value;
  }

  /** Reads of the store. */
  get reads(): Readonly<Record<"done" | "failed", number>> {
    return this.text.reads;
  }

  /** False until the decisions have been read: a node that does not know them must not get requests. */
  get isKnown(): boolean {
    return this.text.isKnown;
  }

  get hasBlocks(): boolean {
    return this.blocks.count > 0;
  }

  /** `undefined` where such calls are answered. */
  offOf(kind: Switch): Off | undefined {
    if (!this.isKnown) return NOT_KNOWN;
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
    return this.text.change((standing) => ({ ...change(standing), revision: standing.revision + 1 }));
  }

  registerMetrics(metrics: Metrics): void {
    metrics.labelledGauge("switch_on", "1 while such calls are answered", "switch", () =>
      Object.fromEntries(SWITCHES.map((name) => [name, this.offOf(name) === undefined ? 1 : 0])),
    );
    metrics.gauge("modes_in_quarantine", "Modes taken out of all boards", () => this.quarantined.size);
    metrics.gauge("blocks", "Prefixes and issuers whose reports are refused", () => this.blocks.count);
    metrics.labelledCounter("control_reads_total", "Reads of what operators decided", "outcome", () => this.reads);
  }

  private learn(): void {
    const off = Object.keys(this.decisions.off);
    this.isAnyOff = off.length > 0;
    if (this.isAnyOff) this.text.paced.write("warn", "off", { off }, "calls are switched off by an operator");
  }

  private follow({ off, quarantine, blocks }: Decisions): void {
    this.isAnyOff = !this.isKnown || Object.keys(off).length > 0;
    this.quarantined = new Set(quarantine.map(({ mode }) => mode));
    this.blocks = new Blocks(blocks.map(({ block }) => block));
    this.isBlockedByAddress = new Recent(ADDRESSES_MAX);
  }
}
