/** What the tests of the engine share: an engine of 16 partitions that is called with player numbers. */
import { type DecodedRows, decodeRows, encodeRows } from "../../engine/codec.ts";
import { Engine, type EngineOptions } from "../../engine/engine.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { takenRows } from "../../engine/presence-table.ts";
import { regionOf } from "../../engine/places.ts";
import { KEY_BYTES, playerId } from "../../simulator/players.ts";
import { drained } from "./drained.ts";

export const OPTIONS: EngineOptions = {
  partitions: 16,
  hashKey: KEY_BYTES,
  sessionMs: 10_000,
  removalMs: 4000,
  graceMs: 5000,
  isLogged: true,
};
export const START_MS = 1_000_000;
export const WALL_MS = 1_700_000_000_000;
export const [CA, US] = [regionOf("CA"), regionOf("US")];

/** An engine, called with player numbers and names. */
export class NumberedEngine {
  readonly engine: Engine;
  nowMs = START_MS;

  constructor(options: Partial<EngineOptions> = {}) {
    this.engine = new Engine({ ...OPTIONS, ...options }, START_MS);
  }
  report(player: number, region: number, mode: string, seq = NO_SEQ): string {
    const id = playerId(player);
    return this.engine.report(this.engine.hash(id), id, region, this.engine.admitMode(mode), seq);
  }
  renew(player: number): boolean {
    return this.engine.renew(this.engine.hash(playerId(player)), playerId(player));
  }
  remove(player: number, seq = NO_SEQ): boolean {
    return this.engine.remove(this.engine.hash(playerId(player)), playerId(player), seq);
  }
  find(player: number): ReturnType<Engine["find"]> {
    return this.engine.find(this.engine.hash(playerId(player)), playerId(player));
  }
  /** Lets time pass in looks a tenth of a second apart, as a node does. */
  pass(ms: number, budget = Infinity): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs = Math.min(this.nowMs + 100, endMs);
      this.engine.sweep(this.nowMs, budget);
    }
  }
  partitionOf(player: number): number {
    return this.engine.partitionOf(this.engine.hash(playerId(player)));
  }
  /** The record of a partition: its table, as a snapshot. */
  snapshot(partition: number, wallMs = WALL_MS): DecodedRows {
    const copy = this.engine.copy(partition, wallMs);
    return decodeRows("snapshot", encodeRows("snapshot", { ...copy, ...takenRows(copy.words) }));
  }
  drain(partition: number, wallMs = WALL_MS): DecodedRows {
    return drained(this.engine, partition, wallMs);
  }
}

export function firstPlayerOf(subject: NumberedEngine, partition: number): number {
  for (let player = 0; ; player++) if (subject.partitionOf(player) === partition) return player;
}

/** A partition's players recovered from what `subject` wrote, `passedMs` after it. */
export function recovered(
  from: NumberedEngine,
  player: number,
  messages: readonly DecodedRows[],
  passedMs = 0,
): NumberedEngine {
  const subject = new NumberedEngine();
  subject.engine.recover(from.partitionOf(player), messages, WALL_MS + passedMs);
  subject.engine.assertSound();
  return subject;
}
