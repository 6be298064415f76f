/**
 * Bounds what large bodies hold over all connections before they are whole: clients that begin a batch and stall would
 * otherwise fill the memory.
 */
import type { IncomingMessage } from "node:http";

const BYTES_MAX = 64 * 1024 * 1024;
/** Smaller ones are bounded by the number of connections. */
const COUNTED_FROM = 16_384;

export class BodyBudget {
  private readonly bytesMaxOf: (target: string) => number;
  private taken = 0;

  /** @param bytesMaxOf how long the body of a request with this target may be */
  constructor(bytesMaxOf: (target: string) => number) {
    this.bytesMaxOf = bytesMaxOf;
  }

  /** @returns false where there is no room for the request's body; else its room is given back when it is whole, or breaks off */
  admits(request: IncomingMessage): boolean {
    const bytes = this.bytesOf(request);
    if (bytes < COUNTED_FROM) return true;
    if (this.taken + bytes > BYTES_MAX) return false;
    this.taken += bytes;
    let isTaken = true;
    const giveBack = (): void => {
      if (isTaken) this.taken -= bytes;
      isTaken = false;
    };
    request.once("end", giveBack).once("close", giveBack);
    return true;
  }

  /** At most: what is longer than it may be is refused unread. */
  private bytesOf({ headers, url = "" }: IncomingMessage): number {
    const bytesMax = this.bytesMaxOf(url);
    if (headers["transfer-encoding"] !== undefined) return bytesMax;
    const length = Number(headers["content-length"] ?? 0);
    return length <= bytesMax ? length : 0;
  }
}
