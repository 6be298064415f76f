/** The public listener: the routes, the documentation, the fast lane. */
import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";
import { type App, type LaneCalls, makeFrame } from "./frame.ts";
import { registerDescription } from "./description.ts";
import { registerDocs } from "./docs.ts";
import type { Context } from "./http.ts";
import { decodedPathOf } from "./other-methods.ts";
import { limitAddresses } from "./rate-limits.ts";
import { BATCH_BYTES_MAX } from "./report-reader.ts";
import { shedLoad } from "./shed-load.ts";
import { refuseStrangePages } from "./strange-pages.ts";
import { registerDetails, registerOperators } from "./routes/operators.ts";
import { IGNORED_BYTES_MAX, registerProfiles } from "./routes/profiles.ts";
import { LOOKUP_BYTES_MAX, LOOKUP_ROUTE, registerLookups } from "./routes/lookups.ts";
import { registerModes } from "./routes/modes.ts";
import { registerPlaces } from "./routes/places.ts";
import { registerRegions } from "./routes/regions.ts";
import { registerReports } from "./routes/reports.ts";
import { makeSessions, registerSession } from "./routes/session.ts";
import { makeStreams, registerStreams } from "./routes/streams.ts";
import type { Sessions } from "../live/sessions.ts";
import type { Streams } from "../live/streams.ts";
import type { Metrics } from "../metrics.ts";

const BODY_BYTES_MAX = 4096;
/** Of these targets no body may be longer. */
const PROFILES = "/v1/profiles/";

export interface PublicApp extends App, Live {}

/** What is open for long. */
interface Live {
  readonly streams: Streams;
  readonly sessions: Sessions;
}

export async function makeApp(context: Context, isLaneOpen: boolean): Promise<PublicApp> {
  const { streams: all, streamsOfAddress: ofAddress } = context.service.settings.limits;
  const streams = makeStreams(context, { all, ofAddress });
  const sessions = makeSessions(context, streams.fanOut);
  streams.registerMetrics(context.metrics);
  sessions.registerMetrics(context.metrics);
  const made = await makeFrame(context, {
    isLaneOpen,
    keepAliveMs: context.service.settings.keepAliveMs,
    isLoadShed: true,
    bodyBytesMax: BODY_BYTES_MAX,
    bodyBytesMaxOf,
    register: (app) => register(app, context, { streams, sessions }),
  });
  registerConnections(context.metrics, made);
  return { ...made, streams, sessions };
}

async function register(app: FastifyInstance, context: Context, { streams, sessions }: Live): Promise<LaneCalls> {
  context.cors?.register(app);
  shedLoad(app, context);
  limitAddresses(app, context);
  refuseStrangePages(app, context);
  await registerDescription(app, context.version);
  await registerDocs(app, context);
  const profiles = registerProfiles(app, context);
  registerLookups(app, context);
  registerReports(app, context);
  const popularModes = registerRegions(app, context);
  registerStreams(app, context, streams);
  registerSession(app, context, sessions);
  registerModes(app, context);
  registerPlaces(app, context);
  registerOperators(app, context);
  // Where players show tokens, what a node tells of itself and its cluster is for those who may see it.
  if (context.access === undefined) registerDetails(app, context);
  return { profiles, popularModes };
}

function bodyBytesMaxOf({ method, url = "" }: IncomingMessage): number {
  if (method === "PUT" || method === "DELETE") return IGNORED_BYTES_MAX;
  if (method !== "POST") return BATCH_BYTES_MAX;
  const path = decodedPathOf(url);
  if (path === LOOKUP_ROUTE) return LOOKUP_BYTES_MAX;
  return path.startsWith(PROFILES) ? BODY_BYTES_MAX : BATCH_BYTES_MAX;
}

function registerConnections(metrics: Metrics, { connections }: App): void {
  metrics.labelledCounter(
    "requests_by_way_total",
    "Requests by their way: the fast lane, a detour through fastify, or a connection handed over to fastify",
    "way",
    () => connections.ways,
  );
  metrics.gauge(
    "connections_unread",
    "Connections that are not read at present, since there is too much to do",
    () => connections.reading.unreadCount,
  );
  metrics.counter(
    "connections_given_up_total",
    "Connections closed since their clients took nothing of their answers",
    () => connections.givenUp,
  );
}
