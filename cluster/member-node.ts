/** A member of the cluster, once it knows the key. It only wires: what concerns all parts at once goes from here to each. */
import type { Engine, TableCopy } from "../engine/engine.ts";
import type { Rate } from "../engine/rate.ts";
import type { Counts } from "./counts/counts.ts";
import * as make from "./member-parts.ts";
import type { KeyKeeper } from "./members/key-keeper.ts";
import type { Membership, MembershipOptions } from "./members/membership.ts";
import type { ModeNames } from "./members/mode-names.ts";
import { type Placement, placementOf } from "./members/placement.ts";
import type { ClaimProver } from "./moves/claim-prover.ts";
import type { ClaimRaiser } from "./moves/claim-raiser.ts";
import type { HandOff } from "./moves/hand-off.ts";
import type { Holdings } from "./moves/holdings.ts";
import type { Leaving } from "./moves/leaving.ts";
import type { ReadAhead } from "./moves/read-ahead.ts";
import type { ServedNotices } from "./moves/served-notices.ts";
import type { StoreReturn, StoreReturnEvent } from "./moves/store-return.ts";
import type { TakeBack, TakeBackEvent } from "./moves/take-back.ts";
import type { TakeOverEvent } from "./moves/take-over-steps.ts";
import type { TakeOver } from "./moves/take-over.ts";
import { Turns } from "./moves/turns.ts";
import type { Peers } from "./peers/peers.ts";
import type { PartitionIndex } from "./ports/record-store.ts";
import type { Rules } from "./ports/rules.ts";
import type { ClusterKey, Run, SharedStore } from "./ports/shared-store.ts";
import type { Transport } from "./ports/transport.ts";
import type { Presences } from "./records/presences.ts";
import type { Recorder } from "./records/recorder.ts";
import { RunGuard } from "./records/run-guard.ts";
import type { StoreHealth, StoreHealthEvent } from "./records/store-health.ts";
import type { Forwarder } from "./rows/forwarder.ts";
import type { ModeGate } from "./rows/mode-gate.ts";

/** What an operator may want to read in the log. */
export type ClusterEvent =
  | TakeOverEvent
  | TakeBackEvent
  | { readonly kind: "view"; readonly epoch: number; readonly members: number; readonly partitions: number }
  | StoreReturnEvent
  | StoreHealthEvent
  /** R8. `partitionsLost`: what was acknowledged there no record is known to have; its table is kept for a while. */
  | { readonly kind: "expelled"; readonly incarnation: string; readonly partitionsLost: number }
  | { readonly kind: "other key" }
  | { readonly kind: "dropped records of another key"; readonly tags: number }
  | { readonly kind: "rekeyed"; readonly players: number; readonly failed: number }
  | { readonly kind: "not called back"; readonly peerUrl: string }
  | { readonly kind: "superseded"; readonly partition: PartitionIndex }
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
  readonly rules: Rules;
  readonly tell: (event: ClusterEvent) => void;
  /** R12: this member's key is given up for the one that stands; it does nothing more. */
  readonly onKeyLost: (standing: ClusterKey) => void;
}

export interface MemberOptions {
  /** How often each player may report or send a heartbeat; `undefined`: as often as they like. */
  readonly playerRate: Rate | undefined;
  readonly snapshotMs: number;
  /** Whether to go on without what is damaged in a record. */
  readonly isRepair: boolean;
  /** The privacy floor: what is published tells of no fewer players; 0: everything is shown. */
  readonly floor: number;
  /** R30: how long a player stays whose connection ended without a word. */
  readonly reconnectGraceMs: number;
}

export class MemberNode {
  readonly key: ClusterKey;
  readonly ports: MemberPorts;
  readonly engine: Engine;
  readonly guard: RunGuard;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly keeper: KeyKeeper;
  readonly holdings: Holdings;
  readonly recorder: Recorder;
  readonly presences: Presences;
  readonly health: StoreHealth;
  readonly notices: ServedNotices;
  readonly turns: Turns;
  readonly readAhead: ReadAhead;
  readonly takeOver: TakeOver;
  readonly handOff: HandOff;
  readonly takeBack: TakeBack;
  readonly storeReturn: StoreReturn;
  readonly raiser: ClaimRaiser;
  readonly prover: ClaimProver;
  readonly leaving: Leaving;
  readonly forwarder: Forwarder;
  readonly modeNames: ModeNames;
  readonly modeGate: ModeGate;
  readonly counts: Counts;
  placement: Placement;

