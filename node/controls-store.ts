/** Where lies what operators decide (node/controls/): one text, replaced whole. */

export interface Kept {
  /** Another one with every change; empty where nothing lies there. */
  readonly mark: string;
  readonly text: string;
}

/** Rejects with `StoreUnavailableError`. */
export interface ControlsStore {
  /** What lies there; `undefined` where that is what `known` marks. */
  read(known: string): Promise<Kept | undefined>;
  /** @returns false where something else lies there than what `known` marks: nothing was written */
  write(known: string, kept: Kept): Promise<boolean>;
}

export const NOTHING_KEPT: Kept = { mark: "", text: "" };
