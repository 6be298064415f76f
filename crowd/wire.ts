// The contract as the crowd uses it: a message as an HTTP request, an answer as its outcome.
import type { Origin } from "./addresses.ts";
import type { Message, Outcome } from "./crowd.ts";
import type { Answer } from "./link.ts";

const REFUSED_RETRY_MS = 30_000; // whoever is refused outright need not ask again soon
const FORBIDDEN = 403; // as where an operator has blocked an address: decided before anything is done
const RENEW_MIN_MS = 50; // no faster, whatever the service says

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const JSON_BODY = { "content-type": "application/json" };
const NO_BODY = {};

export function requestOf(message: Message): Request {
  return sentFrom(message.origin, REQUESTS[message.kind](message));
}

const REQUESTS = {
  // Region and mode are letters, digits and .:_- only: nothing to escape.
  report: ({ profileId, region, gamemode }) => ({
    method: "POST",
    path: `/v1/profiles/${profileId}/gamemode`,
    headers: JSON_BODY,
    body: `{"region":"${region}","gamemode":"${gamemode}"}`,
  }),
  heartbeat: ({ profileId }) => ({ method: "PUT", path: `/v1/profiles/${profileId}/heartbeat`, headers: NO_BODY }),
  leave: ({ profileId }) => ({ method: "DELETE", path: `/v1/profiles/${profileId}/gamemode`, headers: NO_BODY }),
} satisfies Record<Message["kind"], (message: Message) => Request>;

/** @throws {TypeError | SyntaxError} if the answer is not what was agreed */
export function outcomeOf({ kind }: Message, { status, headers, body }: Answer): Outcome {
  if (status === 200 || status === 202 || status === 204) {
    if (kind === "leave") return { kind: "gone" };
    const pace = kind === "report" ? (JSON.parse(body) as { renewInMs?: unknown }).renewInMs : headers["renew-in-ms"];
    return { kind: "heard", renewInMs: renewIn(pace) };
  }
  if (kind === "heartbeat" && status === 404) return { kind: "unknown" };
  return failureOf(status, headers["retry-after"]);
}

/** A batch comes from where the first of its players is: a game server stands near them. */
export function batchRequestOf(reports: readonly Message[]): Request {
  const rows = reports.map(({ profileId, region, gamemode }) => ({ profileId, region, gamemode }));
  const body = JSON.stringify({ reports: rows });
  return sentFrom(reports[0]?.origin, { method: "POST", path: "/v1/reports", headers: JSON_BODY, body });
}

/**
 * One outcome a report, in order.
 * @param onRejected is told the code of each row that was refused
 * @throws {TypeError | SyntaxError} if the answer is not what was agreed
 */
export function batchOutcomesOf(
  reports: readonly Message[],
  { status, headers, body }: Answer,
  onRejected: (code: string) => void,
): Outcome[] {
  if (status !== 200 && status !== 202) return reports.map(() => failureOf(status, headers["retry-after"]));
  const { accepted, rejected } = JSON.parse(body) as BatchAnswer;
  const outcomes = reports.map((): Outcome => ({ kind: "heard" })); // the answer names no pace
  if (accepted + rejected.length !== reports.length) {
    throw new TypeError(`Of ${reports.length} rows ${accepted} were accepted and ${rejected.length} rejected`);
  }
  for (const { index, code } of rejected) {
    if (!(index in outcomes)) throw new TypeError(`There is no row ${index} of ${reports.length}`);
    outcomes[index] = failureOf(Number(code), undefined);
    onRejected(code);
  }
  return outcomes;
}

interface BatchAnswer {
  readonly accepted: number;
  readonly rejected: readonly { readonly index: number; readonly code: string }[];
}

/** As a load balancer passes a request on. */
function sentFrom(origin: Origin | undefined, request: Request): Request {
  if (origin === undefined) return request;
  return { ...request, headers: { ...request.headers, "x-forwarded-for": origin.address } };
}

function failureOf(status: number, retryAfter: unknown): Outcome {
  if (status === FORBIDDEN) return { kind: "refused", retryInMs: REFUSED_RETRY_MS };
  const isPassing = status === 429 || status >= 500;
  return { kind: "failed", retryInMs: isPassing ? (Number(retryAfter) || 0) * 1_000 : REFUSED_RETRY_MS };
}

function renewIn(pace: unknown): number {
  const renewInMs = pace === undefined || pace === null ? NaN : Number(pace);
  if (!(renewInMs >= 0)) throw new TypeError(`Not a time to renew in: ${String(pace)}`);
  return Math.max(renewInMs, RENEW_MIN_MS);
}
