/**
 * One client's connection. What comes in a call's plain form takes the fast lane: it is read here, and answered in one write.
 * Another request that is framed as plainly takes a detour: fastify gets exactly its bytes, and the lane goes on behind its
 * answer. From the first byte that is not plain on, everything goes to fastify.
 */
import type { Socket } from "node:net";
import type { Connections } from "./connections.ts";
import type { Sender } from "./fast-calls.ts";
import { Feed } from "./feed.ts";
import { HandedBytes } from "./handed-bytes.ts";
import { Head } from "./head.ts";
import { LaneAnswers } from "./lane-answers.ts";
import type { LetGo, StandIn } from "./stand-in.ts";
import { Unread } from "./unread.ts";

/** What still comes after the last answer is read for so long, and so much of it: closed earlier, a client may lose the answer. */
const LINGER_MS = 2000;
const LINGER_BYTES_MAX = 4 * 1024 * 1024;

export const TICK_MS = 1000;
const [LF, CR] = [10, 13];
const head = new Head();

/**
 * `lane`: reads plain requests. `detour`: fastify answers one request. `handed over`: fastify gets everything. `ending`: the last
 * answer is written.
 */
type State = "lane" | "detour" | "handed over" | "ending";

export class Connection implements Sender {
  lastToken: Sender["lastToken"];
  readonly client: Sender["client"];
  private readonly socket: Socket;
  private readonly all: Connections;
  private state: State;
  /** What came and was not read yet. */
  readonly unread: Unread;
  private readonly answers = new LaneAnswers(() => this.onSettled());
  private readonly feed: Feed;
  private readonly handed: HandedBytes;
  /** The client sends nothing more. */
  private hasEnded = false;
  private isDirty = false;
  /** In the middle of reading: what settles meanwhile is written behind it. */
  private isReading = false;
  /**
   * Since when it is as it is: idle, in the middle of a head, ending; `hasAsked` tells idle from never used. As of the tick
   * before, so up to a tick too early.
   */
  private sinceMs: number;
  private hasAsked = false;
  private lingered = 0;
  private readonly taking: Taking;

  constructor(socket: Socket, all: Connections, client: Sender["client"]) {
    this.socket = socket;
    this.all = all;
    this.client = client;
    this.state = all.isLaneOpen ? "lane" : "handed over";
    this.sinceMs = all.nowMs;
    this.taking = new Taking(all.nowMs);
    this.unread = new Unread(socket, {
      isUnderWay: () =>
        this.state === "detour"
          ? !this.handed.isAnswered
          : this.isHandedOver && all.inTurn.isUnderWay(this.feed.open()),
      goOn: () => this.goOn(),
      giveUp: () => this.answers.isEmpty && this.finish(all.unread()),
    });
    this.feed = new Feed(socket, {
      serve: (standIn) => all.serve(standIn, this),
      onParsed: () => this.goOn(),
      onEnd: () => this.finish(),
      onDestroyed: () => this.onStandInDestroyed(),
      letGo: () => this.letGo(),
    });
    this.handed = new HandedBytes(this.feed, this.unread, all.inTurn);
    socket.on("data", this.onData).on("end", this.onEnd).on("drain", this.onDrain);
    socket.on("error", this.onError).on("close", this.onClose);
    if (this.state === "handed over") this.feed.open(); // its time limits begin at once
  }

  private readonly onData = (bytes: Buffer): void => {
    if (this.state === "ending") {
      if ((this.lingered += bytes.length) > LINGER_BYTES_MAX) this.destroy();
      return;
    }
    const isNew = this.unread.length === 0 && this.answers.isEmpty;
    if (isNew && (this.hasAsked || this.handed.isAny || afterLineEnds(bytes, 0) < bytes.length))
      this.sinceMs = this.all.nowMs;
    this.unread.add(bytes);
    this.unread.readOn(this.all.reading);
  };

  private readonly onEnd = (): void => {
    this.hasEnded = true;
    this.goOn();
  };

  private readonly onDrain = (): void => {
    this.sinceMs = this.all.nowMs; // what waited behind the answers begins now
    this.goOn();
  };

  private readonly onError = (error: Error): void => this.feed.destroy(error);

  private readonly onClose = (): void => {
    this.state = "ending";
    this.unread.clear();
    this.feed.destroy();
    this.all.forget(this);
  };

  goOn(): void {
    if (this.unread.isHeld) return;
    if (this.state === "lane") this.readPlain();
    if (this.state === "detour" && this.handed.feedOne(this.hasEnded)) this.backToLane();
    if (this.state === "handed over") this.handed.feedAll(this.hasEnded);
    if (this.state === "lane" && this.hasEnded && this.unread.length === 0 && this.answers.isEmpty) this.finish();
    this.unread.pauseWhereFull(this.all.reading, this.state === "ending");
  }

  // The fast lane.

  private readPlain(): void {
    const { bytes } = this.unread;
    let at = 0;
    this.isReading = true;
    while (this.state === "lane" && this.hasRoom()) {
      at = afterLineEnds(bytes, at);
      if (at === bytes.length) break;
      const reading = head.read(bytes, at);
      if ((this.unread.isPartial = reading === "partial" && !this.hasEnded)) break;
      const length = head.end - at + (head.bodyLength ?? 0);
      const isAtHand = reading === "whole" && bytes.length - at >= length;
      const call = isAtHand ? this.all.calls.match(head, bytes, this) : undefined;
      if (call !== undefined) {
        at += length;
        this.hasAsked = true;
        this.all.ways.lane++;
        this.all.answer(call, this.answers.begin());
      } else if (!this.answers.isEmpty) break;
      else if (reading === "whole") this.takeDetour(length);
      else this.handOver();
    }
    this.isReading = false;
    this.unread.take(at);
    if (this.isDirty) this.flush();
  }

