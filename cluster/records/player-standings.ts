/**
 * R30: which connection stands for each player whose partition is held here, and the removal of those whose connection ended and who were
 * not heard of since. The stamps themselves are in `engine/standings.ts`.
 */
import type { Engine } from "../../engine/engine.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { NO_SEQ, type Partition } from "../../engine/partition.ts";
import { SEQ } from "../../engine/presence-table.ts";
import { emptyProfileId, type ProfileId } from "../../engine/profile-id.ts";
import type { Stamp } from "../../engine/standings.ts";
import type { PlayerRequest } from "../ports/rows.ts";
import type { Recorder } from "./recorder.ts";

/** What the standings did since they were made. */
export interface StandingFigures {
  /** Renewals of connections that stood no longer. */
  superseded: number;
  /** Players removed since their connection had ended, and nobody was heard. */
  removed: number;
}

/** A pass over all partitions takes so many ticks: most of a second at 50 ticks a second. */
const PASS_TICKS = 40;
const MS_A_TENTH = 100;
export const RECONNECT_GRACE_MS = 10_000;
const removed = emptyProfileId();

export class PlayerStandings {
  readonly figures: StandingFigures = { superseded: 0, removed: 0 };
  private readonly engine: Engine;
  private readonly recorder: Recorder | undefined;
  private readonly graceTenths: number;
  /** The partition that the pass has come to. */
  private at = 0;

  /** @param graceMs how long a player stays whose connection ended without a word */
  constructor(engine: Engine, recorder: Recorder | undefined, graceMs: number) {
    this.engine = engine;
    this.recorder = recorder;
    this.graceTenths = Math.ceil(graceMs / MS_A_TENTH);
  }

  /** Players of whom it is known whose connection stands, or that none does. */
  get size(): number {
    return this.engine.partitions.reduce((sum, { standings }) => sum + standings.size, 0);
  }

  /** A partition is served here from now on. @param term of the claim */
  own(partition: number, term: number): void {
    (this.engine.partitions[partition] as Partition).standings.own(term);
  }

  /**
   * A connection's report was applied, with this effect: it stands from now on. What came late changes nothing, but where it says again
   * what stands: its answer was lost.
   * @param term of the claim
   * @returns `undefined` where the connection does not stand
   */
  play(
    hash: number,
    id: ProfileId,
    reported: Pick<PlayerRequest, "region" | "mode" | "seq">,
    effect: "changed" | "renewed" | "late",
    term: number,
  ): Stamp | undefined {
    if (effect === "late" && !this.isRepeated(hash, id, reported)) return undefined;
    return this.partitionOf(hash).standings.play(hash, id[0], id[1], id[2], id[3], term);
  }

  /** A connection that stood renews its player. An unknown stamp is one of a former owner's, and stands. */
  renew(hash: number, id: ProfileId, stamp: Stamp): "renewed" | "superseded" | "nowhere" {
    if ((this.engine.find(hash, id)?.region ?? -1) < 0) return "nowhere";
    if (!this.partitionOf(hash).standings.renew(hash, id[0], id[1], id[2], id[3], stamp, this.engine.time.tenths)) {
      this.figures.superseded++;
      return "superseded";
    }
    this.engine.renew(hash, id);
    return "renewed";
  }

  /** The player sent a heartbeat from elsewhere. */
  hear(hash: number, id: ProfileId): void {
    this.partitionOf(hash).standings.hear(hash, id[0], id[1], id[2], id[3], this.engine.time.tenths);
  }

  /** A connection ended without a word: its player is removed after the grace, unless it does not stand or somebody is heard. */
  end(hash: number, id: ProfileId, stamp: Stamp): "noted" | "superseded" {
    const at = this.engine.time.tenths + this.graceTenths;
    const { standings } = this.partitionOf(hash);
    return standings.end(hash, id[0], id[1], id[2], id[3], stamp, at) ? "noted" : "superseded";
  }

  /**
   * Lets time pass: removes who is due, in some partitions. To be called some 50 times a second.
   * @param isServed partitions of which nobody may be removed are left alone
   */
  tick(isServed: (partition: number) => boolean): void {
    const { partitions, time } = this.engine;
    if (this.recorder?.isFull === true) return; // a removal is a row like any other
    for (let count = Math.ceil(partitions.length / PASS_TICKS); count > 0; count--) {
      const number = this.at;
      this.at = (number + 1) % partitions.length;
      const due = (partitions[number] as Partition).standings.due(time.tenths);
      if (due !== undefined && isServed(number)) this.removeAll(number, due);
    }
  }

  private removeAll(partition: number, ids: Int32Array): void {
    for (let at = 0; at < ids.length; at += removed.length) {
      removed.set(ids.subarray(at, at + removed.length));
      if (this.engine.remove(this.engine.hash(removed), removed, NO_SEQ)) this.figures.removed++;
    }
    this.recorder?.whenRemembered(partition, ids.length / removed.length, () => undefined);
  }

  /** Whether it is just what stands that the report says again. */
  private isRepeated(hash: number, id: ProfileId, asked: Pick<PlayerRequest, "region" | "mode" | "seq">): boolean {
    const [partition, mode] = [this.partitionOf(hash), this.engine.modes.peek(asked.mode)];
    if (mode < 0 || asked.seq <= 0) return false;
    const base = partition.findLive(hash, id[0], id[1], id[2], id[3], this.engine.time.tenths);
    if (base < 0 || partition.cellAt(base) !== ((asked.region << MODE_BITS) | mode)) return false;
    return (partition.table.rows[base + SEQ] as number) >>> 0 === asked.seq;
  }

  private partitionOf(hash: number): Partition {
    return this.engine.partitions[this.engine.partitionOf(hash)] as Partition;
  }
}
