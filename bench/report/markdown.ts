/** RESULTS.md, made from the raw figures alone. */
import { type ByPart, type EngineResult, type HttpRun, ofParts, type Results } from "../results.ts";
import { spreadOf } from "../support/spread.ts";
import { goalsOf, residentPerPlayer } from "./goals.ts";
import { idleText, overloadText } from "./overload.ts";
import { sessionsText } from "./sessions.ts";
import { growthOf } from "./growth.ts";
import { loadTable } from "./load.ts";
import { streamsText } from "./streams.ts";
import { goalsText, heading, machineText, number, spreadText, table } from "./text.ts";

/** What is told of each part, in the order of the report. */
const TEXTS: ByPart<string> = {
  engine: engineText,
  http: httpText,
  batches: batchesText,
  reads: readsText,
  latency: latencyText,
  memory: memoryText,
  snapshots: snapshotsText,
  tokens: tokensText,
  rules: rulesText,
  floor: floorText,
  overload: overloadText,
  idle: idleText,
  sessions: sessionsText,
  streams: streamsText,
  soak: soakText,
};

export function resultsMarkdown(results: Results): string {
  const hasBars = (["engine", "http", "batches", "reads"] as const).some((part) => results[part] !== undefined);
  const parts = [
    "# Benchmark results",
    "Made by `npm run bench`; do not edit. [README.md](README.md) says how to run it and what is fair about it.",
    howToRead(),
    machineText(results.machine),
    goalsText(goalsOf(results)),
    ...(hasBars ? ["![The figures below as bars](results.svg)"] : []),
    ...ofParts(results, TEXTS),
  ];
  return `${parts.join("\n\n")}\n`;
}

function howToRead(): string {
  return [
    "## How to read this",
    "Each figure is the median over rounds, with the least and the most in brackets: `median (min – max)`. Contestants take turns",
    "within a round, so a ratio compares what was measured in the same minute; it is taken round by round, and its median counts.",
    "All threads of a contestant, its Redis too, run on one core, the load on another. What a report or a read costs is the *CPU time*",
    "of all the contestant's processes, user and system; *times as good* is the rival's or the floor's CPU time by the contestant's own.",
    "Throughput is compared only where the load's core was less than 90 % busy: else the load may be what was measured. *Core busy* is the",
    "share of its time that the core worked: a contestant well below 100 % waited for something.",
    "Compare ratios, not figures, between machines.",
  ].join("\n");
}

function engineText(engine: EngineResult): string[] {
  const { sizes, memory, stops, commits } = engine;
  const rows = sizes.flatMap(({ players, contestants }) =>
    contestants.map(({ name, nsPerReport, bytesPerPlayer }) => [
      number(players),
      name,
      spreadText(spreadOf(nsPerReport), 0),
      bytesPerPlayer.toFixed(0),
    ]),
  );
  const agreed = sizes.every(({ isAgreed }) => isAgreed);
  const stopRow = (name: string, ms: readonly number[]): string[] => [name, spreadText(spreadOf(ms), 2)];
  return [
    heading("Engine", engine),
    "Reports of random players, nearly all of them moves, in one process. `headcount` keeps presence, sessions, tallies and boards, with a keyed " +
      "hash; `headcount-batch` takes them some dozens at a time, as batches come, so that their cache misses overlap; `headcount-log` encodes each " +
      "changed row for the log as well. `bare-probe` is the floor: an unkeyed open-addressing table that updates mode " +
      "and counts. `plain-map` is a `Map` of objects, given the very strings it holds as keys. `redis-lua` is one script a report, in pipelines of " +
      "1,000, two under way, with Redis on the other core: it has two cores where the others have one.",
    `All that got the same reports ended with the same counts: ${agreed ? "yes" : "**no**"}.`,
    table(["players", "contestant", "ns a report", "bytes a player"], rows),
    ...(commits ? commitsText(commits) : []),
    "Bytes a player over sizes. *Everything* is measured from outside and includes tallies, boards and what the process holds anyway.",
    table(
      ["players", "rows and indexes", "worst on the way there", "everything"],
      memory.map((at) => [
        number(at.players),
        at.tableBytes.toFixed(1),
        at.worstTableBytes.toFixed(1),
        at.allBytes.toFixed(1),
      ]),
    ),
    `The longest single call at ${number(stops.players)} players, in milliseconds, garbage collection and whatever the system did meanwhile included:`,
    table(
      ["while", "ms"],
      [stopRow("growing", stops.growMs), stopRow("removing", stops.deleteMs), stopRow("sweeping", stops.sweepMs)],
    ),
  ];
}

