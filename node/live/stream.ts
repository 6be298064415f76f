/**
 * One client's events (server-sent events, WHATWG HTML 9.2), written on the bare socket: once the head is sent there is no request and no
 * response any more, only this.
 */
import type { Socket } from "node:net";
import type { Sink, Watch } from "./fan-out.ts";
import type { Frame, FrameKind } from "./frame.ts";
import { retryMs } from "./goodbye.ts";
import type { Streams } from "./streams.ts";

/** Why a stream has ended. `client`: it closed its connection, or that broke. */
export const ENDINGS = ["client", "took nothing", "sent too much", "token", "switched off", "draining"] as const;
export type Ending = (typeof ENDINGS)[number];

/** Body and tag are ASCII without line ends, so nothing in them can end a line. */
export const AS_EVENT: FrameKind = {
  encode: ({ tag, body }) => Buffer.from(`event: top\nid: ${tag}\ndata: ${body}\n\n`, "latin1"),
};
/** A line that every parser skips: what is sent to a peer that is gone fails in the end, and proxies see that the stream lives. */
const COMMENT = Buffer.from(":\n", "latin1");
/** A client has nothing to say behind its request. */
const SENT_BYTES_MAX = 16_384;
/** So many beats without taking anything of what waits for it. */
const BEATS_WITHOUT_TAKING_MAX = 4;

/** A connection that its listener has given away. */
export interface Taken {
  readonly socket: Socket;
  /** To be called when it is closed. */
  readonly release: () => void;
}

export interface StreamOptions {
  /** The answer's head. */
  readonly head: string;
  readonly retryMs: number;
  /** Whose place it takes: a key; `undefined` where that is only one of all. */
  readonly client: string | undefined;
  /** Whether the token that it was asked for with is still good; left out where none was needed. */
  readonly isAllowed?: (() => boolean) | undefined;
}

/** By socket: the listeners are the same functions for all, and each costs no memory. */
const streams = new WeakMap<Socket, Stream>();

export class Stream implements Sink {
  readonly client: string | undefined;
  readonly isAllowed: (() => boolean) | undefined;
  /** Why it ends; `client` until somebody else ends it. */
  ending: Ending = "client";
  private readonly socket: Socket;
  private readonly streams: Streams;
  private readonly releaseSocket: () => void;
  private watch: Watch | undefined;
  /** What is to go before the first event. */
  private head: string;
  private isWaiting = false;
  private beatsWithoutTaking = 0;
  private takenBytes = 0;
  private readonly readBytes: number;

  constructor(room: Streams, { socket, release }: Taken, { head, retryMs: ms, client, isAllowed }: StreamOptions) {
    this.streams = room;
    this.socket = socket;
    this.releaseSocket = release;
    this.client = client;
    this.isAllowed = isAllowed;
    this.head = `${head}retry: ${ms}\n\n`;
    this.readBytes = socket.bytesRead;
    streams.set(socket, this);
    socket.on("close", onClose).on("end", onEnd).on("error", onError);
    socket.resume(); // whatever still comes is thrown away
  }

  /** Begins, with what stands. @param watch given the stream */
  begin(watch: (stream: Stream) => Watch): void {
    this.watch = watch(this);
    if (this.head !== "") this.write(Buffer.from(this.takeHead(), "latin1"));
    // Who has ended its side before it was answered gets what stands, and no more.
    if (this.socket.readableEnded) this.socket.end();
  }

  send(frame: Frame): boolean {
    const bytes = frame.bytes(AS_EVENT);
    if (this.head !== "") this.write(Buffer.concat([Buffer.from(this.takeHead(), "latin1"), bytes]));
    else if (this.socket.writableLength === 0) this.write(bytes);
    else return this.waitForRoom();
    return true;
  }

  /** To be called every 15 s: a comment, or where the client has not taken what was sent before, whether it takes anything. */
  beat(): void {
    const { socket } = this;
    if (socket.bytesRead - this.readBytes > SENT_BYTES_MAX) return this.destroy("sent too much");
    if (this.isAllowed?.() === false) return this.end("token");
    const taken = socket.bytesWritten - socket.writableLength;
    const isStuck = socket.writableLength > 0 && taken === this.takenBytes;
    this.beatsWithoutTaking = isStuck ? this.beatsWithoutTaking + 1 : 0;
    this.takenBytes = taken;
    if (this.beatsWithoutTaking >= BEATS_WITHOUT_TAKING_MAX) return this.destroy("took nothing");
    if (socket.writableLength === 0) this.write(COMMENT);
  }

  /** Says goodbye, and when to come again. */
  end(ending: Ending): void {
    const { socket } = this;
    if (this.watch === undefined || socket.destroyed) return;
    this.ending = ending;
    this.stopWatching();
    const ms = retryMs();
    if (socket.writableLength > 0) return void socket.destroy(); // it would not take that either
    this.write(Buffer.from(`retry: ${ms}\nevent: bye\ndata: {"reconnectInMs":${ms}}\n\n`, "latin1"));
    socket.destroySoon();
  }

  closed(): void {
    this.stopWatching();
    this.releaseSocket();
    this.streams.closed(this);
  }

  private destroy(ending: Ending): void {
    this.ending = ending;
    this.socket.destroy();
  }

  private stopWatching(): void {
    this.watch?.end();
    this.watch = undefined;
  }

  private takeHead(): string {
    const { head } = this;
    this.head = "";
    return head;
  }

  private write(bytes: Buffer): void {
    this.streams.bytes += bytes.length;
    this.socket.write(bytes);
  }

  /** @returns false */
  private waitForRoom(): false {
    if (!this.isWaiting) this.socket.write("", () => this.onRoom()); // behind what waits
    this.isWaiting = true;
    return false;
  }

  private onRoom(): void {
    this.isWaiting = false;
    this.watch?.drained();
  }
}

function onClose(this: Socket): void {
  streams.get(this)?.closed();
}

/** A client that closes tells no more than that it sends nothing: it is gone all the same, or will be when it is written to. */
function onEnd(this: Socket): void {
  this.destroySoon();
}

/** The connection is closed, whatever it was. */
function onError(): void {}
