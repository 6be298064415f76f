/**
 * R30, at the entry: the connections here that stand for their players. They are renewed in bulk, each once in a third of the session's life, as
 * rows like any other: what goes to one owner at a time leaves in one batch. A wheel of slots holds them, so that 20,000 connections cost no
 * timers and come in ten pieces instead of at once.
 */
import { NO_SEQ } from "../engine/partition.ts";
import type { ProfileId } from "../engine/profile-id.ts";
import type { Stamp } from "../engine/standings.ts";
import type { Outcome, PlayerRequest } from "./ports/rows.ts";

/** A connection of a player. */
export interface StandingSession {
  readonly id: ProfileId;
  /** It stood, and stands no longer: somebody else reported for the player, or removed it. */
  onSuperseded(): void;
}

export interface StandingSessionsPorts {
  /** A clock that never goes back, in milliseconds. */
  readonly nowMs: () => number;
  readonly submit: (request: PlayerRequest, settle: (outcome: Outcome) => void) => void;
}

/** What was done since the start, for metrics. */
export interface StandingSessionsFigures {
  /** Connections that stand, as of now. */
  standing: number;
  renewals: number;
  /** Renewals that nobody answered, or not in time: they are sent again with the next slot. */
  failed: number;
  superseded: number;
}

/** A third of the session's life in so many pieces. */
const SLOTS = 10;
/** Of a slot, what goes in one tick: half a millisecond. */
const ROWS_A_TICK = 500;
const SHARE_OF_LIFE = 3;

/** Where a connection is in the wheel. */
interface Seat {
  stamp: Stamp;
  slot: number;
  isUnderWay: boolean;
}

export class StandingSessions<Session extends StandingSession = StandingSession> {
  readonly figures: StandingSessionsFigures = { standing: 0, renewals: 0, failed: 0, superseded: 0 };
  private readonly ports: StandingSessionsPorts;
  private readonly slotMs: number;
  private readonly seats = new Map<Session, Seat>();
  private readonly slots: readonly Set<Session>[] = Array.from({ length: SLOTS }, () => new Set<Session>());
  /** The slot whose turn came last. */
  private at = 0;
  private turnedAtMs: number;
  /** What is left of slots whose turn came. */
  private due: Session[] = [];

  /** @param sessionMs the session's life */
  constructor(ports: StandingSessionsPorts, sessionMs: number) {
    this.ports = ports;
    this.slotMs = sessionMs / SHARE_OF_LIFE / SLOTS;
    this.turnedAtMs = ports.nowMs();
  }

  /** The connection has played, and stands with this stamp. It is due again when the wheel has turned once. */
  stand(session: Session, stamp: Stamp): void {
    const seat = this.seats.get(session);
    if (seat === undefined) this.seats.set(session, { stamp, slot: this.at, isUnderWay: false });
    else if (isNewer(stamp, seat.stamp)) seat.stamp = stamp;
    else return; // answers to plays may come in another order
    this.seat(session, this.at);
    this.figures.standing = this.seats.size;
  }

  /** Its player was removed at the client's own wish, or its end was told: it is renewed no more. */
  drop(session: Session): void {
    const seat = this.seats.get(session);
    if (seat === undefined) return;
    this.seats.delete(session);
    this.slots[seat.slot]?.delete(session);
    this.figures.standing = this.seats.size;
  }

  /** The connection ended without a word: the owner removes the player after the grace. */
  end(session: Session): void {
    const stamp = this.seats.get(session)?.stamp;
    if (stamp === undefined) return;
    this.drop(session);
    this.ports.submit({ ...ABOUT, operation: "end", id: session.id, stamp }, () => undefined);
  }

  /** Lets time pass. To be called some 50 times a second. */
  tick(): void {
    const nowMs = this.ports.nowMs();
    // After a pause of the process no more than one turn of the wheel is made up for.
    this.turnedAtMs = Math.max(this.turnedAtMs, nowMs - SLOTS * this.slotMs);
    while (nowMs - this.turnedAtMs >= this.slotMs) {
      this.turnedAtMs += this.slotMs;
      this.at = (this.at + 1) % SLOTS;
      for (const session of this.slots[this.at] as Set<Session>) this.due.push(session);
    }
    if (this.due.length > 0) for (const session of this.due.splice(0, ROWS_A_TICK)) this.renew(session);
  }

  private renew(session: Session): void {
    const seat = this.seats.get(session);
    if (seat === undefined || seat.isUnderWay) return; // it ended meanwhile, or is asked about
    const { stamp } = seat;
    seat.isUnderWay = true;
    this.figures.renewals++;
    this.ports.submit({ ...ABOUT, operation: "renew", id: session.id, stamp }, (outcome) => {
      seat.isUnderWay = false;
      if (this.seats.get(session) !== seat || seat.stamp !== stamp) return; // it ended or played meanwhile
      if (outcome.kind === "refused") {
        this.figures.failed++;
        this.seat(session, (this.at + 1) % SLOTS);
      } else if (outcome.effect === "renewed") this.seat(session, this.at);
      else this.supersede(session);
    });
  }

  private supersede(session: Session): void {
    this.figures.superseded++;
    this.drop(session);
    session.onSuperseded();
  }

  private seat(session: Session, slot: number): void {
    const seat = this.seats.get(session) as Seat;
    if (seat.slot !== slot) this.slots[seat.slot]?.delete(session);
    seat.slot = slot;
    this.slots[slot]?.add(session);
  }
}

function isNewer(one: Stamp, other: Stamp): boolean {
  return one.term > other.term || (one.term === other.term && one.count > other.count);
}

/** Not among what a player may ask, and refused earlier than single reports where there is little room. */
const ABOUT = { region: 0, mode: "", seq: NO_SEQ, isBulk: true } as const;