function commitsText(commits: NonNullable<EngineResult["commits"]>): string[] {
  return [
    "Nanoseconds a row from the end of a turn until the store has the group commit, of 256 partitions, by the number of its rows. *One file* is the " +
      "embedded store: one head for all partitions. *Shared* is Redis: a message for each. The floor encodes all rows as one message.",
    table(
      ["rows", "one file", "shared", "one message"],
      commits.map(({ rows, oneFileNs, sharedNs, floorNs }) => [
        number(rows),
        ...[oneFileNs, sharedNs, floorNs].map((ns) => spreadText(spreadOf(ns), 0)),
      ]),
    ),
  ];
}

function tokensText(tokens: NonNullable<Results["tokens"]>): string[] {
  const { arrivals } = tokens;
  const row = (name: string, ms: readonly number[]): string[] => [name, spreadText(spreadOf(ms), 1)];
  return [
    heading("Tokens", tokens),
    `Single reports without log, ${tokens.connections} connections, ${number(tokens.players)} players. Tokens are signed with Ed25519. *Known by the connection*: all requests show ` +
      "one token, as a gateway's do. *Known by the hash*: each player has a token of their own, sent over whatever connection is free.",
    loadTable("report", tokens.contestants, "no tokens"),
    `Then ${number(arrivals.strangers)} players arrive within ${arrivals.seconds} s, each with a token that has to be verified, while others send ${number(arrivals.othersPerSecond)} ` +
      `reports a second. Milliseconds from when a request was due to its answer, p99; refused: ${number(arrivals.refused)}.`,
    table(
      ["p99", "ms"],
      [
        row("others, before", arrivals.quietP99Ms),
        row("others, meanwhile", arrivals.p99Ms),
        row("those who arrive", arrivals.strangersP99Ms),
      ],
    ),
  ];
}

function rulesText(rules: NonNullable<Results["rules"]>): string[] {
  return [
    heading("Rules of modes", rules),
    `Reports whose modes ask nothing, without log, ${rules.connections} connections, ${number(rules.players)} players, at a node with a catalogue of 200 modes and at one without.`,
    loadTable("report", rules.singles, "no catalogue"),
    `In batches of ${number(rules.batch)}:`,
    loadTable("report", rules.batches, "no catalogue"),
  ];
}

function floorText(floor: NonNullable<Results["floor"]>): string[] {
  return [
    heading("Privacy floor", floor),
    `Reads of top modes, ${floor.connections} connections, ${number(floor.players)} players, at a node with a floor of ${floor.minPlayers} players and at one without; both ask for tokens. With nothing else to do:`,
    loadTable("read", floor.quiet, "no floor"),
    `While ${number(floor.reportsPerSecond)} reports a second arrive in batches, their cost in the CPU time of a read:`,
    loadTable("read", floor.busy, "no floor"),
  ];
}

function httpText(http: NonNullable<Results["http"]>): string[] {
  return [
    heading("Single reports over HTTP", http),
    `\`POST /v1/profiles/{id}/gamemode\` by \`wrk\`, ${number(http.players)} players in turn, every report a move. \`fastify floor\` validates and answers, ` +
      "nothing else; `bare socket` sends a constant for whatever comes, unread: what no server in Node can fall below; `redis lua` and `redis watch` are the same route with the counting in Redis, which keeps nothing on disk.",
    ...http.runs.flatMap((run) => [`**${runText(run)}**`, loadTable("report", run.contestants, "fastify floor")]),
  ];
}

function runText({ connections, pipelined }: HttpRun): string {
  return `${connections} connections${pipelined === 1 ? "" : `, each sends ${pipelined} reports at once and waits for all answers`}`;
}

function batchesText(batches: NonNullable<Results["batches"]>): string[] {
  const about = `\`POST /v1/reports\` with ${number(batches.batch)} rows, ${number(batches.players)} players, ${batches.connections} connections, every report a move. The floors read and parse the JSON and count its rows.`;
  return [heading("Batches", batches), about, loadTable("report", batches.contestants, "node:http, JSON.parse")];
}

