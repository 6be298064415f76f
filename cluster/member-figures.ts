/** What a member of the cluster has done and has, as plain numbers for metrics. */
import type { MemberNode } from "./member-node.ts";
import type { Holdings } from "./moves/holdings.ts";

/** Since the start, or as of now. */
export function figuresOf(node: MemberNode) {
  const { engine, guard, holdings, placement, recorder, takeOver, handOff, membership } = node;
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
    forwarding: node.forwarder.figures,
    modes: node.modeNames.figures,
    modeGate: node.modeGate.figures,
    unnamedPlayers: engine.unnamedPlayers,
    counts: node.counts.figures,
    recorder: recorder.totals,
  };
}
