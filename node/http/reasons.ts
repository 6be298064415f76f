/**
 * Why a request is refused, as programs read it: a closed list. The message beside it is for people, and may change. `docs/errors.md`
 * tells clients what to do; the description has the reasons of each call.
 */

interface About {
  /** With which statuses. */
  readonly statuses: readonly number[];
  readonly what: string;
  /** What a client should do. */
  readonly advice: string;
}

export const REASONS = {
  malformed: {
    statuses: [400, 408, 417, 426],
    what: "a value is missing, or not of its form; the request is no HTTP, was not whole in time, or is no WebSocket's where one is meant",
    advice: "mend the request: the message names the field",
  },
  "unknown-mode": {
    statuses: [400],
    what: "the studio's catalogue does not have the game mode",
    advice: "report a mode of the catalogue: the client may be older, or newer, than it",
  },
  "not-entitled": {
    statuses: [403],
    what: "the game mode needs an entitlement that neither the player's token nor the batch's row has; the message names it",
    advice: "get a token with it, or do not offer the mode to this player",
  },
  "not-offered": {
    statuses: [403],
    what: "the game mode is not offered in the country that was reported",
    advice: "do not offer the mode there",
  },
  retired: {
    statuses: [403],
    what: "the game mode is retired: nobody comes into it any more, and who is in it stays until it reports another",
    advice: "do not offer the mode any more",
  },
  "switch-forbidden": {
    statuses: [409],
    what: "the player may not come into the game mode from where it stands, or without being connected; the message names the modes from which it may",
    advice: "report one of those first, or stay; a repetition is refused as well until the player has moved",
  },
  "not-connected": {
    statuses: [404],
    what: "the player never reported, was disconnected, or was silent for too long",
    advice: "report again",
  },
  "no-such-path": { statuses: [404], what: "there is no such path", advice: "mend the request" },
  "no-such-method": {
    statuses: [405],
    what: "the path has no such method; `Allow` names those that it has",
    advice: "mend the request",
  },
  "too-large": {
    statuses: [413, 414, 431],
    what: "the body, the target or the headers are too long",
    advice: "send less at once",
  },
  "not-json": { statuses: [415], what: "the body is not JSON by its type, or is packed", advice: "mend the request" },
  "no-room": {
    statuses: [503],
    what: "there is no room for another player or another game mode",
    advice: "try again as `Retry-After` says",
  },
  overloaded: {
    statuses: [503],
    what: "too many requests, or tokens that have to be verified, wait already; there are too many connections; or the node has more to do than it can",
    advice: "try again as `Retry-After` says",
  },
  "no-owner": {
    statuses: [502, 503, 504],
    what: "the node that has the player, the place or the names of modes could not be asked in time (502 and 504: the load balancer says so of a node); the report may have taken effect",
    advice: "try again as `Retry-After` says, with the same `seq`",
  },
  credentials: {
    statuses: [401],
    what: "there is no token, or not a good one; `WWW-Authenticate` says so too",
    advice: "get a new token, then ask again",
  },
  forbidden: {
    statuses: [403],
    what: "the token is good, but not for this; or a subdivision is asked for where there is a privacy floor; or a page of another machine reports at a node on loopback that asks for no tokens; or the admin listener is asked by another name, or from a page of another origin",
    advice:
      "ask only for your own player, or with a token of another scope; ask for a country or an area; the page's origin can be named in `HEADCOUNT_CORS_ORIGINS`",
  },
  rate: {
    statuses: [429],
    what: "too many requests came from the address, of the player, or rows or players looked up with the token; `RateLimit` says what is left. Or the address has too many connections",
    advice: "ask again after `Retry-After`; keep connections open and use them again",
  },
  "switched-off": {
    statuses: [503],
    what: "the operator switched off this kind of calls; the message has the reason. Heartbeats and disconnections are never off",
    advice: "try again as `Retry-After` says",
  },
  blocked: {
    statuses: [403],
    what: "the operator blocked reports from this address, or with this issuer's tokens",
    advice: "do not try again: ask the operator",
  },
  starting: {
    statuses: [503],
    what: "the node starts, joins its cluster anew, or does not have the keys of tokens yet",
    advice: "ask another node, or try again",
  },
  draining: { statuses: [503], what: "the node ends", advice: "ask another node" },
} as const satisfies Readonly<Record<string, About>>;

export type Reason = keyof typeof REASONS;

/** A refusal, as it is told. */
export interface Refusal {
  readonly status: number;
  /** `undefined` only of a defect (500): nobody refused. */
  readonly reason: Reason | undefined;
  readonly message: string;
  /** More headers, by their names in lower case. */
  readonly headers?: Readonly<Record<string, string | number>>;
}

export const OVERLOADED: Refusal = {
  status: 503,
  reason: "overloaded",
  message: "the node has more to do than it can: try again soon",
};

/** All ASCII: the fast lane writes it so, and an operator may have words in it. */
export function refusalBody({ status, reason, message }: Refusal): string {
  return JSON.stringify({ code: String(status), message, reason }).replaceAll(/[^ -~]/g, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** What a client is told whose body is longer than so many bytes. */
export function tooLong(bytesMax: number): Refusal {
  return { status: 413, reason: "too-large", message: `body must be at most ${bytesMax} bytes, got more` };
}
