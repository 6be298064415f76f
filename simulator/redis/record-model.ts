/** One partition's record in memory: the plain model of what `node/redis/lua/` does with it (R1 to R4, R14). */
import type { Append, AppendAnswer, Claim, Snapshot, SnapshotAnswer } from "../../cluster/ports/record-store.ts";
import type { Standing, TakenAnswer } from "../../cluster/ports/shared-store.ts";

export interface RecordModel {
  claim: Claim | undefined;
  raisedTo: number;
  length: number;
  snapshotNumber: number;
  /** R12: the store had lost it when its claimant took it. */
  isLost: boolean;
  snapshot: Uint8Array | undefined;
  log: { readonly claim: Claim; readonly end: number; readonly bytes: Uint8Array }[];
}

export function emptyRecord(): RecordModel {
  const claim = undefined;
  return { claim, raisedTo: 0, length: 0, snapshotNumber: 0, isLost: false, snapshot: undefined, log: [] };
}

export function standingOf(record: RecordModel | undefined): Standing {
  return { claim: record?.claim, raisedTo: record?.raisedTo ?? 0, length: record?.length ?? 0 };
}

export function takeRecord(record: RecordModel, claim: Claim, isLoaded: boolean, isLost: boolean): TakenAnswer {
  const before = standingOf(record);
  if (!isSame(record.claim, claim)) {
    if (claim.term <= record.raisedTo) return { kind: "refused", standing: before };
    Object.assign(record, { claim, raisedTo: claim.term, length: 0, snapshotNumber: 0, isLost });
  }
  const content = { snapshot: record.snapshot?.slice(), log: record.log.map((message) => message.bytes.slice()) };
  return { kind: "claimed", before, record: isLoaded ? content : undefined, isLost: record.isLost };
}

export function raiseRecord(record: RecordModel | undefined, claim: Claim, epoch: number): AppendAnswer {
  if (record === undefined || !isSame(record.claim, claim)) return refusalOf(record, claim);
  record.raisedTo = Math.max(record.raisedTo, epoch);
  return "landed";
}

export function appendToRecord(record: RecordModel | undefined, { claim, from, message }: Append): AppendAnswer {
  if (record === undefined || !isSame(record.claim, claim)) return refusalOf(record, claim);
  const end = from + message.length;
  if (record.length === from) {
    record.log.push({ claim, end, bytes: message.slice() });
    record.length = end;
    return "landed";
  }
  return record.length >= end ? "landed" : "behind";
}

export function snapshotRecord(record: RecordModel | undefined, claim: Claim, snapshot: Snapshot): SnapshotAnswer {
  if (record === undefined || !isSame(record.claim, claim)) return refusalOf(record, claim);
  if (snapshot.number <= record.snapshotNumber) return "outnumbered";
  if (!snapshot.isWhole && snapshot.covers > record.length) return "behind";
  record.snapshot = snapshot.bytes.slice();
  record.snapshotNumber = snapshot.number;
  record.log = snapshot.isWhole
    ? []
    : record.log.filter((message) => isSame(message.claim, claim) && message.end > snapshot.covers);
  if (snapshot.isWhole) record.length = snapshot.covers;
  return "landed";
}

function isSame(one: Claim | undefined, other: Claim): boolean {
  return one?.term === other.term && one.incarnation === other.incarnation;
}

function refusalOf(record: RecordModel | undefined, claim: Claim): "superseded" | "behind" {
  return record !== undefined && record.raisedTo > claim.term ? "superseded" : "behind";
}
