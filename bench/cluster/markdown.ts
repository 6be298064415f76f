/** CLUSTER-RESULTS.md, made from the raw figures alone. */
import { goalsText, heading, machineText, number, spreadText, table } from "../report/text.ts";
import type { Measured } from "../results.ts";
import { spreadOf } from "../support/spread.ts";
import { clusterGoals, threeToOne, totalUs } from "./goals.ts";
import { PAPER, WAY_MS } from "./growth.ts";
import { shareOf } from "./renewals.ts";
import { CALM_MS } from "./settings.ts";
import type {
  ClusterResults,
  CostLoad,
  CostResult,
  FailoverResult,
  FreshnessResult,
  GrowthResult,
  RenewalsResult,
} from "./results.ts";

/** Of the table of placements; all sizes are judged. */
const PLACEMENTS_SHOWN: readonly number[] = [3, 5, 10, 20, 21, 30, 50, 51, 75, 100];

export function clusterMarkdown(results: ClusterResults): string {
  const { machine, cost, failover, freshness, growth, renewals } = results;
  const parts = [
    "# Benchmark results of a cluster",
    "Made by `npm run bench:cluster`; do not edit. [README.md](README.md) says how to run it and what is fair about it.",
    howToRead(),
    machineText(machine),
    goalsText(clusterGoals(results)),
    ...(cost ? costText(cost) : []),
    ...(failover ? failoverText(failover) : []),
    ...(freshness ? freshnessText(freshness) : []),
    ...(growth ? growthText(growth) : []),
    ...(renewals ? renewalsText(renewals) : []),
  ];
  return `${parts.join("\n\n")}\n`;
}

function howToRead(): string {
  return [
    "## How to read this",
    "Each figure is the median over rounds, with the least and the most in brackets: `median (min – max)`. Of ratios and percentiles",
    "the median is judged; of waits and of balance the worst. All nodes and Redis share one core and the load has another: three",
    "nodes have no more CPU than one here, they wait for each other where three machines would not, and a node that starts",
    "takes its time from the others. CPU time is counted by process, so it does not suffer from that; waits do.",
  ].join("\n");
}

function costText({ players, loads, idle, ...measured }: CostResult & Measured): string[] {
  return [
    heading("CPU time per report", measured),
    `${number(players)} players, nearly every report a move. Reports arrive at random instants (Poisson), at the rate given for all nodes together, ` +
      "to the nodes in turn: with three, two of three reports belong to another node than the one that got them. " +
      "User and system time of all threads of all nodes, from `/proc/<pid>/stat`, per report answered with `200`; that of Redis beside.",
    "At low load a report is forwarded, logged and answered by itself, and each of these is a message of its own; as load grows, rows share messages and appends, " +
      "and the ratio falls. The designs on Redis keep no session times, ask over a Unix socket (Headcount over TCP) and store nothing on disk.",
    ...loads.flatMap(loadText),
    "With nothing to do, milliseconds of CPU a second of all nodes together. At low load this is part of what a report costs.",
    table(
      ["system", "ms a second"],
      idle.map(({ name, serversMs }) => [name, spreadText(spreadOf(serversMs), 0)]),
    ),
  ];
}

function loadText(load: CostLoad): string[] {
  const { batch, reportsPerSecond, systems } = load;
  const what = batch === 1 ? "Single reports" : `Batches of ${number(batch)}`;
  const rows = systems.map((system) => [
    system.name,
    ...[system.serversUs, system.redisUs, totalUs(system)].map((us) => spreadText(spreadOf(us), 1)),
    spreadText(spreadOf(system.answeredPerSecond), 0),
    `${spreadOf(system.p50Ms).median.toFixed(1)} / ${spreadOf(system.p99Ms).median.toFixed(1)}`,
    system.refused === 0 ? "0" : `**${number(system.refused)}**`,
  ]);
  return [
    `**${what}, ${number(reportsPerSecond)} reports a second.** Three nodes to one: ${spreadText(spreadOf(threeToOne(load)), 2)}.`,
    table(
      ["system", "µs a report", "Redis, µs", "together, µs", "answered/s", "p50 / p99, ms", "requests not 200"],
      rows,
    ),
  ];
}

function failoverText({
  players,
  requestsPerSecond,
  leaseMs,
  events,
  ...measured
}: FailoverResult & Measured): string[] {
  const rows = events.map(({ name, longestMs, p99Ms, requests, refused, counted }) => [
    name,
    spreadText(spreadOf(longestMs), 0),
    spreadText(spreadOf(p99Ms), 0),
    number(sum(requests)),
    number(sum(refused)),
    number(sum(counted)),
  ]);
  return [
    heading("When a node dies, comes or goes", measured),
    `Three nodes, ${number(players)} players, ${number(requestsPerSecond)} clients a second, each of which tries until it succeeds; lease ${number(leaseMs)} ms. ` +
      "Clients choose among the nodes whose `/readyz` said yes within the last tenth of a second, as a load balancer does; after a refusal they " +
      "wait 50 ms, after a broken connection they go elsewhere at once. A wait is from a client's first try to its success. Rows are watched from " +
      `the event until some seconds after it, and on until nobody waited longer than ${CALM_MS} ms for two seconds, a minute at the most; *join* ` +
      "begins when the process is started.",
    table(["event", "longest wait, ms", "p99, ms", "requests", "first tries refused", "answered `202`"], rows),
  ];
}

