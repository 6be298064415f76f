/**
 * The steps of a take-over that change something (R1, R13): ask the holder, claim, load, serve. Which partitions, and when,
 * is decided elsewhere.
 */
import type { DecodedRows } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import type { Membership } from "../members/membership.ts";
import { type FoundedClaim, isSameClaim, type PartitionIndex, type PartitionRecord } from "../ports/record-store.ts";
import type { Run, SharedClaimAnswer, Standing } from "../ports/shared-records.ts";
import type { Recorder } from "../records/recorder.ts";
import { type ReadRecord, readRecord } from "../records/recovery.ts";
import type { RunGuard } from "../records/run-guard.ts";
import { type Holdings, type Kept, type Serving } from "./holdings.ts";
import type { Pulled, Puller } from "./puller.ts";
import type { Step } from "./take-over-plan.ts";

export interface StepPorts {
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly holdings: Holdings;
  readonly membership: Membership;
  readonly guard: RunGuard;
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  /** A UUID nobody used before. */
  readonly randomId: () => string;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** R15: the table that is here is newer than the record, or its claim was taken under a run that is over. */
  readonly takeBack: (partition: PartitionIndex) => void;
  /** R15: a record is absent, and somebody may have a table of it. */
  readonly onLoss: () => void;
  /** R6: this node serves what `holder` had. */
  readonly onTaken: (holder: string, partition: PartitionIndex, term: number) => void;
  readonly tell: (event: TakeOverEvent) => void;
}

export type TakeOverEvent =
  | { readonly kind: "took partitions"; readonly partitions: number; readonly term: number; readonly from: string }
  | { readonly kind: "unreadable record"; readonly partition: PartitionIndex; readonly reason: string }
  | { readonly kind: "lost partition"; readonly partition: PartitionIndex; readonly reason: string }
  | { readonly kind: "could not take"; readonly partitions: number; readonly reason: string };

export interface TakeOverOptions {
  readonly leaseMs: number;
  readonly sessionMs: number;
  readonly graceMs: number;
  /** Whether to go on without what is damaged in a record. */
  readonly isRepair: boolean;
}

/** Told to the plan. */
export interface StepEvents {
  /** It is served, or will be by itself. */
  readonly onTaken: (partition: PartitionIndex) => void;
  /** To be tried again. */
  readonly postpone: (partitions: readonly PartitionIndex[], pauseMs: number) => void;
}

/** Pause before what was refused is tried again. */
export const RETRY_MS = 100;
/** Pause before a record that cannot be read is tried again. */
const UNREADABLE_RETRY_MS = 5000;

/** How a partition is taken. */
interface Item {
  readonly partition: PartitionIndex;
  /** R13: its holder gave it, with its table. */
  readonly pulled?: Pulled;
  /** The table of it that is here, where it still stands under this node's own claim. */
  readonly kept?: Kept;
  /** R13: the holder did not let go, so it may answer for a while. */
  readonly mustSettle: boolean;
}

/** Under which everything of one step is claimed. */
interface Claiming {
  readonly claim: FoundedClaim;
  /** R1: the run under which the claim was answered. */
  readonly run: Run | undefined;
  readonly holder: string;
}

export class TakeOverSteps {
  /** Partitions whose record the store had lost (R12). */
  lost = 0;
  /** Why records cannot be read that this node should serve from. */
  readonly unreadable = new Map<PartitionIndex, string>();
  private readonly ports: StepPorts;
  private readonly puller: Puller;
  private readonly options: TakeOverOptions;
  private readonly events: StepEvents;
  /** The claim of this view, by tag: one whose answer was lost is taken again under the same. */
  private readonly claims = new Map<number, { readonly claim: FoundedClaim; readonly run: Run | undefined }>();
  /** Under what each partition was taken of which nobody was told yet. */
  private readonly taken: Claiming[] = [];

  constructor(ports: StepPorts, puller: Puller, options: TakeOverOptions, events: StepEvents) {
    this.ports = ports;
    this.puller = puller;
    this.options = options;
    this.events = events;
  }

  // Ask the holder, where there is somebody to ask.

