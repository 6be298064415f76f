/**
 * A member of the cluster: everything that a node does once it knows the cluster's key. Only wiring, and what concerns
 * all parts at once: a view, a run of the store, an expulsion, the end.
 */
import { Engine, type TableCopy } from "../engine/engine.ts";
import { REGIONS } from "../engine/regions.ts";
import { ClaimProver } from "./moves/claim-prover.ts";
import { ClaimRaiser } from "./moves/claim-raiser.ts";
import { Counts, type CountsPorts } from "./counts/counts.ts";
import { Forwarder } from "./rows/forwarder.ts";
import { HandOff } from "./moves/hand-off.ts";
import { Holdings } from "./moves/holdings.ts";
import { ServedNotices } from "./moves/served-notices.ts";
import { TakeBack, type TakeBackEvent } from "./moves/take-back.ts";
import { LICENCE_MARGIN_MS } from "./members/closed-ports.ts";
import { KeyKeeper } from "./members/key-keeper.ts";
import { Membership } from "./members/membership.ts";
import { ModeNames } from "./members/mode-names.ts";
import { Owner } from "./records/owner.ts";
import { Peers } from "./peers/peers.ts";
import { type Placement, placementOf } from "./members/placement.ts";
import { markWordsOf } from "./ports/mark.ts";
import type { PartitionIndex } from "./ports/record-store.ts";
import type { HeldRecord } from "./records/held-record.ts";
import { Recorder } from "./records/recorder.ts";
import type { Durability } from "./records/snapshot-due.ts";
import { ModeGate } from "./rows/mode-gate.ts";
import { RowApplier } from "./rows/row-applier.ts";
import { namingText } from "./records/held-tables.ts";
import { RunGuard } from "./records/run-guard.ts";
import type { ClusterKey, MemberList, Run, SharedStore } from "./ports/shared-store.ts";
import { TakeOver } from "./moves/take-over.ts";
import type { TakeOverEvent } from "./moves/take-over-steps.ts";
import type { Transport } from "./ports/transport.ts";
import { type Member, memberOf } from "./ports/view.ts";

/** What an operator may want to read in the log. */
export type ClusterEvent =
  | TakeOverEvent
  | TakeBackEvent
  | { readonly kind: "view"; readonly epoch: number; readonly members: number; readonly partitions: number }
  /** R15: these tags came back as others; `tagsCount` in all. */
  | { readonly kind: "other run"; readonly tags: readonly number[]; readonly tagsCount: number }
  /** R8. `partitionsLost`: what was acknowledged there no record is known to have; its table is kept for a while. */
  | { readonly kind: "expelled"; readonly incarnation: string; readonly partitionsLost: number }
  | { readonly kind: "other key" }
  | { readonly kind: "dropped records of another key"; readonly tags: number }
  | { readonly kind: "rekeyed"; readonly players: number; readonly failed: number }
  | { readonly kind: "not called back"; readonly peerUrl: string }
  | { readonly kind: "superseded"; readonly partition: PartitionIndex }
  | { readonly kind: "store fault"; readonly reason: string; readonly partitionsAhead: number }
  | { readonly kind: "store healed" }
  | { readonly kind: "modes lost"; readonly players: number }
  | { readonly kind: "modes returned"; readonly modes: readonly string[] };

export interface MemberPorts {
  readonly store: SharedStore;
  readonly transport: Transport;
  /** Goes on while the machine sleeps: for what must last at most so long. */
  readonly nowMs: () => number;
  /** The bare monotonic clock: for what must last at least so long. */
  readonly bareMs: () => number;
  readonly wallMs: () => number;
  readonly randomId: () => string;
  readonly encode: (copy: TableCopy) => Promise<Uint8Array>;
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  readonly atTurnEnd: (task: () => void) => void;
  readonly tell: (event: ClusterEvent) => void;
  /** R12: this member's key is given up for the one that stands; it does nothing more. */
  readonly onKeyLost: (standing: ClusterKey) => void;
}

