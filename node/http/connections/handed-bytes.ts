/** What Node's server gets of a connection's bytes: those of one request, or all from now on. */
import type { Feed } from "./feed.ts";
import type { InTurn } from "./in-turn.ts";
import type { Unread } from "./unread.ts";

/** What fastify is handed at once of bytes that may hold many requests: some twenty of the smallest. */
const HANDED_MAX = 512;
/** The same where many requests wait behind others, on all connections together: one or two. */
const HANDED_IN_CROWD_MAX = 32;

export class HandedBytes {
  /** The one request was answered. */
  isAnswered = false;
  /** Any were handed on. */
  isAny = false;
  /** Bytes of the one request that the server has not got yet. */
  private left = 0;
  private readonly feed: Feed;
  private readonly unread: Unread;
  private readonly inTurn: InTurn;

  constructor(feed: Feed, unread: Unread, inTurn: InTurn) {
    this.feed = feed;
    this.unread = unread;
    this.inTurn = inTurn;
  }

  /** The next bytes are those of one request. */
  begin(length: number): void {
    this.left = length;
    this.isAnswered = false;
  }

  /** @param hasEnded the client sends nothing more. @returns whether the request has been handed on and answered */
  feedOne(hasEnded: boolean): boolean {
    const { feed, unread } = this;
    while (feed.isParsed && this.left > 0 && unread.length > 0)
      this.left -= this.hand(Math.min(this.left, unread.length));
    if (this.left === 0 && this.isAnswered) return true;
    if (hasEnded && this.left > 0 && unread.length === 0) feed.end(); // it broke off
    return false;
  }

  feedAll(hasEnded: boolean): void {
    const { feed, unread, inTurn } = this;
    const standIn = feed.open();
    while (feed.isParsed && unread.length > 0 && inTurn.hasRoom(standIn))
      this.hand(Math.min(inTurn.isCrowded ? HANDED_IN_CROWD_MAX : HANDED_MAX, unread.length));
    // Told that nothing more comes, Node ends the connection behind the answer that it is writing, whatever waits.
    if (hasEnded && unread.length === 0 && feed.isParsed && !inTurn.hasWaiting(standIn)) feed.end();
  }

  private hand(length: number): number {
    this.isAny = true;
    this.feed.push(this.unread.take(length));
    return length;
  }
}