function freshnessText(freshness: FreshnessResult & Measured): string[] {
  const { reportsPerSecond, samples, p50Ms, p99Ms, maxMs } = freshness;
  return [
    heading("Freshness", freshness),
    `Three nodes under ${number(reportsPerSecond)} single reports a second. A player moves by a report to one node; from its \`200\` another node is asked ` +
      `every 2 ms, by its read view, until its answer shows the player in the new region; ${number(samples)} moves.`,
    table(["p50, ms", "p99, ms", "longest, ms"], [[p50Ms, p99Ms, maxMs].map((ms) => spreadText(spreadOf(ms), 0))]),
  ];
}

function growthText({ legMs, storeMs, sizes, placements, ...measured }: GrowthResult & Measured): string[] {
  const round = (value: number, digits = 2): string => number(value, digits);
  const messages = sizes.map(({ nodes, partitions, players, reportsPerSecond, reports, answered, ...size }) => [
    number(nodes),
    number(partitions),
    `${players / 1e6} M`,
    number(reportsPerSecond),
    answered === reports ? number(reports) : `${number(reports)}, **${number(reports - answered)} failed**`,
    `${round(size.rowMessages)} / ${round((2 * PAPER.forwardedShare(nodes)) / PAPER.rowsPerBatch(nodes, reportsPerSecond, WAY_MS))}`,
    round(size.rowBytes, 0),
    `${round(size.rowsPerBatch)} / ${round(PAPER.rowsPerBatch(nodes, reportsPerSecond, WAY_MS))}`,
    round(size.storeCallsPerReport, 3),
  ]);
  const counts = sizes.map(({ nodes, reportsPerSecond, ...size }) => [
    number(nodes),
    `${round(size.idleMessagesPerSecond / nodes, 0)} / ${round(PAPER.idleMessagesPerSecond(nodes) / nodes, 0)}`,
    round(size.idleBytesPerSecond / nodes / 1000, 0),
    `${round(size.countMessagesPerSecond / nodes, 0)} / ${round(PAPER.busyMessagesPerSecond(nodes) / nodes, 0)}`,
    round(size.countBytesPerSecond / nodes / 1000, 0),
    round(size.countBytesPerSecond / reportsPerSecond, 0),
  ]);
  const views = sizes.map((size) => [
    number(size.nodes),
    ...[size.viewsPerJoin, size.viewsPerDrain, size.viewsPerKill].map((changes) =>
      changes === undefined ? "" : number(changes),
    ),
    `${round(100 * size.movedPerJoin, 1)} % / ${round(100 * PAPER.movedPerJoin(size.nodes), 1)} %`,
  ]);
  const placed = placements.filter(({ nodes }) => PLACEMENTS_SHOWN.includes(nodes));
  return [
    heading("Growth", measured),
    `Simulated: the real code of \`cluster/\` and \`engine/\`, all nodes in one process, virtual time, a network of ${legMs} ms a way and a store of ${storeMs} ms. ` +
      "What goes over the wires depends on the rate of reports and on the nodes, not on how many players stand in the tables: a report touches one row. So the " +
      "players come in as their rate, one report each in 30 s, at random nodes and instants, and only those who report are in the tables. `counted / on paper` where there is a formula.",
    "**Reports.** With N nodes a report comes with (N − 1) / N to one that does not own its player. One batch is under way per peer: with r rows a second from one node " +
      `to another and a way of T = ${WAY_MS} ms there, into the log and back, a batch holds r T + e^(−r T) rows; messages are 2 (N − 1) / N a batch's rows. ` +
      "A row is 32 bytes and its answer 4; the rest is the envelope of a batch, so small batches cost bytes.",
    table(
      [
        "nodes",
        "partitions",
        "players",
        "reports/s",
        "reports",
        "messages a report",
        "bytes a report",
        "rows in a batch",
        "store calls a report",
      ],
      messages,
    ),
    "**Counts**, per node and second, a call being two messages. With nothing going on, each owner of regions (16 at most) and each other node tell each other ten times " +
      "a second how far they are: up to 16 nodes that grows with their square over all, beyond with the nodes. With changes for everybody at every tick it is 100 (N − 1) a node at most.",
    table(
      ["nodes", "messages, idle", "KB, idle", "messages, under load", "KB, under load", "bytes a report, all nodes"],
      counts,
    ),
    "**Changes of the view**, and what a join moved. On paper a join and a death change the view once, a drain twice (going, gone); a join moves 1 / (N + 1) of the partitions.",
    table(["nodes", "views a join", "a drain", "a death", "moved by the join"], views),
    "**Placement** alone, all sizes from 3 to 100 judged, some shown. Loads are bounded at a share plus a tenth, rounded up.",
    table(
      ["nodes", "partitions", "largest over mean", "bound", "moved by a join, times N + 1"],
      placed.map(({ nodes, partitions, balance, movedTimesNodes }) => [
        number(nodes),
        number(partitions),
        round(balance),
        round(PAPER.balance(nodes, partitions)),
        round(movedTimesNodes),
      ]),
    ),
  ];
}

function renewalsText({ everyMs, sizes, ...measured }: RenewalsResult & Measured): string[] {
  return [
    heading("Renewals", measured),
    `Every member renews its lease once in ${number(everyMs)} ms, a third of the shortest licence. The calls are those of the nodes, on a Redis by itself; ` +
      "the times are what Redis says that its commands took. Asking for the run is `INFO replication`.",
    table(
      ["members", "script, µs", "asking for the run, µs", "of Redis' core, %"],
      sizes.map((size) => [
        number(size.members),
        ...[size.scriptUs, size.runUs].map((us) => spreadText(spreadOf(us), 1)),
        spreadText(spreadOf(shareOf(size, everyMs).map((share) => 100 * share)), 2),
      ]),
    ),
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
