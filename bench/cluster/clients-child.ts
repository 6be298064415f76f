/**
 * The process of the clients that have to get through: each reports one player's move and tries again, at once at another
 * node, until it succeeds. They choose among nodes as a load balancer does that asks `/readyz` of each.
 */
import { singleReport } from "../support/reports.ts";
import { randomOf } from "../support/traffic.ts";
import { httpGet } from "../support/wrk.ts";
import { HttpConnection } from "../support/http-connection.ts";

export interface ClientsOptions {
  readonly players: number;
  readonly requestsPerSecond: number;
}

export interface ClientsFigures {
  readonly requests: number;
  /** First tries that were refused or broke off. */
  readonly refused: number;
  /** Successes that were `202`. */
  readonly counted: number;
  /** Those that are still trying, and since when the longest does. */
  readonly waiting: number;
  readonly waitingMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

/**
 * What the parent says: which nodes there are; or that it wants the figures since it last asked for them; or the longest
 * wait of the last seconds alone, in milliseconds.
 */
export type Command = { readonly urls: readonly string[] } | "figures" | "longest wait lately";

const LOOK_EVERY_MS = 100;
/** After a refusal; a game client would wait a little longer. */
const RETRY_MS = 50;
/** A node that has not answered by then is not waited for: its own deadline is 2 s. */
const GIVE_UP_MS = 2_500;
const LATELY_MS = 2_000;

class Node {
  readonly url: string;
  isReady = false;
  private readonly idle: HttpConnection[] = [];

  constructor(url: string) {
    this.url = url;
  }

  send(request: string, onAnswer: (status: number) => void): void {
    const connection = this.idle.pop() ?? this.open();
    let isOver = false;
    const settle = (status: number): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      onAnswer(status);
    };
    const timer = setTimeout(() => {
      connection.close();
      settle(0);
    }, GIVE_UP_MS);
    connection.send(request, settle);
  }

  look(): void {
    this.send(httpGet("/readyz"), (status) => {
      this.isReady = status === 200;
    });
  }

  private open(): HttpConnection {
    const connection: HttpConnection = new HttpConnection(this.url, () => this.idle.push(connection));
    return connection;
  }
}

const options = JSON.parse(process.argv[2] as string) as ClientsOptions;
const random = randomOf(7);
let nodes: Node[] = [];
let waitsMs: number[] = [];
/** The waits that ended lately, oldest first. */
let ended: { readonly atMs: number; readonly waitMs: number }[] = [];
let [requests, refused, counted] = [0, 0, 0];
const waitingSinceMs = new Set<{ readonly atMs: number }>();
let dueMs = performance.now();

function report(): void {
  const since = { atMs: performance.now() };
  waitingSinceMs.add(since);
  requests++;
  const player = Math.floor((random() / 2 ** 32) * options.players);
  const request = singleReport(player, random);
  tryOnce(request, undefined, (status) => {
    waitingSinceMs.delete(since);
    const nowMs = performance.now();
    waitsMs.push(nowMs - since.atMs);
    ended.push({ atMs: nowMs, waitMs: nowMs - since.atMs });
    if (status === 202) counted++;
  });
}

function tryOnce(request: string, before: Node | undefined, onSuccess: (status: number) => void): void {
  const node = choose(before);
  if (node === undefined) return void setTimeout(() => tryOnce(request, before, onSuccess), RETRY_MS);
  node.send(request, (status) => {
    if (status === 200 || status === 202) return onSuccess(status);
    if (before === undefined) refused++;
    if (status === 0) node.isReady = false; // until it says otherwise
    setTimeout(() => tryOnce(request, node, onSuccess), status === 0 ? 0 : RETRY_MS);
  });
}

/** Any ready node, another one than before where there is one. */
function choose(before: Node | undefined): Node | undefined {
  const ready = nodes.filter(({ isReady }) => isReady);
  const others = ready.filter((node) => node !== before);
  const among = others.length > 0 ? others : ready;
  return among[Math.floor((random() / 2 ** 32) * among.length)];
}

function sendDue(): void {
  const nowMs = performance.now();
  for (; dueMs <= nowMs; dueMs += (-Math.log((random() + 1) / 2 ** 32) * 1000) / options.requestsPerSecond)
    if (nodes.length > 0) report();
}

/** How long the longest waits that still does. */
function waitingMsAt(nowMs: number): number {
  return Math.max(0, ...Array.from(waitingSinceMs, ({ atMs }) => nowMs - atMs));
}

function longestWaitLately(): number {
  const nowMs = performance.now();
  ended = ended.filter(({ atMs }) => nowMs - atMs <= LATELY_MS);
  return Math.max(waitingMsAt(nowMs), ...ended.map(({ waitMs }) => waitMs));
}

function takeFigures(): ClientsFigures {
  const sorted = waitsMs.toSorted((a, b) => a - b);
  const figures = {
    requests,
    refused,
    counted,
    waiting: waitingSinceMs.size,
    waitingMs: waitingMsAt(performance.now()),
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    longestMs: sorted.at(-1) ?? 0,
  };
  [requests, refused, counted, waitsMs] = [0, 0, 0, []];
  return figures;
}

process.on("message", (command: Command) => {
  if (command === "figures") return void process.send?.(takeFigures());
  if (command === "longest wait lately") return void process.send?.(longestWaitLately());
  nodes = command.urls.map((url) => nodes.find((node) => node.url === url) ?? new Node(url));
  for (const node of nodes) node.look();
});
process.once("disconnect", () => process.exit(0));
setInterval(sendDue, 1);
setInterval(() => {
  for (const node of nodes) node.look();
}, LOOK_EVERY_MS);
