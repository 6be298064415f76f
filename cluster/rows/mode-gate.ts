/**
 * R28: in front of forwarding. A row whose mode is not known as agreed waits here for the store's answer, before it takes
 * its place in its partition's queue. Whatever comes for the same partition meanwhile waits behind it, so that nothing is
 * overtaken (R19). One call asks for all names that wait; nothing is asked for names that are known. A new name that the rules
 * know nothing of is refused here (R29), so that junk takes no room; all other rules are the owner's to judge by.
 */
import { BULK_SHARE } from "./forwarder.ts";
import type { Outcome, Refused, Row } from "../ports/rows.ts";
import type { Rules } from "../ports/rules.ts";
import { NamesBrought } from "./names-brought.ts";

export interface ModeGatePorts {
  readonly names: {
    isAdmitted(name: string): boolean;
    /** Also one that may go, so that it is to be asked for. */
    isAgreed(name: string): boolean;
    /** Those for which there is no room; rejects where nobody knows. */
    admit(names: readonly string[]): Promise<ReadonlySet<string>>;
  };
  readonly rules: Pick<Rules, "catalogue">;
  /** The forwarder's `submit`. */
  readonly forward: (row: Row, settle: (outcome: Outcome) => void) => void;
  readonly nowMs: () => number;
  /** Runs a task when all that is ready now has been handled. */
  readonly atTurnEnd: (task: () => void) => void;
}

export interface ModeGateFigures {
  /** Rows that wait, as of now. */
  rowsWaiting: number;
  /** Times the store was asked. */
  asked: number;
  /** Rows refused here, by reason. */
  readonly rowsRefused: Record<
    Extract<Refused["reason"], "overloaded" | "no room for the mode" | "no owner" | "mode not known" | "unknown mode">,
    number
  >;
}

interface Waiting {
  readonly row: Row;
  readonly settle: (outcome: Outcome) => void;
  /** Its player has brought too many names: nobody is asked for this one. */
  isTooMuch: boolean;
}

type Verdict = "admitted" | "refused" | "unknown";

const ROWS_MAX = 8192;
/** Names asked for in one call, so that the script stays short. */
const ASKED_MAX = 256;
const NONE: ReadonlySet<string> = new Set();

export class ModeGate {
  readonly figures: ModeGateFigures = {
    rowsWaiting: 0,
    asked: 0,
    rowsRefused: { overloaded: 0, "no room for the mode": 0, "no owner": 0, "mode not known": 0, "unknown mode": 0 },
  };
  private readonly ports: ModeGatePorts;
  /** By partition; none is empty. The first row of each waits for an answer. */
  private readonly queues = new Map<number, Waiting[]>();
  private readonly brought = new NamesBrought();
  private isAsking = false;

  constructor(ports: ModeGatePorts) {
    this.ports = ports;
  }

  /** As the forwarder's `submit`, with the wait for a mode's name before. */
  submit(row: Row, settle: (outcome: Outcome) => void): void {
    const queue = this.queues.size === 0 ? undefined : this.queues.get(row.partition);
    const mustAsk = this.mustAsk(row);
    if (queue === undefined && !mustAsk) return this.ports.forward(row, settle);
    if (mustAsk && !row.isRetold && this.ports.rules.catalogue.isUnknown(row.mode))
      return this.refuse("unknown mode", settle);
    if (this.figures.rowsWaiting >= (row.isBulk ? ROWS_MAX * BULK_SHARE : ROWS_MAX))
      return this.refuse("overloaded", settle);
    this.figures.rowsWaiting++;
    const waiting = { row, settle, isTooMuch: false };
    if (queue === undefined) this.queues.set(row.partition, [waiting]);
    else queue.push(waiting);
    this.plan();
  }

  /** Lets time pass: rows past their time are refused. To be called some 50 times a second. */
  tick(): void {
    if (this.queues.size === 0) return;
    const nowMs = this.ports.nowMs();
    for (const [partition, queue] of this.queues) {
      const late = queue.filter(({ row }) => row.untilMs <= nowMs);
      if (late.length === 0) continue;
      const left = queue.filter(({ row }) => row.untilMs > nowMs);
      queue.splice(0, queue.length, ...left);
      this.figures.rowsWaiting -= late.length;
      for (const { settle } of late) this.refuse("no owner", settle);
      this.advance(partition, queue, () => undefined);
    }
  }

  private mustAsk({ operation, mode }: Row): boolean {
    return operation === "report" && !this.ports.names.isAdmitted(mode);
  }

  private plan(): void {
    if (this.isAsking) return;
    this.isAsking = true;
    this.ports.atTurnEnd(() => void this.ask());
  }

  private async ask(): Promise<void> {
    const names = this.namesToAsk();
    const refused = names.size > 0 ? await this.refusedOf([...names.keys()]) : NONE;
    this.isAsking = false;
    const verdictOf = (name: string): Verdict => {
      if (refused === undefined) return "unknown";
      return refused.has(name) ? "refused" : "admitted";
    };
    for (const [name, player] of names)
      if (player !== undefined && verdictOf(name) !== "admitted") this.brought.takeBack(player);
    for (const [partition, queue] of this.queues)
      this.advance(partition, queue, (name) => (names.has(name) ? verdictOf(name) : undefined));
    if (this.queues.size > 0) this.plan();
  }

  /** Names for which there is no room; `undefined` where nobody knows. */
  private async refusedOf(names: readonly string[]): Promise<ReadonlySet<string> | undefined> {
    this.figures.asked++;
    try {
      return await this.ports.names.admit(names);
    } catch {
      return undefined; // who asked has told why
    }
  }

  /** Each with the player who brings it; `undefined`: it is agreed already. */
  private namesToAsk(): Map<string, number | undefined> {
    const names = new Map<string, number | undefined>();
    const nowMs = this.ports.nowMs();
    for (const queue of this.queues.values())
      for (const waiting of queue) {
        if (names.size === ASKED_MAX) return names;
        const { row, isTooMuch } = waiting;
        if (isTooMuch || !this.mustAsk(row) || names.has(row.mode)) continue;
        const isNew = !this.ports.names.isAgreed(row.mode);
        waiting.isTooMuch = isNew && !this.brought.add(row.hash, nowMs);
        if (!waiting.isTooMuch) names.set(row.mode, isNew ? row.hash : undefined);
      }
    return names;
  }

  /** Lets rows of a partition go in their order, up to the first whose mode nobody has answered for. */
  private advance(partition: number, queue: Waiting[], verdictOf: (name: string) => Verdict | undefined): void {
    while (queue.length > 0) {
      const { row, settle, isTooMuch } = queue[0] as Waiting;
      const verdict =
        row.operation !== "report" ? "admitted" : (verdictOf(row.mode) ?? (isTooMuch ? "refused" : undefined));
      if (verdict === undefined && this.mustAsk(row)) return;
      queue.shift();
      this.figures.rowsWaiting--;
      if (verdict === "refused") this.refuse("no room for the mode", settle);
      else if (verdict === "unknown") this.refuse("mode not known", settle);
      else this.ports.forward(row, settle);
    }
    this.queues.delete(partition);
  }

  private refuse(reason: keyof ModeGateFigures["rowsRefused"], settle: (outcome: Outcome) => void): void {
    this.figures.rowsRefused[reason]++;
    settle({ kind: "refused", reason });
  }
}
