/**
 * Who gets a number among the modes, and whose number is taken back: only that of a mode which nobody is in, and which
 * nothing names that is still to be told (R28).
 */
import { Boards } from "./boards.ts";
import type { DecodedRows } from "./codec.ts";
import type { ApartTable } from "./apart-table.ts";
import type { ModePlayers } from "./mode-players.ts";
import { MODE_MASK, type Modes, MODES_MAX, NAMES_MAX, RESERVED_MODE, RESERVED_NAME } from "./modes.ts";
import type { Partition } from "./partition.ts";
import { CELL, ROW_WORDS } from "./presence-table.ts";

/** A search for modes to forget looks at all names and all rows that wait for the log: some 0.1 ms. */
const SEARCH_PAUSE_TENTHS = 10;
/** It is made sooner where so many names came since. */
const SEARCH_AFTER_NAMES = 256;

/** Where a mode's number may be in use. */
export interface ModeUses {
  readonly partitions: readonly Partition[];
  readonly sums: Boards | ModePlayers;
  /** Tables that are being filled apart from the partitions; their modes are counted on no board yet. */
  readonly apart: ReadonlySet<ApartTable>;
  /** Modes that somebody outside still knows by their numbers. */
  held(): Iterable<number>;
}

export class ModeNumbers {
  private readonly modes: Modes;
  private readonly uses: ModeUses;
  private readonly areAgreed: boolean;
  private searchedAt = -SEARCH_PAUSE_TENTHS;
  private namesLeft = 0;

  /** @param areAgreed R28: a cluster agrees on the modes' names, so that only their numbers limit them here */
  constructor(modes: Modes, uses: ModeUses, areAgreed: boolean) {
    this.modes = modes;
    this.uses = uses;
    this.areAgreed = areAgreed;
  }

  /**
   * A number for a mode that has none, or that is one of more than MODES_MAX.
   * @returns -1 where nobody is in it and there is no room for another: see MODES_MAX
   */
  admit(name: string, now: number): number {
    if (this.modes.count >= (this.areAgreed ? RESERVED_MODE : MODES_MAX)) this.forgetUnused(now);
    const known = this.modes.peek(name);
    if (known >= 0) return this.mayEnter(known) ? known : -1;
    return this.hasRoom() ? this.modes.intern(name) : -1;
  }

  /** The log was told of rows: the modes that they name may be forgotten. */
  onLogged(): void {
    this.searchedAt = -SEARCH_PAUSE_TENTHS;
  }

  /** What counts the modes that players are in, where their number is limited here; a cluster limits names (R28). */
  private get limited(): Boards | undefined {
    const { sums } = this.uses;
    return !this.areAgreed && sums instanceof Boards ? sums : undefined;
  }

  private hasRoom(): boolean {
    const { limited } = this;
    const { count } = this.modes;
    if (limited === undefined) return count < RESERVED_MODE;
    return count < MODES_MAX || (count < NAMES_MAX && limited.modesInUse < MODES_MAX);
  }

  /** Names that wait for the log may be three times as many as the modes that players may be in. */
  private mayEnter(mode: number): boolean {
    const { limited } = this;
    if (limited === undefined || !this.modes.isCrowded) return true;
    return !limited.isModeEmpty(mode) || limited.modesInUse < MODES_MAX;
  }

  /**
   * The numbers of the modes a message names; where there is no room, those that nobody is in any more make it. What finds
   * none even so is under the reserved mode from now on.
   */
  ofMessage({ modes }: DecodedRows): number[] {
    const intern = (): number[] =>
      modes.map((name) => (name === RESERVED_NAME ? RESERVED_MODE : this.modes.intern(name)));
    const numbers = intern();
    if (!numbers.includes(-1)) return numbers;
    this.forgetEmpty();
    return intern().map((number) => (number < 0 ? RESERVED_MODE : number));
  }

  /** R28: whether somebody is in a mode of this name, in any partition that is here or on its way. */
  isInUse(name: string): boolean {
    const mode = this.modes.peek(name);
    if (mode < 0) return false;
    return !this.uses.sums.isModeEmpty(mode) || [...this.uses.apart].some(({ modes }) => modes.has(mode));
  }

  /** R28: takes the numbers of these modes back, where nobody is in them and nothing that is still to be told names them. */
  release(names: ReadonlySet<string>): void {
    this.forgetEmpty((mode) => names.has(this.modes.names[mode] as string));
  }

  /** Forgets the modes that nobody is in, where it was not tried just now. */
  private forgetUnused(now: number): void {
    const isSoon = now - this.searchedAt < SEARCH_PAUSE_TENTHS;
    if (isSoon && this.modes.count - this.namesLeft < SEARCH_AFTER_NAMES) return;
    this.searchedAt = now;
    this.forgetEmpty();
    this.namesLeft = this.modes.count;
  }

  /** Forgets the modes in which nobody is. */
  private forgetEmpty(isWanted: (mode: number) => boolean = () => true): void {
    const { sums } = this.uses;
    const waiting = this.waiting();
    this.modes.forget((mode) => isWanted(mode) && !waiting.has(mode) && sums.isModeEmpty(mode));
  }

  /** The modes of rows that wait for the log, which will need their names, and those held outside. */
  private waiting(): Set<number> {
    const waiting = new Set(this.uses.held());
    for (const { modes } of this.uses.apart) for (const mode of modes) waiting.add(mode);
    for (const { unlogged } of this.uses.partitions)
      for (let row = 0; row < unlogged.count; row++)
        waiting.add((unlogged.words[row * ROW_WORDS + CELL] as number) & MODE_MASK);
    return waiting;
  }
}
