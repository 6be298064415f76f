/**
 * The memory that the main thread and the store's thread share, and what lies where in it.
 *
 * Appends come a thousand times a second, so they go through here: the row is written straight into a slot, the
 * thread sleeps on `calls`, the main thread waits on `answered`. A posted message each way would cost twice as much
 * (28 µs against 15 µs of CPU a round trip, measured). Everything rarer is posted, and `calls` rung as a bell.
 */
export const CALLS = 0; // rung for every call; the thread sleeps on it
export const ASKED = 1; // number of the newest append asked
export const ANSWERED = 2; // number of the newest append answered; the main thread waits on it
export const ROW_BYTES = 3; // bytes of the row in the slot
export const SLOT = 4; // number of the slot that the row is in: a larger one comes as a message
export const OUTCOME = 5; // of the newest append: one of the three below

export const ALL_LANDED = 0;
export const MIXED = 1; // one byte a segment in `answers`: an index into ANSWERS
export const FAILED = 2; // the reason came as a message just before

export const ANSWERS = ["landed", "superseded", "behind"] as const;
export const LANDED = 0;

export const COMMITS = 0; // group commits made since the store was opened
export const LAST_COMMIT_MS = 1; // how long the newest took
export const BYTES_ON_DISK = 2; // database and write-ahead log

export const SEGMENTS_MAX = 4096; // one a partition
const WORDS_BYTES = 32;
const FIGURES_BYTES = 32;

/** A few words and figures, then one byte a segment: 64 + 4096 bytes. */
export interface SharedCalls {
  readonly words: Int32Array;
  readonly figures: Float64Array;
  readonly answers: Uint8Array;
}

export function newSharedCalls(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS_BYTES + FIGURES_BYTES + SEGMENTS_MAX);
}

export function sharedCallsOf(buffer: SharedArrayBuffer): SharedCalls {
  return {
    words: new Int32Array(buffer, 0, WORDS_BYTES / 4),
    figures: new Float64Array(buffer, WORDS_BYTES, FIGURES_BYTES / 8),
    answers: new Uint8Array(buffer, WORDS_BYTES + FIGURES_BYTES, SEGMENTS_MAX),
  };
}
