/** Requests that come too often are told when they may come again. Source of the headers: draft-ietf-httpapi-ratelimit-headers-10. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Rate } from "../../engine/rate.ts";
import { type Client, PROXIED } from "../limits/clients.ts";
import type { Limit, Refused } from "../limits/limits.ts";
import { bearerOf } from "./admission.ts";
import { Answers, type Context, routeLabel } from "./http.ts";
import type { Refusal } from "./reasons.ts";

/** Of requests that are under way: several hooks ask, and whoever is not named is counted once. */
const clientsFound = new WeakMap<object, { readonly client: Client | undefined }>();
const MS_IN_S = 1000;
const LIMITED: Readonly<Record<Limit, string>> = {
  profile: "reports and heartbeats of one player",
  address: "requests without a good token from one address",
  token: "rows of batches with one token",
};
const OF_LOOKUPS: typeof LIMITED = {
  ...LIMITED,
  address: `${LIMITED.address}, with each player of a look-up as one,`,
  token: "rows of batches and players of look-ups with one token",
};
/** What load balancers and schedulers ask, from wherever they are. */
const UNLIMITED = new Set(["/livez", "/readyz"]);

/** Limits the requests of an address, but for those with a good token. */
export function limitAddresses(app: FastifyInstance, context: Context): void {
  if (!context.limits.areAddressesLimited) return;
  app.addHook("onRequest", async (request, reply) => ((await isTooOften(context, request, reply)) ? reply : undefined));
}

/** @returns whether it was refused */
export async function isTooOften(context: Context, request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
  const { limits, access } = context;
  const { url } = request.routeOptions;
  if (!limits.areAddressesLimited || UNLIMITED.has(url ?? "") || isPreflight(request)) return false;
  const token = access === undefined ? undefined : bearerOf(request.headers.authorization);
  if (token !== undefined && access?.tokens.isKnown(token) === true) return false;
  const client = clientOf(request, context);
  const refused = client === undefined ? undefined : limits.ofAddress(client);
  if (refused === undefined) {
    if (token !== undefined) void access?.tokens.judge(token); // so that it is known the next time; it never rejects
    return false;
  }
  // Others of that address must not lock out who has a good token that was not seen here yet, nor keep the verifier from the others.
  if (token !== undefined && access !== undefined && access.tokens.hasTime)
    if ((await access.tokens.judge(token)).kind === "granted") return false;
  new Answers(context, routeLabel(request.method, url)).refuse(reply, refusalOfRate(context, refused));
  return true;
}

/** @param waitS as the player's owner said */
export function refusalOfProfile(context: Context, waitS: number): Refusal {
  return refusalOfRate(context, context.limits.ofProfile(waitS));
}

/** @param rows undefined: before it is known how many. @returns undefined where they may come */
export function refusalOfBatch(
  context: Context,
  { headers }: FastifyRequest,
  rows: number | undefined,
): Refusal | undefined {
  const refused = context.limits.ofBatch(bearerOf(headers.authorization), rows);
  return refused === undefined ? undefined : refusalOfRate(context, refused);
}

/**
 * Where tokens are asked for, players of a look-up count as rows of batches with that token do; else they count against the address.
 * @param players each once
 */
export function refusalOfLookup(context: Context, request: FastifyRequest, players: number): Refusal | undefined {
  const { limits, access } = context;
  const client = clientOf(request, context);
  const refused =
    access === undefined
      ? client && limits.ofLookup(client, players)
      : limits.ofBatch(bearerOf(request.headers.authorization), players);
  return refused && refusalOfRate(context, refused, OF_LOOKUPS);
}

export function clientOf(request: FastifyRequest, context: Context): Client | undefined {
  const { raw } = request;
  const known = clientsFound.get(raw);
  if (known !== undefined) return known.client;
  const client = lookUp(request, context);
  clientsFound.set(raw, { client });
  return client;
}

function lookUp({ raw }: FastifyRequest, { limits: { clients } }: Context): Client | undefined {
  const client = clients.ofSocket(raw.socket.remoteAddress);
  return client === PROXIED ? clients.ofForwarded(String(raw.headers["x-forwarded-for"] ?? "")) : client;
}

/** A browser whose question whether it may ask is refused tells the page nothing but that. */
function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
}

export function refusalOfRate(
  { limits }: Context,
  { limit, rate, left, waitS }: Refused,
  limited: typeof LIMITED = LIMITED,
): Refusal {
  limits.noteRefused(limit);
  const [most, policy] = rate === undefined ? ["fewer", undefined] : [atMost(rate), policyOf(limit, rate)];
  return {
    status: 429,
    reason: "rate",
    message: `${limited[limit]} must be ${most}, got more: ask again in ${waitS} s`,
    headers: { "retry-after": waitS, ratelimit: `"${limit}";r=${left};t=${waitS}`, ...policy },
  };
}

function atMost({ count, windowMs }: Rate): string {
  return `at most ${count} in ${windowMs / MS_IN_S} s`;
}

function policyOf(limit: Limit, { count, windowMs }: Rate): Record<string, string> {
  return { "ratelimit-policy": `"${limit}";q=${count};w=${windowMs / MS_IN_S}` };
}