  /** Parts are made in the order in which they need each other. */
  constructor(key: ClusterKey, member: MembershipOptions["member"], options: MemberOptions, ports: MemberPorts) {
    this.key = key;
    this.ports = ports;
    this.engine = make.makeEngine(key, ports.nowMs());
    this.guard = new RunGuard(ports.store, ports.bareMs, key.leaseMs);
    this.membership = make.makeMembership(this, member);
    this.placement = placementOf(this.membership.view, key.partitions);
    this.peers = make.makePeers(this);
    this.keeper = make.makeKeeper(this);
    this.holdings = make.makeHoldings(this);
    this.recorder = make.makeRecorder(this, options.snapshotMs);
    this.presences = make.makePresences(this, options);
    this.health = make.makeHealth(this);
    this.notices = make.makeNotices(this);
    this.turns = new Turns(ports);
    this.readAhead = make.makeReadAhead(this);
    this.takeOver = make.makeTakeOver(this, options.isRepair);
    this.handOff = make.makeHandOff(this);
    this.takeBack = make.makeTakeBack(this);
    this.storeReturn = make.makeStoreReturn(this);
    this.raiser = make.makeRaiser(this);
    this.prover = make.makeProver(this);
    this.leaving = make.makeLeaving(this);
    this.forwarder = make.makeForwarder(this);
    this.modeNames = make.makeModeNames(this);
    this.modeGate = make.makeModeGate(this);
    this.counts = make.makeCounts(this, options.floor);
  }

  /** It is off the list. */
  get hasLeft(): boolean {
    return this.leaving.isDone;
  }

  /** R11: whether its process may end, as far as its peers are concerned. */
  get mayEnd(): boolean {
    return this.leaving.mayEnd;
  }

  /** Lets time pass. To be called some 50 times a second. */
  tick(): void {
    this.modeGate.tick();
    if (this.hasLeft) return this.forwarder.tick(); // who still waits here is told when the time is over
    this.peers.tick(this.key.leaseMs);
    this.membership.tick();
    this.keeper.tick();
    this.readAhead.tick();
    this.takeOver.tick();
    this.raiser.tick();
    this.takeBack.tick();
    this.notices.tick();
    this.handOff.tick();
    this.prover.tick();
    this.health.tick();
    this.modeNames.tick();
    // R25: an owner that hears fewer than half of its peers may miss the reports that others get.
    this.presences.tick(this.ports.nowMs(), this.membership.isAlone);
    this.presences.standings.tick((partition) => this.holdings.servingOf(partition) !== undefined);
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
    this.counts.close();
    return this.handOff.abandon();
  }

  // What concerns several parts.

  onView(): void {
    const { membership, ports, key } = this;
    const { view } = membership;
    const before = this.placement;
    this.placement = placementOf(view, key.partitions);
    this.peers.onView();
    this.readAhead.onView();
    this.takeOver.onView((partition) => before.partitionOwner(partition));
    this.raiser.onView();
    this.counts.onView(view, this.placement);
    this.forwarder.onView();
    const partitions = this.placement.partitionsOf(membership.me.incarnation).length;
    ports.tell({ kind: "view", epoch: view.epoch, members: view.members.length, partitions });
  }

  /** R15. */
  onTagRuns(runs: readonly Run[]): void {
    this.modeNames.onRun(this.membership.run);
    this.storeReturn.onTagRuns(runs);
  }

  /** R6. */
  onSuperseded(partition: PartitionIndex): void {
    this.ports.tell({ kind: "superseded", partition });
    this.handOff.onSuperseded(partition);
    this.membership.renewNow();
  }

  /** R8: answers nothing more; its tables stay as in R6, in case the store loses what their successors load. */
  onExpelled(before: string): void {
    const partitionsLost = this.handOff.onExpelled();
    this.ports.tell({ kind: "expelled", incarnation: before, partitionsLost });
    this.counts.onExpelled();
  }

  onStoreFault(error: unknown): void {
    this.keeper.onFault(error);
    this.health.onFault(error);
  }

  /** For metrics: plain numbers, since the start or as of now. */
  get figures() {
    const { engine, guard, holdings, placement, recorder, takeOver, handOff, membership } = this;
    const kinds = (...of: Parameters<Holdings["where"]>): number => holdings.where(...of).length;
    return {
      epoch: membership.view.epoch,
      members: membership.view.members.length,
      partitionsOwned: placement.partitionsOf(membership.me.incarnation).length,
      regionsOwned: placement.regionsOf(membership.me.incarnation).length,
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
      isStoreKnown: guard.isOpen,
      tableBytes: engine.tableBytes,
      forwarding: this.forwarder.figures,
      modes: this.modeNames.figures,
      modeGate: this.modeGate.figures,
      unnamedPlayers: engine.unnamedPlayers,
      standings: this.presences.standings.figures,
      counts: this.counts.figures,
      recorder: recorder.totals,
    };
  }
}
