/** Goal 4: what the protocols cost as a cluster grows, counted in simulated clusters and from the placement alone. */
import { placementOf, REGION_OWNERS_MAX } from "../../cluster/members/placement.ts";
import type { View } from "../../cluster/ports/view.ts";
import type { GrowthResult, GrowthSize, PlacementSize } from "./results.ts";
import type { GrowthSettings, GrowthSizeSettings } from "./settings.ts";
import { type LaneTraffic, LEG_MS, STORE_MS, VirtualCluster } from "./virtual-cluster.ts";

/** Every player reports so often; with half a million players a node that is 17,000 reports a second and node. */
const REPORT_EVERY_S = 30;
const SEED = 11;
/** Until what a join or a start has set off is over. */
const SETTLE_MS = 500;
/** After the load, for what is under way. */
const REST_MS = 300;
/** Joins that the placement is asked about, for each size. */
const JOINS = 5;

export async function measureGrowth({ sizes, placements, idleMs }: GrowthSettings): Promise<GrowthResult> {
  const measured: GrowthSize[] = [];
  for (const size of sizes) measured.push(await measureSize(size, idleMs));
  return { legMs: LEG_MS, storeMs: STORE_MS, sizes: measured, placements: placements.map(measurePlacement) };
}

async function measureSize(size: GrowthSizeSettings, idleMs: number): Promise<GrowthSize> {
  const { nodes, partitions, players, loadMs, isWhole } = size;
  const cluster = new VirtualCluster(partitions, SEED);
  await cluster.start(nodes);
  await cluster.run(SETTLE_MS);
  const idle = await trafficOf(cluster, () => cluster.run(idleMs));
  const reportsPerSecond = Math.round(players / REPORT_EVERY_S);
  const load = await trafficOf(cluster, () => cluster.report(players, reportsPerSecond, loadMs));
  await cluster.run(REST_MS);
  const reports = cluster.remembered + cluster.failed;
  const rows = { ...cluster.traffic.rows, forwarded: cluster.forwardedRows };
  const join = await changeOf(cluster, partitions, () => cluster.join());
  const drain = isWhole ? await changeOf(cluster, partitions, () => cluster.drain(1)) : undefined;
  const kill = isWhole ? await changeOf(cluster, partitions, () => cluster.kill(1)) : undefined;
  return {
    nodes,
    partitions,
    players,
    reportsPerSecond,
    reports,
    answered: cluster.remembered,
    rowMessages: (2 * rows.calls) / reports,
    rowBytes: rows.bytes / reports,
    rowsPerBatch: rows.forwarded / Math.max(1, rows.calls),
    countMessagesPerSecond: (2 * load.counts.calls * 1000) / loadMs,
    countBytesPerSecond: (load.counts.bytes * 1000) / loadMs,
    idleMessagesPerSecond: (2 * idle.counts.calls * 1000) / idleMs,
    idleBytesPerSecond: (idle.counts.bytes * 1000) / idleMs,
    storeCallsPerReport: load.storeCalls / reports,
    viewsPerJoin: join.views,
    viewsPerDrain: drain?.views,
    viewsPerKill: kill?.views,
    movedPerJoin: join.moved,
  };
}

/** What went over the wires while something was done. */
async function trafficOf(
  { traffic }: VirtualCluster,
  act: () => Promise<void>,
): Promise<{ counts: LaneTraffic; storeCalls: number }> {
  const before = { ...traffic.counts, storeCalls: traffic.storeCalls };
  await act();
  const { calls, bytes } = traffic.counts;
  return {
    counts: { calls: calls - before.calls, bytes: bytes - before.bytes },
    storeCalls: traffic.storeCalls - before.storeCalls,
  };
}

/** How often the view changed meanwhile, and which share of the partitions has another owner. */
async function changeOf(
  cluster: VirtualCluster,
  partitions: number,
  act: () => Promise<void>,
): Promise<{ views: number; moved: number }> {
  const before = cluster.view;
  await act();
  return { views: cluster.view.epoch - before.epoch, moved: movedShare(before, cluster.view, partitions) };
}

/** Largest over mean and moves of clusters whose nodes are called `node-1` and so on. */
function measurePlacement({ nodes, partitions }: { nodes: number; partitions: number }): PlacementSize {
  const view = viewOf(nodes);
  const placement = placementOf(view, partitions);
  const loads = view.members.map(({ incarnation }) => placement.partitionsOf(incarnation).length);
  const moved = Array.from({ length: JOINS }, (_, join) => {
    const joined = { ...view, members: [...view.members, memberOf(`joined-${join + 1}`, nodes + join)] };
    return movedShare(view, joined, partitions);
  });
  return {
    nodes,
    partitions,
    balance: Math.max(...loads) / (partitions / nodes),
    movedTimesNodes: (moved.reduce((sum, share) => sum + share, 0) / JOINS) * (nodes + 1),
  };
}

function movedShare(before: View, after: View, partitions: number): number {
  const [from, to] = [placementOf(before, partitions), placementOf(after, partitions)];
  let moved = 0;
  for (let partition = 0; partition < partitions; partition++)
    if (from.partitionOwner(partition) !== to.partitionOwner(partition)) moved++;
  return moved / partitions;
}

function viewOf(nodes: number): View {
  const members = Array.from({ length: nodes }, (_, index) => memberOf(`node-${index + 1}`, index));
  return { epoch: 1, nonce: "", members, expelled: [] };
}

function memberOf(id: string, index: number): View["members"][number] {
  const incarnation = `00000000-0000-4000-8000-${index.toString(16).padStart(12, "0")}`;
  return { id, incarnation, url: `http://${id}`, peerUrl: `peer://${id}`, weight: 1, isLeaving: false };
}

/** What it should be on paper; `nodes` is N. */
export const PAPER = {
  /** A report comes to a node that does not own its player. */
  forwardedShare: (nodes: number): number => (nodes - 1) / nodes,
  /**
   * Rows in a batch where one is under way to a peer at a time: those that came during the last one's way T, or the one that
   * ends a silence. r rows a millisecond of a pair of nodes: r T + e^(-r T).
   */
  rowsPerBatch: (nodes: number, reportsPerSecond: number, wayMs: number): number => {
    const rowsMeanwhile = (reportsPerSecond / 1000 / nodes ** 2) * wayMs;
    return rowsMeanwhile + Math.exp(-rowsMeanwhile);
  },
  /** Each owner of regions and each other node tell each other ten times a second, a message and its answer. */
  idleMessagesPerSecond: (nodes: number): number => {
    const without = Math.max(0, nodes - REGION_OWNERS_MAX); // they hardly speak to each other
    return 2 * 10 * (nodes * (nodes - 1) - without * (without - 1));
  },
  /** Counts that changed are told at every tick, 50 a second. */
  busyMessagesPerSecond: (nodes: number): number => 2 * 50 * nodes * (nodes - 1),
  movedPerJoin: (nodes: number): number => 1 / (nodes + 1),
  /** Room is a share plus a tenth, rounded up. */
  balance: (nodes: number, partitions: number): number =>
    Math.ceil((partitions * 11) / (nodes * 10)) / (partitions / nodes),
} as const;

/** From a batch's sending to its answer: there, into the log, and back; beside it waits half of the append before. */
export const WAY_MS = 2 * LEG_MS + 1.5 * STORE_MS;
