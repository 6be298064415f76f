/** What a session's client may do, as its token says. What it says behind another token waits until that is judged, and is taken with what it allows. */
import type { Message, Refusal } from "./session-messages.ts";

/** What the client's token allows; where none is asked for, everything, for ever. */
export interface Right {
  readonly entitlements: readonly string[];
  readonly isGood: () => boolean;
}

export class SessionCredentials {
  right: Right;
  private readonly waitingMax: number;
  /** In the order in which it was said; `undefined` while no token is being judged. */
  private waiting: Message[] | undefined;

  /** @param waitingMax messages that may wait: as many as a client may say at once */
  constructor(right: Right, waitingMax: number) {
    this.right = right;
    this.waitingMax = waitingMax;
  }

  get areJudged(): boolean {
    return this.waiting !== undefined;
  }

  /** To be called while a token is being judged. @returns why the message cannot wait for that; `undefined` where it does */
  wait(message: Message): Refusal | undefined {
    const { waiting = [], waitingMax } = this;
    if (message.type === "token") return TOO_MANY_TOKENS;
    if (waiting.length >= waitingMax) return TOO_MANY_BEHIND_TOKEN;
    waiting.push(message);
    return undefined;
  }

  /**
   * To be called while no token is being judged.
   * @param judging never rejects
   * @returns why the former right stands, if it does; and what waited
   */
  async renew(judging: Promise<Right | Refusal>): Promise<{ why: Refusal | undefined; waited: readonly Message[] }> {
    const waited: Message[] = (this.waiting = []);
    const judged = await judging;
    this.waiting = undefined;
    if (!("entitlements" in judged)) return { why: judged, waited };
    this.right = judged;
    return { why: undefined, waited };
  }
}

const TOO_MANY_TOKENS: Refusal = {
  status: 429,
  reason: "rate",
  message: "a token must come after the one before was judged",
};
const TOO_MANY_BEHIND_TOKEN: Refusal = {
  status: 429,
  reason: "rate",
  message: "too many messages wait for a token to be judged",
};
