/** One partition's record in memory: the plain model of what `node/redis/lua/` does with it (R1 to R4, R14, R15). */
import {
  type AppendAnswer,
  type FoundedClaim,
  isSameClaim,
  type LogMessage,
  NO_HEAD,
  type PartitionRecord,
  type Snapshot,
  type SnapshotAnswer,
} from "../../cluster/ports/record-store.ts";
import type {
  FoundRecord,
  SharedAppend,
  SharedClaimAnswer,
  Standing,
  TakenBackAnswer,
  TakingBack,
} from "../../cluster/ports/shared-records.ts";

export interface RecordModel {
  claim: FoundedClaim | undefined;
  raisedTo: number;
  length: number;
  snapshotNumber: number;
  /** R12: the store had lost it when its claimant took it. */
  isLost: boolean;
  snapshot: Uint8Array | undefined;
  log: (LogMessage & { readonly claim: FoundedClaim; readonly end: number })[];
}

export function emptyRecord(): RecordModel {
  const claim = undefined;
  return { claim, raisedTo: 0, length: 0, snapshotNumber: 0, isLost: false, snapshot: undefined, log: [] };
}

export function standingOf(record: RecordModel | undefined): Standing {
  const { claim, raisedTo, length, snapshotNumber } = record ?? emptyRecord();
  return { claim, raisedTo, length, snapshotNumber, isAbsent: record === undefined };
}

export function readRecordModel(found: RecordModel | undefined): FoundRecord {
  return { standing: standingOf(found), record: found === undefined ? undefined : contentOf(found) };
}

/** @param found `undefined` where the store lost it: `record` is a fresh one then */
export function claimRecord(
  record: RecordModel,
  found: RecordModel | undefined,
  claim: FoundedClaim,
  isLoaded: boolean,
  mayBeAbsent: boolean,
): SharedClaimAnswer {
  const before = standingOf(found);
  if (found === undefined && !mayBeAbsent) return { kind: "refused", standing: before };
  if (!isSameClaim(record.claim, claim)) {
    if (claim.term <= record.raisedTo) return { kind: "refused", standing: before };
    const isLost = found === undefined;
    Object.assign(record, { claim, raisedTo: claim.term, length: 0, snapshotNumber: 0, isLost });
  }
  return { kind: "claimed", before, record: isLoaded ? contentOf(record) : undefined, isLost: record.isLost };
}

function contentOf(record: RecordModel): PartitionRecord {
  return { snapshot: record.snapshot?.slice(), log: logOf(record) };
}

export function logOf({ log }: RecordModel): LogMessage[] {
  return log.map(({ head, bytes }) => ({ head, bytes: bytes.slice() }));
}

export function takeBackRecord(
  record: RecordModel,
  found: RecordModel | undefined,
  { claim, notAbove, covers, bytes, mayBeAbsent }: TakingBack,
): TakenBackAnswer {
  if (found === undefined && !mayBeAbsent) return { kind: "refused", standing: standingOf(found) };
  if (isSameClaim(record.claim, claim)) return { kind: "claimed" };
  const isRefused = (record.claim?.term ?? 0) > notAbove || claim.term <= record.raisedTo;
  if (isRefused) return { kind: "refused", standing: standingOf(found) };
  const taken = { claim, raisedTo: claim.term, length: covers, snapshotNumber: 1, isLost: false, log: [] };
  Object.assign(record, taken, { snapshot: bytes?.slice() });
  return { kind: "claimed" };
}

export function raiseRecord(record: RecordModel | undefined, claim: FoundedClaim, epoch: number): AppendAnswer {
  if (record === undefined || !isSameClaim(record.claim, claim)) return refusalOf(record, claim);
  record.raisedTo = Math.max(record.raisedTo, epoch);
  return "landed";
}

export function appendToRecord(
  record: RecordModel | undefined,
  { claim, from, message }: Omit<SharedAppend, "partition">,
  head = NO_HEAD,
): AppendAnswer {
  if (record === undefined || !isSameClaim(record.claim, claim)) return refusalOf(record, claim);
  const end = from + message.length;
  if (record.length === from && message.length > 0) {
    record.log.push({ claim, end, head, bytes: message.slice() });
    record.length = end;
    return "landed";
  }
  return record.length >= end ? "landed" : "behind";
}

export function snapshotRecord(
  record: RecordModel | undefined,
  claim: FoundedClaim,
  snapshot: Snapshot,
): SnapshotAnswer {
  if (record === undefined || !isSameClaim(record.claim, claim)) return refusalOf(record, claim);
  if (snapshot.number <= record.snapshotNumber) return { standing: record.snapshotNumber };
  if (!snapshot.coversAll && snapshot.covers > record.length) return "behind";
  record.snapshot = snapshot.bytes.slice();
  record.snapshotNumber = snapshot.number;
  record.log = snapshot.coversAll
    ? []
    : record.log.filter((message) => isSameClaim(message.claim, claim) && message.end > snapshot.covers);
  if (snapshot.coversAll) record.length = snapshot.covers;
  return "landed";
}

function refusalOf(record: RecordModel | undefined, claim: FoundedClaim): "superseded" | "behind" {
  return record !== undefined && record.raisedTo > claim.term ? "superseded" : "behind";
}
