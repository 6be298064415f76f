/** The goals of a cluster, and whether a run reached them. A ratio is taken round by round; its median counts. */
import { atMost, type Goal } from "../report/goals.ts";
import { ratiosOf } from "../support/spread.ts";
import { ONE_NODE, RIVALS, THREE_NODES } from "./cost.ts";
import type { ClusterResults, CostLoad, CostResult, FailoverResult, GrowthResult, SystemCost } from "./results.ts";

const SINGLES_RATIO_MAX = 1.35;
const BATCHES_RATIO_MAX = 2;
const RIVALS_RATIO_MAX = 0.7;
const KILL_BEYOND_LEASE_MS = 1_500;
const MOVE_WAIT_MAX_MS = 500;
const REFUSED_PER_1000_MAX = 1;
const FRESHNESS_P99_MAX_MS = 150;
const BALANCE_MAX = 1.2;
const BALANCED_NODES_MAX = 50;
/** Of partitions moved per join to their fair share: "about 1". */
const MOVED_MAX = 1.5;

/** Every goal of the parts that were measured. */
export function clusterGoals({ cost, failover, freshness, growth }: ClusterResults): Goal[] {
  return [
    ...(cost ? costGoals(cost) : []),
    ...(failover ? failoverGoals(failover) : []),
    ...(freshness
      ? atMost("freshness", "`200` here to answer there, p99, ms", FRESHNESS_P99_MAX_MS, freshness.p99Ms, 0)
      : []),
    ...(growth ? growthGoals(growth) : []),
  ];
}

/** Round by round what three nodes took of what one did. */
export function threeToOne({ systems }: CostLoad): number[] {
  return ratiosOf(named(systems, THREE_NODES).serversUs, named(systems, ONE_NODE).serversUs);
}

/** CPU of all processes, Redis included. */
export function totalUs({ serversUs, redisUs }: SystemCost): number[] {
  return serversUs.map((us, round) => us + (redisUs[round] as number));
}

function costGoals({ loads }: CostResult): Goal[] {
  return loads.flatMap((load) => {
    const { batch, reportsPerSecond, systems } = load;
    const [what, target] =
      batch === 1 ? ["single reports", SINGLES_RATIO_MAX] : [`batches of ${count(batch)}`, BATCHES_RATIO_MAX];
    const text = `CPU a report, three nodes to one, ${what}, ${count(reportsPerSecond)} reports/s`;
    const rivals = systems.filter(({ name }) => name in RIVALS);
    const three = totalUs(named(systems, THREE_NODES));
    return [
      ...atMost("cost", text, target, threeToOne(load)),
      ...rivals.flatMap((rival) => {
        const against = `CPU a report with Redis, three nodes to ${rival.name}, ${count(reportsPerSecond)} reports/s`;
        return atMost("cost", against, RIVALS_RATIO_MAX, ratiosOf(three, totalUs(rival)));
      }),
    ];
  });
}

/** Of waits the longest counts, over all rounds. */
function failoverGoals({ events, leaseMs }: FailoverResult): Goal[] {
  return events.flatMap(({ name, longestMs, refused, requests }) => {
    if (name === "nothing") return [];
    const target = name === "kill -9" ? leaseMs + KILL_BEYOND_LEASE_MS : MOVE_WAIT_MAX_MS;
    const wait = worst(
      atMost("failover", `${name}: longest wait of a client, retries included, ms`, target, longestMs, 0),
    );
    if (name === "kill -9") return wait;
    const per1000 = refused.map((lost, round) => (1000 * lost) / Math.max(1, requests[round] as number));
    return [
      ...wait,
      ...worst(atMost("failover", `${name}: requests refused, of 1,000`, REFUSED_PER_1000_MAX, per1000, 1)),
    ];
  });
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
