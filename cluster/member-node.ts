/**
 * A member of the cluster: everything that a node does once it knows the cluster's key. Only wiring, and what concerns
 * all parts at once: a view, a run of the store, an expulsion, the end.
 */
import { Engine, type TableCopy } from "../engine/engine.ts";
import { REGIONS } from "../engine/regions.ts";
import { ClaimProver } from "./moves/claim-prover.ts";
import { ClaimRaiser } from "./moves/claim-raiser.ts";
import { Counts } from "./counts/counts.ts";
import { Forwarder } from "./rows/forwarder.ts";
import { HandOff } from "./moves/hand-off.ts";
import { encodeRequest } from "./moves/hand-off-codec.ts";
import { Holdings } from "./moves/holdings.ts";
import { Membership } from "./members/membership.ts";
import { Owner } from "./records/owner.ts";
import { Peers } from "./peers/peers.ts";
import { type Placement, placementOf } from "./members/placement.ts";
import type { PartitionIndex } from "./ports/record-store.ts";
import { Recorder } from "./records/recorder.ts";
import type { Durability } from "./records/record-state.ts";
import { RowApplier } from "./rows/row-applier.ts";
import { heldText, RunGuard } from "./records/run-guard.ts";
import type { ClusterKey, MemberList, Run, SharedStore } from "./ports/shared-store.ts";
import { TakeOver, type TakeOverEvent } from "./moves/take-over.ts";
import type { Transport } from "./ports/transport.ts";
import { type Member, memberOf } from "./ports/view.ts";
import { WriteBack, type WriteBackEvent } from "./moves/write-back.ts";

/** What an operator may want to read in the log. */
export type ClusterEvent =
  | TakeOverEvent
  | WriteBackEvent
  | { readonly kind: "view"; readonly epoch: number; readonly members: number; readonly partitions: number }
  | { readonly kind: "other run"; readonly before: Run; readonly run: Run }
  | { readonly kind: "expelled"; readonly incarnation: string }
  | { readonly kind: "superseded"; readonly partition: PartitionIndex }
  | { readonly kind: "store fault"; readonly reason: string; readonly partitionsAhead: number }
  | { readonly kind: "store healed" };

export interface MemberPorts {
  readonly store: SharedStore;
  readonly transport: Transport;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly randomId: () => string;
  readonly encode: (copy: TableCopy) => Promise<Uint8Array>;
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  readonly atTurnEnd: (task: () => void) => void;
  readonly tell: (event: ClusterEvent) => void;
}

export interface MemberOptions {
  readonly snapshotMs: number;
  /** Whether to go on without what is damaged in a record. */
  readonly isRepair: boolean;
}

/** Seen ages are whole tenths as of the last tick, so up to a fifth of a second early: nobody may be disconnected before time. */
const LATE_MS = 200;
/** Hashed with the cluster's key they make its mark: the same in all nodes, and it tells nobody the key. */
const MARK_IDS = [Int32Array.of(-1, -1, -1, 1), Int32Array.of(-1, -1, -1, 2)] as const;
const REACH_WITHIN_MS = 500;
/** Faults that differ are told so often at the most. */
const FAULT_TOLD_EVERY_MS = 10_000;
const FAULT_OVER_AFTER_MS = 1000;
/** Pause before the key is written back again. */
const KEY_RETRY_MS = 200;

export class MemberNode {
  readonly engine: Engine;
  readonly owner: Owner;
  readonly recorder: Recorder;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly holdings: Holdings;
  readonly takeOver: TakeOver;
  readonly handOff: HandOff;
  readonly forwarder: Forwarder;
  readonly counts: Counts;
  readonly guard: RunGuard;
  readonly key: ClusterKey;
  placement: Placement;
  hasLeft = false;
  faultReason: string | undefined;
  private faultAtMs = -Infinity;
  private faultToldAtMs = -Infinity;
  private readonly ports: MemberPorts;
  private readonly writeBack: WriteBack;
  private readonly raiser: ClaimRaiser;
  private readonly prover: ClaimProver;
  /** R12: the store may have lost the key, so it is written back before anything else. */
  private isKeyInDoubt = false;
  private isRestoringKey = false;
  private restoreKeyAtMs = -Infinity;
  private isLeaving = false;
  /** R11: partitions that were made due for a last snapshot. */
  private readonly hurried = new Set<PartitionIndex>();
  private isGoing = false;