  private hasRoom(): boolean {
    return this.answers.hasRoom(this.all.isClosing) && !this.socket.writableNeedDrain;
  }

  private onSettled(): void {
    if (this.isDirty || this.state === "ending") return;
    this.isDirty = true;
    if (!this.isReading) this.all.flushSoon(this);
  }

  /** Writes the answers that are there, in the order of the requests. */
  flush(): void {
    this.isDirty = false;
    if (this.state === "ending") return;
    const { answers, all } = this;
    const text = answers.take(all.keptAliveLines(), all.isClosing ? all.closedLines() : all.keptAliveLines());
    if (text === "") return;
    this.socket.write(text, "latin1");
    this.sinceMs = this.all.nowMs;
    if (all.isClosing && answers.isEmpty) this.finish();
    else this.readRest();
  }

  private readRest(): void {
    if (this.unread.length > 0) this.unread.readOn(this.all.reading);
    else if (this.hasEnded) this.goOn();
  }

  private handOver(): void {
    this.state = "handed over";
    // Node limits the time of requests, and what it skips before one is none yet.
    if (this.feed.isMade) this.socket.setTimeout(this.all.idleMs);
    this.passTimeOn();
  }

  /** Node's server counts from the first byte that it gets. The request that it gets now began here. */
  private passTimeOn(): void {
    this.all.watch(this.feed.open(), this.sinceMs + TICK_MS);
  }

  private takeDetour(length: number): void {
    this.state = "detour";
    this.hasAsked = true;
    this.handed.begin(length);
    this.all.ways.detour++;
    this.passTimeOn();
  }

  private backToLane(): void {
    this.state = "lane";
    this.sinceMs = this.all.nowMs;
    this.socket.setTimeout(0); // the lane has its own limit
    this.readRest();
  }

  private onStandInDestroyed(): void {
    if (this.state === "lane" || this.state === "ending") return;
    this.state = "ending"; // what stands behind it is nobody's request
    this.unread.clear();
    this.destroy();
  }

  /** All requests that fastify got are answered. */
  onIdle(): void {
    this.handed.isAnswered = true;
    // Between requests that came together the other connections have their turn.
    if (this.unread.length > 0) setImmediate(() => this.unread.readOn(this.all.reading));
    else this.goOn();
  }

  get isHandedOver(): boolean {
    return this.state === "handed over";
  }

  // The end.

  /** Nothing more is answered. @returns true */
  finish(last = ""): true {
    if (this.state === "ending") return true;
    this.state = "ending";
    this.unread.clear();
    this.sinceMs = this.all.nowMs;
    this.socket.end(last, "latin1");
    this.socket.resume();
    return true;
  }

  destroy(): void {
    this.socket.destroy();
  }

  /**
   * Gives the socket away, to be written to without any of this. What came behind the request that is being answered is thrown away: nothing
   * is answered behind it.
   */
  private letGo(): LetGo {
    const { socket, all } = this;
    this.state = "ending";
    socket.off("data", this.onData).off("end", this.onEnd).off("drain", this.onDrain);
    socket.off("error", this.onError).off("close", this.onClose);
    socket.setTimeout(0);
    this.unread.clear();
    this.feed.destroy();
    return { socket, release: all.letGo(this) };
  }

  /** While the node drains: closes where nothing is under way, neither here nor at Node's server (`isServed`). */
  closeIfUnused(isServed: (standIn: StandIn) => boolean): void {
    const isBusy = this.feed.isMade && (this.hasAsked || this.handed.isAny) && isServed(this.feed.open());
    const isUnderWay = !this.answers.isEmpty || this.state === "detour" || this.state === "ending";
    if (this.unread.length + this.socket.writableLength === 0 && !isUnderWay && !isBusy) this.destroy();
  }

  /** Keeps the time limits. To be called once a second. */
  tick(nowMs: number): void {
    if (this.taking.isStuck(this.socket, nowMs, this.all.takeMs)) {
      this.all.givenUp++;
      return this.destroy();
    }
    if (this.socket.writableLength > 0) return; // the client takes its answers
    const passedMs = nowMs - this.sinceMs;
    if (this.state === "ending" && passedMs > LINGER_MS) return this.destroy();
    if (this.state !== "lane" || !this.answers.isEmpty) return;
    const isIdle = this.hasAsked && this.unread.length === 0;
    if (isIdle && passedMs > this.all.idleMs) this.destroy();
    if (!isIdle && passedMs > this.all.requestMs + TICK_MS) this.finish(this.all.tooLate());
  }
}

/** Watches whether a client takes what is written to it. */
class Taking {
  private taken = 0;
  /** When that was last seen to grow. */
  private grownAtMs: number;

  constructor(nowMs: number) {
    this.grownAtMs = nowMs;
  }

  /** Whether it took nothing for longer than `withinMs`; to be asked again and again. */
  isStuck({ bytesWritten, writableLength }: Socket, nowMs: number, withinMs: number): boolean {
    const taken = bytesWritten - writableLength;
    if (writableLength === 0 || taken !== this.taken) this.grownAtMs = nowMs;
    this.taken = taken;
    return nowMs - this.grownAtMs > withinMs;
  }
}

/** Where a request may begin: Node's parser, too, skips line ends before it (RFC 9112, 2.2). */
function afterLineEnds(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === CR || bytes[at] === LF) at++;
  return at;
}
