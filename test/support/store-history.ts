/**
 * Messages and snapshots whose bytes follow from their place, so that whoever reads a record back can say what it must
 * hold without having kept it.
 *
 * A partition's messages are numbered from 1, whatever claims they were appended under. A snapshot holds a number only:
 * it stands for all messages up to it.
 */
import { Buffer } from "node:buffer";
import type { Commit, PartitionIndex, PartitionRecord } from "../../cluster/ports/record-store.ts";
import { commitOf, type PlainAppend } from "./commit-of.ts";

const PATTERN = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 167 + (index >> 4) * 13) & 0xff));

const HEAD = filled("what all are read with ", 41);

export function messageOf(partition: PartitionIndex, number: number): Uint8Array {
  return filled(`message ${partition} ${number} `, 20 + ((partition * 37 + number * 101) % 90));
}

/** @param bytes how large it is; any size is as good as another */
export function snapshotOf(
  partition: PartitionIndex,
  number: number,
  bytes = 3000 + ((partition * 997 + number * 331) % 9000),
): Uint8Array {
  return filled(`snapshot ${partition} ${number} ${bytes} `, bytes);
}

export interface ReadBack {
  /** The snapshot's number; 0: none. */
  readonly snapshot: number;
  /** The numbers of the messages in the log, in their order. */
  readonly log: readonly number[];
}

/** @throws {Error} where a byte is not what it must be */
export function readBack(partition: PartitionIndex, record: PartitionRecord): ReadBack {
  const [snapshot, bytes] = record.snapshot === undefined ? [0, 0] : numbersIn(record.snapshot, "snapshot", partition);
  if (record.snapshot !== undefined)
    sameOrThrow(
      record.snapshot,
      snapshotOf(partition, snapshot, bytes),
      `snapshot ${snapshot} of partition ${partition}`,
    );
  const log = record.log.map(({ head, bytes: message }) => {
    sameOrThrow(head, HEAD, `the head of a message of partition ${partition}`);
    const [number] = numbersIn(message, "message", partition);
    sameOrThrow(message, messageOf(partition, number), `message ${number} of partition ${partition}`);
    return number;
  });
  return { snapshot, log };
}

/** Appends of messages, all under one head. */
export function commitUnderHead(appends: readonly PlainAppend[]): Commit {
  return commitOf(appends, HEAD);
}

/**
 * The number of the newest message that the record holds, in the snapshot or after it.
 * @throws {Error} where one before it is missing, or comes twice
 */
export function newestOf(partition: PartitionIndex, record: PartitionRecord): number {
  const { snapshot, log } = readBack(partition, record);
  for (const [index, number] of log.entries()) {
    if (number !== snapshot + index + 1)
      throw new Error(`Partition ${partition}: message ${number} follows ${snapshot + index}`);
  }
  return snapshot + log.length;
}

function numbersIn(bytes: Uint8Array, kind: string, partition: PartitionIndex): [number, number] {
  const match = new RegExp(`^${kind} ${partition} (\\d+) (\\d*)`).exec(
    Buffer.from(bytes.subarray(0, 60)).toString("latin1"),
  );
  if (match === null)
    throw new Error(
      `Partition ${partition}: no ${kind} of it: ${Buffer.from(bytes.subarray(0, 60)).toString("latin1")}`,
    );
  return [Number(match[1]), Number(match[2])];
}

function sameOrThrow(bytes: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(bytes, expected) !== 0) throw new Error(`${what} has other bytes than were sent`);
}

function filled(head: string, bytes: number): Uint8Array {
  const content = Buffer.alloc(Math.max(bytes, head.length));
  content.write(head, "latin1");
  for (let at = head.length; at < content.length; at += PATTERN.length) PATTERN.copy(content, at);
  return content;
}
