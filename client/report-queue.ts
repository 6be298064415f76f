/**
 * Rows on their way to the service: waiting, under way in the one batch at a time, or counted there and not stored yet. No I/O.
 *
 *            take()             settle(): stored, or refused for good
 *   waiting ────────► under way ────────────────────────────────────► done
 *      ▲                 │  └─ counted, not stored (202) ──► unstored ─┐
 *      └── no room now ──┘◄───────────────── again() ──────────────────┘
 *
 * Rows of one player keep their order. A row is not sent again once a later one of its player has been taken: it would undo that.
 */
import type { HeadcountError } from "./error.ts";

export interface PlaceRow {
  readonly profileId: string;
  readonly region: string;
  readonly gamemode: string;
  readonly seq?: number;
  /** What the player has that modes may ask for. */
  readonly entitlements?: readonly string[];
}

export interface LeaveRow {
  readonly profileId: string;
  readonly leave: true;
  readonly seq?: number;
}

export type ReportRow = PlaceRow | LeaveRow;

export interface RefusedRow {
  readonly row: ReportRow;
  readonly error: HeadcountError;
}

export type RowFate =
  | { readonly kind: "stored" }
  | { readonly kind: "counted" } // 202: the service would forget it if it died now
  | { readonly kind: "again" } // 503, 429: no effect yet
  | { readonly kind: "refused"; readonly error: HeadcountError };

/** One call of `report()`. */
export interface Report {
  left: number;
  readonly refused: RefusedRow[];
  readonly resolve: (refused: readonly RefusedRow[]) => void;
  readonly reject: (error: HeadcountError) => void;
}

interface Entry {
  readonly row: ReportRow;
  readonly report: Report;
}

export class ReportQueue {
  #waiting: Entry[] = [];
  #underWay: Entry[] = [];
  /** The latest row of a player that is counted and not stored. */
  #unstored = new Map<string, Entry>();
  /** What became of rows. `replaced`: a later row of the same player was taken first. */
  readonly counts = { stored: 0, replaced: 0, refused: 0, repeated: 0 };

  get waiting(): number {
    return this.#waiting.length;
  }

  get unstored(): number {
    return this.#unstored.size;
  }

  get size(): number {
    return this.#waiting.length + this.#underWay.length + this.#unstored.size;
  }

  add(rows: readonly ReportRow[], report: Report): void {
    for (const row of rows) this.#waiting.push({ row, report });
  }

  /** The next rows to send. None may be under way. */
  take(rowsMax: number): readonly ReportRow[] {
    this.#underWay = this.#waiting.splice(0, rowsMax);
    return this.#underWay.map(({ row }) => row);
  }

  /** The batch was answered: what became of each of its rows. */
  settle(fateOf: (index: number) => RowFate): void {
    const batch = this.#underWay;
    this.#underWay = [];
    const taken = new Set<string>(); // players of whom a later row was taken
    const back: Entry[] = [];
    for (let index = batch.length - 1; index >= 0; index--) {
      const entry = batch[index] as Entry;
      const { profileId } = entry.row;
      const fate = fateOf(index);
      if (fate.kind === "refused") this.#refuse(entry, fate.error);
      else if (taken.has(profileId)) this.#done(entry, "replaced");
      else if (fate.kind === "again") back.push(entry);
      else {
        taken.add(profileId);
        this.#replace(profileId);
        if (fate.kind === "stored") this.#done(entry, "stored");
        else this.#unstored.set(profileId, entry);
      }
    }
    this.counts.repeated += back.length;
    const inOrder = back.map((_, index) => back[back.length - 1 - index] as Entry);
    this.#waiting = [...inOrder, ...this.#waiting];
  }

  /** Those that are counted and not stored are to be sent again, before what came later. No row may be under way. */
  again(): void {
    this.counts.repeated += this.#unstored.size;
    this.#waiting = [...this.#unstored.values(), ...this.#waiting];
    this.#unstored.clear();
  }

  /** Gives all up. */
  abandon(error: HeadcountError): void {
    const reports = new Set(
      [...this.#waiting, ...this.#underWay, ...this.#unstored.values()].map(({ report }) => report),
    );
    for (const { reject } of reports) reject(error);
    this.#waiting = [];
    this.#underWay = [];
    this.#unstored.clear();
  }

  #replace(profileId: string): void {
    const earlier = this.#unstored.get(profileId);
    if (earlier === undefined) return;
    this.#unstored.delete(profileId);
    this.#done(earlier, "replaced");
  }

  #refuse(entry: Entry, error: HeadcountError): void {
    entry.report.refused.push({ row: entry.row, error });
    this.#done(entry, "refused");
  }

  #done({ report }: Entry, how: "stored" | "replaced" | "refused"): void {
    this.counts[how]++;
    if (--report.left === 0) report.resolve(report.refused);
  }
}
