/**
 * Lines that would repeat: the first is written at once, the following of its kind once a minute with their number. Ten
 * lines a second through an outage are a log that nobody reads, on a disk that fills up.
 */
import type { Logger } from "pino";

export type Level = "info" | "warn" | "error";

interface Line {
  readonly level: Level;
  readonly message: string;
  fields: object;
  /** How many were held back since it was written last. */
  held: number;
  writtenAtMs: number;
}

const EVERY_MS = 60_000;
/** Past it the oldest kind is forgotten: it may then be written once too often. */
const KINDS_MAX = 256;

export class PacedLog {
  private readonly log: Pick<Logger, Level>;
  private readonly nowMs: () => number;
  private readonly lines = new Map<string, Line>();

  constructor(log: Pick<Logger, Level>, nowMs: () => number) {
    this.log = log;
    this.nowMs = nowMs;
  }

  /** @param kind lines of one kind say the same thing; only the fields of the latest are kept */
  write(level: Level, kind: string, fields: object, message: string): void {
    const line = this.lines.get(kind);
    if (line !== undefined) {
      line.fields = fields;
      line.held++;
      return;
    }
    this.lines.set(kind, { level, message, fields, held: 0, writtenAtMs: this.nowMs() });
    if (this.lines.size > KINDS_MAX) this.lines.delete(this.lines.keys().next().value!);
    this.log[level](fields, message);
  }

  /** To be called often: writes what was held back for a minute, and forgets what was not repeated in one. */
  tick(): void {
    for (const [kind, line] of this.lines) {
      if (this.nowMs() - line.writtenAtMs < EVERY_MS) continue;
      if (line.held === 0) {
        this.lines.delete(kind);
        continue;
      }
      this.log[line.level]({ ...line.fields, times: line.held }, line.message);
      line.held = 0;
      line.writtenAtMs = this.nowMs();
    }
  }
}

const NUMBERS = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|\d+/gi;

/** A reason without its numbers and ids, so that those which differ in a partition, a port or a node are of one kind. */
export function classOf(reason: string): string {
  return reason.replaceAll(NUMBERS, "#").slice(0, 200);
}
