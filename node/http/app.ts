/** The HTTP side of a node: fastify with the routes, the documentation, and one form for every refusal. */
import fastifySwagger from "@fastify/swagger";
import fastifySwaggerUi from "@fastify/swagger-ui";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { Connections, limitsOf } from "./connections/connections.ts";
import { FastCalls } from "./connections/fast-calls.ts";
import { Answers, type Context, refusalOf, registerBodyParser, validatorCompiler } from "./http.ts";
import { BATCH_BYTES_MAX } from "./batch-reader.ts";
import { registerOperators } from "./routes/operators.ts";
import { registerProfiles } from "./routes/profiles.ts";
import { registerRegions } from "./routes/regions.ts";
import { registerReports, REPORTS_ROUTE } from "./routes/reports.ts";
import type { Metrics } from "../metrics.ts";
import { shown } from "../values.ts";

export interface App {
  readonly app: FastifyInstance;
  readonly connections: Connections;
}

const BODY_BYTES_MAX = 4096;
const REQUEST_WITHIN_MS = 10_000;
const TAKE_WITHIN_MS = 20_000;
const PARAM_LENGTH_MAX = 16_384; // no limit of the router's own: the value's form is checked, and told

export async function makeApp(context: Context, isLaneOpen: boolean): Promise<App> {
  const malformed = new Answers(context.metrics, "malformed");
  const app = Fastify({
    logger: false, // a logger of fastify's makes a child for every request, a tenth of what a report costs
    bodyLimit: BODY_BYTES_MAX,
    ...limitsOf(REQUEST_WITHIN_MS),
    keepAliveTimeout: context.service.settings.keepAliveMs,
    return503OnClosing: false, // while draining, what comes on an open connection is still answered
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    clientErrorHandler: (error, connection) => connections.refuse(error, connection),
    frameworkErrors: (error, request, reply) =>
      refuse(context, error, request as FastifyRequest, reply as FastifyReply),
  });
  registerBodyParser(app);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => JSON.stringify);
  app.setErrorHandler((error: Error, request, reply) => refuse(context, error, request, reply));
  const elsewhere = new Answers(context.metrics, "none");
  app.setNotFoundHandler((request, reply) => {
    elsewhere.refuse(reply, 404, `no such thing: ${request.method} ${shown(request.url)}`);
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Headcount",
        version: context.version,
        description: "Which game modes people in a country are playing right now.",
      },
    },
  });
  await app.register(fastifySwaggerUi, { routePrefix: "/docs" });
  const profiles = registerProfiles(app, context);
  registerReports(app, context);
  const popularModes = registerRegions(app, context);
  registerOperators(app, context);
  const calls = new FastCalls({ profiles, popularModes });
  const connections = new Connections(app.server, calls, {
    isLaneOpen,
    requestMs: REQUEST_WITHIN_MS,
    takeMs: TAKE_WITHIN_MS,
    bodyBytesMax: (target) => (target.startsWith(REPORTS_ROUTE) ? BATCH_BYTES_MAX : BODY_BYTES_MAX),
    onRefused: (status) => malformed.count(status),
  });
  registerConnections(context.metrics, connections);
  return { app, connections };
}

function refuse({ log, metrics }: Context, error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const { status, message } = refusalOf(error, request);
  if (status >= 500) log.error({ err: error, url: request.url }, "a request failed");
  new Answers(metrics, request.routeOptions.url ?? "none").refuse(reply, status, message);
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