function readsText(reads: NonNullable<Results["reads"]>): string[] {
  const accepted = reads.contestants
    .filter(({ acceptedPerSecond }) => acceptedPerSecond.some((value) => value > 0))
    .map(({ name, acceptedPerSecond }) => `${name}: ${spreadText(spreadOf(acceptedPerSecond), 0)}`);
  return [
    heading("Heartbeats and reads of top modes", reads),
    `\`PUT /v1/profiles/{id}/heartbeat\`, ${reads.connections} connections, with nothing else to do; the Fastify route sends the same 204 always.`,
    loadTable("heartbeat", reads.heartbeats, "fastify constant"),
    `\`GET /v1/regions/{region}/gamemode?top=5\`, ${reads.connections} connections, while ${number(reads.reportsPerSecond)} reports a second arrive in batches from another ` +
      "process on the load's core; the Fastify route sends one constant text, and its reports are parsed and validated. What the reports cost is in the CPU time of a read, on both sides.",
    loadTable("read", reads.contestants, "fastify constant, reports arriving"),
    `Reports accepted a second meanwhile: ${accepted.join("; ")}.`,
  ];
}

function latencyText(latency: NonNullable<Results["latency"]>): string[] {
  const rows = latency.contestants.map(({ name, sentPerSecond, p50Ms, p99Ms, refused }) => [
    name,
    number(sentPerSecond),
    spreadText(spreadOf(p50Ms), 2),
    spreadText(spreadOf(p99Ms), 2),
    refused === 0 ? "0" : `**${number(refused)}**`,
  ]);
  return [
    heading("Latency at half of capacity", latency),
    `Single reports at random instants, however slow the answers are, over ${latency.connections} connections: half as many as \`wrk\` got out of the contestant just before. ` +
      "The time is from when a report was due to its answer.",
    table(["contestant", "reports/s", "p50, ms", "p99, ms", "not 200"], rows),
  ];
}

function memoryText(memory: NonNullable<Results["memory"]>): string[] {
  const mebibytes = (bytes: readonly number[]): string =>
    spreadText(spreadOf(bytes.map((value) => value / 2 ** 20)), 0);
  const rows = memory.cases.map((one) => [
    one.name,
    number(one.players),
    mebibytes(one.emptyBytes),
    mebibytes(one.fullBytes),
    spreadText(spreadOf(residentPerPlayer(one)), 0),
  ]);
  return [
    heading("Memory of a node", memory),
    "Resident memory of the process, started as `npm start` starts it: empty, and some seconds after its players came in batches. A player's part is the difference.",
    table(["contestant", "players", "empty, MiB", "with players, MiB", "bytes a player"], rows),
  ];
}

function snapshotsText(snapshots: NonNullable<Results["snapshots"]>): string[] {
  const { players, reportsPerSecond, pauses, restarts } = snapshots;
  return [
    heading("Snapshots and restart", snapshots),
    `${number(players)} players, ${number(reportsPerSecond)} reports a second in batches, durability \`log\`, by shortest pause between two snapshots of a partition. ` +
      "The delay is from one firing of a 1 ms timer to the next, watched inside the node.",
    table(
      ["snapshots", "p99, ms", "longest, ms", "reports accepted/s", "partitions snapshotted/s"],
      pauses.map(({ name, p99Ms, maxMs, acceptedPerSecond, snapshotsPerSecond }) => [
        name,
        ...[p99Ms, maxMs].map((ms) => spreadText(spreadOf(ms), 2)),
        spreadText(spreadOf(acceptedPerSecond), 0),
        spreadText(spreadOf(snapshotsPerSecond), 1),
      ]),
    ),
    "From spawning the process to `readyz` 200, after a fifth of the players had moved; the files are in the system's cache.",
    table(
      ["restart", "players", "ms", "players afterwards"],
      restarts.map(({ name, players: connected, readyMs, playersAfter }) => [
        name,
        number(connected),
        spreadText(spreadOf(readyMs), 0),
        number(playersAfter),
      ]),
    ),
  ];
}

function soakText(soak: NonNullable<Results["soak"]>): string[] {
  const { samples, acceptedPerSecond, refused, settleMinutes } = soak;
  const { mibPerMinute, percent } = growthOf(soak);
  const last = samples.at(-1) ?? { second: 0, players: 0, rssMiB: 0 };
  return [
    heading("Soak", soak),
    `${(last.second / 60).toFixed(1)} minutes, ${number(Math.round(acceptedPerSecond))} reports accepted a second, ${number(refused)} not; ${number(last.players)} players at the end, ` +
      "some falling silent and others coming all the time.",
    `From minute ${settleMinutes} on resident memory changed by ${mibPerMinute.toFixed(2)} MiB a minute (${percent.toFixed(1)} % over that time), to ${last.rssMiB.toFixed(0)} MiB.`,
    "![Memory over time](soak.svg)",
  ];
}
