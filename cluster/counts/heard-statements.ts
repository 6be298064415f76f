/**
 * What each sender's last list said (R20, R23): while nothing changes a sender names only the number of that list, and its
 * receiver finds here what the number stands for.
 */
export interface Statement<Item> {
  /** Rises with every list of one sender. */
  readonly number: number;
  readonly items: readonly Item[];
}

export class HeardStatements<Item> {
  private bySender = new Map<string, Statement<Item>>();

  /** Notes a list, unless a newer one came before it. */
  learn(sender: string, number: number, items: readonly Item[]): void {
    if (number >= this.numberOf(sender)) this.bySender.set(sender, { number, items });
  }

  /** What a number stands for; `undefined` where its list did not come, or is not the last one known. */
  itemsOf(sender: string, number: number): readonly Item[] | undefined {
    const known = this.bySender.get(sender);
    return known?.number === number ? known.items : undefined;
  }

  /** Of the last list known; 0 where there is none. */
  numberOf(sender: string): number {
    return this.bySender.get(sender)?.number ?? 0;
  }

  /** Forgets senders that are not listed any more. */
  keep(members: readonly string[]): void {
    for (const sender of this.bySender.keys()) if (!members.includes(sender)) this.bySender.delete(sender);
  }

  /** Forgets all lists: every sender has to send its own again. */
  clear(): void {
    this.bySender.clear();
  }
}
