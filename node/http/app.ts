/** The HTTP side of a node: fastify with the routes, the documentation, and one form for every refusal. */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { registerBodyParser } from "./body.ts";
import { registerDescription } from "./description.ts";
import { registerDocs } from "./docs.ts";
import {
  Answers,
  CodingError,
  type Context,
  JSON_TYPE,
  refusalBody,
  refusalOf,
  routeLabel,
  validatorCompiler,
} from "./http.ts";
import { answerTheRest, notePaths } from "./other-methods.ts";
import { registerOperators } from "./routes/operators.ts";
import { registerProfiles } from "./routes/profiles.ts";
import { registerRegions } from "./routes/regions.ts";
import { registerReports } from "./routes/reports.ts";

const BODY_BYTES_MAX = 4096;
const REQUEST_WITHIN_MS = 10_000;
const PARAM_LENGTH_MAX = 16_384; // no limit of the router's own: the value's form is checked, and told

export async function makeApp(context: Context): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false, // a logger of fastify's makes a child for every request, a tenth of what a report costs
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_WITHIN_MS,
    http: { connectionsCheckingInterval: 1000, requireHostHeader: false },
    return503OnClosing: false, // while draining, what comes on an open connection is still answered
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    clientErrorHandler: refuseMalformed,
    frameworkErrors: (error, request, reply) => {
      context.cors?.share(request.headers.origin, reply as FastifyReply); // no hook is called
      refuse(context, error, request, reply);
    },
  });
  registerBodyParser(app);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => JSON.stringify);
  app.setErrorHandler((error: Error, request, reply) => refuse(context, error, request, reply));
  context.cors?.register(app);
  app.server.on("checkExpectation", (_request, response: ServerResponse) => {
    context.metrics.countUnrouted(417);
    response.writeHead(417, { "content-type": JSON_TYPE, "cache-control": "no-store", connection: "close" });
    response.end(refusalBody(417, "expect must be 100-continue, got something else"));
  });
  const paths = notePaths(app);
  await registerDescription(app, context.version);
  await registerDocs(app, context);
  registerProfiles(app, context);
  registerReports(app, context);
  registerRegions(app, context);
  registerOperators(app, context);
  await app.after();
  answerTheRest(app, context, paths);
  return app;
}

function refuse(context: Context, error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const { status, message } = refusalOf(error, request);
  if (status >= 500) context.log.error({ err: error, url: request.url }, "a request failed");
  if (error instanceof CodingError) reply.header("accept-encoding", "identity"); // RFC 9110, 15.5.16
  const label = routeLabel(request.method, request.routeOptions.url);
  new Answers(context, label).refuse(reply, status, message);
}

/** What is not HTTP gets an answer all the same, and the connection ends. */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  const [status, reason, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "Request Header Fields Too Large", "headers must be at most 16384 bytes, got more"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "Request Timeout", `a request must be whole within ${REQUEST_WITHIN_MS} ms`]
        : [400, "Bad Request", "the request must be well-formed HTTP/1.1"];
  const body = refusalBody(status, message);
  const head = `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json; charset=utf-8\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
}
