/** One deliberate breach or more for each rule of the design, and how it is caught. */
import type { Patch } from "./patching.ts";
import type { ScenarioName } from "./scenario-names.ts";

export interface PlantedFault {
  readonly rule: string;
  readonly patches: readonly Patch[];
  /** Named scenarios that are tried first. */
  readonly scenarios?: readonly ScenarioName[];
  /** Random runs that may be needed to catch it, where no scenario does. */
  readonly seeds?: number;
  /** Why it does no harm, where it is not caught. */
  readonly harmless?: string;
}

function fault(rule: string, file: string, find: string, replace: string, ...scenarios: ScenarioName[]): PlantedFault {
  return { rule, patches: [{ file, find, replace }], scenarios };
}

const RECORD = "test/support/record-model.ts"; // what the Lua scripts do; both are held to one suite
const LIST = "test/support/member-list-model.ts";
const OTHER_CLAIM = "  if (record === undefined || !isSame(record.claim, claim)) return refusalOf(record, claim);\n";

/** By what is broken. */
export const PLANTED_FAULTS: Readonly<Record<string, PlantedFault>> = {
  "a claim under a lower term succeeds": fault(
    "R1",
    RECORD,
    "if (claim.term <= record.raisedTo) return",
    "if (claim.term < 0) return",
    "two takers at neighbouring epochs, the slower first",
    "moved and dead in one breath",
  ),
  "what was handed over is not compared with the claim's answer": fault(
    "R1",
    "cluster/take-over.ts",
    "if (!isStoreShort && !(isUnclaimedSince && before.length === said.length)) return false;",
    "",
    "A to B and back, and A was never told that B served",
    "A to B to C to B, a death at one step",
    "two takers at neighbouring epochs, the slower first",
  ),
  "append without claim check": fault(
    "R2",
    RECORD,
    `Append): AppendAnswer {\n${OTHER_CLAIM}`,
    "Append): AppendAnswer {\n  if (record === undefined) return refusalOf(record, claim);\n",
    "what a dead owner wrote lands late",
  ),
  "append without length": fault("R2", RECORD, "if (record.length === from) {", "if (from >= 0) {"),
  "superseded on a lower term": {
    ...fault("R2", RECORD, 'record.raisedTo > claim.term ? "superseded" : "behind"', '"superseded"'),
    scenarios: ["the store back as another while all owners live"],
    harmless:
      "under another run every table is claimed again before anything is written (R15), so no lower term is met",
  },
  "an append that failed counts as landed": fault(
    "R2",
    "cluster/recorder.ts",
    "    this.giveUpOn(commit);\n    this.finish(commit);",
    "    this.finish(commit);",
    "a repeated report while its first append hangs, fails or landed unheard",
  ),
  "snapshot without number": fault(
    "R3",
    RECORD,
    'if (snapshot.number <= record.snapshotNumber) return "outnumbered";',
    "",
    "a snapshot lands after the next one",
  ),
  "snapshot without claim check": fault(
    "R3",
    RECORD,
    `Snapshot): SnapshotAnswer {\n${OTHER_CLAIM}`,
    "Snapshot): SnapshotAnswer {\n  if (record === undefined) return refusalOf(record, claim);\n",
    "what a dead owner wrote lands late",
    "an owner frozen beyond its lease with a snapshot in its worker's queue",
  ),
  "a snapshot replaces log that it does not cover": fault(
    "R3",
    RECORD,
    "message.end > snapshot.covers",
    "message.end < snapshot.covers",
  ),
  "ahead ends with a copy older than the last row": fault(
    "R4",
    "cluster/recorder.ts",
    "if (!state.isHealing) unlogged.clear();",
    "unlogged.clear();",
    "rows that come while a snapshot heals",
  ),
  "ahead is forgotten": fault(
    "R4",
    "cluster/recorder.ts",
    "      state.isAhead = true;\n",
    "",
    "a repeated report while its first append hangs, fails or landed unheard",
  ),
  "acknowledged before the append": fault(
    "R5",
    "cluster/recorder.ts",
    "if (!isCounted) return void this.waiters.push({ partition, settle });",
    'if (!isCounted) return settle("remembered");',
  ),
  "an unchanged report answered while the append is under way": fault(
    "R5",
    "cluster/recorder.ts",
    "state.commit === this.inFlight.number)",
    "state.commit < 0)",
    "a repeated report while its first append hangs, fails or landed unheard",
  ),
  "a superseded node goes on": fault(
    "R6",
    "cluster/recorder.ts",
    'if (answer === "superseded") this.ports.onSuperseded(partition);',
    "",
    "moved and dead in one breath",
    "A to B to A with an append under way",
  ),
  "leases by the store's bare clock": {
    rule: "R7",
    patches: [
      { file: LIST, find: "Math.min(Math.max(passedMs, 0), Math.floor(leaseMs / 3))", replace: "passedMs" },
      { file: LIST, find: "if (passedMs <= leaseMs) return;", replace: "if (passedMs > -Infinity) return;" },
    ],
    scenarios: ["an outage of the store with a death inside and its clock jumping"],
  },
  "all who lapsed renewed again and again": fault(
    "R7",
    LIST,
    "if (entry.isExcused) continue;",
    "",
    "a lone slow survivor buries the dead",
  ),
  "expelled, and goes on with what it held": {
    ...fault("R8", "cluster/membership.ts", "this.ports.onExpelled(before);", ""),
    scenarios: ["a thawed owner asked only for what writes nothing", "moved and dead in one breath"],
    harmless:
      "its claims are not raised to the epoch under which it joins anew, so it may answer nothing unproven (R14)",
  },
  "absence taken for expulsion": fault(
    "R8",
    "cluster/membership.ts",
    'case "absent":\n        this.isJoining = true;',
    'case "absent":\n        return this.rejoin(answer.list.view);\n        this.isJoining = true;',
    "the store back as another while all owners live",
  ),
  "a list that is gone is not written back": fault(
    "R9",
    "cluster/membership.ts",
    "await this.ports.store.restore(run, this.view, this.ports.randomId(), this.options.leaseMs);",
    "",
    "the store back as another while all owners live",
  ),
  "two lists under one number are not told apart": {
    ...fault("R9", LIST, "if (isForked) raise(standing, standing.epoch + 1, freshNonce);", ""),
    scenarios: ["the store back as another, views that differ and a newcomer"],
    harmless:
      "whoever renews under another nonce raises the epoch as well, and takes over the list that it is answered",
  },
  "one node's word expels": fault(
    "R10",
    LIST,
    "accusers.includes(accuser) && accusers.length > 1 && accusers.length > others.length / 2",
    "accusers.includes(accuser)",
    "two nodes that cannot hear each other",
  ),
  "nobody is accused": fault(
    "R10",
    "cluster/member-node.ts",
    "unheard: () => this.peers.unheard(leaseMs),",
    "unheard: () => [],",
    "a node that only the store can reach",
  ),
  "leaves with what it holds": fault(
    "R11",
    "cluster/member-node.ts",
    "const mayGo = isAnybodyStaying ? held === 0 && !handOff.isAwaited : recorder.isIdle;",
    "const mayGo = held >= 0 || handOff.isAwaited || recorder.isIdle;",
    "the silent through rolling restarts",
    "partitions and regions moving while players cross borders",
  ),
  "a founder does not wait": fault(
    "R12",
    "cluster/founding.ts",
    "WAITED_LEASES = 2",
    "WAITED_LEASES = 0",
    "the store back as another, views that differ and a newcomer",
    "the store back as another while all owners live",
  ),
  "serves at once when nobody let go": fault(
    "R13",
    "cluster/take-over.ts",
    "plan.isSettling === true ? { kind",
    "plan.isSettling === undefined ? { kind",
    "an old holder that has learned nothing goes on",
    "one-way cuts",
  ),
  "goes on while it lets go": {
    ...fault("R13", "cluster/hand-off.ts", 'holdings.set(partition, { kind: "letting go", serving: holding });', ""),
    scenarios: ["partitions and regions moving while players cross borders", "two rows of one player split by a flush"],
    harmless:
      "what comes meanwhile is in the table that is handed over, and whoever waits for its append is told `moved`",
  },
  "no licence": fault(
    "R14",
    "cluster/membership.ts",
    "return isFresh && this.isListed;",
    "return (isFresh || !isFresh) && this.isListed;",
    "moved and dead in one breath",
    "a thawed owner asked only for what writes nothing",
  ),
  "a licence for claims that are not raised": {
    rule: "R14",
    patches: [
      {
        file: "cluster/holdings.ts",
        find: "serving.raisedTo < membership.view.epoch",
        replace: "serving.raisedTo < 0",
      },
      { file: "cluster/claim-raiser.ts", find: "if (raised.length > 0)", replace: "if (raised.length > 1e9)" },
    ],
    scenarios: ["a taker that was expelled before its claim landed"],
  },
  "a paused machine does not notice": fault(
    "R14",
    "cluster/wakeful-clock.ts",
    "if (aheadMs > SLEW_MAX_MS)",
    "if (aheadMs > 1e12)",
    "a thawed owner asked only for what writes nothing",
  ),
  "calls of another run are done": {
    ...fault("R15", "test/support/shared-store-model.ts", "if (run !== this.run) throw", 'if (run === "") throw'),
    scenarios: [
      "the store back as another while all owners live",
      "the store back as another, views that differ and a newcomer",
    ],
    harmless: "lengths tell what is missing (R2), and a claim's answer is compared with what the holder said (R1)",
  },
  "another run is believed at once": fault(
    "R15",
    "cluster/run-guard.ts",
    "if (list.listed.length === 0 || !list.listed.every(({ held }) => isNamedUnder(held, run))) return undefined;",
    "if (list.listed.length === 0) return undefined;",
    "the store back as another while all owners live",
    "the store back as another, views that differ and a newcomer",
  ),
  "another run puts nothing in doubt": fault(
    "R15",
    "cluster/member-node.ts",
    "this.recorder.doubtStore();\n    this.ports.tell(",
    "this.ports.tell(",
    "the store back as another while all owners live",
  ),
  "written back by whoever comes first": {
    ...fault(
      "R15",
      "cluster/write-back.ts",
      "(highest.get(partition) ?? 0);",
      "Math.min(highest.get(partition) ?? 0, 0);",
    ),
    scenarios: [
      "the store back as another while all owners live",
      "the store back as another, views that differ and a newcomer",
    ],
    harmless:
      "tables are written back under the claims they came with: the lower one is refused, or replaced by the higher (R1)",
  },
  "a message for another incarnation is handled": {
    ...fault(
      "R17",
      "cluster/peers.ts",
      'if (request.to !== this.ports.me()) return this.answer(request, "stranger", NO_BODY);',
      "",
    ),
    harmless:
      "its sender refuses the answer of another incarnation, and a new one serves only what it has claimed itself",
  },
  "a row from before the claim is applied": fault(
    "R17",
    "cluster/row-applier.ts",
    "if (epoch < serving.claim.term) return settle(MOVED);",
    "",
    "a batch that arrives after its partition went and came back",
  ),
  "a forward is forwarded": {
    ...fault(
      "R18",
      "cluster/member-node.ts",
      "handler: new RowApplier({ owner, recorder, holdings, membership, nowMs }),",
      `handler: {
        apply: (row, epoch, settle) =>
          new RowApplier({ owner, recorder, holdings, membership, nowMs }).apply(row, epoch, (outcome) =>
            outcome.reason === "moved" ? this.forwarder.submit(row, settle) : settle(outcome),
          ),
      },`,
    ),
    scenarios: ["partitions and regions moving while players cross borders"],
    harmless:
      "it costs messages; its partition's queue at the entry waits for it all the same, and its deadline ends it",
  },
  "what came back goes behind what waits": fault(
    "R19",
    "cluster/partition-queue.ts",
    "this.waiting = rows.concat(this.waiting);",
    "this.waiting = this.waiting.concat(rows);",
    "two rows of one player split by a flush",
  ),
  "a batch that comes again is applied again": fault(
    "R19",
    "cluster/row-receiver.ts",
    "newest !== undefined && number <= newest.number",
    "newest !== undefined && number < 0",
    "two rows of one player split by a flush",
  ),
  "rows past their deadline are applied": fault(
    "R19",
    "cluster/row-receiver.ts",
    "refusal !== undefined || row.untilMs < nowMs",
    "refusal !== undefined || row.untilMs < 0",
    "a batch that arrives long after its deadline",
  ),
  "a gap in the tallies goes unnoticed": {
    ...fault(
      "R20",
      "cluster/region-boards.ts",
      'return from <= tally.version ? "news" : "whole wanted";',
      'return from <= tally.version ? "news" : "news";',
    ),
    scenarios: ["the last push before silence lost"],
    harmless: "a cell that changed is sent again until a message that has it is acknowledged, so there are no gaps",
  },
  "a change that was lost is not sent again": fault(
    "R20",
    "cluster/tally-sender.ts",
    "if (this.owners[region] === destination) cells.push(region, modes.indexOf(cell & MODE_MASK), players);",
    "if (this.owners[region] === destination) cells.push(region, modes.indexOf(cell & MODE_MASK), players);\n      if (outbox.wholeDueAt === NOT_DUE) outbox.cells.delete(cell);",
    "the last push before silence lost",
  ),
  "boards without a word from a partition are not stale": fault(
    "R20",
    "cluster/region-boards.ts",
    "tally === undefined || nowMs - tally.heardAtMs > STALE_MS",
    "tally === undefined",
    "one-way cuts",
  ),
  "a whole without its empty cells": fault(
    "R21",
    "cluster/region-boards.ts",
    "for (const [cell, known] of before.entries()) this.change(cell, known, 0);",
    "",
    "a region that empties during a failover",
  ),
  "tallies without term": fault(
    "R21",
    "cluster/region-boards.ts",
    'if (tally !== undefined && term < tally.term) return "superseded";\n    if (tally === undefined || term > tally.term)',
    "if (tally === undefined)",
    "moved and dead in one breath",
    "partitions and regions moving while players cross borders",
  ),
  "a new owner of a region is not told": fault(
    "R21",
    "cluster/tally-sender.ts",
    "else if (gaining.has(destination)) for (const partition of this.held.keys()) this.owe(destination, partition);",
    "",
    "partitions and regions moving while players cross borders",
  ),
  "a board complete too soon": fault(
    "R22",
    "cluster/region-boards.ts",
    "const isWhole = this.oldestWhole() >= term;",
    "const isWhole = this.oldestWhole() >= -1;",
    "partitions and regions moving while players cross borders",
  ),
  "a region after a skipped epoch goes on": fault(
    "R22",
    "cluster/region-boards.ts",
    "epoch !== this.epoch && epoch !== this.epoch + 1",
    "epoch < 0",
  ),
  "an older view replaces a newer one": fault(
    "R23",
    "cluster/read-views.ts",
    "if (known !== undefined && isNewer(known, term, version)) return true;",
    "",
  ),
  "views without a beat are not stale": fault(
    "R23",
    "cluster/read-views.ts",
    "known.isStale || nowMs - known.asOfMs > STALE_MS",
    "known.isStale",
  ),
  "ready without a whole view": fault(
    "R23",
    "cluster/read-views.ts",
    "return this.unknown === 0;",
    "return this.unknown >= 0;",
  ),
  "no flush before an authoritative answer": fault(
    "R24",
    "cluster/counts.ts",
    "const isFlushed = await this.rounds.flush();",
    "const isFlushed = await Promise.resolve(true);",
  ),
  "a flush that began before the question": fault(
    "R24",
    "cluster/flush-rounds.ts",
    "return this.next.promise;",
    "return this.running.settled;",
    "asked while another answer is being gathered",
  ),
  "a flush of owners without proof": {
    ...fault(
      "R24",
      "cluster/member-node.ts",
      "if (holdings.isLicensed(partition)) return true;",
      "if (holdings.servingOf(partition) !== undefined) return true;",
    ),
    scenarios: [
      "a flush by holders that are cut off from the store",
      "a thawed owner asked only for what writes nothing",
    ],
    harmless:
      "whom nobody let go serves half a lease later: who cannot prove its claim is expelled by then, or has heard",
  },
  "expiry by the bare clock": fault(
    "R25",
    "engine/observed-time.ts",
    "this.observedMs += Math.min(passedMs, stepMaxMs);",
    "this.observedMs += passedMs;",
    "the living through a pause of five minutes",
  ),
  "the deaf go on ageing their players": fault(
    "R25",
    "cluster/member-node.ts",
    "this.owner.tick(this.ports.nowMs(), this.isDeaf());",
    "this.owner.tick(this.ports.nowMs(), false && this.isDeaf());",
    "two nodes that cannot hear each other",
  ),
  "no grace": fault(
    "R26",
    "cluster/take-over.ts",
    "this.ports.engine.recover(partition, messages, this.ports.wallMs(), this.options.graceMs);",
    "this.ports.engine.recover(partition, messages, this.ports.wallMs(), 0);",
    "everybody killed, and back after a session's life",
  ),
  "grace at every hand-off": fault(
    "R26",
    "cluster/take-over.ts",
    "engine.recover(partition, [rows], rows.writtenAtMs, graceLeftMs);",
    "engine.recover(partition, [rows], rows.writtenAtMs, graceLeftMs + this.options.graceMs);",
    "the silent through rolling restarts",
  ),
  "no doubt where all were silent": fault(
    "R26",
    "cluster/take-over.ts",
    "const isDoubtful = newestMs > -Infinity &&",
    "const isDoubtful = newestMs > Infinity &&",
    "everybody killed, and back after a session's life",
  ),
  "a removal is not logged": fault(
    "R27",
    "engine/partition.ts",
    "    this.table.rows[base + CELL] = NOWHERE;\n    this.table.rows[base + SEEN] = now;\n    this.isTouched = true;\n    this.log(base);",
    "    this.table.rows[base + CELL] = NOWHERE;\n    this.table.rows[base + SEEN] = now;\n    this.isTouched = true;",
  ),
  "a removed player's number is forgotten": fault(
    "R27",
    "cluster/member-node.ts",
    "removalMs: 2 * deadlineMs,",
    "removalMs: 0,",
    "a removal and its echo",
  ),
};
