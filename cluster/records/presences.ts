/**
 * The presences of the players whose partitions are held here: what a request changes or finds, and when that may be
 * answered. One call applies at once; `whenRemembered` then tells when, and as what, it may be answered (R5).
 */
import type { Catalogue, Standing, Verdict } from "../../engine/catalogue.ts";
import type { Engine, EngineOptions } from "../../engine/engine.ts";
import type { Presence } from "../../engine/presence.ts";
import type { Partition, ReportEffect } from "../../engine/partition.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import { NO_ENTITLEMENTS } from "../../engine/entitlement.ts";
import type { PlayerRequest, TooOften } from "../ports/rows.ts";
import { NO_RULES, type Rules } from "../ports/rules.ts";
import type { PlayerRates } from "./player-rates.ts";
import { PlayerStandings, RECONNECT_GRACE_MS } from "./player-standings.ts";
import type { Fate, Recorder, Remembrance } from "./recorder.ts";

/** Last seen is kept in whole tenths as of the last tick, so up to 120 ms early: sessions last longer by this, so that nobody ends before time. */
const SEEN_EARLY_MS = 200;

export { NO_SEQ };

/** What the settings of a node, or of its cluster, mean for its engine. */
export function engineOptionsOf(settings: {
  readonly partitions: number;
  readonly hashKey: Uint8Array;
  readonly sessionMs: number;
  readonly graceMs: number;
  readonly deadlineMs: number;
  readonly durability: string;
}): EngineOptions {
  const { partitions, hashKey, sessionMs, graceMs, deadlineMs, durability } = settings;
  const isLogged = durability === "log";
  return { partitions, hashKey, sessionMs: sessionMs + SEEN_EARLY_MS, graceMs, removalMs: 2 * deadlineMs, isLogged };
}

/** What a report says. */
export type Reported = Pick<PlayerRequest, "region" | "mode" | "seq" | "entitlements" | "isRetold">;

/** `overloaded`: too much waits for the store. `no room`: 1024 modes are in use, or the partition is full. */
export type ReportOutcome =
  | Exclude<ReportEffect, "full">
  | Verdict
  | "overloaded"
  | "no room for the mode"
  | "no room for the player";

/** Rows looked at in one tick at the least: 0.2 ms, or 1 ms where all of them are forgotten. */
export const SWEEP_BUDGET_MIN = 32_768;
/** A pass over all rows is done within so many ticks: most of a second at 50 ticks a second. */
const SWEEP_TICKS = 40;
/** Changed cells the boards are told of in one tick, so that nobody who looks has to wait for many: 0.5 ms. */
const TOLD_CELLS_MAX = 4096;
const ROW_BYTES = 28;

export class Presences {
  readonly engine: Engine;
  readonly standings: PlayerStandings;
  private readonly rules: Rules;
  private readonly recorder: Recorder | undefined;
  private readonly rates: PlayerRates | undefined;
  /** Rows of the batch at hand, by partition; zeros between two batches. */
  private readonly rowsApplied: Int32Array;
  private doubtUntilMs = -Infinity;

  /**
   * @param recorder `undefined` where nothing is stored (durability `none`)
   * @param rates `undefined` where players may report as often as they like
   * @param graceMs R30: how long a player stays whose connection ended without a word
   */
  constructor(
    engine: Engine,
    recorder: Recorder | undefined,
    rates?: PlayerRates,
    rules: Rules = NO_RULES,
    graceMs = RECONNECT_GRACE_MS,
  ) {
    this.engine = engine;
    this.standings = new PlayerStandings(engine, recorder, graceMs);
    this.rules = rules;
    this.recorder = recorder;
    this.rates = rates;
    this.rowsApplied = new Int32Array(engine.partitions.length);
  }

  /** R26: all were silent longer than a session, so until then nobody knows who is still there. */
  doubt(untilMs: number): void {
    this.doubtUntilMs = untilMs;
  }

  /** False while the counts may be of players who left long ago, or lack those whose mode was lost (R28). */
  isComplete(nowMs: number): boolean {
    return nowMs >= this.doubtUntilMs && this.engine.unnamedPlayers === 0;
  }

  /** True while too much waits for the store: reports are refused. */
  get isFull(): boolean {
    return this.recorder?.isFull ?? false;
  }

  /**
   * To be asked before a row is applied: a report or a heartbeat takes one of what its player is allowed, unless it is one of many
   * that came together.
   */
  tooOften({ operation, isBulk }: Pick<PlayerRequest, "operation" | "isBulk">, hash: number): TooOften | undefined {
    const isCounted = isBulk !== true && (operation === "report" || operation === "renew");
    const waitS = this.rates === undefined || !isCounted ? 0 : this.rates.take(hash);
    return waitS === 0 ? undefined : { kind: "refused", reason: "too often", waitS };
  }