  async takeAll(step: Step & { readonly kind: "pull" | "load" }): Promise<void> {
    const { membership } = this.ports;
    const { incarnation } = membership.me;
    try {
      const items = step.kind === "pull" ? await this.pull(step) : this.unasked(step);
      if (membership.me.incarnation !== incarnation || items.length === 0) return;
      await this.claimAndLoad(step.holder, items);
    } finally {
      if (step.kind === "pull") this.puller.release(step.partitions);
    }
  }

  private unasked({ holder, partitions }: Step & { readonly kind: "load" }): Item[] {
    const { view, me } = this.ports.membership;
    // Where it is this node, the answer to its claim was lost, and nobody knows who had it before.
    const mustSettle = holder !== "" && !view.expelled.includes(holder);
    return partitions.map((partition) => {
      const kept = this.keptOf(partition);
      return kept !== undefined && holder === me.incarnation
        ? { partition, kept, mustSettle: false }
        : { partition, mustSettle };
    });
  }

  private async pull({ holder, partitions }: Step & { readonly kind: "pull" }): Promise<Item[]> {
    const { guard, membership } = this.ports;
    const pulls = await this.puller.pull(holder, partitions);
    const later: PartitionIndex[] = [];
    const items = partitions.flatMap((partition): Item[] => {
      const pull = pulls.get(partition);
      if (pull?.kind === "pulled") return [{ partition, pulled: pull, mustSettle: false }];
      if (pull?.kind === "not held" || pull?.kind === "misfit") return [{ partition, mustSettle: false }];
      if (pull?.kind === "silent" && !guard.isNamedAhead(partition, membership.me.incarnation))
        return [{ partition, mustSettle: !membership.view.expelled.includes(holder) }];
      later.push(partition);
      return [];
    });
    this.events.postpone(later, RETRY_MS);
    return items;
  }

  /** The table that this node has kept of what it claimed before, where it still stands under its own claim. */
  private keptOf(partition: PartitionIndex): Kept | undefined {
    const { holdings, membership } = this.ports;
    const holding = holdings.get(partition);
    const before = holding.kind === "taking" ? holding.before : undefined;
    if (before?.kind !== "kept") return undefined;
    return before.serving.record.claim.incarnation === membership.me.incarnation ? before : undefined;
  }

  // Claim. What comes with its table needs no record, unless the claim's answer misfits (R1).

  private async claimAndLoad(holder: string, items: readonly Item[]): Promise<void> {
    const withTable = items.filter(({ pulled, kept }) => pulled !== undefined || kept !== undefined);
    const claiming = this.claimingOf(holder, (items[0] as Item).partition);
    const toLoad = [
      ...items.filter((item) => !withTable.includes(item)),
      ...(await this.claimTables(claiming, withTable)),
    ];
    if (toLoad.length === 0) return;
    const answers = await this.claim(toLoad, claiming, true);
    for (const [index, item] of toLoad.entries())
      if (await this.load(item, claiming, answers[index] as SharedClaimAnswer)) this.taken.push(claiming);
  }

  /** One claim a view and tag. Under another run it is another one (R1): the store may have lost the first. */
  private claimingOf(holder: string, partition: PartitionIndex): Claiming {
    const { guard, membership, randomId } = this.ports;
    const tag = guard.tagOf(partition);
    const [term, { incarnation }, run] = [membership.view.epoch, membership.me, guard.runOf(tag)];
    const known = this.claims.get(tag);
    const isSame = known?.claim.term === term && known.claim.incarnation === incarnation && known.run === run;
    const claim = isSame ? known.claim : { term, incarnation, founding: randomId() };
    this.claims.set(tag, { claim, run });
    return { claim, run, holder };
  }

  /** @returns those whose table is not what the store has */
  private async claimTables(claiming: Claiming, items: readonly Item[]): Promise<Item[]> {
    if (items.length === 0) return [];
    const answers = await this.claim(items, claiming, false);
    const unmatched: Item[] = [];
    for (const [index, item] of items.entries()) {
      const answer = answers[index] as SharedClaimAnswer;
      if (answer.kind === "refused") continue;
      if (this.adoptTable(item, claiming, answer.before)) this.taken.push(claiming);
      else unmatched.push({ partition: item.partition, mustSettle: this.isUnasked(answer.before, claiming.holder) });
    }
    return unmatched;
  }

