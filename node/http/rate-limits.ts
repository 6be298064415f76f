/** Requests that come too often are told when they may come again. Source of the headers: draft-ietf-httpapi-ratelimit-headers-10. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { PROXIED } from "../limits/clients.ts";
import type { Refused } from "../limits/limits.ts";
import { bearerOf } from "./admission.ts";
import { Answers, type Context, routeLabel } from "./http.ts";
import type { Refusal } from "./reasons.ts";

/** What operators' tools ask often, from wherever they are. */
const UNLIMITED = new Set(["/livez", "/readyz", "/metrics"]);

/** Limits the requests of an address, but for those with a token that is known to be good. */
export function limitAddresses(app: FastifyInstance, context: Context): void {
  const { limits, access } = context;
  if (!limits.areAddressesLimited) return;
  app.addHook("onRequest", (request, reply, done) => {
    const { url } = request.routeOptions;
    const client = clientOf(request, context);
    if (client === undefined || UNLIMITED.has(url ?? "")) return done();
    const token = bearerOf(request.headers.authorization);
    if (token !== undefined && access?.tokens.isKnown(token) === true) return done();
    const refused = limits.ofAddress(client);
    if (refused === undefined) return done();
    new Answers(context, routeLabel(request.method, url)).refuse(reply, refusalOf(refused));
  });
}

/** @returns undefined where the batch may go on */
export function refusalOfBatch({ limits }: Context, { headers }: FastifyRequest, rows: number): Refusal | undefined {
  const refused = limits.ofBatch(headers.authorization, rows);
  return refused === undefined ? undefined : refusalOf(refused);
}

function clientOf({ raw }: FastifyRequest, { limits: { clients } }: Context): string | undefined {
  const client = clients.ofSocket(raw.socket.remoteAddress);
  return client === PROXIED ? clients.ofForwarded(String(raw.headers["x-forwarded-for"] ?? "")) : client;
}

function refusalOf({ limit, rates, taken }: Refused): Refusal {
  const { count, windowMs } = rates.rate;
  const [windowS, waitS] = [windowMs / 1000, Math.max(1, Math.ceil(taken.waitMs / 1000))];
  const what = limit === "address" ? "requests of an address without a good token" : "rows of batches with a token";
  return {
    status: 429,
    reason: "rate",
    message: `${what} must be at most ${count} in ${windowS} s, got more: ask again in ${waitS} s`,
    headers: {
      "retry-after": waitS,
      ratelimit: `"${limit}";r=${taken.left};t=${waitS}`,
      "ratelimit-policy": `"${limit}";q=${count};w=${windowS}`,
    },
  };
}
