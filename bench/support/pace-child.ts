/**
 * The process of the paced load: batches at a fixed rate, each sent when it is due, however slow the answers are.
 * It goes through the players in turn; with churn the window of players moves on, so that some fall silent and others come.
 */
import { Pool } from "undici";
import { batchBody } from "./reports.ts";
import { randomOf } from "./traffic.ts";

export interface PaceOptions {
  readonly url: string;
  /** Where batches go, with the path before it that a contestant may want. */
  readonly path: string;
  readonly reportsPerSecond: number;
  readonly batch: number;
  readonly players: number;
  readonly churnPerSecond: number;
  /** More of them, such as a token. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface PaceFigures {
  readonly seconds: number;
  readonly accepted: number;
  /** Rows that did not get a 200, or were not sent because too many batches were waiting. */
  readonly refused: number;
  /** From when a batch was due to its answer. */
  readonly p99Ms: number;
}

const TICK_MS = 5;
const WAITING_MAX = 200;

const options = JSON.parse(process.argv[2] as string) as PaceOptions;
const pool = new Pool(options.url, { connections: 8 });
const random = randomOf(3);
const startedMs = performance.now();
const delaysMs: number[] = [];
let [sent, waiting, accepted, refused, turn] = [0, 0, 0, 0, 0];

async function sendBatch(dueMs: number): Promise<void> {
  if (waiting >= WAITING_MAX) {
    refused += options.batch;
    return;
  }
  waiting++;
  const { statusCode, body } = await pool.request({
    method: "POST",
    path: `${options.path}/v1/reports`,
    headers: { "content-type": "application/json", ...options.headers },
    body: nextBody(),
  });
  const answer = (await body.json()) as { accepted?: number };
  waiting--;
  const taken = statusCode === 200 ? (answer.accepted ?? 0) : 0;
  accepted += taken;
  refused += options.batch - taken;
  delaysMs.push(performance.now() - dueMs);
}

function nextBody(): string {
  const { players, batch, churnPerSecond } = options;
  const firstPlayer = Math.floor(((performance.now() - startedMs) / 1000) * churnPerSecond);
  const first = firstPlayer + turn;
  turn = turn + 2 * batch > players ? 0 : turn + batch;
  return batchBody(first, first + batch, random);
}

function sendDue(): void {
  const everyMs = (1000 * options.batch) / options.reportsPerSecond;
  for (; startedMs + sent * everyMs <= performance.now(); sent++)
    sendBatch(startedMs + sent * everyMs).catch(() => {
      waiting--;
      refused += options.batch;
    });
}

function figures(): PaceFigures {
  const sorted = delaysMs.toSorted((a, b) => a - b);
  const p99Ms = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  return { seconds: (performance.now() - startedMs) / 1000, accepted, refused, p99Ms };
}

setInterval(sendDue, TICK_MS);
process.on("message", () => process.send?.(figures()));
process.once("disconnect", () => process.exit(0));
