// The crowd itself: who plays what, where, from when to when. No I/O, no clock, no timers: time comes in as a number,
// messages come out, and what the service answered is told back.
//
//            take: report            answered            take: report, heartbeat
//   away ────────────────► beginning ────────► here ─┬──► here
//    ▲ ▲                                             ├──► leaving ──► away     DELETE
//    │ └────────────── session's life passes ─────── └──► silent               says nothing any more
import type { Origin, OriginOf } from "./addresses.ts";
import { Agenda } from "./agenda.ts";
import { profileIdOf } from "./profile-id.ts";
import { chance } from "./sampling.ts";
import type { World } from "./world.ts";

/** Not in the data either; chosen so that each thing is seen to happen. */
export const HABITS = {
  silentShare: 0.15, // of sessions end without a goodbye
  returnShare: 0.3, // of sessions are followed by one of the same player
  borderShare: 0.002, // of matches are followed by another country
  heartbeatShare: 0.8, // of renewals are a heartbeat, the others report again what stands
  retryMs: 500, // first pause after a failure; doubles
  retryMaxMs: 30_000,
  goodbyeTries: 3,
} as const;

export interface CrowdSetup {
  readonly world: World;
  readonly seed: number;
  /** Seats: each is taken by one player after another, so that as many are connected at any time. */
  readonly players: number;
  /** The first sessions begin evenly spread over this time. */
  readonly rampMs: number;
  /** After this much silence the service takes a player out; until then nobody else takes the seat. */
  readonly sessionTtlMs: number;
  /** Where all renewals are reports, as from a game server, which has no heartbeat for its batch. */
  readonly isHeartbeatless?: boolean;
  /** True: where nothing is due, the match that ends next ends now; then matches take no account of the clock. */
  readonly isHurried?: boolean;
  /** UTC hour at time 0; without it every hour is alike. */
  readonly startHour?: number | undefined;
  readonly habits?: Readonly<Record<keyof typeof HABITS, number>>;
  /** Told of a player who says nothing any more. Where it is given, nobody knows how long the service keeps that player. */
  readonly onSilent?: ((profileId: string) => void) | undefined;
  /** Where each player comes from; without it no message says so. */
  readonly originOf?: OriginOf | undefined;
}

export type MessageCause = "begin" | "switch" | "border" | "renew" | "leave";

export interface Message {
  readonly kind: "report" | "heartbeat" | "leave";
  readonly cause: MessageCause;
  readonly seat: number;
  readonly profileId: string;
  readonly region: string;
  readonly gamemode: string;
  /** When it was meant to be sent; 0 where a hurried crowd brought it forward. */
  readonly dueMs: number;
  readonly origin?: Origin | undefined;
}

/** What became of a message. */
export type Outcome =
  | { readonly kind: "heard"; readonly renewInMs?: number } // without a pace from the service, a third of the session's life
  | { readonly kind: "gone" } // a goodbye, taken
  | { readonly kind: "unknown" } // a heartbeat of someone the service does not have
  | { readonly kind: "refused"; readonly retryInMs: number } // it has surely taken no effect
  | { readonly kind: "failed"; readonly retryInMs: number }; // it may or may not have

/** What the service should be saying, as far as the crowd can know. */
export interface Belief {
  readonly players: Interval;
  /** By cell: region × gamemodes + gamemode. */
  readonly cells: readonly Interval[];
}

export interface Interval {
  /** Surely connected. */
  sure: number;
  /** And these perhaps: last message unanswered, or silent for about as long as the service waits. */
  perhaps: number;
}

/** Who says something and is told what became of it. */
export type Speaking = Pick<Crowd, "nextDueMs" | "take" | "settle">;

const AWAY = 0;
const BEGINNING = 1;
const HERE = 2;
const LEAVING = 3;
const SILENT = 4;

const NOWHERE = -1;
const LAPSE_SLACK_MS = 2_000; // a service looks for silent players about once a second, and its clock is not ours
const HURRY_TRIES = 1_000; // matches that change nothing are passed over, but not for ever

