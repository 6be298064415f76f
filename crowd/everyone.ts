// Players and bots as one crowd: one line of messages, one belief.
import type { Belief, Crowd, Interval, Message, Outcome, Speaking } from "./crowd.ts";

export class Everyone implements Speaking {
  readonly #players: Crowd;
  readonly #bots: Crowd;

  /** @param bots whose messages say that they are a bot's */
  constructor(players: Crowd, bots: Crowd) {
    this.#players = players;
    this.#bots = bots;
  }

  get nextDueMs(): number {
    return Math.min(this.#players.nextDueMs, this.#bots.nextDueMs);
  }

  /** Whoever has been due the longest; a hurried crowd's matches only where no bot is due. */
  take(nowMs: number): Message | undefined {
    const [first, second] =
      this.#bots.nextDueMs <= Math.min(this.#players.nextDueMs, nowMs)
        ? [this.#bots, this.#players]
        : [this.#players, this.#bots];
    return first.take(nowMs) ?? second.take(nowMs);
  }

  settle(message: Message, outcome: Outcome, nowMs: number): void {
    (message.origin?.isBot ? this.#bots : this.#players).settle(message, outcome, nowMs);
  }

  belief(nowMs: number): Belief {
    const [players, bots] = [this.#players.belief(nowMs), this.#bots.belief(nowMs)];
    return {
      players: sumOf(players.players, bots.players),
      cells: players.cells.map((cell, index) => sumOf(cell, bots.cells[index] as Interval)),
    };
  }
}

function sumOf(one: Interval, other: Interval): Interval {
  return { sure: one.sure + other.sure, perhaps: one.perhaps + other.perhaps };
}
