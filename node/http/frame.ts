/** What the public listener and the admin listener have in common: fastify with one form for every refusal, over connections that are read here. */
import type { IncomingMessage } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { registerBodyParser } from "./body.ts";
import { BodyBudget } from "./connections/body-budget.ts";
import { Connections, limitsOf } from "./connections/connections.ts";
import { FastCalls } from "./connections/fast-calls.ts";
import { hasBody } from "./connections/in-turn.ts";
import { Answers, CodingError, type Context, FAULT, refusalOf, routeLabel, validatorCompiler } from "./http.ts";
import { answerTheRest, notePaths } from "./other-methods.ts";
import { packAnswers } from "./packed-answers.ts";
import { isShed } from "./shed-load.ts";
import { isTooOften } from "./rate-limits.ts";
import type { PopularModesCall } from "./routes/regions.ts";
import type { ProfileCalls } from "./routes/profiles.ts";

export interface App {
  readonly app: FastifyInstance;
  readonly connections: Connections;
}

export interface FrameOptions {
  readonly isLaneOpen: boolean;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** Calls are refused while there is more to do than the node can. */
  readonly isLoadShed: boolean;
  /** Of requests that have no other limit of their own. */
  readonly bodyBytesMax: number;
  /** The routes' own limits, by what stands in the head. */
  readonly bodyBytesMaxOf: (request: IncomingMessage) => number;
  /** Registers all routes. @returns what the fast lane answers */
  readonly register: (app: FastifyInstance) => Promise<LaneCalls>;
}

export interface LaneCalls {
  readonly profiles: ProfileCalls;
  readonly popularModes: PopularModesCall;
}

const REQUEST_WITHIN_MS = 10_000;
const TAKE_WITHIN_MS = 20_000;
const PARAM_LENGTH_MAX = 16_384; // no limit of the router's own: the value's form is checked, and told

export async function makeFrame(context: Context, options: FrameOptions): Promise<App> {
  const app = Fastify({
    logger: false, // a logger of fastify's makes a child for every request, a tenth of what a report costs
    bodyLimit: options.bodyBytesMax,
    ...limitsOf(REQUEST_WITHIN_MS),
    keepAliveTimeout: options.keepAliveMs,
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
  const paths = notePaths(app);
  packAnswers(app);
  const calls = await options.register(app);
  await app.after();
  answerTheRest(app, context, paths);
  const connections = new Connections(app.server, new FastCalls({ ...calls, context }), {
    isLaneOpen: options.isLaneOpen,
    limits: context.limits,
    storeQueue: () => (options.isLoadShed ? context.service.storeQueue : 0),
    onStrain: (strain) => {
      if (options.isLoadShed) context.service.pace.strain = strain;
    },
    isShed: (route, reply) => options.isLoadShed && isShed(context, route, reply),
    requestMs: REQUEST_WITHIN_MS,
    takeMs: TAKE_WITHIN_MS,
    onFault: (error, route, reply) => {
      context.log.error({ err: error, route }, "a request failed");
      if (reply !== undefined) new Answers(context, route).refuse(reply, FAULT);
    },
    bodyBytesMax: options.bodyBytesMaxOf,
    onRefused: (status) => context.metrics.countUnrouted(status),
    cors: context.cors,
  });
  return { app, connections };
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
