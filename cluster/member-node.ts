/** A member of the cluster, once it knows the key: only wiring, and what concerns all parts at once (a view, an expulsion). */
import { Engine } from "../engine/engine.ts";
import { REGIONS } from "../engine/regions.ts";
import { ClaimProver } from "./moves/claim-prover.ts";
import { ClaimRaiser } from "./moves/claim-raiser.ts";
import { Counts, type CountsPorts } from "./counts/counts.ts";
import { Forwarder } from "./rows/forwarder.ts";
import { HandOff } from "./moves/hand-off.ts";
import { Holdings } from "./moves/holdings.ts";
import { ServedNotices } from "./moves/served-notices.ts";
import { TakeBack } from "./moves/take-back.ts";
import { KeyKeeper } from "./members/key-keeper.ts";
import { Membership } from "./members/membership.ts";
import { ModeNames } from "./members/mode-names.ts";
import { Owner, SEEN_EARLY_MS } from "./records/owner.ts";
import { Peers } from "./peers/peers.ts";
import { type Placement, placementOf } from "./members/placement.ts";
import { markWordsOf } from "./ports/mark.ts";
import type { PartitionIndex } from "./ports/record-store.ts";
import type { HeldRecord } from "./records/held-record.ts";
import { Recorder } from "./records/recorder.ts";
import type { Durability } from "./records/snapshot-due.ts";
import { ModeGate } from "./rows/mode-gate.ts";
import { RowApplier } from "./rows/row-applier.ts";
import { RunGuard } from "./records/run-guard.ts";
import type { ClusterKey, MemberList, Run } from "./ports/shared-store.ts";
import { TakeOver } from "./moves/take-over.ts";
import { Voice } from "./moves/voice.ts";
import { Leaving } from "./moves/leaving.ts";
import { StoreReturn } from "./moves/store-return.ts";
import { StoreHealth } from "./records/store-health.ts";
import { figuresOf } from "./member-figures.ts";
import type { MemberOptions, MemberPorts } from "./member-ports.ts";
import { type Member, memberOf } from "./ports/view.ts";

