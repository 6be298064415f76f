/** Connections beyond a limit: each is told so in one small answer, and closed. Nothing that it sends is looked at. */
import type { Socket } from "node:net";
import type { Full, PlacesOptions } from "../../limits/places.ts";
import { RETRY_AFTER_S } from "../http.ts";
import type { Refusal } from "../reasons.ts";
import { lastAnswer } from "./malformed.ts";

/** Connections that may wait, each, until its client has the answer: closed before what it sent is read, it may lose it. */
const WAITING_MAX = 128;
const WAIT_MS = 1000;
const READ_BYTES_MAX = 16_384;
/** Another connection of that address has to end first. */
const ADDRESS_RETRY_S = 5;

export class TurnedAway {
  private waiting = 0;

  refuse(socket: Socket, refusal: Refusal): void {
    socket.on("error", () => undefined); // it is closed, whatever happens
    socket.end(lastAnswer(refusal), "latin1");
    if (this.waiting >= WAITING_MAX) socket.destroySoon();
    else this.wait(socket);
  }

  private wait(socket: Socket): void {
    this.waiting++;
    const timer = setTimeout(() => socket.destroy(), WAIT_MS);
    let bytes = 0;
    socket.on("data", ({ length }: Buffer) => {
      bytes += length;
      if (bytes > READ_BYTES_MAX) socket.destroy();
    });
    socket.once("end", () => socket.destroySoon());
    socket.once("close", () => {
      clearTimeout(timer);
      this.waiting--;
    });
  }
}

export function refusalOfConnection(full: Full, { all, ofAddress }: PlacesOptions): Refusal {
  if (full === "all") {
    const message = `connections to this node must be at most ${all}, and there are so many: try again soon`;
    return { status: 503, reason: "overloaded", message, headers: { "retry-after": RETRY_AFTER_S } };
  }
  const message = `connections from one address must be at most ${ofAddress}, and there are so many: close one, or try again in ${ADDRESS_RETRY_S} s`;
  const headers = {
    "retry-after": ADDRESS_RETRY_S,
    ratelimit: `"connections";r=0;t=${ADDRESS_RETRY_S}`,
    "ratelimit-policy": `"connections";q=${ofAddress}`,
  };
  return { status: 429, reason: "rate", message, headers };
}
