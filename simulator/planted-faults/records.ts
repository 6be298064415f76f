/** Breaches of R1 to R6: records. */
import { fault, RECORD, type PlantedFault } from "./planted-fault.ts";

const COMMITS = "cluster/records/commit-queue.ts";
const REFOUNDED = "a record that its claimant founded anew under the same term";
const NUMBERED = "a record whose snapshots are numbered higher than its claimant knows";
const OTHER_CLAIM =
  "  if (record === undefined || !isSameClaim(record.claim, claim)) return refusalOf(record, claim);\n";

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
    'if (!isShort && !(isUnclaimedSince && before.length === said.length)) return "misfit";',
    "",
    "A to B and back, and B claims in between",
  ),
  "what was read ahead is not compared with the claim's answer": fault(
    "R1",
    "cluster/moves/read-ahead.ts",
    "return before.length === standing.length && before.snapshotNumber === standing.snapshotNumber;",
    "return true;",
    "a record that is read ahead of a death, and written to before it",
  ),
  "what was read ahead says who holds a partition, whoever had that since": fault(
    "R1",
    "cluster/moves/read-ahead.ts",
    "if (!isNext || (owner !== me.incarnation && owner !== holder)) this",
    "if (!isNext) this",
    "what is read ahead of a death goes to a newcomer first, which leaves",
  ),
  "a founding is not compared": fault(
    "R1",
    "cluster/ports/record-store.ts",
    "one.incarnation === other.incarnation && one.founding === other.founding",
    "one.incarnation === other.incarnation",
    REFOUNDED,
  ),
  "append without claim check": fault(
    "R2",
    RECORD,
    `NO_HEAD,\n): AppendAnswer {\n${OTHER_CLAIM}`,
    "NO_HEAD,\n): AppendAnswer {\n  if (record === undefined) return refusalOf(record, claim);\n",
    "a dead owner's first append lands before its taker's first",
  ),
  "append without length": fault(
    "R2",
    RECORD,
    "if (record.length === from && message.length > 0) {",
    "if (from >= 0) {",
    "the store short of its tail under the same run",
  ),
  "superseded where no higher term stands": fault(
    "R2",
    RECORD,
    'record.raisedTo > claim.term ? "superseded" : "behind"',
    '"superseded"',
    REFOUNDED,
  ),
  "an append that failed counts as landed": {
    rule: "R2",
    patches: [
      { file: COMMITS, find: "this.ports.onFailed(recordsAtRisk(sent), error);", replace: "" },
      { file: COMMITS, find: "this.finish(sent, recordsOf(sent));", replace: "this.finish(sent, NONE);" },
    ],
    scenarios: ["a repeated report while its first append hangs, fails or landed unheard"],
  },
  "snapshot without number": fault(
    "R3",
    RECORD,
    "if (snapshot.number <= record.snapshotNumber) return { standing: record.snapshotNumber };",
    "",
    "a snapshot lands after the next one",
  ),
  "numbers do not go on above one that was refused": fault(
    "R3",
    "cluster/records/tag-snapshots.ts",
    "record.snapshotNumber = Math.max(record.snapshotNumber, standing);",
    "",
    NUMBERED,
  ),
  "numbers of snapshots stand still": {
    rule: "R3",
    patches: [
      {
        file: "cluster/records/tag-snapshots.ts",
        find: "const number = ++record.snapshotNumber;",
        replace: "const number = record.snapshotNumber + 1;",
      },
      {
        file: "cluster/records/tag-snapshots.ts",
        find: "record.snapshotNumber = Math.max(record.snapshotNumber, standing);",
        replace: "",
      },
    ],
    scenarios: [NUMBERED],
  },
  "snapshot without claim check": fault(
    "R3",
    RECORD,
    `Snapshot,\n): SnapshotAnswer {\n${OTHER_CLAIM}`,
    "Snapshot,\n): SnapshotAnswer {\n  if (record === undefined) return refusalOf(record, claim);\n",
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
    "cluster/records/tag-recorder.ts",
    "if (!record.isKeeping) unlogged.clear();",
    "unlogged.clear();",
    "rows that come while a snapshot heals",
  ),
  "ahead ends before the append behind the snapshot has landed": fault(
    "R4",
    "cluster/records/tag-recorder.ts",
    "record.beginProving();",
    "record.beginProving();\n    return this.level(record);",
    "a full store takes snapshots and no appends",
  ),
  "ahead is forgotten": fault(
    "R4",
    "cluster/records/tag-recorder.ts",
    "this.change(record, () => record.fall());",
    "",
    "a repeated report while its first append hangs, fails or landed unheard",
  ),
  "acknowledged before the append": fault(
    "R5",
    "cluster/records/tag-recorder.ts",
    "if (!isCounted) return this.commits.waitForNext(record, settle, untilMs);",
    'if (!isCounted) return settle("remembered");',
  ),
  "a row's time begins anew with its append": fault(
    "R5",
    "cluster/rows/row-applier.ts",
    "recorder.whenRemembered(partition, 1, onFate, row.untilMs);",
    "recorder.whenRemembered(partition, 1, onFate);",
    "a mode that is new, while every call of the store takes its time",
  ),
  "an unchanged report answered while the append is under way": fault(
    "R5",
    "cluster/records/commit-queue.ts",
    "record.commit !== inFlight.number)",
    "record.commit >= 0)",
    "a repeated report while its first append hangs, fails or landed unheard",
  ),
  "a superseded node goes on": {
    ...fault(
      "R6",
      "cluster/records/tag-recorder.ts",
      'if (answer === "superseded") return this.ports.onSuperseded(record.partition);',
      'if (answer === "superseded") return;',
      "moved and dead in one breath",
      "A to B to A with an append under way",
    ),
    harmless:
      "its rows are answered 202, as their append did not land, and it looks once a second who has what it no longer owns",
  },
};
