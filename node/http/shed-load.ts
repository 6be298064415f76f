/** Which calls are refused while the node has more to do than it can, and what is told. Why and when: `node/limits/shedding.ts`. */
import type { FastifyInstance } from "fastify";
import { type Kind, LIVE } from "../limits/shedding.ts";
import { Answers, type Context, NOWHERE, type Reply, routeLabel } from "./http.ts";
import { OVERLOADED, type Refusal } from "./reasons.ts";
import { HEARTBEAT_ROUTE, REPORT_ROUTE } from "./routes/profiles.ts";
import { LOOKUP_ROUTE } from "./routes/lookups.ts";
import { MODES_ROUTE } from "./routes/modes.ts";
import { PLACES_ROUTE } from "./routes/places.ts";
import { POPULAR_MODES_ROUTE } from "./routes/regions.ts";
import { SESSION_ROUTE } from "./routes/session.ts";
import { STREAM_ROUTE } from "./routes/streams.ts";

/**
 * All others are never refused for this. Operators need to see a node that has too much to do: `/readyz` stays 200, for one that is
 * taken out of the balancer's list would leave its load to the others, which then have too much to do.
 */
const KIND_OF: ReadonlyMap<string, Kind | typeof LIVE> = new Map<string, Kind | typeof LIVE>([
  [NOWHERE, "look-ups"], // what there is not, and what is asked in a way that there is not
  [routeLabel("GET", REPORT_ROUTE), "look-ups"],
  [routeLabel("POST", LOOKUP_ROUTE), "look-ups"],
  [routeLabel("GET", STREAM_ROUTE), LIVE],
  [routeLabel("GET", SESSION_ROUTE), LIVE],
  [routeLabel("GET", POPULAR_MODES_ROUTE), "other reads"],
  ["GET /v1/regions", "other reads"],
  [routeLabel("GET", MODES_ROUTE), "other reads"],
  [routeLabel("GET", PLACES_ROUTE), "other reads"],
  ["GET /v1/players", "other reads"],
  [routeLabel("POST", REPORT_ROUTE), "reports"],
  ["POST /v1/reports", "reports"],
  [routeLabel("PUT", HEARTBEAT_ROUTE), "heartbeats"],
  [routeLabel("DELETE", REPORT_ROUTE), "heartbeats"],
]);

/** All that the page is made of. */
const DOCS = "GET /docs";
/** What a connection is told that was not read in time. */
export const UNREAD: Refusal = {
  ...OVERLOADED,
  message: "the node has more to do than it can, and did not read what came: try again soon",
  headers: { "retry-after": 2 },
};

/** @returns whether the request is refused, and told so */
export function isShed(context: Pick<Context, "limits" | "metrics" | "cors">, label: string, reply: Reply): boolean {
  const { shedding } = context.limits;
  const kind = shedding.isShedding ? kindOf(label) : undefined;
  if (kind === undefined || !shedding.refuses(kind)) return false;
  new Answers(context, label).refuse(reply, OVERLOADED);
  return true;
}

function kindOf(label: string): Kind | typeof LIVE | undefined {
  return label.startsWith(DOCS) ? "other reads" : KIND_OF.get(label);
}

/** Refuses before anything is read or looked at, for what comes through fastify. */
export function shedLoad(app: FastifyInstance, context: Context): void {
  app.addHook("onRequest", (request, reply, done) => {
    const isRefused =
      context.limits.shedding.isShedding &&
      isShed(context, routeLabel(request.method, request.routeOptions.url), reply);
    if (!isRefused) done();
  });
}
