/** Breaches of R1 to R6: records. */
import { fault, RECORD, type PlantedFault } from "./planted-fault.ts";

const OTHER_CLAIM = "  if (record === undefined || !isSame(record.claim, claim)) return refusalOf(record, claim);\n";

export const RECORD_FAULTS: Readonly<Record<string, PlantedFault>> = {
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
    "cluster/moves/take-over-steps.ts",
    "if (!isShort && !(isUnclaimedSince && before.length === said.length)) return false;",
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
  "append without length": fault(
    "R2",
    RECORD,
    "if (record.length === from) {",
    "if (from >= 0) {",
    "the store short of its tail under the same run",
  ),
  "superseded on a lower term": {
    ...fault("R2", RECORD, 'record.raisedTo > claim.term ? "superseded" : "behind"', '"superseded"'),
    scenarios: ["the store back as another while all owners live"],
    harmless:
      "under another run every table is claimed again before anything is written (R15), so no lower term is met",
  },
  "an append that failed counts as landed": fault(
    "R2",
    "cluster/records/recorder.ts",
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
    "cluster/records/recorder.ts",
    "if (!state.isHealing) unlogged.clear();",
    "unlogged.clear();",
    "rows that come while a snapshot heals",
  ),
  "ahead is forgotten": fault(
    "R4",
    "cluster/records/recorder.ts",
    "      state.isAhead = true;\n",
    "",
    "a repeated report while its first append hangs, fails or landed unheard",
  ),
  "acknowledged before the append": fault(
    "R5",
    "cluster/records/recorder.ts",
    "if (!isCounted) return void this.waiters.push({ partition, settle });",
    'if (!isCounted) return settle("remembered");',
  ),
  "an unchanged report answered while the append is under way": fault(
    "R5",
    "cluster/records/recorder.ts",
    "state.commit === this.inFlight.number)",
    "state.commit < 0)",
    "a repeated report while its first append hangs, fails or landed unheard",
  ),
  "a superseded node goes on": fault(
    "R6",
    "cluster/records/recorder.ts",
    'if (answer === "superseded") this.ports.onSuperseded(partition);',
    "",
    "moved and dead in one breath",
    "A to B to A with an append under way",
  ),
};
