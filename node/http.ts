/** The pieces of HTTP that all routes share: the form of answers and refusals, validation by schema, body parsing. */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from "fastify";
import type { TObject, TSchema } from "typebox";
import type { Logger } from "pino";
import type { Owner } from "../cluster/owner.ts";
import type { Metrics } from "./metrics.ts";
import type { Service } from "./service.ts";
import { Check, shown } from "./values.ts";

export const JSON_TYPE = "application/json; charset=utf-8";
const RETRY_AFTER_S = 1;

/** What every file of routes is given. */
export interface Context {
  readonly service: Service;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly version: string;
}

/** Input that a client has to change; becomes a 400. */
export class RefusalError extends Error {
  override readonly name = "RefusalError";
  readonly statusCode = 400;
}

export function sendJson(reply: FastifyReply, status: number, body: string): void {
  reply.code(status).header("content-type", JSON_TYPE).send(body);
}

export function sendRefusal(reply: FastifyReply, status: number, message: string): void {
  if (status === 503 || status === 429) reply.header("retry-after", RETRY_AFTER_S);
  sendJson(reply, status, refusalBody(status, message));
}

export function refusalBody(status: number, message: string): string {
  return JSON.stringify({ code: String(status), message });
}

/** A service that has its partitions. */
export type ServingService = Service & { readonly owner: Owner };

/** Whether the node answers at all; where not, the reason has been sent. */
export function isServing(service: Service, reply: FastifyReply): service is ServingService {
  if (service.owner !== undefined) return true;
  const reason = service.status.kind === "ready" ? "no owner" : service.status.reason;
  sendRefusal(reply, 503, `cannot answer now: ${reason}`);
  return false;
}

/** Validates with the route's schemas; query values come as text and are read as whole numbers where one is asked for. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = new Check(schema, httpPart ?? "body");
  const refuse = (value: unknown, came: unknown): { error: Error } => ({
    error: new RefusalError(check.explain(value, came)),
  });
  if (httpPart !== "querystring") return (value: unknown) => (check.accepts(value) ? true : refuse(value, value));
  return (came: unknown) => {
    const value = withNumbers(schema as TObject, came);
    return check.accepts(value) ? { value } : refuse(value, came);
  };
};

function withNumbers(schema: TObject, query: unknown): Record<string, unknown> {
  const values: Record<string, unknown> = { ...(query as object) };
  for (const [name, { type, default: standard }] of Object.entries(
    schema.properties as Record<string, { type?: string; default?: unknown }>,
  )) {
    const value = values[name];
    if (value === undefined) values[name] = standard;
    else if (type === "integer" && typeof value === "string" && /^(0|[1-9]\d{0,8})$/.test(value))
      values[name] = Number(value);
  }
  return values;
}

/** JSON bodies only; an empty one is no body, so that a DELETE may carry a content type. */
export function registerBodyParser(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "ignore");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") return done(null, undefined);
    void parse(request, body, (error, value) => {
      if (error === null) done(null, value);
      else done(new RefusalError(`body must be JSON without a "__proto__" key, got ${shown(body)}`));
    });
  });
}

interface HttpError {
  readonly statusCode?: number;
  readonly code?: string;
  readonly message: string;
}

/** Words what fastify itself refuses. */
export function refusalOf(error: HttpError, request: FastifyRequest): { status: number; message: string } {
  const status = error.statusCode ?? 500;
  switch (error.code) {
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return {
        status: 415,
        message: `content-type must be application/json, got ${shown(request.headers["content-type"])}`,
      };
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return { status: 413, message: `body must be at most ${request.routeOptions.bodyLimit} bytes, got more` };
    case "FST_ERR_BAD_URL":
      return { status: 400, message: `url must be a well-formed path, got ${shown(request.url)}` };
    default:
  }
  if (status >= 500) return { status: 500, message: "something went wrong here; it is in the log" };
  return { status, message: error.message };
}