const REACH_WITHIN_MS = 500;
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
  readonly health: StoreHealth;
  private readonly ports: MemberPorts;
  private readonly takeBack: TakeBack;
  private readonly notices: ServedNotices;
  private readonly raiser: ClaimRaiser;
  private readonly prover: ClaimProver;
  private readonly keeper: KeyKeeper;
  private readonly leaving: Leaving;
  private readonly storeReturn: StoreReturn;
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
    const { nowMs } = ports;
    const { partitions, leaseMs, sessionMs, graceMs, deadlineMs } = key;
    const durability = key.durability as Durability;
    const engineOptions = {
      partitions,
      hashKey: key.hashKey,
      sessionMs: sessionMs + SEEN_EARLY_MS,
      graceMs,
      removalMs: 2 * deadlineMs,
      isLogged: durability === "log",
      hasBoards: false, // the regions' owners keep them
      areModesAgreed: true,
    };
    const placement = (): Placement => this.placement;
    this.engine = new Engine(engineOptions, nowMs());
    this.guard = new RunGuard(ports.store, ports.bareMs);
    this.membership = this.makeMembership(member, leaseMs);
    const [partitionsAhead, isLicensed] = [() => this.recorder.aheadCount, () => this.membership.isLicensed];
    this.health = new StoreHealth({ ...ports, partitionsAhead, isLicensed });
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
    const shared = { ...ports, engine, recorder, holdings, membership, guard, placement };
    this.notices = new ServedNotices({
      call,
      isListed: (incarnation) => memberOf(membership.view, incarnation) !== undefined,
      isServed: (partition) => holdings.get(partition).kind !== "settling",
    });
    this.takeOver = new TakeOver(
      {
        ...shared,
        call,
        mayPull: () => this.counts.isWhole || nowMs() - membership.listing.sinceMs > leaseMs / 5,
        takeBack: (partition) => this.takeBack.add(partition),
        onTaken: (holder, partition, term) => this.notices.add(holder, partition, term),
      },
      { leaseMs, sessionMs, graceMs, isRepair },
    );
    this.handOff = new HandOff({ ...shared, onFault: (error) => this.onStoreFault(error) }, leaseMs);
    const { takeOver, handOff } = this;
    this.takeBack = new TakeBack({
      ...shared,
      keep: (partition) => handOff.keep(partition),
      isStored: durability !== "none",
    });
    const { takeBack } = this;
    this.storeReturn = new StoreReturn({ ...shared, takeOver, takeBack, onNews: () => this.keeper.onRun() });
    this.raiser = new ClaimRaiser({
      ...shared,
      onSuperseded: (partition) => this.onSuperseded(partition),
      onClaimLost: (partition) => this.storeReturn.onClaimLost(partition),
      isTakingBack: (partition) => takeBack.isPending(partition),
    });
    this.leaving = new Leaving({ ...shared, handOff });
    this.prover = new ClaimProver(shared);
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

  /** It is off the list. */
  get hasLeft(): boolean {
    return this.leaving.isDone;
  }

  /** Lets time pass. To be called some 50 times a second. */
  tick(): void {
    this.modeGate.tick();
    if (this.hasLeft) return this.forwarder.tick(); // who still waits here is told when the time is over
    this.peers.tick(this.key.leaseMs);
    this.membership.tick();
    this.keeper.tick();
    this.takeOver.tick();
    this.raiser.tick();
    this.takeBack.tick();
    this.notices.tick();
    this.handOff.tick();
    this.prover.tick();
    this.health.tick();
    this.modeNames.tick();
    this.lookForUnnamed();
    // R25: an owner that hears fewer than half of its peers may miss the reports that others get.
    this.owner.tick(this.ports.nowMs(), this.membership.isAlone);
    this.counts.tick();
    this.forwarder.tick();
    this.leaving.tick();
  }

  /** R11. */
  leave(): void {
    this.leaving.begin();
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
    return figuresOf(this);
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

  /** R15, R28: the names of modes lie beside the list. */
  private onListRun(): void {
    const { run } = this.membership;
    if (run === this.listRun) return;
    if (this.listRun !== undefined) this.modeNames.doubtStore();
    this.listRun = run;
  }

  /** R6. */
  private onSuperseded(partition: PartitionIndex): void {
    this.ports.tell({ kind: "superseded", partition });
    this.handOff.onSuperseded(partition);
    this.membership.renewNow();
  }

  /** R8: answers nothing more; its tables stay as in R6, in case the store loses what their successors load. */
  private onExpelled(before: string): void {
    const partitionsLost = this.handOff.onExpelled();
    this.ports.tell({ kind: "expelled", incarnation: before, partitionsLost });
    this.counts.onExpelled();
  }

  private onStoreFault(error: unknown): void {
    this.keeper.onFault(error);
    this.health.onFault(error);
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
    const ports = {
      ...this.ports,
      accused: () => this.peers.accused(leaseMs),
      called: () => this.peers.called(),
      isAlone: () => this.peers.isAlone(leaseMs),
      held: (named: string | undefined) => this.storeReturn.naming(named),
      onView: () => this.onView(),
      onTagRuns: (runs: readonly Run[]) => {
        this.onListRun();
        this.storeReturn.onTagRuns(runs);
      },
      onList: (list: MemberList) => this.storeReturn.onList(list),
      onOtherKey: (run: Run, standing: ClusterKey) => this.keeper.onOtherKey(run, standing),
      onNotCalledBack: (peerUrl: string) => this.ports.tell({ kind: "not called back", peerUrl }),
      onExpelled: (before: string) => this.onExpelled(before),
      reachesPeers: () => this.peers.reachesHalf(REACH_WITHIN_MS),
      onFault: (error: unknown) => this.onStoreFault(error),
    };
    return new Membership(ports, { member, key: this.key });
  }

  private makeKeeper(): KeyKeeper {
    const { peers, key } = this;
    const ports = {
      ...this.ports,
      membership: this.membership,
      heardCount: () => peers.heardCount(key.leaseMs),
      onLost: this.ports.onKeyLost,
      onTagsAdopted: (tags: number) => this.ports.tell({ kind: "dropped records of another key", tags }),
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
    const { sessionMs, deadlineMs } = this.key;
    const ports = {
      ...this.ports,
      store: this.guard,
      onStoreFault: (error: unknown) => this.onStoreFault(error),
      onStoreHealed: () => undefined, // see StoreHealth: partitions heal one by one
      onSuperseded: (partition: PartitionIndex) => this.onSuperseded(partition),
      reclaim: async ({ partition }: HeldRecord) => {
        this.storeReturn.onClaimLost(partition);
        return false; // it is taken again, not by the recorder
      },
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
    const { engine, holdings, membership, recorder, takeOver, prover } = this;
    const voice = new Voice({ engine, holdings, membership, recorder, prover });
    const ports: CountsPorts = {
      nowMs,
      call: (incarnation, body, timeoutMs) => this.peers.call(incarnation, "counts", body, timeoutMs),
      me: () => membership.me.incarnation,
      speaks: (partition) => voice.of(partition),
      unreadable: () => takeOver.unreadable.keys(),
      confirm: (partitions) => voice.confirm(partitions),
      mayPublish: () => recorder.aheadCount === 0,
      publish: (region, board) => store.publish(REGIONS[region] as string, board),
    };
    // Who hears nothing for a lease takes this node for dead (R10).
    return new Counts(this.engine, ports, this.key.leaseMs / QUIET_SHARE);
  }
}
