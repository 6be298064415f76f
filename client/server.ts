/** A game server's client: collects rows for a moment, sends them in batches, and repeats what could not be taken yet. */
import { type Caller, callerTo } from "./caller.ts";
import { closed, HeadcountError, isFinal, notUnderstood, refusal } from "./error.ts";
import { type RefusedRow, type ReportRow, ReportQueue, type RowFate } from "./report-queue.ts";
import { type TokenSource, tokensFrom } from "./tokens.ts";
import { pauseMs, realWorld, tell, type World } from "./world.ts";

export { HeadcountError } from "./error.ts";
export type { LeaveRow, PlaceRow, RefusedRow, ReportRow } from "./report-queue.ts";
export type { TokenSource } from "./tokens.ts";
export type { World } from "./world.ts";

export interface HeadcountServerOptions {
  /** The service; several where there are several: one is kept until it fails. */
  readonly url: string | readonly string[];
  /** With the scope `reports:batch`, where the service asks for tokens; or a function that gets one. */
  readonly token?: TokenSource | undefined;
  /** How long rows are collected before they go; 50 where not given. */
  readonly collectMs?: number | undefined;
  /** Rows of a batch, at most 10,000; 1,000 where not given. */
  readonly batchRows?: number | undefined;
  /** Rows held at most, those under way included; 100,000 where not given. Beyond that `report()` rejects. */
  readonly rowsMax?: number | undefined;
  /** Each row that the service refuses for good. */
  readonly onRefused?: ((refused: RefusedRow) => void) | undefined;
  /** Each failure of a batch; it is sent again. */
  readonly onError?: ((error: HeadcountError) => void) | undefined;
  readonly world?: Partial<World> | undefined;
}

/** What the service says of a batch. */
interface BatchAnswer {
  readonly accepted: number;
  readonly rejected: readonly { readonly index: number; readonly code: string }[];
}

const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 30_000;
/** How soon rows that are counted and not stored are sent again, at first. */
const STORE_BASE_MS = 2_000;
const CLOSE_MS = 10_000;
const BATCH_ROWS_MAX = 10_000;
/** Statuses of a row, or of a batch, that say: not now. */
const LATER = ["429", "503"];

export class HeadcountServer {
  readonly #options: HeadcountServerOptions;
  readonly #world: World;
  readonly #caller: Caller;
  readonly #queue = new ReportQueue();
  readonly #batchRows: number;
  readonly #rowsMax: number;
  /** Rows of the next batch: fewer after one that was too large. */
  #rowsNow: number;
  #timer: unknown;
  #isWaiting = false;
  #flight: AbortController | undefined;
  #failures = 0;
  #unstoredTimer: unknown;
  #unstoredRounds = 0;
  #isRepeatDue = false;
  #overflowed = 0;
  #closing: Promise<void> | undefined;
  #whenQuiet = (): void => {};

  /** @throws {TypeError} for a URL that is none; {RangeError} for a number out of its range */
  constructor(options: HeadcountServerOptions) {
    const { url, token, batchRows = 1_000, rowsMax = 100_000, collectMs = 50 } = options;
    this.#batchRows = this.#rowsNow = checked("batchRows", batchRows, 1, BATCH_ROWS_MAX);
    this.#rowsMax = checked("rowsMax", rowsMax, batchRows, 10_000_000);
    this.#options = { ...options, collectMs: checked("collectMs", collectMs, 0, 60_000) };
    this.#world = { ...realWorld(), ...options.world };
    this.#caller = callerTo(url, tokensFrom(token, this.#world), this.#world);
  }

  /** Rows that are held: waiting, under way, or counted and not stored yet. */
  get pending(): number {
    return this.#queue.size;
  }

  /** What became of rows so far. `overflowed`: found no room here. */
  get counts() {
    return { ...this.#queue.counts, overflowed: this.#overflowed };
  }

  /**
   * Sends rows with the next batch. Rows of one player take effect in their order.
   * @returns the rows that were refused for good, once every row is stored, refused, or followed by a later one of its player
   * @throws {HeadcountError} `full`: no room, none of these rows was taken; `closed`; `undelivered`: `close()` gave up
   */
  report(rows: readonly ReportRow[]): Promise<readonly RefusedRow[]> {
    for (const row of rows)
      if (typeof row?.profileId !== "string")
        throw new TypeError(`a row must have a profileId, got ${JSON.stringify(row)}`);
    const promise = this.#take(rows);
    promise.catch(() => {}); // nobody has to look at it
    return promise;
  }

  /**
   * Sends what is left, waits until it is stored, then ends. Later calls of `report()` are refused.
   * @param timeoutMs after so long it gives up
   * @throws {HeadcountError} `undelivered`: how many rows were left
   */
  close({ timeoutMs = CLOSE_MS }: { readonly timeoutMs?: number } = {}): Promise<void> {
    return (this.#closing ??= this.#end(timeoutMs));
  }

  async #end(timeoutMs: number): Promise<void> {
    if (this.pending > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#world.setTimeout(resolve, timeoutMs);
        this.#whenQuiet = () => {
          this.#world.clearTimeout(timer);
          resolve();
        };
        this.#unstoredRounds = 0;
        if (this.#queue.unstored > 0) this.#repeatUnstored();
        if (this.#failures === 0) this.#send();
      });
    }
    const { unstored } = this.#queue;
    const left = this.pending - unstored;
    this.#world.clearTimeout(this.#timer);
    this.#world.clearTimeout(this.#unstoredTimer);
    if (left + unstored === 0) return;
    const error = new HeadcountError(
      0,
      "undelivered",
      `close() gave up after ${timeoutMs} ms: ${left} rows were not taken, ${unstored} are counted and not stored`,
    );
    this.#queue.abandon(error);
    this.#flight?.abort();
    throw error;
  }

