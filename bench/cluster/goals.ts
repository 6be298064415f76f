/** The goals of a cluster, and whether a run reached them. A ratio is taken round by round; its median counts. */
import { atMost, type Goal } from "../report/goal.ts";
import { ratiosOf } from "../support/spread.ts";
import { ONE_NODE, RIVALS, THREE_NODES } from "./cost.ts";
import { shareOf } from "./renewals.ts";
import type {
  ClusterResults,
  CostLoad,
  CostResult,
  FailoverResult,
  GrowthResult,
  RenewalsResult,
  SystemCost,
} from "./results.ts";

const SINGLES_RATIO_MAX = 1.35;
const BATCHES_RATIO_MAX = 2;
const RIVALS_RATIO_MAX = 0.9;
const FORWARDED_RATIO_MAX = 1.5;
/** At this rate rows share few messages. */
const FORWARDED_PER_SECOND = 2_500;
const IDLE_RATIO_MAX = 1.5;
const KILL_WAIT_MAX_MS = 900;
const BEYOND_NOTHING_MAX_MS = 50;
const RENEWALS_MEMBERS = 100;
const RENEWALS_PERCENT_MAX = 2;
const FRESHNESS_P99_MAX_MS = 150;
const BALANCE_MAX = 1.2;
const BALANCED_NODES_MAX = 50;
/** Of partitions moved per join to their fair share: "about 1". */
const MOVED_MAX = 1.5;

/** Every goal of the parts that were measured. */
export function clusterGoals({ cost, failover, freshness, growth, renewals }: ClusterResults): Goal[] {
  return [
    ...(cost ? costGoals(cost) : []),
    ...(failover ? failoverGoals(failover) : []),
    ...(freshness
      ? atMost("freshness", "`200` here to answer there, p99, ms", FRESHNESS_P99_MAX_MS, freshness.p99Ms, 0)
      : []),
    ...(growth ? growthGoals(growth) : []),
    ...(renewals ? renewalGoals(renewals) : []),
  ];
}

/** Round by round what three nodes took of what one did. */
export function threeToOne({ systems }: CostLoad): number[] {
  return ratiosOf(named(systems, THREE_NODES).serversUs, named(systems, ONE_NODE).serversUs);
}

/**
 * What a forwarded report takes of what one does that is at home where it comes in. Of three nodes' reports a third is at
 * home, and one node's all are, so r times as much on three nodes is (3 r - 1) / 2 times as much for the others.
 */
export function forwardedToLocal(load: CostLoad): number[] {
  return threeToOne(load).map((ratio) => (3 * ratio - 1) / 2);
}

/** CPU of all processes, Redis included. */
export function totalUs({ serversUs, redisUs }: SystemCost): number[] {
  return serversUs.map((us, round) => us + (redisUs[round] as number));
}

function costGoals({ loads, idle }: CostResult): Goal[] {
  return [...loads.flatMap(loadGoals), ...idleGoals(idle)];
}

/** Of one of three nodes to the only one. */
function idleGoals(idle: CostResult["idle"]): Goal[] {
  const [one = [], three = []] = [ONE_NODE, THREE_NODES].map((name) => idle.find((of) => of.name === name)?.serversMs);
  const ratios = ratiosOf(three, one).map((ratio) => ratio / 3);
  return atMost("cost", "CPU with nothing to do, one of three nodes to the only one", IDLE_RATIO_MAX, ratios);
}

function loadGoals(load: CostLoad): Goal[] {
  const { batch, reportsPerSecond, systems } = load;
  const [what, target] =
    batch === 1 ? ["single reports", SINGLES_RATIO_MAX] : [`batches of ${count(batch)}`, BATCHES_RATIO_MAX];
  const text = `CPU a report, three nodes to one, ${what}, ${count(reportsPerSecond)} reports/s`;
  const rivals = systems.filter(({ name }) => name in RIVALS);
  const three = totalUs(named(systems, THREE_NODES));
  const forwarded = `CPU of a forwarded report to one that is at home, ${count(reportsPerSecond)} reports/s`;
  return [
    ...atMost("cost", text, target, threeToOne(load)),
    ...(batch === 1 && reportsPerSecond === FORWARDED_PER_SECOND
      ? atMost("cost", forwarded, FORWARDED_RATIO_MAX, forwardedToLocal(load))
      : []),
    ...rivals.flatMap((rival) => {
      const against = `CPU a report with Redis, three nodes to ${rival.name}, ${count(reportsPerSecond)} reports/s`;
      return atMost("cost", against, RIVALS_RATIO_MAX, ratiosOf(three, totalUs(rival)));
    }),
  ];
}

/** Of waits the longest counts, over all rounds. What comes or goes in good order costs nobody more than nothing does. */
function failoverGoals({ events }: FailoverResult): Goal[] {
  const nothing = events.find(({ name }) => name === "nothing");
  return events.flatMap(({ name, longestMs, refused, requests }) => {
    if (name === "nothing" || nothing === undefined) return [];
    if (name === "kill -9")
      return worst(
        atMost("failover", "kill -9: longest wait of a client, retries included, ms", KILL_WAIT_MAX_MS, longestMs, 0),
      );
    const quietMs = Math.max(...nothing.longestMs);
    const beyondMs = longestMs.map((ms) => ms - quietMs);
    const per1000 = refused.map((lost, round) => (1000 * lost) / Math.max(1, requests[round] as number));
    const wait = `${name}: longest wait of a client less the longest without, ms`;
    return [
      ...worst(atMost("failover", wait, BEYOND_NOTHING_MAX_MS, beyondMs, 0)),
      ...worst(atMost("failover", `${name}: requests refused, of 1,000`, 0, per1000, 2)),
    ];
  });
}

function renewalGoals({ everyMs, sizes }: RenewalsResult): Goal[] {
  const size = sizes.find(({ members }) => members === RENEWALS_MEMBERS);
  const percent = size === undefined ? [] : shareOf(size, everyMs).map((share) => 100 * share);
  return atMost("renewals", `of Redis' core, ${RENEWALS_MEMBERS} members, %`, RENEWALS_PERCENT_MAX, percent);
}

function growthGoals({ sizes, placements }: GrowthResult): Goal[] {
  const balanced = placements.filter(({ nodes }) => nodes <= BALANCED_NODES_MAX);
  const range = `${placements[0]?.nodes ?? 0} to ${balanced.at(-1)?.nodes ?? 0} nodes`;
  const moved = sizes.map(({ nodes, movedPerJoin }) => movedPerJoin * (nodes + 1));
  const balances = balanced.map(({ balance }) => balance);
  return [
    ...worst(atMost("growth", `partitions, largest over mean, ${range}`, BALANCE_MAX, balances)),
    ...atMost("growth", "partitions moved per join, times N + 1", MOVED_MAX, moved),
  ];
}

/** The worst counts, not the median. */
function worst(goals: readonly Goal[]): Goal[] {
  return goals.map((goal) => ({
    ...goal,
    isMet: "atMost" in goal.target ? goal.reached.max <= goal.target.atMost : goal.reached.min >= goal.target.atLeast,
  }));
}

function named(systems: readonly SystemCost[], name: string): SystemCost {
  const found = systems.find((system) => system.name === name);
  if (found === undefined) throw new Error(`Cannot judge the results: no system is called "${name}"`);
  return found;
}

function count(value: number): string {
  return value.toLocaleString("en");
}