/**
 * A seat's columns, 47 bytes; with its two agendas 79 bytes a player.
 *   serials        Uint32   who sits there; a profile id is made of it when needed
 *   lifeDraws      Uint32   numbers drawn for what the player does
 *   errandDraws    Uint32   and for how it is said: kept apart, so that slow or failing answers change no life
 *   regions        Uint16   where the player is
 *   gamemodes      Uint16   what the player plays
 *   told           Int32    the cell the service last acknowledged, -1: not connected
 *   phases         Uint8    as drawn above
 *   failures       Uint8    in a row
 *   isUncertain    Uint8    1 while the last message may or may not have taken effect
 *   endMs          Float64  when the session ends
 *   matchEndMs     Float64  when the match ends
 *   heardMs        Float64  when the service last answered
 * `errands` holds what must be said at a time: begin, renew, leave, try again. `matches` holds when matches end: by the
 * clock, or in a hurried crowd by a time of their own, which goes on with each match taken.
 */
export class Crowd {
  readonly #setup: CrowdSetup & Required<Pick<CrowdSetup, "habits">>;
  readonly #errands: Agenda;
  readonly #matches: Agenda;
  readonly #serials: Uint32Array;
  readonly #lifeDraws: Uint32Array;
  readonly #errandDraws: Uint32Array;
  readonly #regions: Uint16Array;
  readonly #gamemodes: Uint16Array;
  readonly #told: Int32Array;
  readonly #phases: Uint8Array;
  readonly #failures: Uint8Array;
  readonly #isUncertain: Uint8Array;
  readonly #endMs: Float64Array;
  readonly #matchEndMs: Float64Array;
  readonly #heardMs: Float64Array;
  #playerCount: number;
  #hurriedMs = 0;
  #connectedCount = 0;
  #silentCount = 0;

  constructor(setup: CrowdSetup) {
    const { players } = setup;
    this.#setup = { habits: HABITS, ...setup };
    this.#errands = new Agenda(players);
    this.#matches = new Agenda(players);
    this.#serials = new Uint32Array(players);
    this.#lifeDraws = new Uint32Array(players);
    this.#errandDraws = new Uint32Array(players);
    this.#regions = new Uint16Array(players);
    this.#gamemodes = new Uint16Array(players);
    this.#told = new Int32Array(players).fill(NOWHERE);
    this.#phases = new Uint8Array(players);
    this.#failures = new Uint8Array(players);
    this.#isUncertain = new Uint8Array(players);
    this.#endMs = new Float64Array(players);
    this.#matchEndMs = new Float64Array(players);
    this.#heardMs = new Float64Array(players);
    this.#playerCount = players;
    for (let seat = 0; seat < players; seat++) {
      this.#serials[seat] = seat;
      this.#errands.set(seat, (seat * setup.rampMs) / players);
    }
  }

  /** Players the service has, to the crowd's knowledge; `silentCount` of them say nothing any more. */
  get connectedCount(): number {
    return this.#connectedCount;
  }

  get silentCount(): number {
    return this.#silentCount;
  }

  /** When the next message is due, as far as is known: an answer still out may bring one sooner. */
  get nextDueMs(): number {
    return this.#setup.isHurried ? this.#errands.firstMs : Math.min(this.#errands.firstMs, this.#matches.firstMs);
  }

