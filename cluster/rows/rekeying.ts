/**
 * R12: a node whose key was given up reports its players to their owners under the key that stands, at a bounded pace, and
 * says how many it could not. What an owner has heard more recently stays, a removal too: it is asked first, since without a
 * `seq` a report takes effect whenever it comes.
 */
import type { Engine } from "../../engine/engine.ts";
import type { KnownPlayer } from "../../engine/presence.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import { isModeLost, type Outcome, type PlayerRequest } from "../ports/rows.ts";

export interface RekeyingPorts {
  readonly nowMs: () => number;
  /** Asks something about one player, under the key that stands. */
  readonly submit: (request: PlayerRequest, settle: (outcome: Outcome) => void) => void;
  /** Everybody was reported, but for so many. Called once. */
  readonly onOver: (players: number, failed: number) => void;
}

interface Waiting {
  readonly player: KnownPlayer;
  readonly tries: number;
  readonly notBeforeMs: number;
}

const PLAYERS_A_TICK = 1000;
const IN_FLIGHT_MAX = 4000;
/** Each may take a request's deadline, so that an outage of a minute costs nobody. */
const TRIES_MAX = 30;
const RETRY_MS = 500;

export class Rekeying {
  isOver = false;
  private readonly ports: RekeyingPorts;
  private readonly source: Iterator<KnownPlayer>;
  private again: Waiting[] = [];
  private isSourceOver = false;
  private inFlight = 0;
  private players = 0;
  private failed = 0;

  /** @param partitions of that engine, which does not change any more */
  constructor(engine: Engine, partitions: readonly PartitionIndex[], ports: RekeyingPorts) {
    this.ports = ports;
    this.source = playersOf(engine, partitions);
  }

  tick(): void {
    if (this.isOver) return;
    for (let count = 0; count < PLAYERS_A_TICK && this.inFlight < IN_FLIGHT_MAX; count++) {
      const next = this.next();
      if (next === undefined) break;
      this.inFlight++;
      this.ask(next);
    }
    if (!this.isSourceOver || this.inFlight > 0 || this.again.length > 0) return;
    this.isOver = true;
    this.ports.onOver(this.players, this.failed);
  }

  private next(): Waiting | undefined {
    const [first] = this.again;
    if (first !== undefined && first.notBeforeMs <= this.ports.nowMs()) return this.again.shift();
    if (this.isSourceOver) return undefined;
    const { done, value } = this.source.next();
    this.isSourceOver = done === true;
    return done === true ? undefined : { player: value, tries: 0, notBeforeMs: 0 };
  }

  private ask(waiting: Waiting): void {
    const { submit, nowMs } = this.ports;
    const { player } = waiting;
    submit({ operation: "find", id: player.id, region: 0, mode: "", seq: NO_SEQ, isBulk: true }, (found) => {
      if (found.kind === "refused") return this.retry(waiting);
      const isKnownBetter = found.place !== undefined && found.place.ageMs <= nowMs() - player.seenMs;
      const isRemoved = player.region < 0;
      if (isKnownBetter || (isRemoved && found.place === undefined)) return this.end();
      if (isModeLost(player)) return this.fail(); // R28: nobody knows any more what it plays
      submit(changeOf(player), (outcome) => (outcome.kind === "refused" ? this.retry(waiting) : this.end()));
    });
  }

  private end(): void {
    this.inFlight--;
    this.players++;
  }

  private fail(): void {
    this.inFlight--;
    this.failed++;
  }

  private retry({ player, tries }: Waiting): void {
    if (tries + 1 === TRIES_MAX) return this.fail();
    this.inFlight--;
    this.again.push({ player, tries: tries + 1, notBeforeMs: this.ports.nowMs() + RETRY_MS });
  }
}

/** What brings a player to where it was last heard of. A removal holds whatever `seq` the owner knows: it was later. */
function changeOf({ id, region, mode, seq }: KnownPlayer): PlayerRequest {
  return region < 0
    ? { operation: "remove", id, region: 0, mode: "", seq: NO_SEQ, isBulk: true }
    : { operation: "report", id, region, mode, seq, isBulk: true, isRetold: true };
}

function* playersOf(engine: Engine, partitions: readonly PartitionIndex[]): Generator<KnownPlayer, undefined> {
  for (const partition of partitions) yield* engine.players(partition);
  return undefined;
}
