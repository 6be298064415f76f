/**
 * Stands for a client's socket before Node's HTTP server, which takes any duplex stream as a connection: so the connection keeps the
 * socket, and decides which bytes the server gets and when.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { hasBody } from "./in-turn.ts";

/** What the connection does for its stand-in. */
export interface StandInPorts {
  /** The server has written its last byte. */
  readonly onEnd: () => void;
  readonly onDestroyed: (error: Error | null) => void;
  readonly letGo: () => LetGo;
}

/** A client's socket that is read and written by whoever has it now. */
export interface LetGo {
  readonly socket: Socket;
  /** To be called when it is closed: its place may be taken by another connection. */
  readonly release: () => void;
}

const LF = 10;
/** Handed to the socket at once: whether a client takes anything of an answer is seen piece by piece. */
const PIECE_BYTES = 64 * 1024;
/** Longer than any method's name. */
const METHOD_BYTES_MAX = 16;
/** What is handed on at once of bytes that may hold several requests is no longer. */
const TAIL_BYTES_MAX = 512;
/** The first line of a request, as far as it has come: its method, perhaps a part of its target. */
const BEGUN_LINE = /(?<![A-Z-])[A-Z-]+(?: [^ ]*)?$/;

type Chunk = string | Buffer;
type Done = (error?: Error | null) => void;
const NOT_YET: Done = () => undefined;

/** While Node's server is asked: those of which it has no part of a request. */
let idle: Set<StandIn> | undefined;

/**
 * The stand-ins of which Node's server has no part of a request. Only its parser knows, and it tells by closing them: here
 * they stay open. One that never got a byte is not among them.
 * @param closeIdle the server's own `closeIdleConnections`
 */
export function idleStandIns(closeIdle: () => void): ReadonlySet<StandIn> {
  const found = (idle = new Set<StandIn>());
  try {
    closeIdle();
  } finally {
    idle = undefined;
  }
  return found;
}

export class StandIn extends Duplex {
  private readonly socket: Socket;
  private readonly ports: StandInPorts;
  /** How the line begins in which the newest bytes begin, and the one in which they end. */
  private lineStart = "";
  private nextLineStart = "";
  /** How the newest bytes end, behind their last line end: a request may begin there, behind a body. */
  private tail = "";
  /** The newest request, while it is not whole. */
  private newest: IncomingMessage | undefined;
  /** The last thing that ended was a body, which need not end with a line. */
  private isBehindBody = false;
  private readonly tellTimeout = (): void => void this.emit("timeout");

  constructor(socket: Socket, ports: StandInPorts) {
    super({ decodeStrings: false });
    this.socket = socket;
    this.ports = ports;
    socket.on("timeout", this.tellTimeout);
    this.on("data", (bytes: Buffer) => this.noteLine(bytes)); // the server's own listener hears of them later
  }

  /** Whether the bytes that the server got last begin in the first line of a request, as far as the line's beginning tells. */
  get isInRequestLine(): boolean {
    return /^[A-Z-]+ /.test(this.lineStart);
  }

  get remoteAddress(): string | undefined {
    return this.socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.socket.remotePort;
  }

  get remoteFamily(): string | undefined {
    return this.socket.remoteFamily;
  }

  get localAddress(): string | undefined {
    return this.socket.localAddress;
  }

  get localPort(): number | undefined {
    return this.socket.localPort;
  }

  /** How long the socket may be silent; the server asks for it between two requests. */
  setTimeout(ms: number): this {
    this.socket.setTimeout(ms);
    return this;
  }

  override destroy(error?: Error): this {
    if (idle === undefined) return super.destroy(error);
    idle.add(this);
    return this;
  }

  /** As a socket's: to be called after the last answer. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  /** Bytes are pushed when the connection has some. */
  override _read(): void {}

  override _write(chunk: Chunk, encoding: BufferEncoding, done: Done): void {
    this.pass(chunk, encoding, done);
  }

  /** Head and body leave together. */
  override _writev(chunks: { readonly chunk: Chunk; readonly encoding: BufferEncoding }[], done: Done): void {
    if (chunks.some(({ chunk }) => chunk.length > PIECE_BYTES))
      return this.passPieces(Buffer.concat(chunks.map(({ chunk, encoding }) => bytesOf(chunk, encoding))), done);
    const last = chunks.length - 1;
    this.socket.cork();
    for (const [index, { chunk, encoding }] of chunks.entries())
      this.pass(chunk, encoding, index === last ? done : NOT_YET);
    this.socket.uncork();
  }

  override _final(done: () => void): void {
    this.ports.onEnd();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.off("timeout", this.tellTimeout);
    this.ports.onDestroyed(error);
    done(error);
  }

  /** Gives the socket to whoever answers the newest request from now on; this and all that the server has of the request end. */
  letGo(): LetGo {
    return this.ports.letGo();
  }

  /** The head of another request has ended. */
  noteRequest(request: IncomingMessage): void {
    this.newest = request;
  }

  /** Perhaps the newest request has ended. */
  noteEnd(): void {
    if (this.newest?.complete !== true) return;
    this.isBehindBody = hasBody(this.newest);
    this.newest = undefined;
  }

  private noteLine(bytes: Buffer): void {
    this.noteEnd();
    if (this.isBehindBody) this.nextLineStart = (BEGUN_LINE.exec(this.tail)?.[0] ?? "").slice(0, METHOD_BYTES_MAX);
    this.isBehindBody = false;
    const missing = Math.max(0, METHOD_BYTES_MAX - this.nextLineStart.length);
    this.lineStart = this.nextLineStart + bytes.toString("latin1", 0, missing);
    const lineFrom = bytes.lastIndexOf(LF) + 1;
    this.nextLineStart =
      lineFrom === 0 ? this.lineStart : bytes.toString("latin1", lineFrom, lineFrom + METHOD_BYTES_MAX);
    this.tail = bytes.toString("latin1", Math.max(lineFrom, bytes.length - TAIL_BYTES_MAX));
  }

  private pass(chunk: Chunk, encoding: BufferEncoding, done: Done): void {
    if (chunk.length > PIECE_BYTES) this.passPieces(bytesOf(chunk, encoding), done);
    else if (typeof chunk === "string") this.socket.write(chunk, encoding, done);
    else this.socket.write(chunk, done);
  }

  /** Each once the socket has taken the one before: else it would join them again. */
  private passPieces(bytes: Buffer, done: Done): void {
    const rest = bytes.subarray(PIECE_BYTES);
    this.socket.write(bytes.subarray(0, PIECE_BYTES), (error) => {
      if (error || rest.length === 0) done(error);
      else this.passPieces(rest, done);
    });
  }
}

function bytesOf(chunk: Chunk, encoding: BufferEncoding): Buffer {
  return typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
}
