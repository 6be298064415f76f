/**
 * Messages on a connection between two nodes, one after another in both directions. Little-endian:
 *
 *   0  u32  bytes of the message             8  u32  kind: 1 request, 2 answer, 3 refusal
 *   4  u32  number of the call              12  u32  0
 *  16  the message; of a refusal its reason in words
 *
 * Frames replace a request of HTTP for each message: a batch of rows then costs a third of the CPU.
 */

export const FRAME_KINDS = { request: 1, answer: 2, refusal: 3 } as const;
export type FrameKind = (typeof FRAME_KINDS)[keyof typeof FRAME_KINDS];

const HEAD_BYTES = 16;
/** Up to here a message is copied behind its head: one write is cheaper than two. */
const COPIED_BYTES_MAX = 65_536;

/** What is written to, so that a socket does. */
interface Sink {
  write(bytes: Uint8Array): boolean;
  cork(): void;
  uncork(): void;
}

export function writeFrame(sink: Sink, kind: FrameKind, call: number, message: Uint8Array): void {
  const { length } = message;
  const isCopied = length <= COPIED_BYTES_MAX;
  const bytes = Buffer.allocUnsafe(isCopied ? HEAD_BYTES + length : HEAD_BYTES);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt32LE(call, 4);
  bytes.writeUInt32LE(kind, 8);
  bytes.writeUInt32LE(0, 12);
  if (isCopied) {
    bytes.set(message, HEAD_BYTES);
    sink.write(bytes);
    return;
  }
  sink.cork();
  sink.write(bytes);
  sink.write(message);
  sink.uncork();
}

/** Handed each whole message; its bytes begin at a multiple of 8 of their buffer, so that words in it can be read. */
export type OnFrame = (kind: FrameKind, call: number, message: Uint8Array) => void;

const NO_BYTES = Buffer.alloc(0);

/** Puts the pieces that a connection delivers together to frames. */
export class FrameReader {
  private readonly bytesMax: number;
  private readonly onFrame: OnFrame;
  /** What came of the head of the frame that is under way. */
  private head: Buffer = NO_BYTES;
  /** The message that is under way, and how much of it came. */
  private message: Buffer | undefined;
  private filled = 0;
  private kind: FrameKind = FRAME_KINDS.request;
  private call = 0;

  /** @param bytesMax longest message that is read */
  constructor(bytesMax: number, onFrame: OnFrame) {
    this.bytesMax = bytesMax;
    this.onFrame = onFrame;
  }

  /** @throws {RangeError} where what came is no frame, or too long a one; nothing may be read after */
  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;)
      at = this.message === undefined ? this.readHead(chunk, at) : this.fill(chunk, at);
  }

  private readHead(chunk: Buffer, at: number): number {
    const missing = HEAD_BYTES - this.head.length;
    const piece = chunk.subarray(at, at + missing);
    this.head = this.head.length === 0 ? piece : Buffer.concat([this.head, piece]);
    if (this.head.length < HEAD_BYTES) return chunk.length;
    const bodyAt = at + missing;
    const { length } = this.takeHead();
    if (length > chunk.length - bodyAt) {
      this.message = Buffer.allocUnsafeSlow(length);
      this.filled = 0;
      return bodyAt;
    }
    this.onFrame(this.kind, this.call, aligned(chunk.subarray(bodyAt, bodyAt + length)));
    return bodyAt + length;
  }

  private takeHead(): { length: number } {
    const { head, bytesMax } = this;
    const length = head.readUInt32LE(0);
    const kind = head.readUInt32LE(8);
    this.head = NO_BYTES;
    if (kind < FRAME_KINDS.request || kind > FRAME_KINDS.refusal || head.readUInt32LE(12) !== 0)
      throw new RangeError(`Cannot read a frame: its kind must be 1 to 3, got ${kind}`);
    if (length > bytesMax)
      throw new RangeError(`Cannot read a frame: it must be at most ${bytesMax} bytes, got ${length}`);
    this.kind = kind as FrameKind;
    this.call = head.readUInt32LE(4);
    return { length };
  }

  private fill(chunk: Buffer, at: number): number {
    const message = this.message!;
    const copied = chunk.copy(message, this.filled, at);
    this.filled += copied;
    if (this.filled === message.length) {
      this.message = undefined;
      this.onFrame(this.kind, this.call, message);
    }
    return at + copied;
  }
}

function aligned(bytes: Buffer): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
}
