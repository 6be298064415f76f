/** The HTTP side of a node: fastify with the routes, the documentation, and one form for every refusal. */
import type { IncomingMessage } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { registerBodyParser } from "./body.ts";
import { BATCH_BYTES_MAX } from "./report-reader.ts";
import { BodyBudget } from "./connections/body-budget.ts";
import { hasBody } from "./connections/in-turn.ts";
import { Connections, limitsOf } from "./connections/connections.ts";
import { FastCalls } from "./connections/fast-calls.ts";
import { registerDescription } from "./description.ts";
import { registerDocs } from "./docs.ts";
import { Answers, CodingError, type Context, FAULT, refusalOf, routeLabel, validatorCompiler } from "./http.ts";
import { packAnswers } from "./packed-answers.ts";
import { answerTheRest, decodedPathOf, notePaths } from "./other-methods.ts";
import { registerOperators } from "./routes/operators.ts";
import { IGNORED_BYTES_MAX, registerProfiles } from "./routes/profiles.ts";
import { registerRegions } from "./routes/regions.ts";
import { registerReports } from "./routes/reports.ts";
import { isTooOften, limitAddresses, refuseTooOften } from "./rate-limits.ts";
import { refuseStrangePages } from "./strange-pages.ts";
import type { Metrics } from "../metrics.ts";

export interface App {
  readonly app: FastifyInstance;
  readonly connections: Connections;
}

const BODY_BYTES_MAX = 4096;
/** Of these targets no body may be longer. */
const PROFILES = "/v1/profiles/";
const REQUEST_WITHIN_MS = 10_000;
const TAKE_WITHIN_MS = 20_000;
const PARAM_LENGTH_MAX = 16_384; // no limit of the router's own: the value's form is checked, and told

export async function makeApp(context: Context, isLaneOpen: boolean): Promise<App> {
  const app = Fastify({
    logger: false, // a logger of fastify's makes a child for every request, a tenth of what a report costs
    bodyLimit: BODY_BYTES_MAX,
    ...limitsOf(REQUEST_WITHIN_MS),
    keepAliveTimeout: context.service.settings.keepAliveMs,
    return503OnClosing: false, // while draining, what comes on an open connection is still answered
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    clientErrorHandler: (error, connection) => connections.refuse(error, connection),
    frameworkErrors: (error, request, reply) => {
      context.cors?.share(request.headers.origin, reply as FastifyReply); // no hook is called
      void refuseUnrouted(context, error, request, reply);
    },
  });
  const bodies = new BodyBudget();
  app.addHook("preParsing", (request, reply, payload, done) => {
    done(null, hasBody(request.raw) ? bodies.gather(payload as IncomingMessage, reply.raw) : payload);
  });
  registerBodyParser(app);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => JSON.stringify);
  app.setErrorHandler((error: Error, request, reply) => refuse(context, error, request, reply));
  context.cors?.register(app);
  limitAddresses(app, context);
  refuseStrangePages(app, context);
  const paths = notePaths(app);
  packAnswers(app);
  await registerDescription(app, context.version);
  await registerDocs(app, context);
  const profiles = registerProfiles(app, context);
  registerReports(app, context);
  const popularModes = registerRegions(app, context);
  registerOperators(app, context);
  await app.after();
  answerTheRest(app, context, paths);
  const connections = new Connections(
    app.server,
    new FastCalls({
      profiles,
      popularModes,
      access: context.access,
      limits: context.limits,
      refuse: (route, refused, reply) => refuseTooOften(context, route, refused, reply),
    }),
    {
      isLaneOpen,
      clients: context.limits.clients,
      requestMs: REQUEST_WITHIN_MS,
      takeMs: TAKE_WITHIN_MS,
      onFault: (error, route, reply) => {
        context.log.error({ err: error, route }, "a request failed");
        if (reply !== undefined) new Answers(context, route).refuse(reply, FAULT);
      },
      bodyBytesMax,
      onRefused: (status) => context.metrics.countUnrouted(status),
      cors: context.cors,
    },
  );
  registerConnections(context.metrics, connections);
  return { app, connections };
}

/** The routes' own limits, by what stands in the head. */
function bodyBytesMax({ method, url = "" }: IncomingMessage): number {
  if (method === "PUT" || method === "DELETE") return IGNORED_BYTES_MAX;
  return method === "POST" && decodedPathOf(url).startsWith(PROFILES) ? BODY_BYTES_MAX : BATCH_BYTES_MAX;
}

/** What never got to a route is limited all the same. */
async function refuseUnrouted(
  context: Context,
  error: Error,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  if (!(await isTooOften(context, request, reply))) refuse(context, error, request, reply);
}

function refuse(context: Context, error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const refusal = refusalOf(error, request);
  if (refusal.status === 500) context.log.error({ err: error, url: request.url }, "a request failed");
  if (error instanceof CodingError) reply.header("accept-encoding", "identity"); // RFC 9110, 15.5.16
  const label = routeLabel(request.method, request.routeOptions.url);
  new Answers(context, label).refuse(reply, refusal);
}

function registerConnections(metrics: Metrics, connections: Connections): void {
  metrics.labelledCounter(
    "requests_by_way_total",
    "Requests by their way: the fast lane, a detour through fastify, or a connection handed over to fastify",
    "way",
    () => connections.ways,
  );
  metrics.counter(
    "connections_given_up_total",
    "Connections closed since their clients took nothing of their answers",
    () => connections.givenUp,
  );
}
