/**
 * The game modes in use, each with a small number in place of its name. Numbers are this node's own (R28).
 *
 * Clients may name any mode, so players may be in 1024 distinct ones: as this node counts them where it is alone, else as the
 * cluster agrees. A mode that nobody is in is forgotten when room is needed, so that neither misspelt names nor a player who
 * goes through many of them fills the dictionary.
 * Recovery may need names that were forgotten since, so there are 4095 numbers. The last one stands for all names that
 * find none: their players stay, under the reserved mode, and their names are lost.
 */
import { invariant } from "./invariant.ts";

/** Distinct modes that players may be in. */
export const MODES_MAX = 1024;
/** A node by itself knows so many names, with those that nobody is in any more and that the log has yet to be told. */
export const NAMES_MAX = 3 * MODES_MAX;
/** Bits of a mode's number; a cell is region << MODE_BITS | mode. */
export const MODE_BITS = 12;
export const MODE_MASK = (1 << MODE_BITS) - 1;
/**
 * R28: the number of the reserved mode. It has no name, no client can report it, and no tally or board counts its
 * players: they are connected, and nobody knows any more what they play.
 */
export const RESERVED_MODE = (1 << MODE_BITS) - 1;
/** How messages name the reserved mode: no mode has this name. */
export const RESERVED_NAME = "";
invariant(NAMES_MAX < RESERVED_MODE, "every admitted mode has a number");

/** The form of a mode's name. */
export const MODE_NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

/** Whether `name` has the form of a mode: 1 to 64 of `A-Z a-z 0-9 . _ : -`, the first a letter or digit. */
export function isModeName(name: string): boolean {
  return MODE_NAME.test(name);
}

export class Modes {
  /** Name by number; empty where a number is free. The reserved mode is not in it. */
  readonly names: string[] = [];
  /** Rises whenever a name gets a number. */
  additions = 0;
  /** Rises whenever a name loses its number. */
  removals = 0;
  private readonly numbers = new Map<string, number>();
  private readonly free: number[] = [];

  /** How many modes are known. */
  get count(): number {
    return this.numbers.size;
  }

  /** More are known than players may be in, so one that is known and empty may have to stay so: see `Engine.admitMode`. */
  get isCrowded(): boolean {
    return this.numbers.size > MODES_MAX;
  }

  /** The number of a known mode, or -1. */
  peek(name: string): number {
    return this.numbers.get(name) ?? -1;
  }

  /**
   * The number of a mode, known or new, whatever the limit for clients.
   * @returns -1 where `name` has not the form of a mode, or all 4095 numbers are taken
   */
  intern(name: string): number {
    const known = this.peek(name);
    if (known >= 0 || !isModeName(name)) return known;
    const number = this.free.pop() ?? this.names.length;
    if (number === RESERVED_MODE) return -1;
    this.additions++;
    this.names[number] = name;
    this.numbers.set(name, number);
    return number;
  }

  /** Forgets the modes in which `isEmpty` sees nobody. */
  forget(isEmpty: (mode: number) => boolean): void {
    for (const [name, number] of this.numbers) {
      if (!isEmpty(number)) continue;
      this.removals++;
      this.numbers.delete(name);
      this.names[number] = "";
      this.free.push(number);
    }
  }
}
