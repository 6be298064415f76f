/**
 * What comes of a body before it is whole: copied into one buffer, since a client may cut it into pieces of one byte, each of
 * which would cost a hundred bytes of memory; and bounded over all connections, since clients that begin a batch and stall would fill the memory.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Readable, Transform } from "node:stream";
import { NoRoomError } from "../http.ts";

const BYTES_MAX = 64 * 1024 * 1024;
const FIRST_BYTES = 4096;
/** Handed on at once, so that whoever bounds the body sees how long it has become. */
const PIECE_BYTES_MAX = 256 * 1024;

export class BodyBudget {
  /** Buffers of all bodies that are not whole. */
  taken = 0;

  /** The request's body in few pieces; fails with a `NoRoomError` where there is no room for more. */
  gather(request: Readable & Pick<IncomingMessage, "headers">, response: ServerResponse): Readable {
    const body = new Gathering(this, Number(request.headers["content-length"] ?? 0));
    const letGo = (): void => {
      request.unpipe(body).resume();
      body.destroy();
    };
    body.once("close", () => (this.taken -= body.held));
    body.once("error", letGo);
    request.once("close", () => request.readableEnded || body.destroy(new Error("the body broke off")));
    response.once("close", letGo); // it may be answered unread
    return request.pipe(body);
  }

  /** @returns false where there is no room */
  take(bytes: number): boolean {
    if (this.taken + bytes > BYTES_MAX) return false;
    this.taken += bytes;
    return true;
  }
}

class Gathering extends Transform {
  /** Bytes of the budget: what is gathered here, and what was handed on. */
  held = 0;
  private readonly budget: BodyBudget;
  /** As the head says; 0 where it does not. */
  private readonly announced: number;
  private piece: Buffer = Buffer.alloc(0);
  private length = 0;

  constructor(budget: BodyBudget, announced: number) {
    super({ readableHighWaterMark: PIECE_BYTES_MAX });
    this.budget = budget;
    this.announced = announced;
  }

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    if (!this.makeRoom(bytes.length)) return done(new NoRoomError());
    bytes.copy(this.piece, this.length);
    this.length += bytes.length;
    if (this.length >= PIECE_BYTES_MAX) this.handOn();
    done();
  }

  override _flush(done: () => void): void {
    this.handOn();
    done();
  }

  private handOn(): void {
    if (this.length > 0) this.push(this.piece.subarray(0, this.length));
    this.piece = Buffer.alloc(0);
    this.length = 0;
  }

  private makeRoom(more: number): boolean {
    const needed = this.length + more;
    if (needed <= this.piece.length) return true;
    // As large as the body says that it is, where a good part of it has come.
    const isMostHere = this.announced > 0 && needed >= this.announced / 4;
    const grown = isMostHere ? this.announced : Math.max(FIRST_BYTES, 2 * this.piece.length);
    const size = Math.max(needed, Math.min(grown, PIECE_BYTES_MAX));
    if (!this.budget.take(size - this.piece.length)) return false;
    this.held += size - this.piece.length;
    const piece = Buffer.allocUnsafeSlow(size);
    this.piece.copy(piece, 0, 0, this.length);
    this.piece = piece;
    return true;
  }
}
