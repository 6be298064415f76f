/** R13: asks a living holder to hand partitions over, and takes their tables in. */
import { decodeRows } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import type { FoundedClaim, PartitionIndex } from "../ports/record-store.ts";
import { decodeAnswers, encodeRequest, type HandedOver, type HandOffAnswer } from "./hand-off-codec.ts";

/** A table that came from its holder's hands: its rows are in the engine. It counts where the store confirms claim and length. */
export interface Pulled {
  readonly claim: FoundedClaim;
  readonly length: number;
  /** R26: how long nobody knows yet who is still there. */
  readonly doubtLeftMs: number;
}

/** `unreadable`: what came is no table. */
export type PullAnswer = Pulled | "busy" | "not held" | "silent" | "unreadable";

export interface AskingPorts {
  readonly engine: Engine;
  /** Lane `control`; rejects PeerError. */
  readonly call: (incarnation: string, body: Uint8Array, timeoutMs: number) => Promise<Uint8Array>;
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  readonly me: () => string;
}

/** So long a holder may think about it. */
const ASK_WITHIN_MS = 300;

export class Asking {
  private readonly ports: AskingPorts;

  constructor(ports: AskingPorts) {
    this.ports = ports;
  }

  /** In the order asked. */
  async pull(holder: string, partitions: readonly PartitionIndex[]): Promise<PullAnswer[]> {
    let answers: HandOffAnswer[];
    try {
      const bytes = await this.ports.call(holder, encodeRequest({ kind: "let go", partitions }), ASK_WITHIN_MS);
      answers = decodeAnswers(bytes, partitions.length);
    } catch {
      return partitions.map(() => "silent");
    }
    return Promise.all(
      answers.map(async (answer, index) =>
        answer.kind === "handed over" ? this.fill(partitions[index], answer) : answer.kind,
      ),
    );
  }

  /** A table that was handed over comes with exact ages: no time passed since, and no grace is due (R26). */
  private async fill(partition: PartitionIndex, handed: HandedOver): Promise<PullAnswer> {
    const { engine, decompress, me } = this.ports;
    const { table, claim, length, graceLeftMs, doubtLeftMs } = handed;
    const incarnation = me();
    try {
      const rows = decodeRows("snapshot", await decompress(table));
      if (me() !== incarnation) return "unreadable";
      engine.recover(partition, [rows], rows.writtenAtMs, graceLeftMs);
      return { claim, length, doubtLeftMs };
    } catch {
      return "unreadable"; // its record has the same
    }
  }
}
