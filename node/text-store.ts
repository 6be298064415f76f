/** Where lies a text that all nodes follow (`followed-text.ts`): it is replaced whole. */

export interface Kept {
  /** Another one with every change; empty where nothing lies there. */
  readonly mark: string;
  readonly text: string;
}

export interface TextStore {
  /** For people. */
  readonly place: string;
  /**
   * What lies there; `undefined` where that is what `known` marks.
   * @throws {StoreUnavailableError} (rejects)
   */
  read(known: string): Promise<Kept | undefined>;
  /**
   * @returns false where something else lies there than what `known` marks: nothing was written
   * @throws {StoreUnavailableError} (rejects) where nobody knows whether it was written
   */
  write(known: string, kept: Kept): Promise<boolean>;
}

export const NOTHING_KEPT: Kept = { mark: "", text: "" };

/** What all nodes of a cluster follow. */
export interface Texts {
  /** What operators decided. */
  readonly controls: TextStore;
  /** The catalogue of modes. */
  readonly catalogue: TextStore;
}
