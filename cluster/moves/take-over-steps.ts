/**
 * The steps of a take-over that change something (R1, R13): ask the holder, claim, load, serve. Which partitions, and when,
 * is decided elsewhere.
 */
import type { Membership } from "../members/membership.ts";
import { type FoundedClaim, isSameClaim, type PartitionIndex } from "../ports/record-store.ts";
import type { Run, SharedClaimAnswer, Standing } from "../ports/shared-records.ts";
import type { Recorder } from "../records/recorder.ts";
import type { ReadRecord } from "../records/recovery.ts";
import type { RunGuard } from "../records/run-guard.ts";
import { type Filled, Filling, type FillingEvent, type FillingOptions, type FillingPorts } from "./filling.ts";
import type { Holdings, Kept, Serving } from "./holdings.ts";
import type { Pulled, Puller } from "./puller.ts";
import { isAsRead, type ReadAhead, type RecordAhead } from "./read-ahead.ts";
import type { Step } from "./take-over-plan.ts";
import type { Turns } from "./turns.ts";

export interface StepPorts extends FillingPorts {
  readonly recorder: Recorder;
  readonly holdings: Holdings;
  readonly membership: Membership;
  readonly guard: RunGuard;
  readonly readAhead: Pick<ReadAhead, "of" | "standingOf" | "drop">;
  readonly turns: Turns;
  /** A UUID nobody used before. */
  readonly randomId: () => string;
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
  | FillingEvent
  | { readonly kind: "could not take"; readonly partitions: number; readonly reason: string };

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

/** Records of one step that are decompressed at the same time, in threads where they are large. */
const READ_AT_ONCE_MAX = 4;

/** How a partition is taken. */
interface Item {
  readonly partition: PartitionIndex;
  /** R13: its holder gave it, with its table. */
  readonly pulled?: Pulled;
  /** The table of it that is here, where it still stands under this node's own claim. */
  readonly kept?: Kept;
  /** Its record, as it was read before its holder was expelled. */
  readonly ahead?: RecordAhead;
  /** R13: the holder did not let go, so it may answer for a while. */
  readonly mustSettle: boolean;
  /** What stood before this step claimed it, where it is claimed once more to load its record. */
  readonly stood?: Standing;
}

/** Under which everything of one step is claimed. */
interface Claiming {
  readonly claim: FoundedClaim;
  /** R1: the run under which the claim was answered. */
  readonly run: Run | undefined;
  readonly holder: string;
}

export class TakeOverSteps {
  readonly filling: Filling;
  private readonly ports: StepPorts;
  private readonly puller: Puller;
  private readonly events: StepEvents;
  /** The claim of this view, by tag: one whose answer was lost is taken again under the same. */
  private readonly claims = new Map<number, { readonly claim: FoundedClaim; readonly run: Run | undefined }>();
  /** Under what each partition was taken of which nobody was told yet. */
  private readonly taken: Claiming[] = [];

  constructor(ports: StepPorts, puller: Puller, options: FillingOptions, events: StepEvents) {
    this.ports = ports;
    this.puller = puller;
    this.filling = new Filling(ports, options);
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
      const [kept, ahead] = [this.keptOf(partition), this.ports.readAhead.of(partition)];
      if (kept !== undefined && holder === me.incarnation) return { partition, kept, mustSettle: false };
      return ahead === undefined ? { partition, mustSettle } : { partition, ahead, mustSettle };
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
    const withTable = items.filter((item) => (item.pulled ?? item.kept ?? item.ahead) !== undefined);
    const claiming = this.claimingOf(holder, (items[0] as Item).partition);
    const toLoad = [
      ...items.filter((item) => !withTable.includes(item)),
      ...(await this.claimTables(claiming, withTable)),
    ];
    if (toLoad.length === 0) return;
    const answers = await this.claim(toLoad, claiming, true);
    const { turns } = this.ports;
    const reads: Promise<ReadRecord>[] = [];
    for (const [index, item] of toLoad.entries()) {
      for (const answer of answers.slice(reads.length, index + READ_AT_ONCE_MAX)) {
        while (turns.isOver) await turns.next(); // what is small is decompressed here
        reads.push(this.filling.read(answer));
      }
      const read = await (reads[index] as Promise<ReadRecord>);
      while (turns.isOver) await turns.next();
      if (this.load(item, claiming, answers[index] as SharedClaimAnswer, read)) this.taken.push(claiming);
    }
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
    const { turns } = this.ports;
    for (const [index, item] of items.entries()) {
      const answer = answers[index] as SharedClaimAnswer;
      while (turns.isOver) await turns.next();
      if (answer.kind === "refused" || !this.isStillTaken(item, claiming)) continue;
      const { partition, mustSettle } = item;
      if (this.adopt(item, claiming, answer.before)) this.taken.push(claiming);
      else unmatched.push({ partition, mustSettle, stood: answer.before });
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

  /** R8, R12: whether neither this incarnation was expelled nor the key given up since it was claimed. */
  private isStillTaken({ partition }: Item, { claim }: Claiming): boolean {
    const { membership, holdings } = this.ports;
    return membership.me.incarnation === claim.incarnation && holdings.get(partition).kind === "taking";
  }

  private adopt(item: Item, claiming: Claiming, before: Standing): boolean {
    return item.ahead === undefined
      ? this.adoptTable(item, claiming, before)
      : this.adoptRecord(item, item.ahead, claiming, before);
  }

  private adoptRecord(item: Item, ahead: RecordAhead, claiming: Claiming, before: Standing): boolean {
    const { readAhead } = this.ports;
    // What was dropped while the claim was under way may have modes whose numbers are others' by now.
    const isSound = readAhead.of(item.partition) === ahead && isAsRead(ahead, before, claiming.run);
    if (isSound) this.serveFilled(item, claiming, before, this.filling.fillAhead(ahead));
    readAhead.drop(item.partition);
    return isSound;
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

  private load(item: Item, claiming: Claiming, answer: SharedClaimAnswer, read: ReadRecord): boolean {
    if (answer.kind === "refused" || !this.isStillTaken(item, claiming)) return false;
    const { partition } = item;
    const filled = this.filling.fill(partition, answer, read);
    if (filled === undefined) this.events.postpone([partition], UNREADABLE_RETRY_MS);
    else this.serveFilled(item, claiming, answer.before, filled);
    return filled !== undefined;
  }

  private serveFilled(item: Item, claiming: Claiming, before: Standing, filled: Filled): void {
    const isClaimedHere = isSameClaim(before.claim, claiming.claim);
    const stood = isClaimedHere && item.stood !== undefined ? item.stood : before;
    const mustSettle = item.mustSettle || this.isUnasked(stood, claiming.holder);
    this.serve(item.partition, claiming, before, { ...filled, mustSettle }, stood);
  }

  private serve(
    partition: PartitionIndex,
    { claim, run, holder: asked }: Claiming,
    before: Standing,
    how: Filled & { readonly mustSettle: boolean },
    stood = before,
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
    this.filling.unreadable.delete(partition);
    const serving: Serving = { kind: "serving", record, doubtUntilMs: how.doubtUntilMs };
    const holder = stood.claim?.incarnation;
    if (how.mustSettle) {
      // Its own claim of a take-over that broke off hides whose table it was.
      const hidden = holder === undefined || holder === claim.incarnation ? [undefined] : [];
      holdings.settle(partition, serving, membership.licencesOverAtBareMs([holder, asked, ...hidden]));
    } else holdings.serve(partition, serving);
    if (holder !== undefined && holder !== claim.incarnation) this.ports.onTaken(holder, partition, claim.term);
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
