/**
 * R28: how many names that were not agreed a player has brought to this node of late. The cluster agrees on names before
 * anybody is in them, and takes seconds to forget one: else one player who goes through a thousand would close the
 * catalogue to all. It holds up a player, not whoever makes up players: each of those has names of its own.
 */

/** New names that one player may bring in a while. */
const NAMES_MAX = 16;
/** By then a name that nobody is in has made room, if room is needed. */
const WITHIN_MS = 30_000;
/** Of more players nothing is known: each of those could bring names all the same. */
const PLAYERS_MAX = 4096;

interface Brought {
  /** Those that are being asked for too. */
  names: number;
  readonly sinceMs: number;
}

export class NamesBrought {
  /** By the player's hash, the oldest first. */
  private readonly players = new Map<number, Brought>();

  /** Counts another name of a player, which is about to be asked for; false where that is one too many. */
  add(player: number, nowMs: number): boolean {
    const known = this.players.get(player);
    if (known !== undefined && nowMs - known.sinceMs < WITHIN_MS) {
      if (known.names === NAMES_MAX) return false;
      known.names++;
      return true;
    }
    this.players.delete(player);
    this.players.set(player, { names: 1, sinceMs: nowMs });
    if (this.players.size > PLAYERS_MAX) this.players.delete(this.players.keys().next().value as number);
    return true;
  }

  /** The name that was asked for took no room. */
  takeBack(player: number): void {
    const known = this.players.get(player);
    if (known !== undefined && --known.names === 0) this.players.delete(player);
  }
}
