/** Copies of all that a store held at some moments: it may come back with one of them. */

const COPIES_MAX = 40;

export interface SavedCopy {
  readonly atMs: number;
  /** Of the model. */
  readonly copy: unknown;
  readonly catalogueVersion: number;
}

export class SavedCopies {
  private readonly all: SavedCopy[] = [];

  add(saved: SavedCopy): void {
    this.all.push(saved);
    if (this.all.length > COPIES_MAX) this.all.shift();
  }

  /** The newest copy that is not younger than that, or the oldest there is. */
  asOf(atMs: number): SavedCopy | undefined {
    return this.all.findLast((saved) => saved.atMs <= atMs) ?? this.all[0];
  }

  clear(): void {
    this.all.length = 0;
  }
}