  /** Applies a report where the rules allow it, in one step. Where the outcome is a refusal nothing changed. */
  report(hash: number, id: ProfileId, reported: Reported): ReportOutcome {
    if (this.isFull) return "overloaded";
    const verdict = this.verdict(hash, id, reported);
    if (verdict !== undefined) return verdict;
    const mode = this.engine.admitMode(reported.mode);
    if (mode < 0) return "no room for the mode";
    const effect = this.engine.report(hash, id, reported.region, mode, reported.seq);
    return effect === "full" ? "no room for the player" : effect;
  }

  /** The catalogue that reports are judged by now. */
  get catalogue(): Catalogue {
    return this.rules.catalogue;
  }

  /**
   * R29: why the rules refuse a report that is about to be applied; `undefined`: they do not. What comes late changes nothing, so
   * it is answered as late, and its mode takes no room: it may be the repetition of one that took effect under other rules.
   */
  verdict(hash: number, id: ProfileId, reported: Reported): Verdict | "late" | undefined {
    const { catalogue } = this.rules;
    const { region, mode, seq, entitlements = NO_ENTITLEMENTS, isRetold } = reported;
    if (catalogue.isFree(mode) || isRetold === true) return undefined;
    if (this.isLate(hash, id, seq)) return "late";
    const asked = { mode, region, entitlements, nowMs: this.rules.nowMs() };
    return catalogue.judge(asked, () => this.standing(hash, id));
  }

  /** Renews a player who is not heard of over a connection that stands (R30); false where not connected. */
  renew(hash: number, id: ProfileId): boolean {
    const isRenewed = this.engine.renew(hash, id);
    if (isRenewed) this.standings.hear(hash, id);
    return isRenewed;
  }

  /** Disconnects a player. `late`: a newer `seq` than this is known, so the player stays. */
  remove(hash: number, id: ProfileId, seq: number): "removed" | "nowhere" | "late" {
    if (this.engine.remove(hash, id, seq)) return "removed";
    const presence = seq === NO_SEQ ? undefined : this.engine.find(hash, id);
    return presence !== undefined && presence.region >= 0 ? "late" : "nowhere";
  }

  find(hash: number, id: ProfileId): Presence | undefined {
    return this.engine.find(hash, id);
  }

  private isLate(hash: number, id: ProfileId, seq: number): boolean {
    const { engine } = this;
    const partition = engine.partitions[engine.partitionOf(hash)] as Partition;
    return partition.isLate(hash, id[0], id[1], id[2], id[3], seq, engine.time.tenths);
  }

  /** `undefined` where the player is not connected. Whose mode was lost (R28) stands in one that no rule names. */
  private standing(hash: number, id: ProfileId): Standing | undefined {
    const presence = this.engine.find(hash, id);
    return presence === undefined || presence.region < 0 ? undefined : presence;
  }

  /** Calls `settle` when all that was applied to the player's partition may be answered, perhaps at once. */
  whenRemembered(hash: number, settle: (remembrance: Remembrance) => void): void {
    if (this.recorder === undefined) settle("remembered");
    else this.recorder.whenRemembered(this.engine.partitionOf(hash), 1, (fate) => settle(remembranceOf(fate)));
  }

  /**
   * The same for many players at once.
   * @param hashes one per row applied
   * @param settle called once, with how many rows are remembered
   */
  whenAllRemembered(hashes: Int32Array, count: number, settle: (remembered: number) => void): void {
    const { recorder } = this;
    if (recorder === undefined || count === 0) return settle(count);
    const { rowsApplied } = this;
    const partitions: number[] = [];
    for (let at = 0; at < count; at++) {
      const partition = this.engine.partitionOf(hashes[at] as number);
      if (rowsApplied[partition] === 0) partitions.push(partition);
      (rowsApplied[partition] as number)++;
    }
    let [remembered, waiting] = [0, partitions.length];
    for (const partition of partitions) {
      const applied = rowsApplied[partition] as number;
      rowsApplied[partition] = 0;
      recorder.whenRemembered(partition, applied, (fate) => {
        if (fate === "remembered") remembered += applied;
        if (--waiting === 0) settle(remembered);
      });
    }
  }

  /**
   * Lets time pass. To be called some 50 times a second.
   * @param isHeld R25: nobody ages meanwhile
   */
  tick(nowMs: number, isHeld = false): void {
    const rows = this.engine.tableBytes / ROW_BYTES;
    this.engine.sweep(nowMs, Math.max(SWEEP_BUDGET_MIN, rows / SWEEP_TICKS), isHeld);
    this.engine.catchUpBoards(TOLD_CELLS_MAX);
    this.recorder?.tick();
  }
}

/** Alone, a partition is never lost to another node. */
function remembranceOf(fate: Fate): Remembrance {
  return fate === "lost" ? "counted" : fate;
}
