/**
 * Makes the parts of a member, room by room. Many need each other, so each asks the member for the others when it needs
 * them: none may do so before all are made.
 */
import { Engine } from "../engine/engine.ts";
import { type Place, PLACES } from "../engine/places.ts";
import { Counts } from "./counts/counts.ts";
import type { MemberNode, MemberOptions } from "./member-node.ts";
import { KeyKeeper } from "./members/key-keeper.ts";
import { Membership, type MembershipOptions } from "./members/membership.ts";
import { ModeNames } from "./members/mode-names.ts";
import { ClaimProver } from "./moves/claim-prover.ts";
import { ClaimRaiser } from "./moves/claim-raiser.ts";
import { HandOff } from "./moves/hand-off.ts";
import { Holdings } from "./moves/holdings.ts";
import { Leaving } from "./moves/leaving.ts";
import { ReadAhead } from "./moves/read-ahead.ts";
import { ServedNotices } from "./moves/served-notices.ts";
import { StoreReturn } from "./moves/store-return.ts";
import { TakeBack } from "./moves/take-back.ts";
import { TakeOver } from "./moves/take-over.ts";
import { Voice } from "./moves/voice.ts";
import { Peers } from "./peers/peers.ts";
import { markWordsOf } from "./ports/mark.ts";
import type { ClusterKey } from "./ports/shared-store.ts";
import { isListed } from "./ports/view.ts";
import { engineOptionsOf, Presences } from "./records/presences.ts";
import { PlayerRates } from "./records/player-rates.ts";
import { Recorder } from "./records/recorder.ts";
import type { Durability } from "./records/snapshot-due.ts";
import { StoreHealth } from "./records/store-health.ts";
import { Forwarder } from "./rows/forwarder.ts";
import { ModeGate } from "./rows/mode-gate.ts";
import { RowApplier } from "./rows/row-applier.ts";

const REACH_WITHIN_MS = 500;
/** A node to which nothing is to be said is sent a word so many times a lease. */
const QUIET_SHARE = 4;

export function makeEngine(key: ClusterKey, nowMs: number): Engine {
  // The regions' owners keep the boards.
  return new Engine({ ...engineOptionsOf(key), hasBoards: false, areModesAgreed: true }, nowMs);
}

// peers/

export function makePeers(node: MemberNode): Peers {
  const { membership, ports, key } = node;
  return new Peers(
    {
      transport: ports.transport,
      mark: markWordsOf(key.hashKey),
      nowMs: ports.nowMs,
      me: () => membership.me.incarnation,
      view: () => membership.view,
      adopt: (view) => membership.adopt(view),
      onClosed: (incarnation) => {
        membership.noteClosed(incarnation);
        node.readAhead.onClosed(incarnation);
      },
    },
    {
      rows: (from, epoch, delayMs, body) => node.forwarder.receive(from, epoch, delayMs, body),
      counts: (from, epoch, delayMs, body) => node.counts.receive(from, epoch, delayMs, body),
      control: (from, _epoch, _delayMs, body) => node.handOff.receive(from, body),
    },
  );
}