export interface MemberOptions {
  readonly snapshotMs: number;
  /** Whether to go on without what is damaged in a record. */
  readonly isRepair: boolean;
}

/** Seen ages are whole tenths as of the last tick, so up to a fifth of a second early: nobody may be disconnected before time. */
const LATE_MS = 200;
const REACH_WITHIN_MS = 500;
const FAULT_OVER_AFTER_MS = 1000;
/** A node to which nothing is to be said is sent a word so many times a lease. */
const QUIET_SHARE = 4;

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
  readonly modeNames: ModeNames;
  readonly modeGate: ModeGate;
  readonly guard: RunGuard;
  readonly key: ClusterKey;
  placement: Placement;
  hasLeft = false;
  faultReason: string | undefined;
  private faultAtMs = -Infinity;
  private readonly ports: MemberPorts;
  private readonly takeBack: TakeBack;
  private readonly notices: ServedNotices;
  private readonly raiser: ClaimRaiser;
  private readonly prover: ClaimProver;
  private readonly keeper: KeyKeeper;
  private isLeaving = false;
  /** R11: partitions that were made due for a last snapshot. */
  private readonly hurried = new Set<PartitionIndex>();
  private isGoing = false;
  /** The incarnation of which it was told. */
  private toldNotCalledBack: string | undefined;
  private unnamedTold = 0;
  /** Under which the list was seen last. */
  private listRun: Run | undefined;

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
      hasBoards: false, // the regions' owners keep them
      areModesAgreed: true,
    };
    const onSuperseded = (partition: PartitionIndex): void => this.onSuperseded(partition);
    const placement = (): Placement => this.placement;
    this.engine = new Engine(engineOptions, nowMs());
    this.guard = new RunGuard(ports.store, ports.bareMs);
    this.membership = this.makeMembership(member, leaseMs);
    const { engine, guard, membership } = this;
    this.placement = placementOf(membership.view, partitions);
    this.peers = this.makePeers();
    this.keeper = this.makeKeeper();
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
    const { randomId, bareMs, decompress, tell } = ports;
    this.notices = new ServedNotices({
      call,
      isListed: (incarnation) => memberOf(membership.view, incarnation) !== undefined,
      isServed: (partition) => holdings.get(partition).kind !== "settling",
    });
    this.takeOver = new TakeOver(
      {
        engine,
        recorder,
        holdings,
        membership,
        guard,
        call,
        mayPull: () => this.counts.isWhole || nowMs() - membership.listedAtMs > leaseMs / 5,
        decompress,
        randomId,
        nowMs,
        bareMs,
        settledAtMs: (holders) => this.settledAtMs(holders),
        wallMs,
        takeBack: (partition) => this.takeBack.add(partition),
        onTaken: (holder, partition, term) => this.notices.add(holder, partition, term),
        tell,
      },
      { leaseMs, sessionMs, graceMs, isRepair },
    );
    this.handOff = new HandOff(
      { engine, recorder, holdings, placement, encode: ports.encode, nowMs, bareMs, wallMs },
      leaseMs,
    );
    this.takeBack = new TakeBack({
      recorder,
      holdings,
      membership,
      guard,
      randomId,
      nowMs,
      keep: (partition) => this.handOff.keep(partition),
      tell,
      isStored: durability !== "none",
    });
    this.raiser = new ClaimRaiser({
      holdings,
      membership,
      guard,
      nowMs,
      onSuperseded,
      onClaimLost: (partition) => this.onClaimLost(partition),
      isTakingBack: (partition) => this.takeBack.isPending(partition),
    });
    this.prover = new ClaimProver({ holdings, recorder, nowMs });
    this.forwarder = this.makeForwarder();
    this.modeNames = this.makeModeNames();
    this.modeGate = new ModeGate({
      names: this.modeNames,
      forward: (row, settle, isBatch) => this.forwarder.submit(row, settle, isBatch),
      nowMs,
      atTurnEnd: ports.atTurnEnd,
    });
    this.counts = this.makeCounts();
  }

  /** Lets time pass. To be called some 50 times a second. */
  tick(): void {
    this.modeGate.tick();
    if (this.hasLeft) return this.forwarder.tick(); // who still waits here is told when the time is over
    this.peers.tick(this.key.leaseMs);
    this.membership.tick();
    this.keeper.tick();
    this.tellNotCalledBack();
    this.takeOver.tick();
    this.raiser.tick();
    this.takeBack.tick();
    this.notices.tick();
    this.handOff.tick();
    this.prover.tick();
    this.lookForHealing();
    this.modeNames.tick();
    this.lookForUnnamed();
    // R25: an owner that hears fewer than half of its peers may miss the reports that others get.
    this.owner.tick(this.ports.nowMs(), this.membership.isAlone);
    this.counts.tick();
    this.forwarder.tick();
    if (this.isLeaving) this.goOnLeaving();
  }

  /** R11: goes as soon as others have what is here, or, with nobody to take it, as soon as it is stored. */
  leave(): void {
    this.isLeaving = true;
    this.membership.beginLeaving();
  }

  /**
   * R12: writes and answers nothing more.
   * @returns the partitions whose players are best known here
   */
  abandon(): PartitionIndex[] {
    const held = this.holdings.where("serving", "settling", "letting go");
    for (const partition of this.engine.partitions.keys()) {
      this.recorder.drop(partition);
      this.holdings.forget(partition);
    }
    return held;
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
      modes: this.modeNames.figures,
      modeGate: this.modeGate.figures,
      unnamedPlayers: engine.unnamedPlayers,
      counts: this.counts.figures,
      recorder: recorder.totals,
    };
  }

  /** Told once in each incarnation, after a lease. */
  private tellNotCalledBack(): void {
    const { membership, ports, key } = this;
    const { incarnation, peerUrl } = membership.me;
    const isLong = membership.isAwaitingCalls && ports.nowMs() - membership.listedAtMs > key.leaseMs;
    if (!isLong || this.toldNotCalledBack === incarnation) return;
    this.toldNotCalledBack = incarnation;
    ports.tell({ kind: "not called back", peerUrl });
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

  /** R15: of a tag that came back as another nobody knows what it still has. */
  private onTagRuns(runs: readonly Run[]): void {
    const { guard, membership, recorder } = this;
    this.onListRun();
    const isNews = runs.some((run, tag) => guard.runOf(tag) !== run);
    const changed = guard.learn(runs);
    if (isNews) {
      membership.renewNow(); // what is held is named under these runs
      this.keeper.onRun();
    }
    if (changed.length === 0) return;
    const isOf = (partition: PartitionIndex): boolean => changed.includes(guard.tagOf(partition));
    this.takeOver.onRun(isOf);
    recorder.loseClaims(isOf);
    this.ports.tell({ kind: "other run", tags: changed, tagsCount: guard.tagsCount });
  }

  /** R15, R28: the names of modes lie beside the list. */
  private onListRun(): void {
    const { run } = this.membership;
    if (run === this.listRun) return;
    if (this.listRun !== undefined) this.modeNames.doubtStore();
    this.listRun = run;
  }

  private onList(list: MemberList): void {
    const opened = this.guard.look(list);
    if (opened.length > 0) this.takeBack.onOpen(opened);
  }

  /**
   * R15: what this node names of its tables. Under a new run all of them, until what it has to write back is there; else
   * only what is ahead.
   */
  private held(): string {
    const { guard, holdings } = this;
    const tables = [...holdings.tables()];
    const namings = Array.from({ length: guard.tagsCount }, (_, tag) => tag).flatMap((tag) => {
      const run = guard.runOf(tag);
      const own = tables.filter(([partition]) => guard.tagOf(partition) === tag);
      if (run === undefined) return [];
      const isSettled = guard.isTagOpen(tag) && !this.takeBack.isPendingIn(tag);
      return [{ run, tag, tables: isSettled ? own.filter(([, { isAhead }]) => isAhead) : own }];
    });
    return namingText(namings);
  }

  /** R15: the store does not know the claim any more. False: it is taken again, not by the recorder. */
  private onClaimLost(partition: PartitionIndex): boolean {
    if (this.takeBack.isPending(partition)) return false;
    this.recorder.loseClaims((other) => other === partition);
    this.takeBack.add(partition);
    return false;
  }

  /** R14: when the licences of those who had a partition are over, for who had not learnt the present view. */
  private settledAtMs(holders: readonly (string | undefined)[]): number {
    const { membership } = this;
    const licencesMs = holders.map((holder) => membership.licenceOf(holder));
    return membership.viewLearntAtBareMs + Math.max(...licencesMs) + LICENCE_MARGIN_MS;
  }

  /** R6. */
  private onSuperseded(partition: PartitionIndex): void {
    this.ports.tell({ kind: "superseded", partition });
    this.handOff.onSuperseded(partition);
    this.membership.renewNow();
  }

  /** R8: answers nothing more; its tables stay as in R6, in case the store loses what their successors load. */
  private onExpelled(before: string): void {
    const { holdings, recorder, handOff } = this;
    const isLost = (partition: PartitionIndex): boolean => recorder.recordOf(partition)?.state === "claim lost";
    const partitionsLost = holdings.where("serving", "settling", "letting go").filter(isLost).length;
    this.ports.tell({ kind: "expelled", incarnation: before, partitionsLost });
    for (const partition of holdings.where("serving", "settling", "letting go")) handOff.keep(partition);
    for (const partition of holdings.where("taking")) holdings.giveUp(partition); // what was kept stays kept
    for (const partition of holdings.where("wanted")) holdings.forget(partition);
    this.counts.onExpelled();
  }

  private goOnLeaving(): void {
    const { holdings, membership, recorder, handOff } = this;
    const { view, me } = membership;
    const isAnybodyStaying = view.members.some(
      ({ incarnation, isLeaving, isJoining }) => incarnation !== me.incarnation && !isLeaving && isJoining !== true,
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
    this.keeper.onFault(error);
    const reason = error instanceof Error ? error.message : String(error);
    if (reason !== this.faultReason)
      this.ports.tell({ kind: "store fault", reason, partitionsAhead: this.recorder.aheadCount });
    this.faultReason = reason;
    this.faultAtMs = this.ports.nowMs();
  }

  /** The store is well again when nothing is ahead, the lease is renewed, and nothing failed for a while. */
  private lookForHealing(): void {
    const isQuiet = this.ports.nowMs() - this.faultAtMs > FAULT_OVER_AFTER_MS;
    if (this.faultReason === undefined || !isQuiet || this.recorder.aheadCount > 0) return;
    if (!this.membership.isLicensed) return;
    this.faultReason = undefined;
    this.ports.tell({ kind: "store healed" });
  }

  /** R28: players came with tables whose modes found no number. */
  private lookForUnnamed(): void {
    const players = this.engine.unnamedPlayers;
    if (players > this.unnamedTold) this.ports.tell({ kind: "modes lost", players });
    this.unnamedTold = players;
  }

  private makeModeNames(): ModeNames {
    const { engine, holdings, membership } = this;
    const { store, bareMs, tell } = this.ports;
    const { modesMax, leaseMs, deadlineMs, partitions: partitionCount } = this.key;
    const tables = {
      additions: () => engine.modes.additions,
      names: () => engine.modes.names.filter((name) => name !== ""),
      isInUse: (name: string) => engine.isModeInUse(name),
      release: (names: ReadonlySet<string>) => engine.releaseModes(names),
      partitions: () => holdings.where("serving", "settling", "letting go"),
    };
    const ports = {
      store,
      tables,
      run: () => membership.run,
      incarnation: () => membership.me.incarnation,
      isListed: () => membership.isListed,
      revisionTold: () => membership.modesRevision,
      bareMs,
      onFault: (error: unknown) => this.onStoreFault(error),
      onReturn: (modes: readonly string[]) => tell({ kind: "modes returned", modes }),
    };
    return new ModeNames(ports, { modesMax, leaseMs, deadlineMs, partitionCount });
  }

  private makeMembership(member: Omit<Member, "incarnation" | "isLeaving">, leaseMs: number): Membership {
    const { store, nowMs, bareMs, wallMs, randomId } = this.ports;
    const ports = {
      store,
      nowMs,
      bareMs,
      wallMs,
      randomId,
      accused: () => this.peers.accused(leaseMs),
      called: () => this.peers.called(),
      isAlone: () => this.peers.isAlone(leaseMs),
      held: (named: string | undefined) => {
        const text = this.held();
        return text === named ? undefined : text;
      },
      onView: () => this.onView(),
      onTagRuns: (runs: readonly Run[]) => this.onTagRuns(runs),
      onList: (list: MemberList) => this.onList(list),
      onOtherKey: (run: Run, standing: ClusterKey) => this.keeper.onOtherKey(run, standing),
      onExpelled: (before: string) => this.onExpelled(before),
      reachesPeers: () => this.peers.reachesHalf(REACH_WITHIN_MS),
      onFault: (error: unknown) => this.onStoreFault(error),
    };
    return new Membership(ports, { member, key: this.key });
  }

  private makeKeeper(): KeyKeeper {
    const { store, bareMs, randomId, tell, onKeyLost } = this.ports;
    const { membership, peers, key } = this;
    const ports = {
      store,
      membership,
      bareMs,
      randomId,
      heardCount: () => peers.heardCount(key.leaseMs),
      onLost: onKeyLost,
      onTagsAdopted: (tags: number) => tell({ kind: "dropped records of another key", tags }),
      onFault: (error: unknown) => this.onStoreFault(error),
    };
    return new KeyKeeper(ports, key);
  }

  private makePeers(): Peers {
    const { transport, nowMs } = this.ports;
    const { membership } = this;
    return new Peers(
      {
        transport,
        mark: markWordsOf(this.key.hashKey),
        nowMs,
        me: () => membership.me.incarnation,
        view: () => membership.view,
        adopt: (view) => membership.adopt(view),
        onClosed: (incarnation) => membership.noteClosed(incarnation),
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
      reclaim: ({ partition }: HeldRecord) => Promise.resolve(this.onClaimLost(partition)),
    };
    const { tagsCount } = this.guard;
    return new Recorder(this.engine, ports, {
      claim: undefined,
      tagsCount,
      durability,
      snapshotMs,
      sessionMs,
      deadlineMs,
    });
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
    const { holdings, membership, recorder, takeOver } = this;
    const ports: CountsPorts = {
      nowMs,
      call: (incarnation, body, timeoutMs) => this.peers.call(incarnation, "counts", body, timeoutMs),
      me: () => membership.me.incarnation,
      speaks: (partition) => {
        const serving = holdings.servingOf(partition);
        if (serving === undefined) return undefined;
        const isProven = this.prover.isProven(partition) && !membership.isAlone;
        const isLicensed = holdings.isLicensed(partition) || isProven;
        // R28: players whose mode's name was lost are in no count.
        const isDoubtful = holdings.isDoubtful(serving) || this.engine.partitions[partition].unnamed > 0;
        return { term: serving.record.claim.term, isDoubtful, isLicensed };
      },
      unreadable: () => takeOver.unreadable.keys(),
      confirm: async (partitions) => {
        const unlicensed = partitions.filter((partition) => !holdings.isLicensed(partition));
        if (unlicensed.length === 0) return partitions;
        const proven = new Set(partitions);
        const prove = (partition: PartitionIndex): Promise<void> =>
          new Promise((resolve) => {
            recorder.whenProven(partition, (fate) => {
              if (fate !== "remembered" || membership.isAlone) proven.delete(partition);
              resolve();
            });
          });
        await Promise.all(unlicensed.map(prove));
        return [...proven];
      },
      mayPublish: () => recorder.aheadCount === 0,
      publish: (region, board) => store.publish(REGIONS[region], board),
    };
    // Who hears nothing for a lease takes this node for dead (R10).
    return new Counts(this.engine, ports, this.key.leaseMs / QUIET_SHARE);
  }
}