  private async claim(items: readonly Item[], { claim }: Claiming, isLoaded: boolean): Promise<SharedClaimAnswer[]> {
    const { guard, membership, holdings } = this.ports;
    const expectMe = (): void => {
      if (membership.me.incarnation !== claim.incarnation) throw new Error("This incarnation was expelled meanwhile");
    };
    expectMe();
    const partitions = items.map(({ partition }) => partition);
    const answers = await guard.claim(partitions, claim, isLoaded);
    expectMe();
    const isClaimed = (partition: PartitionIndex, index: number): boolean =>
      answers[index]?.kind === "claimed" && holdings.get(partition).kind === "taking";
    for (const partition of partitions.filter(isClaimed)) holdings.noteClaimed(partition, claim.term);
    await this.onRefused(partitions, answers);
    return answers;
  }

  private async onRefused(partitions: readonly PartitionIndex[], answers: readonly SharedClaimAnswer[]): Promise<void> {
    const standings = answers.map((answer) => (answer.kind === "refused" ? answer.standing : undefined));
    const lost = partitions.filter((_, index) => standings[index]?.isAbsent === true);
    if (lost.length > 0) this.ports.onLoss();
    // The epoch above is learned with a renewal; until then it would be refused again.
    const refused = partitions.filter((_, index) => standings[index] !== undefined);
    this.events.postpone(refused, RETRY_MS);
    const refusing = standings.flatMap((standing) => (standing?.isAbsent === false ? [standing.raisedTo] : []));
    if (refusing.length > 0) await this.ports.membership.raiseEpoch(Math.max(...refusing));
  }

  /** R13: whether somebody else than who was asked had it until now, and may not know yet that it is taken. */
  private isUnasked({ claim }: Standing, asked: string): boolean {
    if (claim === undefined || claim.incarnation === asked) return false;
    return !this.ports.membership.view.expelled.includes(claim.incarnation);
  }

  private adoptTable(item: Item, claiming: Claiming, before: Standing): boolean {
    const { partition, pulled, kept } = item;
    const verdict = verdictOn(item, before);
    if (verdict === "misfit") return false;
    pulled?.install();
    const doubtLeftMs = pulled?.doubtLeftMs ?? 0;
    const doubtUntilMs = kept?.serving.doubtUntilMs ?? (doubtLeftMs > 0 ? this.ports.nowMs() + doubtLeftMs : -Infinity);
    const how = { doubtUntilMs, mustSettle: false, isAhead: verdict === "ahead", storedBytes: 0 };
    this.serve(partition, claiming, before, how);
    return true;
  }

  // Load, replay, serve.

  private async load(item: Item, claiming: Claiming, answer: SharedClaimAnswer): Promise<boolean> {
    if (answer.kind === "refused") return false;
    const { wallMs, nowMs, membership } = this.ports;
    const { partition } = item;
    if (answer.isLost) this.noteLoss(partition, "the store has no record of it");
    const { messages, damage } = await this.readable(answer.record);
    if (membership.me.incarnation !== claiming.claim.incarnation) return false;
    const refusal = damage ?? this.refill(partition, messages);
    if (refusal !== undefined && !(this.options.isRepair && this.refill(partition, messages) === undefined))
      return this.noteUnreadable(partition, refusal);
    if (refusal !== undefined) this.noteLoss(partition, refusal.message);
    const newestMs = Math.max(...messages.map(({ count, writtenAtMs }) => (count > 0 ? writtenAtMs : -Infinity)));
    // R26: where all were silent longer than a session, nobody knows who is still there until the grace is over.
    const isDoubtful = newestMs > -Infinity && wallMs() - newestMs > this.options.sessionMs;
    this.serve(partition, claiming, answer.before, {
      doubtUntilMs: isDoubtful ? nowMs() + this.options.graceMs : -Infinity,
      mustSettle: item.mustSettle || this.isUnasked(answer.before, claiming.holder),
      // R4: what is damaged must be replaced before anything is promised again.
      isAhead: refusal !== undefined,
      storedBytes: sizeOf(answer.record),
    });
    return true;
  }

