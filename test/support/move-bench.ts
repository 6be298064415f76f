/** A holder of all partitions, node 1, and a taker, node 2, to whom the view gives them: what R13 says passes between two hands. */
import { HandOff } from "../../cluster/moves/hand-off.ts";
import { type CopyAnswer, type CopyRequest, decodeAnswer, encodeRequest } from "../../cluster/moves/hand-off-codec.ts";
import { Holdings } from "../../cluster/moves/holdings.ts";
import { type Pull, Puller } from "../../cluster/moves/puller.ts";
import { placementOf } from "../../cluster/members/placement.ts";
import type { Membership } from "../../cluster/members/membership.ts";
import { PeerError } from "../../cluster/ports/transport.ts";
import { encodeRows } from "../../engine/codec.ts";
import { Engine, type TableCopy } from "../../engine/engine.ts";
import { takenRows } from "../../engine/presence-table.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "./members.ts";
import { RecorderBench, SESSION_MS } from "./recorder-bench.ts";
import { HASH_KEY } from "./renewals.ts";
import { type PlainRow, plainRows } from "./rows.ts";

export const LEASE_MS = 3000;
export const HOLDER = incarnationOf(1);
export const TAKER = incarnationOf(2);
export const CLAIM = { term: 4, incarnation: HOLDER, founding: incarnationOf(9) };

export class MoveBench {
  /** Tables that could not be encoded. */
  readonly faults: unknown[] = [];
  readonly bench: RecorderBench;
  readonly holdings: Holdings;
  readonly handOff: HandOff;
  readonly membership = { me: memberNumber(1), view: viewOfMembers(5, [2]), isLicensed: true };
  readonly taker: Engine;
  readonly puller: Puller;
  /** What the taker asked for, as "round" or "round last". */
  readonly asked: string[] = [];
  /** Partitions whose holder was asked to stop. */
  readonly stopped: number[] = [];
  /** Called before each question of the taker; a `PeerError` instead of the answer where it returns one. */
  onCall: (request: CopyRequest, number: number) => PeerError | "answer lost" | undefined = () => undefined;
  isWanted = true;
  /** While set, the holder's encoder waits for it. */
  encoding: Promise<void> | undefined;

  private constructor(bench: RecorderBench) {
    this.bench = bench;
    const { engine, recorder } = bench;
    const nowMs = (): number => bench.nowMs;
    const wallMs = (): number => 1_700_000_000_000 + bench.nowMs;
    const membership = this.membership as unknown as Membership;
    const placement = () => placementOf(this.membership.view, 16);
    const unheard = (): void => undefined;
    this.holdings = new Holdings(16, { membership, placement, nowMs, onServing: unheard, onStopped: unheard });
    const encode = async (copy: TableCopy): Promise<Uint8Array> => {
      await this.encoding;
      return encodeRows("snapshot", { ...copy, ...takenRows(copy.words) });
    };
    this.handOff = new HandOff(
      {
        engine,
        recorder,
        holdings: this.holdings,
        placement,
        encode,
        nowMs,
        bareMs: nowMs,
        wallMs,
        onFault: (error) => this.faults.push(error),
      },
      LEASE_MS,
    );
    for (const partition of engine.partitions.keys()) {
      this.holdings.take(partition);
      this.holdings.serve(partition, {
        kind: "serving",
        record: recorder.recordOf(partition)!,
        doubtUntilMs: -Infinity,
      });
    }
    const options = { partitions: 16, hashKey: HASH_KEY, sessionMs: SESSION_MS, removalMs: 4000, graceMs: 50_000 };
    this.taker = new Engine({ ...options, isLogged: true }, 77_700);
    this.puller = new Puller({
      engine: this.taker,
      call: (_, body, timeoutMs) => this.call(body, timeoutMs),
      decompress: (bytes) => Promise.resolve(bytes),
      isWanted: () => this.isWanted,
      onLastRound: (partition) => void this.stopped.push(partition),
      nowMs,
    });
  }

  static async open(): Promise<MoveBench> {
    return new MoveBench(await RecorderBench.open({ claim: CLAIM }));
  }

  /** A question to the holder, answered once its appends have landed. */
  async ask(
    partition: number,
    round: number,
    changes: Partial<CopyRequest> & { from?: string } = {},
  ): Promise<CopyAnswer> {
    const { from = TAKER, ...rest } = changes;
    const body = encodeRequest({ kind: "copy", partition, copy: 1, round, isLast: false, ...rest });
    const answer = this.handOff.receive(from, body);
    await this.bench.settle();
    return decodeAnswer(await answer);
  }

  /** The taker copies a partition. */
  async pull(partition: number): Promise<Pull | undefined> {
    return (await this.puller.pull(HOLDER, [partition])).get(partition);
  }

  rowsOf(engine: Engine, partition: number): PlainRow[] {
    const copy = engine.copy(partition, 0);
    return plainRows({ ...copy, ...takenRows(copy.words) }).sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  private async call(body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const request = JSON.parse(new TextDecoder().decode(body)) as CopyRequest;
    this.asked.push(`${request.round}${request.isLast ? " last" : ""}`);
    const fault = this.onCall(request, this.asked.length);
    if (fault instanceof PeerError) {
      if (!fault.isRefused) this.bench.nowMs += timeoutMs;
      throw fault;
    }
    const answer = this.handOff.receive(TAKER, body);
    await this.bench.settle();
    if (fault === "answer lost") {
      this.bench.nowMs += timeoutMs;
      throw new PeerError("No answer", false);
    }
    return answer;
  }
}
