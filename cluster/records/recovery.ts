/**
 * Taking partitions over from their records: claim, load, replay. Whoever had them before, and whatever it died of,
 * these are the same steps.
 */
import { type DecodedRows, decodeRows } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import { decodeLog } from "../../engine/log-codec.ts";
import type { Claim, ClaimAnswer, PartitionIndex, PartitionRecord, RecordStore } from "../ports/record-store.ts";

export interface RecoveryPorts {
  readonly store: RecordStore;
  /** The snapshot message inside a snapshot's bytes. */
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  /** Milliseconds since 1970. */
  wallMs(): number;
}

/** A record that cannot be read although the store gave it: nothing is answered from it. */
export class UnreadableRecordError extends Error {
  override readonly name = "UnreadableRecordError";
}

/** In so many pieces the partitions are taken over: two pieces' records are in memory, and each may cost a pass over the log. */
const PIECES = 16;

/**
 * R1: claims all partitions and fills the engine from their records.
 * @returns when the newest of what was read was written, in milliseconds since 1970; -Infinity where there was nothing
 * @throws {UnreadableRecordError} where a record is malformed, or the claim is refused
 * @throws {StoreUnavailableError} where the store does not answer
 */
export async function recoverAll(engine: Engine, claim: Claim, ports: RecoveryPorts): Promise<{ newestMs: number }> {
  let newestMs = -Infinity;
  const pieces = piecesOf([...engine.partitions.keys()]);
  const claimPiece = (index: number): Promise<ClaimAnswer[]> | undefined => {
    const piece = pieces[index];
    const answers = piece && ports.store.claim(piece, claim);
    answers?.catch(() => {}); // whoever awaits it is told; where an earlier piece failed, nobody does
    return answers;
  };
  let claimed = claimPiece(0);
  for (const [at, some] of pieces.entries()) {
    const answers = (await claimed) ?? [];
    claimed = claimPiece(at + 1); // the store reads it meanwhile
    for (const [index, answer] of answers.entries()) {
      if (answer.kind === "refused")
        throw new UnreadableRecordError(`Cannot take partition ${some[index]}: term ${answer.standing.term} stands`);
      const messages = await recover(engine, some[index] as number, answer.record, ports);
      newestMs = Math.max(newestMs, newestMsOf(messages));
    }
  }
  return { newestMs };
}

function piecesOf(partitions: readonly PartitionIndex[]): PartitionIndex[][] {
  const length = Math.ceil(partitions.length / PIECES);
  return Array.from({ length: Math.ceil(partitions.length / length) }, (_, piece) =>
    partitions.slice(piece * length, (piece + 1) * length),
  );
}

async function recover(
  engine: Engine,
  partition: PartitionIndex,
  record: PartitionRecord,
  ports: RecoveryPorts,
): Promise<readonly DecodedRows[]> {
  try {
    const { messages, damage } = await readRecord(record, ports.decompress);
    if (damage !== undefined) throw damage;
    engine.recover(partition, messages, ports.wallMs());
    return messages;
  } catch (error) {
    throw new UnreadableRecordError(`Cannot read the record of partition ${partition}: ${String(error)}`, {
      cause: error,
    });
  }
}

/** What can be read of a record: the snapshot, then the log. `damage`: why not all of it. */
export interface ReadRecord {
  readonly messages: readonly DecodedRows[];
  readonly damage: Error | undefined;
}

export async function readRecord(
  { snapshot, log }: PartitionRecord,
  decompress: (snapshot: Uint8Array) => Promise<Uint8Array>,
): Promise<ReadRecord> {
  const messages: DecodedRows[] = [];
  let damage: Error | undefined;
  const note = (what: string, error: unknown): void => {
    damage ??= new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  };
  try {
    if (snapshot !== undefined) messages.push(decodeRows("snapshot", await decompress(snapshot)));
  } catch (error) {
    note("its snapshot", error);
  }
  for (const [index, { head, bytes }] of log.entries()) {
    try {
      messages.push(decodeLog(head, bytes));
    } catch (error) {
      note(`message ${index + 1} of ${log.length} of its log`, error);
    }
  }
  return { messages, damage };
}

/** In bytes, as it is stored. */
export function sizeOf(record: PartitionRecord | undefined): number {
  if (record === undefined) return 0;
  return record.log.reduce((length, { bytes }) => length + bytes.length, record.snapshot?.length ?? 0);
}

/** When the newest rows were written, in milliseconds since 1970; -Infinity where there are none. */
export function newestMsOf(messages: readonly DecodedRows[]): number {
  // A log may be longer than a call's arguments.
  return messages.reduce(
    (newestMs, each) => (each.count > 0 ? Math.max(newestMs, each.writtenAtMs) : newestMs),
    -Infinity,
  );
}
