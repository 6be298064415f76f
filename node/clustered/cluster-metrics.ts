/** What a node of a cluster tells Prometheus of its place in it. */
import type { MemberNode } from "../../cluster/member-node.ts";
import type { Metrics } from "../metrics.ts";

type Figures = MemberNode["figures"];

/** @param member `undefined` until the node has found its cluster */
export function registerCluster(metrics: Metrics, member: () => MemberNode | undefined): void {
  let [read, readAtMs]: [Figures | undefined, number] = [undefined, -Infinity];
  /** All metrics of one scrape read the same figures. */
  const figures = (): Figures | undefined => {
    const nowMs = performance.now();
    if (nowMs - readAtMs > SCRAPE_MS) [read, readAtMs] = [member()?.figures, nowMs];
    return read;
  };
  const of = (value: (figures: Figures) => number) => (): number => {
    const now = figures();
    return now === undefined ? 0 : value(now);
  };
  for (const [name, help, value] of GAUGES) metrics.gauge(name, help, of(value));
  for (const [name, help, value] of COUNTERS) metrics.counter(name, help, of(value));
  for (const [name, help, label, values] of LABELLED)
    metrics.labelledCounter(name, help, label, () => {
      const now = figures();
      return now === undefined ? {} : values(now);
    });
}

const SCRAPE_MS = 50;

type Value = readonly [name: string, help: string, value: (figures: Figures) => number];
type Values = readonly [
  name: string,
  help: string,
  label: string,
  values: (figures: Figures) => Readonly<Record<string, number>>,
];

const GAUGES: readonly Value[] = [
  ["members", "Members of the cluster, as this node knows it", ({ members }) => members],
  ["partitions_owned", "Partitions that the view gives this node", ({ partitionsOwned }) => partitionsOwned],
  ["partitions_served", "Partitions that this node answers for", ({ partitionsServed }) => partitionsServed],
  ["partitions_moving", "Partitions on their way to this node or away", ({ partitionsMoving }) => partitionsMoving],
  [
    "partitions_unreadable",
    "Partitions of this node whose record cannot be read: their players get 503",
    ({ partitionsUnreadable }) => partitionsUnreadable,
  ],
  ["regions_owned", "Regions that the view gives this node", ({ regionsOwned }) => regionsOwned],
  ["licensed", "1 while the node may answer without writing", ({ isLicensed }) => Number(isLicensed)],
  [
    "store_known",
    "0 while not all members have seen the Redis that is there now",
    ({ isStoreKnown }) => Number(isStoreKnown),
  ],
  ["modes", "Modes that the cluster knows", ({ modes }) => modes.agreed],
  ["modes_marked", "Modes that may go, to make room for others", ({ modes }) => modes.marked],
  ["mode_rows_waiting", "Rows that wait until their mode is known", ({ modeGate }) => modeGate.rowsWaiting],
  [
    "players_in_reserved_mode",
    "Players of this node whose mode's name was lost: ever zero",
    ({ unnamedPlayers }) => unnamedPlayers,
  ],
  ["table_bytes", "Bytes of the presence tables", ({ tableBytes }) => tableBytes],
  [
    "regions_stale",
    "Countries and areas whose counts are older than they should be",
    ({ counts }) => counts.staleRegions,
  ],
  [
    "subdivisions_kept",
    "Subdivisions that this node asks about, and countries for those that somebody is in, while somebody wants to know",
    ({ counts }) => counts.subdivisionsKept,
  ],
  [
    "regions_unpublished",
    "Regions of which nothing is published at present, where there is a privacy floor",
    ({ counts }) => counts.unpublishedRegions,
  ],
  [
    "regions_of_other_floor",
    "Regions whose owner has another privacy floor than this node: HEADCOUNT_MIN_PLAYERS differs between nodes",
    ({ counts }) => counts.regionsOfOtherFloor,
  ],
  ["peer_rows_queued", "Rows queued or under way to other nodes", ({ forwarding }) => forwarding.rowsQueued],
  [
    "peer_batches_in_flight",
    "Batches of rows under way to other nodes",
    ({ forwarding }) => forwarding.sent.peersInFlight,
  ],
];

const COUNTERS: readonly Value[] = [
  ["expulsions_total", "Times this node was expelled and joined anew", ({ expulsions }) => expulsions],
  ["partitions_handed_over_total", "Partitions handed over to another node", ({ handedOver }) => handedOver],
  [
    "partition_copies_misfit_total",
    "Copies of partitions that were not what their holder had: begun anew, or loaded from Redis",
    ({ copiesMisfit }) => copiesMisfit,
  ],
  [
    "partitions_lost_total",
    "Partitions of which the store had lost acknowledged rows: ever zero",
    ({ partitionsLost }) => partitionsLost,
  ],
  ["peer_batches_total", "Batches of rows sent to other nodes", ({ forwarding }) => forwarding.sent.batches],
  ["peer_batch_rows_total", "Rows in those batches", ({ forwarding }) => forwarding.sent.batchRows],
  [
    "peer_batches_unheard_total",
    "Batches of which nobody knows what became",
    ({ forwarding }) => forwarding.sent.batchesUnheard,
  ],
  ["peer_rows_expired_total", "Rows that found no owner in time", ({ forwarding }) => forwarding.rowsExpired],
  [
    "peer_rows_lost_total",
    "Rows that an owner had taken in when it was lost: their clients were told 503",
    ({ forwarding }) => forwarding.rowsLost,
  ],
  [
    "peer_fates_forgotten_total",
    "Fates of rows that could not be told to the node that sent them",
    ({ forwarding }) => forwarding.received.fatesForgotten,
  ],
  ["peer_batches_received_total", "Batches of rows from other nodes", ({ forwarding }) => forwarding.received.batches],
  ["peer_batch_rows_received_total", "Rows in those batches", ({ forwarding }) => forwarding.received.rows],
  ["modes_asked_total", "Times the store was asked for modes", ({ modeGate }) => modeGate.asked],
  ["modes_returned_total", "Modes that were in use although they had gone", ({ modes }) => modes.returned],
  ["counts_messages_total", "Messages about counts sent to other nodes", ({ counts }) => counts.messages],
  ["counts_message_bytes_total", "Bytes of those messages", ({ counts }) => counts.messageBytes],
  ["counts_messages_failed_total", "Those that were not answered", ({ counts }) => counts.messagesFailed],
  ["counts_subdivisions_asked_total", "Questions about subdivisions", ({ counts }) => counts.subdivisionsAsked],
  [
    "counts_wholes_asked_total",
    "Partitions and countries whose counts were asked for as a whole",
    ({ counts }) => counts.wholesAsked,
  ],
  ["counts_flush_rounds_total", "Rounds for reads with no-cache", ({ counts }) => counts.flushRounds],
  [
    "boards_publish_failures_total",
    "Boards of which nobody knows whether they were published",
    ({ counts }) => counts.publishFailures,
  ],
  [
    "counts_flush_rounds_incomplete_total",
    "Rounds in which some partition was not spoken for",
    ({ counts }) => counts.flushRoundsIncomplete,
  ],
];

const LABELLED: readonly Values[] = [
  [
    "peer_rows_retried_total",
    "Times a row had to go again, by what was said",
    "reason",
    (now) => now.forwarding.rowsRetried,
  ],
  ["peer_rows_refused_total", "Rows refused in the end", "reason", (now) => now.forwarding.rowsRefused],
  [
    "mode_rows_refused_total",
    "Rows refused while their mode was not known",
    "reason",
    (now) => now.modeGate.rowsRefused,
  ],
];
