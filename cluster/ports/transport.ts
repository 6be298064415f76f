/** How nodes reach each other: one message to a peer, one answer back. */

/** Of the messages between nodes; a node speaks this one, and reads no other. */
export const PROTOCOL = 5;

/** `counts` (tallies, views) has a way of its own, so that no queue of rows holds it up (R20). */
export type Lane = "rows" | "counts" | "control";

export interface Transport {
  /**
   * Sends a message to a peer and gives its answer.
   * @param peerUrl as in its `Member`
   * @throws {PeerError} (rejects) where no whole answer came in `timeoutMs`; the message may have arrived all the same
   */
  call(peerUrl: string, lane: Lane, message: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /**
   * R10: told of each connection to a peer that was open and has ended, but for those that this node closed. To be set by
   * whoever wants to know.
   */
  onEnded: (peerUrl: string) => void;
}

export class PeerError extends Error {
  override readonly name = "PeerError";
  /** R10: nobody listens there; the message has not arrived. */
  readonly isRefused: boolean;
  /** R18: another incarnation answers there: the one that was called never will again. */
  readonly isAnother: boolean;
  constructor(message: string, isRefused: boolean, isAnother = false) {
    super(message);
    this.isRefused = isRefused;
    this.isAnother = isAnother;
  }
}
