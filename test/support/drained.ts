/** What partitions have for the log, as bytes and back: in both forms, which say the same. */
import { expect } from "vitest";
import type { DecodedRows } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import { decodeLog, type EncodedLog, LogEncoder } from "../../engine/log-codec.ts";

const encoder = new LogEncoder();

export function drained(engine: Engine, partition: number, writtenAtMs: number): DecodedRows {
  const read: DecodedRows[] = [];
  engine.drainLog([partition], writtenAtMs, (parts, context) => {
    read.push(...partsOf(encoder.together(parts, context)));
    const apart = encoder.apart(parts, context);
    read.push(...partsOf(apart));
    return apart;
  });
  const [together, apart] = read as [DecodedRows, DecodedRows];
  expect(together).toEqual(apart);
  return apart;
}

/** Each part, decoded. */
export function partsOf({ headBytes, partBytes, bytes }: EncodedLog): DecodedRows[] {
  const head = bytes.slice(0, headBytes);
  let at = headBytes;
  return partBytes.map((length) => decodeLog(head, bytes.subarray(at, (at += length))));
}
