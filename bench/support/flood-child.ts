/**
 * The process of the flood: more requests than a server may be able to take, each sent at its own random instant (Poisson), whatever
 * was answered before. A connection carries them one behind the other. Where the server closes it, those without an answer are lost,
 * and another is opened at once.
 */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { randomOf } from "./traffic.ts";

export interface FloodOptions {
  readonly url: string;
  /** Whole requests, each ended by a zero byte. */
  readonly requestsPath: string;
  readonly connections: number;
  readonly steps: readonly FloodStep[];
}

export interface FloodStep {
  readonly perSecond: number;
  /** Before what is measured. */
  readonly warmSeconds: number;
  readonly seconds: number;
}

/** What became of one kind of request. */
export interface KindFigures {
  accepted: number;
  /** Answered with 503. */
  refused: number;
  /** Without an answer, since the connection ended, or so much waited in it already that a client would have given up. */
  lost: number;
  /** Another answer than these. */
  failed: number;
}

/** Of the measured seconds of one step; by when the answer came. */
export interface StepFigures {
  /** Requests that were due. */
  readonly offeredPerSecond: number;
  readonly acceptedPerSecond: number;
  /** From when a request was due to its answer, of those accepted. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** By the first words of the request. */
  readonly kinds: Readonly<Record<string, KindFigures>>;
  /** Share of its time that this process worked. */
  readonly loadBusy: number;
}

export const KINDS = ["heartbeats", "reports", "other reads", "look-ups"] as const;

const TICK_MS = 1;
/** A client that cannot get rid of so much has given up. */
const UNSENT_MAX = 65_536;
/** Instants that this process missed by more, since it had no time of its core, do not count: that is no fault of the server. */
const BEHIND_MAX_MS = 50;
const HEAD_END = "\r\n\r\n";
const LENGTH = "content-length: ";
const STATUS_AT = "HTTP/1.1 ".length;

class Client {
  private readonly onAnswer: Tally;
  private readonly place: { readonly host: string; readonly port: number };
  private socket: Socket;
  private received = "";
  private text = "";
  private dueMs: number[] = [];
  private kinds: number[] = [];
  private answeredCount = 0;

  constructor(url: string, onAnswer: Tally) {
    const { hostname, port } = new URL(url);
    this.onAnswer = onAnswer;
    this.place = { host: hostname, port: Number(port) };
    this.socket = this.open();
  }

  add(request: string, kind: number, dueMs: number): void {
    if (this.socket.writableLength > UNSENT_MAX) return this.onAnswer.lose(kind);
    this.text += request;
    this.dueMs.push(dueMs);
    this.kinds.push(kind);
  }

  send(): void {
    if (this.text !== "") this.socket.write(this.text, "latin1");
    this.text = "";
  }

  private open(): Socket {
    const socket = connect({ ...this.place, noDelay: true });
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.read(text));
    socket.on("error", () => undefined);
    socket.once("end", () => socket.destroy());
    socket.once("close", () => {
      for (let at = this.answeredCount; at < this.kinds.length; at++) this.onAnswer.lose(this.kinds[at] as number);
      [this.dueMs, this.kinds, this.answeredCount, this.received, this.text] = [[], [], 0, "", ""];
      this.socket = this.open();
    });
    return socket;
  }

  private read(text: string): void {
    const received = this.received === "" ? text : this.received + text;
    const nowMs = performance.now();
    let at = 0;
    for (let headEnd; (headEnd = received.indexOf(HEAD_END, at)) >= 0;) {
      const length = received.indexOf(LENGTH, at);
      const body = length < 0 || length > headEnd ? 0 : Number.parseInt(received.slice(length + LENGTH.length), 10);
      const end = headEnd + HEAD_END.length + body;
      if (end > received.length) break;
      this.settle(Number(received.slice(at + STATUS_AT, at + STATUS_AT + 3)), nowMs);
      at = end;
    }
    this.received = received.slice(at);
  }

  private settle(status: number, nowMs: number): void {
    const at = this.answeredCount++;
    if (at >= this.kinds.length) return; // told to a connection that had asked nothing
    this.onAnswer.answer(this.kinds[at] as number, status, nowMs - (this.dueMs[at] as number));
    if (this.answeredCount < 4096) return;
    this.dueMs = this.dueMs.slice(this.answeredCount);
    this.kinds = this.kinds.slice(this.answeredCount);
    this.answeredCount = 0;
  }
}