  /** The next message due by now, the longest due first; its player says nothing more until `settle` is called with it. */
  take(nowMs: number): Message | undefined {
    const { isHurried } = this.#setup;
    for (let tries = 0; tries < HURRY_TRIES;) {
      const [errandMs, matchMs] = [this.#errands.firstMs, this.#matches.firstMs];
      let message: Message | undefined;
      if (errandMs <= nowMs && (isHurried || errandMs <= matchMs)) {
        message = this.#runErrand(this.#errands.first, errandMs);
      } else if (isHurried && matchMs < Infinity) {
        this.#hurriedMs = matchMs;
        message = this.#endMatch(this.#matches.first, matchMs, 0);
        tries++;
      } else if (!isHurried && matchMs <= nowMs) {
        message = this.#endMatch(this.#matches.first, matchMs, matchMs);
      } else {
        return undefined;
      }
      if (message) return message;
    }
    return undefined;
  }

  /** Tells what became of a message; each that was taken must be settled once. */
  settle(message: Message, outcome: Outcome, nowMs: number): void {
    const { seat } = message;
    if (outcome.kind !== "refused") this.#isUncertain[seat] = outcome.kind === "failed" ? 1 : 0;
    if ("retryInMs" in outcome) return this.#tryAgain(seat, outcome.retryInMs, nowMs);
    this.#failures[seat] = 0;
    if (outcome.kind === "gone") {
      this.#tell(seat, NOWHERE);
      return this.#vacate(seat, nowMs);
    }
    this.#phases[seat] = HERE;
    this.#matches.set(seat, this.#matchEndMs[seat] as number);
    if (outcome.kind === "unknown") {
      this.#tell(seat, NOWHERE);
      this.#errands.set(seat, nowMs);
      return;
    }
    this.#heardMs[seat] = nowMs;
    this.#tell(seat, this.#cellOf(seat)); // of a heartbeat it is the same as before
    const renewInMs = outcome.renewInMs ?? (this.#setup.sessionTtlMs / 3) * (0.8 + 0.4 * this.#drawErrand(seat));
    this.#errands.set(seat, Math.min(nowMs + renewInMs, this.#endMs[seat] as number));
  }

  /** Cost: O(players). */
  belief(nowMs: number): Belief {
    const { world, sessionTtlMs } = this.#setup;
    const players = { sure: 0, perhaps: 0 };
    const cellCount = world.regions.length * world.gamemodes.length;
    const cells = Array.from({ length: cellCount }, () => ({ sure: 0, perhaps: 0 }));
    for (let seat = 0; seat < this.#told.length; seat++) {
      const [told, wanted] = [this.#told[seat] as number, this.#cellOf(seat)];
      const isUncertain = this.#isUncertain[seat] === 1;
      const isFresh =
        nowMs < (this.#heardMs[seat] as number) + sessionTtlMs - Math.min(LAPSE_SLACK_MS, sessionTtlMs / 4);
      if (told === NOWHERE && !isUncertain) continue;
      const isDoubtful = isUncertain || (this.#phases[seat] === SILENT && this.#setup.onSilent !== undefined);
      const certainty = told !== NOWHERE && isFresh && !isDoubtful ? "sure" : "perhaps";
      players[certainty]++;
      if (told !== NOWHERE) (cells[told] as Interval)[certainty]++;
      if (isUncertain && told !== wanted) (cells[wanted] as Interval).perhaps++;
    }
    return { players, cells };
  }

  #runErrand(seat: number, dueMs: number): Message | undefined {
    switch (this.#phases[seat]) {
      case AWAY:
        this.#begin(seat, dueMs);
        return this.#say(seat, "report", "begin", dueMs);
      case BEGINNING:
        return this.#say(seat, "report", "begin", dueMs);
      case LEAVING:
        return this.#say(seat, "leave", "leave", dueMs);
      case SILENT:
        this.#silentCount--;
        this.#isUncertain[seat] = 0;
        this.#tell(seat, NOWHERE);
        this.#vacate(seat, dueMs);
        return undefined;
      default:
        return dueMs >= (this.#endMs[seat] as number) ? this.#end(seat, dueMs) : this.#renew(seat, dueMs);
    }
  }

  #begin(seat: number, dueMs: number): void {
    const { world, startHour } = this.#setup;
    const draw = (): number => this.#drawLife(seat);
    const isFirst = this.#lifeDraws[seat] === 0; // then the session is met half-way, as in a crowd that was always there
    const utcHour = startHour === undefined ? undefined : startHour + dueMs / 3_600_000;
    this.#phases[seat] = BEGINNING;
    this.#regions[seat] = world.pickRegion(draw, utcHour);
    this.#gamemodes[seat] = world.pickGamemode(this.#regions[seat], draw);
    const minutes = isFirst ? world.sessionMinutes.residual(draw) : world.sessionMinutes.at(draw());
    const seconds = isFirst ? world.matchSeconds.residual(draw) : world.matchSeconds.at(draw());
    this.#endMs[seat] = dueMs + minutes * 60_000;
    this.#matchEndMs[seat] = (this.#setup.isHurried ? this.#hurriedMs : dueMs) + seconds * 1_000;
  }

  #renew(seat: number, dueMs: number): Message {
    const isTold = this.#told[seat] === this.#cellOf(seat);
    const isHeartbeat =
      isTold && !this.#setup.isHeartbeatless && this.#drawErrand(seat) < this.#setup.habits.heartbeatShare;
    return this.#say(seat, isHeartbeat ? "heartbeat" : "report", "renew", dueMs);
  }

  #end(seat: number, dueMs: number): Message | undefined {
    this.#matches.remove(seat);
    if (this.#drawLife(seat) < this.#setup.habits.silentShare) {
      this.#fallSilent(seat);
      return undefined;
    }
    this.#phases[seat] = LEAVING;
    return this.#say(seat, "leave", "leave", dueMs);
  }

  #fallSilent(seat: number): void {
    this.#silentCount++;
    this.#phases[seat] = SILENT;
    this.#setup.onSilent?.(profileIdOf(this.#setup.seed, this.#serials[seat] as number));
    this.#errands.set(seat, (this.#heardMs[seat] as number) + this.#setup.sessionTtlMs + LAPSE_SLACK_MS); // surely gone by then
  }

  /** The next match begins where this one ended, be it ahead of the clock. */
  #endMatch(seat: number, matchMs: number, dueMs: number): Message | undefined {
    const { world } = this.#setup;
    const draw = (): number => this.#drawLife(seat);
    const isTravelling = draw() < this.#setup.habits.borderShare;
    if (isTravelling) this.#regions[seat] = world.pickNeighbour(this.#regions[seat] as number, draw);
    this.#gamemodes[seat] = world.pickGamemode(this.#regions[seat] as number, draw);
    this.#matchEndMs[seat] = matchMs + world.matchSeconds.at(draw()) * 1_000;
    if (this.#told[seat] === this.#cellOf(seat)) {
      this.#matches.set(seat, this.#matchEndMs[seat]); // once more the same: nothing to report
      return undefined;
    }
    return this.#say(seat, "report", isTravelling ? "border" : "switch", dueMs);
  }