  private async readable(record: PartitionRecord | undefined): Promise<ReadRecord> {
    if (record === undefined) return { messages: [], damage: undefined };
    return readRecord(record, this.ports.decompress);
  }

  /** @returns why these rows cannot be taken */
  private refill(partition: PartitionIndex, messages: readonly DecodedRows[]): Error | undefined {
    try {
      this.ports.engine.recover(partition, messages, this.ports.wallMs(), this.options.graceMs);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** Its players are answered by nobody until somebody mends the record or allows to go on without what is damaged. */
  private noteUnreadable(partition: PartitionIndex, { message: reason }: Error): false {
    this.events.postpone([partition], UNREADABLE_RETRY_MS);
    if (!this.unreadable.has(partition)) this.ports.tell({ kind: "unreadable record", partition, reason });
    this.unreadable.set(partition, reason);
    return false;
  }

  private serve(
    partition: PartitionIndex,
    { claim, run, holder: asked }: Claiming,
    before: Standing,
    how: { doubtUntilMs: number; mustSettle: boolean; isAhead: boolean; storedBytes: number },
  ): void {
    const { recorder, holdings, guard, membership } = this.ports;
    // R15: what was claimed under another run than the present one may not be in the store any more.
    const isOtherRun = guard.runOf(guard.tagOf(partition)) !== run;
    // The very claim stood already where the answer to it was lost: what it has of length and numbers goes on.
    const goesOn = isSameClaim(before.claim, claim);
    const { length, snapshotNumber } = goesOn ? before : { length: 0, snapshotNumber: 0 };
    const record = recorder.adopt(
      { partition, claim, length, snapshotNumber, storedBytes: how.storedBytes },
      isOtherRun ? "claim lost" : how.isAhead ? "ahead" : "level",
    );
    if (isOtherRun) this.ports.takeBack(partition);
    this.events.onTaken(partition);
    this.unreadable.delete(partition);
    const serving: Serving = { kind: "serving", record, doubtUntilMs: how.doubtUntilMs };
    const holder = before.claim?.incarnation;
    if (how.mustSettle) {
      // Its own claim of a take-over that broke off hides whose table it was.
      const hidden = holder === undefined || holder === claim.incarnation ? [undefined] : [];
      holdings.settle(partition, serving, membership.licencesOverAtBareMs([holder, asked, ...hidden]));
    } else holdings.serve(partition, serving);
    if (holder !== undefined && holder !== claim.incarnation) this.ports.onTaken(holder, partition, claim.term);
  }

  private noteLoss(partition: PartitionIndex, reason: string): void {
    this.lost++;
    this.ports.tell({ kind: "lost partition", partition, reason });
  }

  /** What was taken since is told at once: a living holder's partitions come one by one. */
  tellTaken(): void {
    const taken = this.taken.splice(0);
    for (const [from, ofHolder] of Map.groupBy(taken, ({ holder }) => holder))
      for (const [term, { length }] of Map.groupBy(ofHolder, ({ claim }) => claim.term))
        this.ports.tell({ kind: "took partitions", partitions: length, term, from });
  }
}

/** R1: a table counts only where the claim's answer confirms claim, founding and length. */
function verdictOn({ pulled, kept }: Item, before: Standing): "fits" | "ahead" | "misfit" {
  const said = pulled ?? (kept && { claim: kept.serving.record.claim, length: kept.serving.record.length });
  if (said === undefined) return "misfit";
  const isUnclaimedSince = before.claim !== undefined && isSameClaim(before.claim, said.claim);
  // R15: the store may have lost what the table still has; then the table counts, and is stored anew.
  const isShort = isUnclaimedSince ? before.length < said.length : (before.claim?.term ?? 0) < said.claim.term;
  if (!isShort && !(isUnclaimedSince && before.length === said.length)) return "misfit";
  // It may have been kept with rows that were never stored.
  return isShort || kept?.serving.record.isAhead === true ? "ahead" : "fits";
}

function sizeOf(record: PartitionRecord | undefined): number {
  if (record === undefined) return 0;
  return record.log.reduce((length, { bytes }) => length + bytes.length, record.snapshot?.length ?? 0);
}
