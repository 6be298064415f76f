/**
 * The process of the steady load. Requests come as those of independent players do, at random instants (Poisson) and
 * however slow the answers are; they go to the servers in turn, one at a time on each connection.
 */
import { readFileSync } from "node:fs";
import { randomOf } from "./traffic.ts";
import { HttpConnection } from "./http-connection.ts";

export interface SteadyOptions {
  readonly urls: readonly string[];
  /** Whole requests, each ended by a zero byte. */
  readonly requestsPath: string;
  /** Which one to begin with. */
  readonly first: number;
  readonly requestsPerSecond: number;
  /** To all servers together. */
  readonly connections: number;
  /** Whether it sleeps a millisecond between looks, for others need the core; else no request is late. */
  readonly isSharing: boolean;
}

export interface SteadyFigures {
  readonly seconds: number;
  /** Requests answered with 200. */
  readonly answered: number;
  /** Other answers, broken connections, and requests not sent because too many waited. */
  readonly refused: number;
  /** From when a request was due to its answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Where another load would go on. */
  readonly next: number;
}

/** Requests that wait for a connection to a server, at most. */
const WAITING_MAX = 2_000;

class Target {
  private readonly idle: HttpConnection[] = [];
  private readonly waiting: { readonly request: Buffer; readonly dueMs: number }[] = [];
  private waitingFrom = 0;

  constructor(url: string, connections: number) {
    for (let count = 0; count < connections; count++) {
      const connection = new HttpConnection(url, () => this.release(connection));
      this.idle.push(connection);
    }
  }

  send(request: Buffer, dueMs: number): void {
    const connection = this.idle.pop();
    if (connection !== undefined) transfer(connection, request, dueMs);
    else if (this.waiting.length - this.waitingFrom < WAITING_MAX) this.waiting.push({ request, dueMs });
    else refused++;
  }

  private release(connection: HttpConnection): void {
    const next = this.waiting[this.waitingFrom];
    if (next === undefined) {
      this.idle.push(connection);
      return;
    }
    this.waitingFrom++;
    if (this.waitingFrom > WAITING_MAX) {
      this.waiting.splice(0, this.waitingFrom);
      this.waitingFrom = 0;
    }
    transfer(connection, next.request, next.dueMs);
  }
}

const options = JSON.parse(process.argv[2] as string) as SteadyOptions;
const requests = split(readFileSync(options.requestsPath));
const random = randomOf(5);
const targets = options.urls.map((url) => new Target(url, Math.ceil(options.connections / options.urls.length)));
let [sinceMs, answered, refused, next] = [performance.now(), 0, 0, options.first % requests.length];
let delaysMs: number[] = [];
let dueMs = sinceMs;
let turn = 0;

function transfer(connection: HttpConnection, request: Buffer, fromMs: number): void {
  connection.send(request, (status) => {
    delaysMs.push(performance.now() - fromMs);
    if (status === 200) answered++;
    else refused++;
  });
}

function sendDue(): void {
  for (const nowMs = performance.now(); dueMs <= nowMs; dueMs += gapMs()) {
    (targets[turn] as Target).send(requests[next] as Buffer, dueMs);
    turn = (turn + 1) % targets.length;
    next = (next + 1) % requests.length;
  }
  planNext();
}

function planNext(): void {
  if (options.isSharing) setTimeout(sendDue, 1);
  else setImmediate(sendDue);
}

/** Exponentially distributed: arrivals that know nothing of each other. */
function gapMs(): number {
  return (-Math.log((random() + 1) / 2 ** 32) * 1000) / options.requestsPerSecond;
}

function takeFigures(): SteadyFigures {
  const nowMs = performance.now();
  const sorted = delaysMs.toSorted((a, b) => a - b);
  const percentile = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
  const seconds = (nowMs - sinceMs) / 1000;
  const figures = { seconds, answered, refused, p50Ms: percentile(0.5), p99Ms: percentile(0.99), next };
  [sinceMs, answered, refused, delaysMs] = [nowMs, 0, 0, []];
  return figures;
}

function split(file: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let from = 0; from < file.length;) {
    const to = file.indexOf(0, from);
    found.push(file.subarray(from, to));
    from = to + 1;
  }
  return found;
}

planNext();
process.on("message", () => process.send?.(takeFigures()));
process.once("disconnect", () => process.exit(0));