  constructor(
    key: ClusterKey,
    member: Omit<Member, "incarnation" | "isLeaving">,
    { snapshotMs, isRepair }: MemberOptions,
    ports: MemberPorts,
  ) {
    this.key = key;
    this.ports = ports;
    const { nowMs, wallMs } = ports;
    const { partitions, leaseMs, sessionMs, graceMs, deadlineMs } = key;
    const durability = key.durability as Durability;
    const engineOptions = {
      partitions,
      hashKey: key.hashKey,
      sessionMs: sessionMs + LATE_MS,
      graceMs,
      removalMs: 2 * deadlineMs,
      isLogged: durability === "log",
    };
    const onSuperseded = (partition: PartitionIndex): void => this.onSuperseded(partition);
    const placement = (): Placement => this.placement;
    this.engine = new Engine(engineOptions, nowMs());
    this.guard = new RunGuard(ports.store);
    this.membership = this.makeMembership(member, leaseMs);
    const { engine, guard, membership } = this;
    this.placement = placementOf(membership.view, partitions);
    this.peers = this.makePeers();
    this.holdings = new Holdings(partitions, {
      membership,
      placement,
      nowMs,
      onServing: (partition) => this.counts.onTaken(partition),
      onStopped: (partition) => this.counts.onDropped(partition),
    });
    const { holdings } = this;
    this.recorder = this.makeRecorder(durability, snapshotMs);
    const { recorder } = this;
    this.owner = new Owner(engine, recorder);
    const call = (incarnation: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> =>
      this.peers.call(incarnation, "control", body, timeoutMs);
    this.takeOver = new TakeOver(
      {
        engine,
        recorder,
        holdings,
        membership,
        guard,
        call,
        mayAsk: () => this.counts.isWhole || nowMs() - membership.listedAtMs > leaseMs / 5,
        decompress: ports.decompress,
        nowMs,
        wallMs,
        writeBack: (partition) => this.writeBack.add(partition),
        tell: ports.tell,
      },
      { leaseMs, sessionMs, graceMs, isRepair },
    );
    this.handOff = new HandOff({ engine, recorder, holdings, placement, encode: ports.encode, nowMs, wallMs }, leaseMs);
    this.writeBack = new WriteBack({ engine, recorder, holdings, guard, nowMs, tell: ports.tell });
    this.raiser = new ClaimRaiser({
      holdings,
      membership,
      guard,
      nowMs,
      onSuperseded,
      onBehind: (partition) => recorder.doubt([partition]),
    });
    this.prover = new ClaimProver({ holdings, recorder, nowMs });
    this.forwarder = this.makeForwarder();
    this.counts = this.makeCounts();
  }

  /** Lets time pass. To be called some 50 times a second. */
  tick(): void {
    if (this.hasLeft) return this.forwarder.tick(); // who still waits here is told when the time is over
    this.membership.tick();
    this.takeOver.tick();
    this.raiser.tick();
    this.writeBack.tick();
    this.handOff.tick();
    this.prover.tick();
    // Only when the list stands again: who finds the key without a list would found one of its own (R9).
    if (this.isKeyInDoubt && this.membership.list !== undefined) void this.restoreKey();
    this.lookForHealing();
    this.owner.tick(this.ports.nowMs(), this.isDeaf());
    this.counts.tick();
    this.forwarder.tick();
    if (this.isLeaving) this.goOnLeaving();
  }

  /** R11: goes as soon as others have what is here, or, with nobody to take it, as soon as it is stored. */
  leave(): void {
    this.isLeaving = true;
    this.membership.beginLeaving();
  }

  /** For metrics: plain numbers, since the start or as of now. */
  get figures() {
    const { holdings, membership, recorder, takeOver, handOff, engine } = this;
    const kinds = (...of: Parameters<Holdings["where"]>): number => holdings.where(...of).length;
    return {
      epoch: membership.view.epoch,
      members: membership.view.members.length,
      partitionsOwned: this.placement.partitionsOf(membership.me.incarnation).length,
      regionsOwned: this.placement.regionsOf(membership.me.incarnation).length,
      partitionsServed: kinds("serving"),
      partitionsMoving: kinds("wanted", "taking", "settling", "letting go"),
      partitionsKept: kinds("kept"),
      partitionsAhead: recorder.aheadCount,
      partitionsLost: takeOver.lost,
      partitionsUnreadable: takeOver.unreadable.size,
      handedOver: handOff.handedOver,
      copiesMisfit: takeOver.misfits,
      expulsions: membership.expulsions,
      isLicensed: membership.isLicensed,
      isStoreKnown: this.guard.isOpen,
      tableBytes: engine.tableBytes,
      forwarding: this.forwarder.figures,
      counts: this.counts.figures,
      recorder: recorder.totals,
    };
  }

  /** R25: an owner that hears fewer than half of its peers may miss the reports that others get. */
  private isDeaf(): boolean {
    const peers = this.membership.view.members.length - 1;
    return this.peers.unheard(this.key.leaseMs).length * 2 > peers;
  }

  private onView(): void {
    const { membership, ports, key } = this;
    const { view } = membership;
    const before = this.placement;
    this.placement = placementOf(view, key.partitions);
    this.peers.onView();
    this.takeOver.onView((partition) => before.partitionOwner(partition));
    this.raiser.onView();
    this.counts.onView(view, this.placement);
    this.forwarder.onView();
    const partitions = this.placement.partitionsOf(membership.me.incarnation).length;
    ports.tell({ kind: "view", epoch: view.epoch, members: view.members.length, partitions });
  }

  /** R15: nobody knows what the store still has. */
  private onRun(before: Run | undefined): void {
    const { run } = this.membership;
    if (run === undefined) return;
    this.guard.close(run);
    if (before === undefined) return;
    this.isKeyInDoubt = true;
    this.takeOver.onRun();
    this.recorder.doubtStore();
    this.ports.tell({ kind: "other run", before, run });
  }

  /** R9, R15: the list was gone under the same run, as after a FLUSHALL: so may be the records. */
  private onRestored(): void {
    this.isKeyInDoubt = true;
    this.recorder.doubtStore();
    for (const [partition] of this.holdings.heldTerms()) this.writeBack.add(partition);
  }

  private onList(list: MemberList): void {
    if (this.isKeyInDoubt) return;
    const highest = this.guard.look(list);
    if (highest !== undefined) this.writeBack.onOpen(highest);
  }

  /** R15: the tables that are here: term, and whether they are ahead of their records. */
  private *held(): Generator<readonly [PartitionIndex, number, boolean]> {
    for (const [partition, term] of this.holdings.heldTerms())
      yield [partition, term, this.recorder.isPartitionAhead(partition)];
  }

  private async restoreKey(): Promise<void> {
    const { run } = this.membership;
    const nowMs = this.ports.nowMs();
    if (run === undefined || this.isRestoringKey || nowMs < this.restoreKeyAtMs) return;
    this.isRestoringKey = true;
    this.restoreKeyAtMs = nowMs + KEY_RETRY_MS;
    try {
      await this.ports.store.restoreKey(run, this.key);
      if (run === this.membership.run) this.isKeyInDoubt = false;
      this.membership.renewNow();
    } catch (error) {
      this.onStoreFault(error);
    } finally {
      this.isRestoringKey = false;
    }
  }

  /** R6. */
  private onSuperseded(partition: PartitionIndex): void {
    this.ports.tell({ kind: "superseded", partition });
    this.handOff.onSuperseded(partition);
    this.membership.renewNow();
  }

  /** R8: drops everything; the new incarnation knows nothing. */
  private onExpelled(before: string): void {
    this.ports.tell({ kind: "expelled", incarnation: before });
    for (const partition of this.engine.partitions.keys()) {
      this.recorder.drop(partition);
      if (this.holdings.get(partition).kind !== "elsewhere") this.engine.clear(partition);
      this.holdings.set(partition, { kind: "elsewhere" });
    }
  }

  private async reachesPeers(): Promise<boolean> {
    const { view, me } = this.membership;
    const others = view.members.filter(({ incarnation }) => incarnation !== me.incarnation);
    const nothing = encodeRequest({ kind: "served", partitions: [], terms: [] });
    const asked = others.map(({ incarnation }) => this.peers.call(incarnation, "control", nothing, REACH_WITHIN_MS));
    const answered = (await Promise.allSettled(asked)).filter(({ status }) => status === "fulfilled");
    return answered.length * 2 >= others.length;
  }

  private goOnLeaving(): void {
    const { holdings, membership, recorder, handOff } = this;
    const { view, me } = membership;
    const isAnybodyStaying = view.members.some(
      ({ incarnation, isLeaving }) => incarnation !== me.incarnation && !isLeaving,
    );
    const held = holdings.where("serving", "settling", "taking", "letting go").length;
    if (isAnybodyStaying) this.hurried.clear();
    else this.hurry();
    const mayGo = isAnybodyStaying ? held === 0 && !handOff.isAwaited : recorder.isIdle;
    const isKnownToLeave = memberOf(view, me.incarnation)?.isLeaving ?? true;
    if (mayGo && isKnownToLeave && !this.isGoing) void this.go();
  }

  /** With nobody to take it, what is here is stored, and what comes here from others who leave. */
  private hurry(): void {
    const due = this.holdings.where("serving").filter((partition) => !this.hurried.has(partition));
    this.recorder.hurry(due);
    for (const partition of due) this.hurried.add(partition);
  }

  private async go(): Promise<void> {
    this.isGoing = true;
    this.hasLeft = await this.membership.leave();
    this.isGoing = false;
  }

  private onStoreFault(error: unknown): void {
    const [reason, nowMs] = [error instanceof Error ? error.message : String(error), this.ports.nowMs()];
    const isNews = reason !== this.faultReason && nowMs - this.faultToldAtMs > FAULT_TOLD_EVERY_MS;
    if (isNews) this.ports.tell({ kind: "store fault", reason, partitionsAhead: this.recorder.aheadCount });
    if (isNews) this.faultToldAtMs = nowMs;
    this.faultReason = reason;
    this.faultAtMs = nowMs;
  }

  /** The store is well again when nothing is ahead, the lease is renewed, and nothing failed for a while. */
  private lookForHealing(): void {
    const isQuiet = this.ports.nowMs() - this.faultAtMs > FAULT_OVER_AFTER_MS;
    if (this.faultReason === undefined || !isQuiet || this.recorder.aheadCount > 0) return;
    if (!this.membership.isLicensed) return;
    this.faultReason = undefined;
    this.ports.tell({ kind: "store healed" });
  }

  private makeMembership(member: Omit<Member, "incarnation" | "isLeaving">, leaseMs: number): Membership {
    const { store, nowMs, wallMs, randomId } = this.ports;
    const ports = {
      store,
      nowMs,
      wallMs,
      randomId,
      unheard: () => this.peers.unheard(leaseMs),
      takeRefused: () => this.peers.takeRefused(),
      held: () => heldText(this.membership.run, this.held()),
      onView: () => this.onView(),
      onRun: (before: Run | undefined) => this.onRun(before),
      onList: (list: MemberList) => this.onList(list),
      onRestored: () => this.onRestored(),
      onExpelled: (before: string) => this.onExpelled(before),
      reachesPeers: () => this.reachesPeers(),
      onFault: (error: unknown) => this.onStoreFault(error),
    };
    return new Membership(ports, { member, leaseMs });
  }

  private makePeers(): Peers {
    const { transport, nowMs } = this.ports;
    const { membership } = this;
    return new Peers(
      {
        transport,
        mark: [this.engine.hash(MARK_IDS[0]), this.engine.hash(MARK_IDS[1])],
        nowMs,
        me: () => membership.me.incarnation,
        view: () => membership.view,
        adopt: (view) => membership.adopt(view),
      },
      {
        rows: (from, epoch, delayMs, body) => this.forwarder.receive(from, epoch, delayMs, body),
        counts: (from, epoch, delayMs, body) => this.counts.receive(from, epoch, delayMs, body),
        control: (from, _epoch, _delayMs, body) => this.handOff.receive(from, body),
      },
    );
  }

  private makeRecorder(durability: Durability, snapshotMs: number): Recorder {
    const { encode, atTurnEnd, nowMs, wallMs } = this.ports;
    const { sessionMs, deadlineMs } = this.key;
    const ports = {
      store: this.guard,
      encode,
      atTurnEnd,
      nowMs,
      wallMs,
      onStoreFault: (error: unknown) => this.onStoreFault(error),
      onStoreHealed: () => undefined, // see lookForHealing: partitions heal one by one
      onSuperseded: (partition: PartitionIndex) => this.onSuperseded(partition),
      reclaim: async (partition: PartitionIndex, claim: { readonly term: number; readonly incarnation: string }) => {
        const [answer] = await this.guard.take([partition], claim, false);
        const serving = this.holdings.servingOf(partition);
        if (serving?.claim !== claim) return;
        if (answer.kind === "refused") this.onSuperseded(partition);
        // R14: the store lost how far it was raised, too.
        else this.holdings.set(partition, { ...serving, raisedTo: claim.term });
      },
    };
    return new Recorder(this.engine, ports, { claim: undefined, durability, snapshotMs, sessionMs, deadlineMs });
  }

  private makeForwarder(): Forwarder {
    const { nowMs, atTurnEnd } = this.ports;
    const { owner, recorder, holdings, membership } = this;
    const ports = {
      nowMs,
      atTurnEnd,
      call: (incarnation: string, body: Uint8Array, timeoutMs: number) =>
        this.peers.call(incarnation, "rows", body, timeoutMs),
      handler: new RowApplier({ owner, recorder, holdings, membership, nowMs }),
      me: () => membership.me.incarnation,
      epoch: () => membership.view.epoch,
      ownerOf: (partition: number) => this.placement.partitionOwner(partition),
      isListed: (incarnation: string) => memberOf(membership.view, incarnation) !== undefined,
    };
    return new Forwarder(ports, { partitions: this.key.partitions, deadlineMs: this.key.deadlineMs });
  }

  private makeCounts(): Counts {
    const { store, nowMs } = this.ports;
    const { holdings, membership, recorder } = this;
    return new Counts(this.engine, {
      nowMs,
      call: (incarnation, body, timeoutMs) => this.peers.call(incarnation, "counts", body, timeoutMs),
      me: () => membership.me.incarnation,
      speaks: (partition) => {
        const serving = holdings.servingOf(partition);
        if (serving === undefined) return undefined;
        const isLicensed = holdings.isLicensed(partition) || this.prover.isProven(partition);
        return { term: serving.claim.term, isDoubtful: holdings.isDoubtful(serving), isLicensed };
      },
      confirm: async (partitions) => {
        const isProven = await Promise.all(
          partitions.map(async (partition) => {
            if (holdings.isLicensed(partition)) return true;
            return new Promise<boolean>((resolve) => {
              recorder.whenProven(partition, (fate) => resolve(fate === "remembered"));
            });
          }),
        );
        return partitions.filter((_, index) => isProven[index]);
      },
      publish: (region, term, version, counts) => {
        store.publish(REGIONS[region], term, version, counts).catch((error: unknown) => this.onStoreFault(error));
      },
    });
  }
}
