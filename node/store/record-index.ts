/**
 * What the store's thread remembers of every partition's record: enough to decide each call without reading.
 *
 * It is never written: the file's lock is exclusive, so it is derived once from the rows at open and then kept
 * alongside. A call first decides here, then writes, and only when that is durable is it noted here.
 */
import type {
  AppendAnswer,
  Claim,
  Founding,
  PartitionIndex,
  SnapshotAnswer,
} from "../../cluster/ports/record-store.ts";
import type { Content } from "./salvage.ts";
import type { RecordRow, SnapshotRow } from "./schema.ts";

const SEGMENTS_PER_MARK = 64; // one mark a partition for so many commits: 16 bytes, a quarter of a byte a segment

export interface PartitionState {
  claim: Claim | undefined;
  /** R2: bytes appended under the claim. */
  length: number;
  /** The newest snapshot of any claim; number 0: none. */
  snapshotClaim: Claim | undefined;
  snapshotNumber: number;
  covers: number;
  /** Every segment of the partition in this commit or an earlier one is in the snapshot. */
  coversCommit: number;
  /** The first commit that may hold a segment not in the snapshot; 0: none does. */
  firstCommit: number;
  /** Pairs (from, commit) of every 64th segment under the claim, oldest first. */
  marks: number[];
  segmentsSinceMark: number;
  /** True where something of the record was lost while the store was open: only a whole snapshot makes it good, under any claim. */
  isBroken: boolean;
}

export class RecordIndex {
  founding: Founding | undefined;
  /** The newest commit number ever given. */
  lastCommit = 0;
  /** No row before this one lies in the log. */
  oldestRow = 1;
  /** No partition needs a commit before this one, as the rows of the file say. */
  logStarts = 1;
  /** The newest commit whose number the rows of the file say. */
  logEnds = 0;
  readonly #states: (PartitionState | undefined)[] = [];

