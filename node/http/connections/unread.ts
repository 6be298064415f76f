/** What came on a connection and was not read yet, and whether it has to wait for its turn (`reading.ts`). */
import type { Socket } from "node:net";
import type { Readable, Reading } from "./reading.ts";

const NOTHING = Buffer.alloc(0);
/** While so much is unread the socket is not read. */
const UNREAD_MAX = 16_384;
const [P, U, D, G] = [0x50, 0x55, 0x44, 0x47];
/** The letters that `/livez`, `/readyz` and `/metrics` begin with, and nothing else; and where they stand behind `GET /`. */
const OPERATORS = [0x6c, 0x72, 0x6d];
const OPERATORS_AT = 5;

export interface UnreadPorts {
  /** Whether fastify answers, or reads a request: that goes on. */
  readonly isUnderWay: () => boolean;
  readonly goOn: () => void;
  /** Says so, and ends it; false where an answer is still to be written. */
  readonly giveUp: () => boolean;
}

export class Unread implements Readable {
  bytes: Buffer = NOTHING;
  /** It is told when it has its turn. */
  isHeld = false;
  /** What is there is no more than the beginning of a request. */
  isPartial = false;
  behindSince: number | undefined;
  private readonly socket: Socket;
  private readonly ports: UnreadPorts;

  constructor(socket: Socket, ports: UnreadPorts) {
    this.socket = socket;
    this.ports = ports;
  }

  get length(): number {
    return this.bytes.length;
  }

  add(bytes: Buffer): void {
    this.bytes = this.bytes.length === 0 ? bytes : Buffer.concat([this.bytes, bytes]);
  }

  /** Takes so many of the first bytes out. */
  take(length: number): Buffer {
    const taken = this.bytes.subarray(0, length);
    this.bytes = length === this.bytes.length ? NOTHING : this.bytes.subarray(length);
    return taken;
  }

  clear(): void {
    this.bytes = NOTHING;
  }

  /** Goes on where there is time for this connection now. */
  readOn(reading: Reading): void {
    if (this.isHeld) {
      if (this.length >= UNREAD_MAX) this.stop();
    } else if (this.ports.isUnderWay() || reading.mayRead(this)) this.ports.goOn();
    else this.isHeld = true;
  }

  /** @param isEnding nothing more is answered: what still comes is thrown away */
  pauseWhereFull(reading: Reading, isEnding: boolean): void {
    const isFull = !isEnding && this.length >= UNREAD_MAX;
    if (isFull) reading.notePile();
    if (isFull === this.socket.isPaused()) return;
    if (isFull) this.socket.pause();
    else this.socket.resume();
  }

  get isUrgent(): boolean {
    const [first, second] = this.bytes;
    if (first === G) return OPERATORS.includes(this.bytes[OPERATORS_AT] ?? 0);
    return (first === P && second === U) || first === D; // PUT is a heartbeat, DELETE a disconnection
  }

  get isBehind(): boolean {
    return this.length > 0 && !this.isPartial;
  }

  get isGone(): boolean {
    return this.socket.destroyed || this.socket.writableEnded;
  }

  giveUp(): boolean {
    return !this.ports.isUnderWay() && this.ports.giveUp();
  }

  stop(): void {
    this.socket.pause();
  }

  release(): void {
    this.isHeld = false;
    this.ports.goOn();
  }
}
