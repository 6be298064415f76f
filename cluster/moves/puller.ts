/**
 * R13, the taker's side of a copy: asks the holder for the table, then for what changed since, round by round, until little
 * is left to tell; then for the last round, with which the holder stops. One call at a time per copy.
 */
import { MalformedMessageError, decodeRows } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import { IncomingCopy } from "../../engine/incoming-copy.ts";
import { isSameSum } from "../../engine/table-sum.ts";
import { type CopiedRows, type CopyAnswer, decodeAnswer, encodeRequest, type LastRound } from "./hand-off-codec.ts";
import { ROUNDS_MAX } from "./outgoing-copies.ts";
import type { FoundedClaim, PartitionIndex } from "../ports/record-store.ts";
import { PeerError } from "../ports/transport.ts";

export interface PullerPorts {
  readonly engine: Engine;
  /** Lane `control`; rejects PeerError. */
  readonly call: (incarnation: string, body: Uint8Array, timeoutMs: number) => Promise<Uint8Array>;
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  /** Whether this node is still to take the partition. */
  readonly isWanted: (partition: PartitionIndex) => boolean;
  /** The holder is about to be asked to stop: until then it answers for the partition. */
  readonly onLastRound: (partition: PartitionIndex) => void;
  readonly nowMs: () => number;
}

/** A partition that was copied whole and let go; it counts if the claim's answer confirms claim and length (R1). */
export interface Pulled {
  readonly kind: "pulled";
  readonly claim: FoundedClaim;
  /** R2: of the holder's record when it had stopped. */
  readonly length: number;
  /** R26: what was left of the grace, and of the doubt whether anybody is still there, when the last round came. */
  readonly graceLeftMs: number;
  readonly doubtLeftMs: number;
  /** Puts the table in the partition's place. Without it nothing of the partition has changed. */
  readonly install: () => void;
}

/**
 * `busy`: not now; the holder goes on. `not held`: it answers nothing for the partition, so the record is loaded. `misfit`:
 * it let go, but what came is not what it has, so the record is loaded. `silent`: nobody knows whether it goes on.
 */
export type Pull = Pulled | { readonly kind: "busy" | "not held" | "misfit" | "silent" };

/** R13: so much silence ends a copy, however long the copy took until then. */
const SILENCE_MS = 300;
/** Who has heard nothing for so long asks again: the answer may be lost. */
const ASK_AGAIN_MS = 150;
const TRIES_MAX = 3;
/** A holder that is `not yet` ready for so long is left alone for a while. */
const PATIENCE_MS = 3000;
/** Where a round brings no more rows than this, the next is the last: it takes no longer than an empty one. */
const SMALL_ROUND_ROWS = 64;

const BUSY: Pull = { kind: "busy" };
const MISFIT: Pull = { kind: "misfit" };

export class Puller {
  /** Copies that did not fit since the start. */
  misfits = 0;
  private readonly ports: PullerPorts;
  /** Copies that are under way, or pulled and not installed. */
  private readonly incoming = new Map<PartitionIndex, IncomingCopy>();
  private copies = 0;

  constructor(ports: PullerPorts) {
    this.ports = ports;
  }

  /** Copies partitions from their holder, all at once. What is not installed in the end is to be released. */
  async pull(holder: string, partitions: readonly PartitionIndex[]): Promise<Map<PartitionIndex, Pull>> {
    const pulls = partitions.map(async (partition) => [partition, await this.pullOne(holder, partition)] as const);
    return new Map(await Promise.all(pulls));
  }

  /** Drops what was copied of these and not installed. */
  release(partitions: readonly PartitionIndex[]): void {
    for (const partition of partitions) {
      this.incoming.get(partition)?.drop();
      this.incoming.delete(partition);
    }
  }

  private async pullOne(holder: string, partition: PartitionIndex): Promise<Pull> {
    this.release([partition]);
    const incoming = new IncomingCopy(this.ports.engine, partition);
    this.incoming.set(partition, incoming);
    const pull = await this.copy(holder, partition, incoming);
    if (pull.kind === "misfit") this.misfits++;
    return pull;
  }

  private async copy(holder: string, partition: PartitionIndex, incoming: IncomingCopy): Promise<Pull> {
    const copy = ++this.copies;
    let isSound = true;
    let isLast = false;
    for (let round = 0; ; round++) {
      if (!this.ports.isWanted(partition)) return BUSY;
      if (isLast) this.ports.onLastRound(partition);
      const answer = await this.ask(holder, { partition, copy, round, isLast });
      if (answer.kind !== "rows") return answer;
      const rows: number | undefined = isSound ? await this.takeIn(incoming, answer) : undefined;
      isSound &&= rows !== undefined;
      if (answer.last !== undefined)
        return isSound && this.isIntact(incoming, answer.last, round) ? this.pulled(incoming, answer.last) : MISFIT;
      // What does not fit now fits never; the holder is asked to let go all the same, since it has what the record has.
      isLast = !isSound || round >= ROUNDS_MAX || (round > 0 && (rows ?? 0) <= SMALL_ROUND_ROWS);
    }
  }

  /** @returns how many rows came; `undefined` where they cannot be taken in */
  private async takeIn(incoming: IncomingCopy, { round, asOf, last, bytes }: CopiedRows): Promise<number | undefined> {
    try {
      const rows =
        round === 0 ? decodeRows("snapshot", await this.ports.decompress(bytes)) : decodeRows("round", bytes);
      incoming.apply(rows, asOf);
      if (last !== undefined) incoming.stand(last.standings);
      return rows.count;
    } catch {
      return undefined;
    }
  }

  private isIntact(incoming: IncomingCopy, last: LastRound, rounds: number): boolean {
    return last.rounds === rounds && isSameSum(last, incoming.sum());
  }

  private pulled(incoming: IncomingCopy, last: LastRound): Pulled {
    const { engine } = this.ports;
    const { claim, length, graceLeftMs, doubtLeftMs } = last;
    const asOfHere = engine.time.tenths;
    const install = (): void => incoming.install(asOfHere, graceLeftMs);
    return { kind: "pulled", claim, length, graceLeftMs, doubtLeftMs, install };
  }

  /** Asks until there is an answer, or nothing was heard for so long that it is silence. */
  private async ask(
    holder: string,
    asked: { partition: PartitionIndex; copy: number; round: number; isLast: boolean },
  ): Promise<Exclude<CopyAnswer, { kind: "not yet" }> | { kind: "silent" }> {
    const { call, nowMs } = this.ports;
    const body = encodeRequest({ kind: "copy", ...asked });
    const untilMs = nowMs() + PATIENCE_MS;
    let silentMs = 0;
    for (let tries = 0; tries < TRIES_MAX && silentMs < SILENCE_MS; tries++) {
      const [askedMs, timeoutMs] = [nowMs(), Math.min(ASK_AGAIN_MS, SILENCE_MS - silentMs)];
      try {
        const answer = decodeAnswer(await call(holder, body, timeoutMs));
        const isOther = answer.kind === "rows" && (answer.copy !== asked.copy || answer.round !== asked.round);
        if (isOther) continue;
        if (answer.kind !== "not yet") return answer;
        if (nowMs() > untilMs) return { kind: "busy" };
        silentMs = 0;
        tries = -1;
      } catch (error) {
        if (!(error instanceof PeerError || error instanceof MalformedMessageError)) throw error;
        if (error instanceof PeerError && error.isRefused) break; // nobody listens there
        // Where this node itself stood still for longer, the answer may lie in its sockets: that is not silence.
        silentMs += Math.min(timeoutMs, nowMs() - askedMs);
      }
    }
    return { kind: "silent" };
  }
}