class Tally {
  offered = 0;
  private delaysMs: number[] = [];
  private readonly kinds = KINDS.map((): KindFigures => ({ accepted: 0, refused: 0, lost: 0, failed: 0 }));
  private readonly sinceMs = performance.now();
  private readonly cpu = process.cpuUsage();

  answer(kind: number, status: number, delayMs: number): void {
    const figures = this.kinds[kind] as KindFigures;
    if (status === 503) figures.refused++;
    else if (status < 200 || status > 204) figures.failed++;
    else {
      figures.accepted++;
      this.delaysMs.push(delayMs);
    }
  }

  lose(kind: number): void {
    (this.kinds[kind] as KindFigures).lost++;
  }

  figures(): StepFigures {
    const seconds = (performance.now() - this.sinceMs) / 1000;
    const { user, system } = process.cpuUsage(this.cpu);
    const sorted = Float64Array.from(this.delaysMs).toSorted();
    return {
      offeredPerSecond: this.offered / seconds,
      acceptedPerSecond: sorted.length / seconds,
      p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      kinds: Object.fromEntries(KINDS.map((kind, at) => [kind, this.kinds[at] as KindFigures])),
      loadBusy: (user + system) / 1e6 / seconds,
    };
  }
}

const options = JSON.parse(process.argv[2] as string) as FloodOptions;
const requests = readFileSync(options.requestsPath, "latin1").split("\0").slice(0, -1);
const kinds = requests.map(kindOf);
const random = randomOf(7);
let tally = new Tally();
const clients = Array.from({ length: options.connections }, () => {
  return new Client(options.url, {
    answer: (kind: number, status: number, delayMs: number) => tally.answer(kind, status, delayMs),
    lose: (kind: number) => tally.lose(kind),
  } as Tally);
});
let next = 0;
const done = run();

async function run(): Promise<StepFigures[]> {
  const measured: StepFigures[] = [];
  for (const { perSecond, warmSeconds, seconds } of options.steps) {
    await flood(perSecond, warmSeconds);
    tally = new Tally();
    await flood(perSecond, seconds);
    measured.push(tally.figures());
  }
  return measured;
}

function flood(perSecond: number, seconds: number): Promise<void> {
  const endMs = performance.now() + seconds * 1000;
  let dueMs = performance.now();
  return new Promise((resolve) => {
    const sendDue = (): void => {
      const nowMs = performance.now();
      for (; dueMs <= nowMs; dueMs += (-Math.log((random() + 1) / 2 ** 32) * 1000) / perSecond) {
        if (nowMs - dueMs > BEHIND_MAX_MS) continue;
        tally.offered++;
        const kind = kinds[next] as number;
        (clients[random() % clients.length] as Client).add(requests[next] as string, kind, dueMs);
        next = (next + 1) % requests.length;
      }
      for (const client of clients) client.send();
      if (nowMs < endMs) setTimeout(sendDue, TICK_MS);
      else resolve();
    };
    sendDue();
  });
}

/** As in KINDS. */
function kindOf(request: string): number {
  if (request.startsWith("PUT")) return 0;
  if (request.startsWith("POST")) return 1;
  return request.startsWith("GET /v1/regions") ? 2 : 3;
}

process.once("message", () => void done.then((figures) => process.send?.(figures)));
process.once("disconnect", () => process.exit(0));