  #take(rows: readonly ReportRow[]): Promise<readonly RefusedRow[]> {
    if (this.#closing) return Promise.reject(closed());
    if (rows.length === 0) return Promise.resolve([]);
    if (this.pending + rows.length > this.#rowsMax) {
      this.#overflowed += rows.length;
      const message = `${this.pending} rows are held of at most ${this.#rowsMax}: none of these ${rows.length} was taken`;
      return Promise.reject(new HeadcountError(0, "full", message));
    }
    const promise = new Promise<readonly RefusedRow[]>((resolve, reject) => {
      this.#queue.add(rows, { left: rows.length, refused: [], resolve, reject });
    });
    if (this.#failures === 0 && this.#queue.waiting >= this.#batchRows) this.#send();
    else this.#sendIn(this.#options.collectMs as number);
    return promise;
  }

  /** Unless that is agreed already. */
  #sendIn(ms: number): void {
    if (this.#isWaiting || this.#flight) return;
    this.#isWaiting = true;
    this.#timer = this.#world.setTimeout(() => this.#send(), ms);
  }

  #send(): void {
    if (this.#flight) return;
    this.#world.clearTimeout(this.#timer);
    this.#isWaiting = false;
    if (this.#isRepeatDue) this.#queue.again();
    this.#isRepeatDue = false;
    if (this.#queue.waiting === 0) return;
    void this.#sendBatch((this.#flight = new AbortController()));
  }

  async #sendBatch({ signal }: AbortController): Promise<void> {
    const reports = this.#queue.take(this.#rowsNow);
    let pause = 0;
    try {
      const { status, body } = await this.#caller.ask("/v1/reports", { method: "POST", json: { reports }, signal });
      const fates = fatesOf(reports.length, status, body as BatchAnswer);
      this.#queue.settle((index) => this.#told(reports[index] as ReportRow, fates[index] as RowFate));
      this.#rowsNow = Math.min(this.#batchRows, this.#rowsNow * 2);
      this.#failures = fates.some(({ kind }) => kind === "again") ? this.#failures + 1 : 0;
      if (this.#failures > 0) pause = pauseMs(this.#world, RETRY_BASE_MS, this.#failures - 1, 0, RETRY_MAX_MS);
      if (this.#queue.unstored === 0) this.#unstoredRounds = 0;
      else if (status === 202) this.#repeatUnstored();
    } catch (error) {
      if (signal.aborted) return;
      pause = this.#failed(reports, error instanceof HeadcountError ? error : notUnderstood(0, error));
    }
    this.#flight = undefined;
    if (this.#queue.waiting > 0 || this.#isRepeatDue) this.#sendIn(pause);
    else if (this.pending === 0) this.#whenQuiet();
  }

  /** @returns how long to wait before the next try */
  #failed(reports: readonly ReportRow[], error: HeadcountError): number {
    if (!isFinal(error, this.#caller.canRenew)) {
      this.#queue.settle(() => ({ kind: "again" }));
      tell(this.#options.onError, error);
      return pauseMs(this.#world, RETRY_BASE_MS, this.#failures++, error.retryAfterMs, RETRY_MAX_MS);
    }
    if (reports.length > 1 && (error.status === 413 || error.status === 400)) {
      // Too large, or one row spoils it: smaller batches find out which.
      this.#rowsNow = Math.ceil(reports.length / 2);
      this.#queue.settle(() => ({ kind: "again" }));
    } else this.#queue.settle((index) => this.#told(reports[index] as ReportRow, { kind: "refused", error }));
    return 0;
  }

  #told(row: ReportRow, fate: RowFate): RowFate {
    if (fate.kind === "refused") tell(this.#options.onRefused, { row, error: fate.error });
    return fate;
  }

  #repeatUnstored(): void {
    this.#world.clearTimeout(this.#unstoredTimer);
    const ms = pauseMs(this.#world, STORE_BASE_MS, this.#unstoredRounds++, STORE_BASE_MS / 2, RETRY_MAX_MS);
    this.#unstoredTimer = this.#world.setTimeout(() => {
      this.#isRepeatDue = true;
      this.#sendIn(0);
    }, ms);
  }
}

/** @throws {HeadcountError} where the answer is not what was agreed */
function fatesOf(rows: number, status: number, { accepted, rejected }: BatchAnswer): RowFate[] {
  if (!Array.isArray(rejected) || accepted + rejected.length !== rows)
    throw notUnderstood(status, `${accepted} of ${rows} rows accepted`);
  const fates = Array.from<unknown, RowFate>({ length: rows }, () => ({ kind: status === 202 ? "counted" : "stored" }));
  for (const row of rejected) {
    if (!(row.index in fates)) throw notUnderstood(status, `row ${row.index} of ${rows}`);
    fates[row.index] = LATER.includes(row.code) ? { kind: "again" } : { kind: "refused", error: refusal({ ...row }) };
  }
  return fates;
}

function checked(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${name} must be a whole number from ${min} to ${max}, got ${value}`);
}
