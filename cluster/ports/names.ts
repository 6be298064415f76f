/** The names in one message: each is written once, and everything else in the message refers to its number. */
export class Names {
  /** By number. */
  readonly list: string[] = [];
  private readonly numbers = new Map<string, number>();

  /** The number of a name: the next free one where it is met for the first time. */
  numberOf(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const number = this.list.push(name) - 1;
    this.numbers.set(name, number);
    return number;
  }
}
