/** A recorder over an in-memory store with a clock, turns and an encoder in the test's hand. */
import type { Durability } from "../../cluster/records/snapshot-due.ts";
import type { HeldRecord } from "../../cluster/records/held-record.ts";
import { type Fate, Recorder } from "../../cluster/records/recorder.ts";
import type { FoundedClaim, RecordStore } from "../../cluster/ports/record-store.ts";
import { recoverAll } from "../../cluster/records/recovery.ts";
import { encodeRows } from "../../engine/codec.ts";
import { Engine, type TableCopy } from "../../engine/engine.ts";
import type { Presence } from "../../engine/presence.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { takenRows } from "../../engine/presence-table.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import { regionOf } from "../../engine/places.ts";
import { MemoryStore } from "./memory-store.ts";
import { HASH_KEY } from "./renewals.ts";

export const SESSION_MS = 90_000;
export const SNAPSHOT_MS = 10_000;
export const DEADLINE_MS = 2000;
const PARTITIONS = 16;

export interface RecorderBenchOptions {
  readonly store?: MemoryStore;
  readonly durability?: Durability;
  readonly term?: number;
  readonly claim?: FoundedClaim;
  readonly tagsCount?: number;
}

export class RecorderBench {
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly store: MemoryStore;
  readonly faults: unknown[] = [];
  healed = 0;
  superseded: number[] = [];
  readonly reclaimed: number[] = [];
  nowMs = 0;
  /** While set, encoding waits for it. */
  encoding: Promise<void> | undefined;
  private turn: (() => void)[] = [];

  private constructor(engine: Engine, store: MemoryStore, options: RecorderBenchOptions) {
    const { durability = "log", tagsCount = 1 } = options;
    this.engine = engine;
    this.store = store;
    const ports = {
      store: store as RecordStore,
      encode: async (copy: TableCopy) => {
        await this.encoding;
        return encodeRows("snapshot", { ...copy, ...takenRows(copy.words) });
      },
      atTurnEnd: (task: () => void) => void this.turn.push(task),
      nowMs: () => this.nowMs,
      wallMs: () => 1_700_000_000_000 + this.nowMs,
      onStoreFault: (error: unknown) => void this.faults.push(error),
      onStoreHealed: () => void this.healed++,
      reclaim: async ({ partition, claim: lost }: HeldRecord) => {
        this.reclaimed.push(partition);
        await store.claim([partition], lost);
        return true;
      },
      onSuperseded: (partition: number) => void this.superseded.push(partition),
    };
    const claim = claimOf(options);
    const recorderOptions = {
      claim,
      tagsCount,
      durability,
      snapshotMs: SNAPSHOT_MS,
      sessionMs: SESSION_MS,
      deadlineMs: DEADLINE_MS,
    };
    this.recorder = new Recorder(engine, ports, recorderOptions);
  }

  static async open(options: RecorderBenchOptions = {}): Promise<RecorderBench> {
    const { store = new MemoryStore({ isOneFile: false }), durability = "log" } = options;
    const engineOptions = {
      partitions: PARTITIONS,
      hashKey: HASH_KEY,
      sessionMs: SESSION_MS,
      removalMs: 2 * DEADLINE_MS,
      graceMs: 50_000,
      isLogged: durability === "log",
    };
    const engine = new Engine(engineOptions, 0);
    await store.found({ partitions: PARTITIONS, hashKey: HASH_KEY });
    const claim = claimOf(options);
    const decompress = (bytes: Uint8Array): Promise<Uint8Array> => Promise.resolve(bytes);
    await recoverAll(engine, claim, { store, decompress, wallMs: () => 1_700_000_000_000 });
    return new RecorderBench(engine, store, options);
  }

  /** Another process's life over the same store: what it knows is what the store remembers. */
  restart(term: number): Promise<RecorderBench> {
    return RecorderBench.open({ store: this.store, term });
  }

  /** Reports player `number`, and gives what the client was told so far. */
  report(number: number, mode: string, seq = NO_SEQ): Told {
    const hash = this.engine.hash(idOf(number));
    this.engine.report(hash, idOf(number), regionOf("CA"), this.engine.admitMode(mode), seq);
    return this.told(number);
  }

  remove(number: number): Told {
    this.engine.remove(this.engine.hash(idOf(number)), idOf(number), NO_SEQ);
    return this.told(number);
  }

  told(number: number): Told {
    const told = new Told();
    this.recorder.whenRemembered(this.partitionOf(number), 1, (remembrance) => told.answers.push(remembrance));
    return told;
  }

  /** R14: what is told of a player once the claim is proven. */
  proven(number: number): Told {
    const told = new Told();
    this.recorder.whenProven(this.partitionOf(number), (fate) => told.answers.push(fate));
    return told;
  }

  partitionOf(number: number): number {
    return this.engine.partitionOf(this.engine.hash(idOf(number)));
  }

  presenceOf(number: number): Presence | undefined {
    return this.engine.find(this.engine.hash(idOf(number)), idOf(number));
  }

  modeOf(number: number): string | undefined {
    return this.presenceOf(number)?.mode;
  }

  /** Ends the turn of the event loop: planned tasks run. The store has not answered yet. */
  endTurn(): void {
    for (const task of this.turn.splice(0)) task();
  }

  /** Ends turns until nothing more happens by itself. */
  async settle(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      this.endTurn();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Lets time pass in ticks of 20 ms. */
  async pass(ms: number): Promise<void> {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs = Math.min(endMs, this.nowMs + Math.max(20, ms / 50));
      this.engine.time.advance(this.nowMs);
      this.recorder.tick();
      await this.settle();
    }
  }
}

/** What the client of one request was told. */
export class Told {
  readonly answers: Fate[] = [];
}

export function idOf(number: number): ProfileId {
  return Int32Array.of(0x6f0e4b1c, 0x94a04c2e, 0x8d550b9f, number + 1) as ProfileId;
}

function claimOf({ term = 1, claim }: RecorderBenchOptions): FoundedClaim {
  return claim ?? { term, incarnation: `incarnation-${term}`, founding: "" };
}
