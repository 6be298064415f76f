/** What the service's reasons do not cover: the client's own. */
export type OwnReason =
  | "unreachable" // no answer: no network, no such host, a connection that broke
  | "timeout" // no answer in time
  | "not-understood" // an answer that is not the service's: a proxy's page, broken JSON
  | "token" // the token callback failed
  | "replaced" // a later play() or leave() took its place before the service had it
  | "superseded" // another device of the player played later
  | "closed" // close() was called
  | "full" // HeadcountServer holds as many rows as it may
  | "undelivered"; // HeadcountServer was closed before all rows were taken

/** Why something did not come about. `reason` is one of the service's closed list (docs/errors.md there), or the client's own. */
export class HeadcountError extends Error {
  /** The HTTP status; 0 where there was no answer. */
  declare readonly status: number;
  declare readonly reason: OwnReason | (string & {});
  /** The service asks not to be asked again earlier; 0 where it does not say. */
  declare readonly retryAfterMs: number;

  constructor(
    status: number,
    reason: OwnReason | (string & {}),
    message: string = reason,
    retryAfterMs = 0,
    cause?: unknown,
  ) {
    super(message, { cause });
    Object.assign(this, { name: "HeadcountError", status, reason, retryAfterMs });
  }
}

/** Whether asking the same again would be refused again. What is not the service's own word is never final. */
export function isFinal({ status, reason }: HeadcountError, canRenew?: boolean): boolean {
  const isPassing = status === 408 || status === 429 || (status === 401 && canRenew) || reason === "not-understood";
  return status >= 400 && status < 500 && !isPassing;
}

export function closed(): HeadcountError {
  return new HeadcountError(0, "closed");
}

export function notUnderstood(status: number, said: unknown): HeadcountError {
  return new HeadcountError(status, "not-understood", `not understood: ${String(said)}`.slice(0, 99));
}

/** As the service tells it in a body, or in a frame of a session. */
export function refusal({ code, reason, message }: Record<string, unknown>, retryAfterMs = 0): HeadcountError {
  return new HeadcountError(Number(code), String(reason), message as string, retryAfterMs);
}