/** Calls a peer on a lane. */
function callOn(node: MemberNode, lane: "rows" | "counts" | "control") {
  return (incarnation: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> =>
    node.peers.call(incarnation, lane, body, timeoutMs);
}

// members/

export function makeMembership(node: MemberNode, member: MembershipOptions["member"]): Membership {
  const { ports, key } = node;
  const membershipPorts = {
    ...ports,
    accused: () => node.peers.accused(key.leaseMs),
    called: () => node.peers.called(),
    isAlone: () => node.peers.isAlone(key.leaseMs),
    reachesPeers: () => node.peers.reachesHalf(REACH_WITHIN_MS),
    held: (named) => node.storeReturn.naming(named),
    onView: () => node.onView(),
    onTagRuns: (runs) => node.onTagRuns(runs),
    onList: (list) => node.storeReturn.onList(list),
    onOtherKey: (run, standing) => node.keeper.onOtherKey(run, standing),
    onNotCalledBack: (peerUrl) => ports.tell({ kind: "not called back", peerUrl }),
    onExpelled: (before) => node.onExpelled(before),
    onFault: (error) => node.onStoreFault(error),
  } satisfies ConstructorParameters<typeof Membership>[0];
  return new Membership(membershipPorts, { member, key });
}

export function makeKeeper(node: MemberNode): KeyKeeper {
  const { peers, key, ports, membership } = node;
  return new KeyKeeper(
    {
      ...ports,
      membership,
      heardCount: () => peers.heardCount(key.leaseMs),
      onLost: ports.onKeyLost,
      onTagsAdopted: (tags) => ports.tell({ kind: "dropped records of another key", tags }),
      onFault: (error) => node.onStoreFault(error),
    },
    key,
  );
}

export function makeModeNames(node: MemberNode): ModeNames {
  const { engine, holdings, membership, ports, key } = node;
  const { modesMax, leaseMs, deadlineMs, partitions: partitionCount } = key;
  const tables = {
    additions: () => engine.modes.additions,
    names: () => engine.modes.names.filter((name) => name !== ""),
    isInUse: (name: string) => engine.isModeInUse(name),
    release: (names: ReadonlySet<string>) => engine.releaseModes(names),
    unnamedPlayers: () => engine.unnamedPlayers,
    partitions: () => holdings.where("serving", "settling", "letting go"),
  };
  const namesPorts = {
    store: ports.store,
    tables,
    run: () => membership.run,
    incarnation: () => membership.me.incarnation,
    isListed: () => membership.isListed,
    revisionTold: () => membership.modesRevision,
    bareMs: ports.bareMs,
    onFault: (error: unknown) => node.onStoreFault(error),
    onReturn: (modes: readonly string[]) => ports.tell({ kind: "modes returned", modes }),
    onLost: (players: number) => ports.tell({ kind: "modes lost", players }),
  };
  return new ModeNames(namesPorts, { modesMax, leaseMs, deadlineMs, partitionCount });
}

// records/

export function makePresences({ engine, recorder, ports }: MemberNode, options: MemberOptions): Presences {
  const { playerRate, reconnectGraceMs } = options;
  const rates = playerRate === undefined ? undefined : new PlayerRates(playerRate, () => ports.nowMs());
  return new Presences(engine, recorder, rates, ports.rules, reconnectGraceMs);
}

export function makeRecorder(node: MemberNode, snapshotMs: number): Recorder {
  const { ports, guard, engine, key } = node;
  const recorderPorts = {
    ...ports,
    store: guard,
    onStoreFault: (error) => node.onStoreFault(error),
    onStoreHealed: () => undefined, // see StoreHealth: partitions heal one by one
    onSuperseded: (partition) => node.onSuperseded(partition),
    reclaim: ({ partition }) => node.storeReturn.reclaim(partition),
  } satisfies ConstructorParameters<typeof Recorder>[1];
  return new Recorder(engine, recorderPorts, {
    claim: undefined,
    tagsCount: guard.tagsCount,
    durability: key.durability as Durability,
    snapshotMs,
    sessionMs: key.sessionMs,
    deadlineMs: key.deadlineMs,
  });
}

export function makeHealth({ ports, recorder, membership }: MemberNode): StoreHealth {
  return new StoreHealth({
    ...ports,
    partitionsAhead: () => recorder.aheadCount,
    isLicensed: () => membership.isLicensed,
  });
}

// moves/

export function makeHoldings(node: MemberNode): Holdings {
  const { membership, ports, key } = node;
  return new Holdings(key.partitions, {
    membership,
    placement: () => node.placement,
    nowMs: ports.nowMs,
    onServing: (partition, term) => {
      node.presences.standings.own(partition, term);
      node.counts.onTaken(partition);
    },
    onStopped: (partition) => node.counts.onDropped(partition),
  });
}

/** What all of `moves/` need. */
function forMoves(node: MemberNode) {
  const { ports, engine, recorder, holdings, membership, guard } = node;
  return { ...ports, engine, recorder, holdings, membership, guard, placement: () => node.placement };
}

export function makeNotices(node: MemberNode): ServedNotices {
  return new ServedNotices({ ...forMoves(node), call: callOn(node, "control") });
}

export function makeReadAhead(node: MemberNode): ReadAhead {
  const { partitions, leaseMs } = node.key;
  return new ReadAhead({ ...forMoves(node), turns: node.turns }, { partitions, leaseMs });
}

export function makeTakeOver(node: MemberNode, isRepair: boolean): TakeOver {
  const { membership, key } = node;
  const { sessionMs, graceMs } = key;
  return new TakeOver(
    {
      ...forMoves(node),
      readAhead: node.readAhead,
      turns: node.turns,
      call: callOn(node, "control"),
      mayPull: () => node.counts.knowsAllCountries || !membership.listing.isNew,
      takeBack: (partition) => node.takeBack.add(partition),
      isTakingBack: (partition) => node.takeBack.isPending(partition),
      onLoss: () => void node.storeReturn.onLoss(),
      onTaken: (holder, partition, term) => node.notices.add(holder, partition, term),
    },
    { sessionMs, graceMs, isRepair },
  );
}

export function makeHandOff(node: MemberNode): HandOff {
  return new HandOff({ ...forMoves(node), onFault: (error) => node.onStoreFault(error) }, node.key.leaseMs);
}

export function makeTakeBack(node: MemberNode): TakeBack {
  return new TakeBack({
    ...forMoves(node),
    keep: (partition) => node.handOff.keep(partition),
    isStored: node.key.durability !== "none",
    onLoss: () => void node.storeReturn.onLoss(),
  });
}

export function makeStoreReturn(node: MemberNode): StoreReturn {
  const { takeOver, takeBack } = node;
  const [onNews, onFault] = [() => node.keeper.onRun(), (error: unknown) => node.onStoreFault(error)];
  return new StoreReturn({ ...forMoves(node), takeOver, takeBack, onNews, onFault });
}

export function makeRaiser(node: MemberNode): ClaimRaiser {
  return new ClaimRaiser({
    ...forMoves(node),
    onSuperseded: (partition) => node.onSuperseded(partition),
    onClaimLost: (partition) => node.storeReturn.onClaimLost(partition),
    isTakingBack: (partition) => node.takeBack.isPending(partition),
  });
}

export function makeProver(node: MemberNode): ClaimProver {
  return new ClaimProver(forMoves(node));
}

export function makeLeaving(node: MemberNode): Leaving {
  const fatesOwed = (): number => {
    const { rowsOpen, fatesWaiting } = node.forwarder.figures.received;
    return rowsOpen + fatesWaiting;
  };
  return new Leaving({ ...forMoves(node), handOff: node.handOff, fatesOwed });
}

// rows/

export function makeForwarder(node: MemberNode): Forwarder {
  const { presences, recorder, holdings, membership, key } = node;
  const { nowMs, atTurnEnd, rules } = node.ports;
  const ports = {
    nowMs,
    atTurnEnd,
    call: callOn(node, "rows"),
    handler: new RowApplier({ presences, recorder, holdings, membership, rules, nowMs }),
    me: () => membership.me.incarnation,
    epoch: () => membership.view.epoch,
    ownerOf: (partition: number) => node.placement.partitionOwner(partition),
    isListed: (incarnation: string) => isListed(membership.view, incarnation),
    isExpelled: (incarnation: string) => membership.view.expelled.includes(incarnation),
  };
  return new Forwarder(ports, { partitions: key.partitions, deadlineMs: key.deadlineMs });
}

export function makeModeGate({ modeNames, forwarder, ports }: MemberNode): ModeGate {
  const { nowMs, atTurnEnd, rules } = ports;
  return new ModeGate({
    names: modeNames,
    rules,
    forward: (row, settle) => forwarder.submit(row, settle),
    nowMs,
    atTurnEnd,
  });
}

// counts/

export function makeCounts(node: MemberNode, floor: number): Counts {
  const { engine, membership, recorder, takeOver, ports, key } = node;
  const voice = new Voice(node);
  const countsPorts = {
    nowMs: ports.nowMs,
    call: callOn(node, "counts"),
    me: () => membership.me.incarnation,
    speaks: (partition) => voice.of(partition),
    unreadable: () => takeOver.unreadable.keys(),
    confirm: (partitions) => voice.confirm(partitions),
    mayPublish: () => recorder.aheadCount === 0,
    wallMs: ports.wallMs,
    publish: (place, board) => ports.store.publish((PLACES[place] as Place).code, board),
  } satisfies ConstructorParameters<typeof Counts>[1];
  // Who hears nothing for a lease takes this node for dead (R10).
  return new Counts(engine, countsPorts, { quietMs: key.leaseMs / QUIET_SHARE, floor });
}
