/**
 * Names of modes by numbers of this node's own, each as long as a tally has players in it. A number changes its name only
 * while no board has players under it, so a board never shows one mode's players under another's name.
 */
export class CountedModes {
  readonly names: string[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly free: number[] = [];
  /** How many cells there are of each. */
  private readonly cells: number[] = [];

  /** The number of a mode, or -1 where nobody is in it. */
  find(name: string): number {
    return this.numbers.get(name) ?? -1;
  }

  /** The number of a mode: its own until `sweep` finds it unused. */
  intern(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const number = this.free.pop() ?? this.names.length;
    this.names[number] = name;
    this.cells[number] = 0;
    this.numbers.set(name, number);
    return number;
  }

  retain(number: number): void {
    (this.cells[number] as number)++;
  }

  release(number: number): void {
    (this.cells[number] as number)--;
  }

  /** Forgets those of these numbers that nobody is in. */
  sweep(numbers: Iterable<number>): void {
    for (const number of numbers) {
      if ((this.cells[number] as number) > 0 || this.names[number] === "") continue;
      this.numbers.delete(this.names[number] as string);
      this.names[number] = "";
      this.free.push(number);
    }
  }
}
