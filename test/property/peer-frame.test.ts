/** Frames between nodes arrive in pieces of any size. */
import * as fc from "fast-check";
import { expect, test } from "vitest";

import { FRAME_KINDS, FrameReader, writeFrame } from "../../node/peers/peer-frame.ts";
import { itemAt } from "../../simulator/item-at.ts";

const MESSAGE_BYTES_MAX = 200_000;

interface Frame {
  readonly kind: 1 | 2 | 3;
  readonly call: number;
  readonly message: Uint8Array;
}

const anyMessage = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ maxLength: 64 }) },
  { weight: 1, arbitrary: fc.nat(MESSAGE_BYTES_MAX).map((length) => new Uint8Array(length).fill(length & 255)) },
);
const anyFrame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.constantFrom(FRAME_KINDS.request, FRAME_KINDS.answer, FRAME_KINDS.refusal),
  call: fc.nat(0xffff_ffff),
  message: anyMessage,
});

function bytesOf(frames: readonly Frame[]): Buffer {
  const pieces: Uint8Array[] = [];
  const sink = { write: (bytes: Uint8Array) => pieces.push(bytes) > 0, cork: () => {}, uncork: () => {} };
  for (const { kind, call, message } of frames) writeFrame(sink, kind, call, message);
  return Buffer.concat(pieces);
}

function* cut(bytes: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let [start, piece] = [0, 0]; start < bytes.length; piece++) {
    const length = itemAt(lengths, piece % lengths.length);
    yield bytes.subarray(start, start + length);
    start += length;
  }
}

test("FrameReader reads what writeFrame wrote, however it is cut to pieces", () => {
  const anyCuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1000, max: 70_000 })), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 8 }), anyCuts, (frames, cuts) => {
      const read: Frame[] = [];
      const reader = new FrameReader(MESSAGE_BYTES_MAX, (kind, call, message) => {
        expect(message.byteOffset % 8).toBe(0);
        read.push({ kind, call, message: new Uint8Array(message) });
      });
      for (const piece of cut(bytesOf(frames), cuts)) reader.read(piece);
      expect(read.length).toBe(frames.length);
      for (const [index, { kind, call, message }] of frames.entries()) {
        expect([itemAt(read, index).kind, itemAt(read, index).call]).toEqual([kind, call]);
        expect(Buffer.compare(itemAt(read, index).message, message)).toBe(0);
      }
    }),
    { numRuns: 300 },
  );
});

test("FrameReader never hands out more than it may, and throws nothing but RangeError, whatever comes", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (pieces) => {
      const reader = new FrameReader(1000, (_kind, _call, message) => expect(message.length).toBeLessThanOrEqual(1000));
      try {
        for (const piece of pieces) reader.read(Buffer.from(piece));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }),
  );
});
