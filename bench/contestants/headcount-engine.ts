/**
 * Headcount's engine as the node uses it: 256 partitions, a keyed hash, sessions; the boards are brought up to date every
 * few thousand reports, so that any top list can be read. Three measures of the same: reports one by one, as single calls
 * come; some dozens at a time, as batches come; and those with the changed rows encoded for the log.
 */
import { Engine } from "../../engine/engine.ts";
import { LogEncoder } from "../../engine/log-codec.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { emptyProfileId } from "../../engine/profile-id.ts";
import { COUNTRY_CODES } from "../../engine/places.ts";
import { MODES, type ReportStream } from "../support/traffic.ts";
import type { EngineContestant } from "./engine-contestant.ts";

const PARTITIONS = 256;
const ALL_PARTITIONS = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const WARMED_REPORTS = 32; // whose cache misses overlap
const SETTLE_REPORTS = 10_000; // a few milliseconds at full speed

export const openHeadcount = (): EngineContestant => new HeadcountEngine(1, false);
export const openHeadcountBatch = (): EngineContestant => new HeadcountEngine(WARMED_REPORTS, false);
export const openHeadcountLog = (): EngineContestant => new HeadcountEngine(WARMED_REPORTS, true);

export function newEngine(isLogged: boolean): Engine {
  const hashKey = Uint8Array.from([7, 1, 8, 2, 8, 1, 8, 2]);
  const session = { sessionMs: 90_000, removalMs: 4_000, graceMs: 50_000 };
  return new Engine({ partitions: PARTITIONS, hashKey, isLogged, ...session }, 0);
}

class HeadcountEngine implements EngineContestant {
  private readonly engine: Engine;
  private readonly isLogged: boolean;
  private readonly warmed: number;
  private readonly hashes = new Int32Array(WARMED_REPORTS);
  private readonly modes: number[];
  private readonly id = emptyProfileId();
  private readonly encoder = new LogEncoder();

  constructor(warmed: number, isLogged: boolean) {
    this.warmed = warmed;
    this.isLogged = isLogged;
    this.engine = newEngine(isLogged);
    this.modes = MODES.map((name) => this.engine.admitMode(name));
  }

  prepare(stream: ReportStream): ReportStream {
    return stream;
  }

  apply(reports: ReportStream): void {
    for (let first = 0; first < reports.count; first += SETTLE_REPORTS) {
      this.applyPart(reports, first, Math.min(first + SETTLE_REPORTS, reports.count));
      this.engine.boards.of(0); // brings all of them up to date
      if (this.isLogged) this.drain();
    }
  }

  private applyPart(reports: ReportStream, first: number, end: number): void {
    const { warmed } = this;
    for (let from = first; from < end; from += warmed) {
      const count = Math.min(warmed, end - from);
      this.hashes[0] = this.hashOf(reports, from);
      if (count > 1) this.warm(reports, from, count);
      for (let at = 0; at < count; at++) this.report(reports, from + at, this.hashes[at] as number);
    }
  }

  private warm(reports: ReportStream, from: number, count: number): void {
    const { hashes } = this;
    for (let at = 1; at < count; at++) hashes[at] = this.hashOf(reports, from + at);
    this.engine.warm(hashes, count);
  }

  private hashOf({ ids }: ReportStream, at: number): number {
    const { id } = this;
    id[0] = ids[at * 4] as number;
    id[1] = ids[at * 4 + 1] as number;
    id[2] = ids[at * 4 + 2] as number;
    id[3] = ids[at * 4 + 3] as number;
    return this.engine.hash(id);
  }

  private report({ ids, regions, modes }: ReportStream, at: number, hash: number): void {
    const { id } = this;
    id[0] = ids[at * 4] as number;
    id[1] = ids[at * 4 + 1] as number;
    id[2] = ids[at * 4 + 2] as number;
    id[3] = ids[at * 4 + 3] as number;
    this.engine.report(hash, id, regions[at] as number, this.modes[modes[at] as number] as number, NO_SEQ);
  }

  private drain(): void {
    this.engine.drainLog(ALL_PARTITIONS, 0, (parts, context) => this.encoder.together(parts, context));
  }

  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [region, code] of COUNTRY_CODES.entries())
      for (const { mode, players } of this.engine.boards.of(region).top(MODES.length))
        counts.set(`${code}/${mode}`, players);
    return counts;
  }
}
