/**
 * Prints, as JSON, what a row of the median group commit costs from the end of a turn until the store has it, in nanoseconds: for a
 * store of one file, written into its slot; for a shared one, as a message for each partition; and the floor, all of the
 * commit's rows as one message. Run with --expose-gc, and with the number of rounds.
 */
import type { AppendAnswer, Commit, FoundedAppend } from "../../cluster/ports/record-store.ts";
import { sharedAppendsOf } from "../../cluster/ports/shared-records.ts";
import { Recorder, type RecorderStore } from "../../cluster/records/recorder.ts";
import { encodeRows, type Rows } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { CELL, ROW_WORDS, SEEN } from "../../engine/presence-table.ts";
import { emptyProfileId } from "../../engine/profile-id.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { LogRowWriter, wordsOf } from "../../node/store/log-row.ts";
import { newEngine } from "../contestants/headcount-engine.ts";
import type { CommitCost } from "../results.ts";
import { spreadOf } from "./spread.ts";
import { emptyStream, fillReports, MODES, type ReportStream } from "./traffic.ts";

const ROWS_OF_COMMITS = [16, 64, 256, 1024];
const ROWS_A_TURN = 50_000;
const PLAYERS = 100_000;
const CLAIM = { term: 1, incarnation: "5f8e1f0a-0001-4000-8000-00000000000a", founding: "" };
const SLOT_BYTES = 1 << 20;

/** A store that has what it is handed at once, and answers when told. */
class TakingStore implements RecorderStore {
  readonly isOneFile: boolean;
  answer: () => void = () => {};
  private readonly writer = new LogRowWriter();
  private readonly slot = wordsOf(new SharedArrayBuffer(SLOT_BYTES));

  constructor(isOneFile: boolean) {
    this.isOneFile = isOneFile;
  }

  append(commit: Commit<FoundedAppend>): Promise<readonly AppendAnswer[]> {
    if (this.isOneFile && this.writer.measure(commit) <= SLOT_BYTES) this.writer.write(commit, this.slot);
    if (!this.isOneFile) sharedAppendsOf(commit);
    return new Promise((resolve) => (this.answer = () => resolve(commit.appends.map(() => "landed"))));
  }

  snapshot(): never {
    throw new Error("No snapshot is due in a benchmark of commits");
  }
}

class Contestant {
  readonly engine: Engine = newEngine(true);
  private readonly store: TakingStore;
  private readonly recorder: Recorder;
  private readonly modes = MODES.map((name) => this.engine.admitMode(name));
  private endTurn: () => void = () => {};

  constructor(isOneFile: boolean) {
    this.store = new TakingStore(isOneFile);
    const ports = {
      store: this.store,
      encode: () => Promise.reject(new Error("No snapshot is due in a benchmark of commits")),
      atTurnEnd: (task: () => void) => (this.endTurn = task),
      nowMs: () => performance.now(),
      wallMs: Date.now,
      onStoreFault: (error: unknown) => {
        throw error;
      },
      onStoreHealed: () => {},
      onSuperseded: () => {},
      reclaim: () => Promise.resolve(false),
    };
    const pauses = { snapshotMs: 1e9, sessionMs: 1e9, deadlineMs: 1e9 };
    this.recorder = new Recorder(this.engine, ports, { claim: CLAIM, tagsCount: 1, durability: "log", ...pauses });
  }

  /** @returns nanoseconds a row */
  async turn(reports: ReportStream, rows: number): Promise<number> {
    const ms: number[] = [];
    for (let first = 0; first < reports.count; first += rows) {
      for (let at = first; at < first + rows; at++) this.report(reports, at);
      const before = performance.now();
      this.endTurn();
      ms.push(performance.now() - before);
      this.store.answer();
      await new Promise(setImmediate);
    }
    return nsARow(ms, rows);
  }

  private report({ ids, regions, modes }: ReportStream, at: number): void {
    const id = emptyProfileId();
    id.set(ids.subarray(at * 4, at * 4 + 4));
    const hash = this.engine.hash(id);
    this.engine.report(hash, id, regions[at] as number, this.modes[modes[at] as number] as number, NO_SEQ);
    this.recorder.whenRemembered(this.engine.partitionOf(hash), 1, () => {});
  }
}

function floorTurn({ ids, regions, modes, count }: ReportStream, rows: number): number {
  const words = new Int32Array(rows * ROW_WORDS);
  const message: Rows = { words, count: rows, modeNames: MODES, now: 100, writtenAtMs: 1_700_000_000_000 };
  const ms: number[] = [];
  for (let first = 0; first < count; first += rows) {
    for (let row = 0; row < rows; row++) {
      words.set(ids.subarray((first + row) * 4, (first + row) * 4 + 4), row * ROW_WORDS);
      words[row * ROW_WORDS + CELL] = ((regions[first + row] as number) << MODE_BITS) | (modes[first + row] as number);
      words[row * ROW_WORDS + SEEN] = 100;
    }
    const before = performance.now();
    encodeRows("log", message);
    ms.push(performance.now() - before);
  }
  return nsARow(ms, rows);
}

/** Of the median commit: others were in the way of some. */
function nsARow(ms: readonly number[], rows: number): number {
  return (spreadOf(ms).median * 1e6) / rows;
}

const rounds = Number(process.argv[2]);
const [oneFile, shared] = [new Contestant(true), new Contestant(false)];
const costs: CommitCost[] = [];
for (const rows of ROWS_OF_COMMITS) {
  const cost = { rows, oneFileNs: [] as number[], sharedNs: [] as number[], floorNs: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    const reports = fillReports(emptyStream(Math.floor(ROWS_A_TURN / rows) * rows), PLAYERS, round);
    const ns = [await oneFile.turn(reports, rows), await shared.turn(reports, rows), floorTurn(reports, rows)] as const;
    if (round === 0) continue; // for the compiler
    cost.oneFileNs.push(ns[0]);
    cost.sharedNs.push(ns[1]);
    cost.floorNs.push(ns[2]);
    globalThis.gc?.();
  }
  costs.push(cost);
}
console.log(JSON.stringify(costs));