  #tryAgain(seat: number, retryInMs: number, nowMs: number): void {
    const failures = Math.min((this.#failures[seat] as number) + 1, 255);
    this.#failures[seat] = failures;
    if (this.#phases[seat] === LEAVING && failures >= this.#setup.habits.goodbyeTries) return this.#fallSilent(seat);
    const backoffMs = Math.min(this.#setup.habits.retryMs * 2 ** (failures - 1), this.#setup.habits.retryMaxMs);
    this.#errands.set(seat, nowMs + Math.max(retryInMs, backoffMs) * (1 + this.#drawErrand(seat) / 2));
    if (this.#phases[seat] === HERE) this.#matches.set(seat, this.#matchEndMs[seat] as number);
  }

  /** Frees the seat for a new session, of the same player or of one never seen before. */
  #vacate(seat: number, nowMs: number): void {
    this.#phases[seat] = AWAY;
    this.#failures[seat] = 0;
    if (this.#drawLife(seat) >= this.#setup.habits.returnShare) this.#serials[seat] = this.#playerCount++;
    this.#errands.set(seat, nowMs);
  }

  #say(seat: number, kind: Message["kind"], cause: MessageCause, dueMs: number): Message {
    this.#errands.remove(seat);
    this.#matches.remove(seat);
    const { world, seed, originOf } = this.#setup;
    const serial = this.#serials[seat] as number;
    return {
      kind,
      cause,
      seat,
      dueMs,
      profileId: profileIdOf(seed, serial),
      region: world.regions[this.#regions[seat] as number] as string,
      gamemode: world.gamemodes[this.#gamemodes[seat] as number] as string,
      origin: originOf?.(seat, serial),
    };
  }

  #tell(seat: number, cell: number): void {
    if (this.#told[seat] !== NOWHERE) this.#connectedCount--;
    if (cell !== NOWHERE) this.#connectedCount++;
    this.#told[seat] = cell;
  }

  #cellOf(seat: number): number {
    return (this.#regions[seat] as number) * this.#setup.world.gamemodes.length + (this.#gamemodes[seat] as number);
  }

  #drawLife(seat: number): number {
    return chance(this.#setup.seed, seat, (this.#lifeDraws[seat] as number)++);
  }

  #drawErrand(seat: number): number {
    return chance(~this.#setup.seed, seat, (this.#errandDraws[seat] as number)++);
  }
}