  stateOf(partition: PartitionIndex): PartitionState {
    return (this.#states[partition] ??= newState());
  }

  /** Any partition that was claimed, with its claim. */
  anyClaimed(): [PartitionIndex, Claim] | undefined {
    const partition = this.#states.findIndex((state) => state?.claim !== undefined);
    const claim = this.#states[partition]?.claim;
    return claim && [partition, claim];
  }

  /** May be undefined: a partition that nobody ever claimed. */
  find(partition: PartitionIndex): PartitionState | undefined {
    return this.#states[partition];
  }

  highestTerm(): number {
    return this.#states.reduce((highest, state) => Math.max(highest, state?.claim?.term ?? 0), 0);
  }

  /** The oldest commit that some partition still needs, were `partition` covered so far; everything before it may go. */
  firstNeeded(partition?: PartitionIndex, coversCommit = 0): number {
    let first = this.lastCommit + 1;
    for (const [index, state] of this.#states.entries()) {
      if (state === undefined || state.firstCommit === 0) continue;
      const firstCommit = index === partition ? Math.max(state.firstCommit, coversCommit + 1) : state.firstCommit;
      if (firstCommit < first) first = firstCommit;
    }
    return first;
  }

  get isAnyBroken(): boolean {
    return this.#states.some((state) => state?.isBroken);
  }

  breakAll(): void {
    for (const state of this.#states) if (state !== undefined) state.isBroken = true;
  }

  /** What a fresh file begins with: the claims, and nothing of what was written under them. */
  claims(): Content {
    const { founding } = this;
    const records: RecordRow[] = [];
    for (const [partition, state] of this.#states.entries())
      if (state?.claim !== undefined)
        records.push({
          partition,
          ...state.claim,
          snapshotTerm: 0,
          snapshotNumber: 0,
          logStarts: 1,
          logEnds: 0,
          founding,
        });
    return { founding, records, snapshots: [], log: [] };
  }

  // Derived at open: records, then snapshots, then the log's segments in the order of their commits.

  addRecord(row: RecordRow): void {
    this.stateOf(row.partition).claim = { term: row.term, incarnation: row.incarnation };
    this.logStarts = Math.max(this.logStarts, row.logStarts);
    this.logEnds = Math.max(this.logEnds, row.logEnds);
    this.lastCommit = Math.max(this.lastCommit, row.logEnds);
  }

  addSnapshot(row: Omit<SnapshotRow, "bytes">): void {
    const state = this.stateOf(row.partition);
    state.snapshotClaim = { term: row.term, incarnation: row.incarnation };
    state.snapshotNumber = row.number;
    state.covers = row.covers;
    state.coversCommit = row.coversCommit;
    if (isSame(state.claim, state.snapshotClaim)) state.length = row.covers;
    this.lastCommit = Math.max(this.lastCommit, row.coversCommit);
  }

  addSegment(commit: number, partition: PartitionIndex, claim: Claim, from: number, bytes: number): void {
    this.lastCommit = Math.max(this.lastCommit, commit);
    const state = this.stateOf(partition);
    if (isCovered(state, commit, claim, from + bytes)) return;
    if (isSame(state.claim, claim)) noteLanded(state, commit, from, bytes);
    else if (state.firstCommit === 0) state.firstCommit = commit;
  }
}

/** R2's answer to an append of `bytes` bytes from `from`, before anything is written; `landed` is also said of what is there already. */
export function decideAppend(
  state: PartitionState | undefined,
  claim: Claim,
  from: number,
  bytes: number,
): AppendAnswer | "to write" {
  if (state === undefined || !isSame(state.claim, claim)) return refusalOf(state, claim);
  if (state.isBroken) return "behind";
  if (state.length === from && bytes > 0) return "to write";
  return state.length >= from + bytes ? "landed" : "behind";
}

/** R3's answer to a snapshot, before anything is written. */
export function decideSnapshot(
  state: PartitionState | undefined,
  claim: Claim,
  snapshot: { readonly number: number; readonly covers: number; readonly coversAll: boolean },
): SnapshotAnswer | "to write" {
  if (state === undefined || !isSame(state.claim, claim)) return refusalOf(state, claim);
  if (snapshot.number <= numberUnderClaim(state)) return { standing: numberUnderClaim(state) };
  if (!snapshot.coversAll && (state.isBroken || snapshot.covers > state.length)) return "behind";
  return "to write";
}

/** True where the segment is in the partition's snapshot already. */
export function isCovered(state: PartitionState, commit: number, claim: Claim, end: number): boolean {
  return commit <= state.coversCommit || (end <= state.covers && isSame(state.snapshotClaim, claim));
}

export function noteClaimed(state: PartitionState, claim: Claim): void {
  state.claim = claim;
  state.length = 0;
  state.marks = [];
  state.segmentsSinceMark = 0;
}

export function noteLanded(state: PartitionState, commit: number, from: number, bytes: number): void {
  state.length = from + bytes;
  if (state.firstCommit === 0) state.firstCommit = commit;
  if (state.segmentsSinceMark === 0) state.marks.push(from, commit);
  state.segmentsSinceMark = (state.segmentsSinceMark + 1) % SEGMENTS_PER_MARK;
}

/** What a snapshot that lands will cover: the exact length, and the commits that surely hold nothing past it. */
export interface Cover {
  readonly length: number;
  readonly covers: number;
  readonly coversCommit: number;
  readonly marksCovered: number;
}

export function coverOf(
  state: PartitionState,
  snapshot: { readonly covers: number; readonly coversAll: boolean },
  lastCommit: number,
): Cover {
  if (snapshot.coversAll)
    return {
      length: snapshot.covers,
      covers: snapshot.covers,
      coversCommit: lastCommit,
      marksCovered: state.marks.length,
    };
  // What an earlier snapshot of this claim covered stays covered.
  const covers = isSame(state.snapshotClaim, state.claim) ? Math.max(state.covers, snapshot.covers) : snapshot.covers;
  if (covers >= state.length)
    return { length: state.length, covers, coversCommit: lastCommit, marksCovered: state.marks.length };
  const { marks } = state;
  let mark = 0;
  while (mark + 2 < marks.length && (marks[mark + 2] as number) <= covers) mark += 2;
  const coversCommit = marks.length > 0 && (marks[mark] as number) <= covers ? (marks[mark + 1] as number) - 1 : 0;
  return { length: state.length, covers, coversCommit: Math.max(state.coversCommit, coversCommit), marksCovered: mark };
}

export function noteSnapshot(state: PartitionState, number: number, cover: Cover, lastCommit: number): void {
  state.snapshotClaim = state.claim;
  state.snapshotNumber = number;
  state.length = cover.length;
  state.covers = cover.covers;
  state.coversCommit = cover.coversCommit;
  state.firstCommit = cover.coversCommit === lastCommit ? 0 : Math.max(state.firstCommit, cover.coversCommit + 1);
  state.marks.splice(0, cover.marksCovered);
  if (state.marks.length === 0) state.segmentsSinceMark = 0;
  state.isBroken = false;
}

export function isSame(one: Claim | undefined, other: Claim | undefined): boolean {
  return (
    one === other ||
    (one !== undefined && other !== undefined && one.term === other.term && one.incarnation === other.incarnation)
  );
}

function numberUnderClaim(state: PartitionState): number {
  return isSame(state.snapshotClaim, state.claim) ? state.snapshotNumber : 0;
}

function refusalOf(state: PartitionState | undefined, claim: Claim): "superseded" | "behind" {
  return state?.claim !== undefined && state.claim.term > claim.term ? "superseded" : "behind";
}

function newState(): PartitionState {
  return {
    claim: undefined,
    length: 0,
    snapshotClaim: undefined,
    snapshotNumber: 0,
    covers: 0,
    coversCommit: 0,
    firstCommit: 0,
    marks: [],
    segmentsSinceMark: 0,
    isBroken: false,
  };
}
