/** The pieces of HTTP that all routes share: the form of answers and refusals, validation by schema, body parsing. */
import type { FastifyInstance, FastifyRequest, FastifySchemaCompiler } from "fastify";
import type { TObject, TSchema } from "typebox";
import type { Logger } from "pino";
import type { Entry } from "../entry.ts";
import type { Metrics } from "../metrics.ts";
import type { Service } from "../service.ts";
import { Check, refusal, shown } from "../values.ts";

export const JSON_TYPE = "application/json; charset=utf-8";
export const RETRY_AFTER_S = 1;

/** What every file of routes is given. */
export interface Context {
  readonly service: Service;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly version: string;
}

/** A service that can answer. */
export type ServingService = Service & { readonly entry: Entry };

/** Input that a client has to change; becomes a 400. */
export class RefusalError extends Error {
  override readonly name = "RefusalError";
  readonly statusCode = 400;
}

/** An answer on its way to a client, over fastify or over the fast lane. */
export interface Reply {
  code(status: number): this;
  /** @param name in lower case */
  header(name: string, value: string | number): this;
  /** @param body text, all ASCII */
  send(body?: string): unknown;
}

/** How one route answers; every answer is counted, by status. */
export class Answers {
  private readonly counts: Float64Array;

  constructor(metrics: Metrics, route: string) {
    this.counts = metrics.answersOf(route);
  }

  count(status: number): void {
    (this.counts[status] as number)++;
  }

  json(reply: Reply, status: number, body: string): void {
    this.count(status);
    void reply.code(status).header("content-type", JSON_TYPE).send(body);
  }

  empty(reply: Reply, status: number): void {
    this.count(status);
    void reply.code(status).send();
  }

  refuse(reply: Reply, status: number, message: string): void {
    if (status === 503 || status === 429) void reply.header("retry-after", RETRY_AFTER_S);
    this.json(reply, status, refusalBody(status, message));
  }

  /** Whether the node answers at all; where not, the reason has been sent. */
  isServing(service: Service, reply: Reply): service is ServingService {
    if (service.entry !== undefined) return true;
    const reason = service.status.kind === "ready" ? "no owner" : service.status.reason;
    this.refuse(reply, 503, `cannot answer now: ${reason}`);
    return false;
  }
}

export function refusalBody(status: number, message: string): string {
  return JSON.stringify({ code: String(status), message });
}

/** Validates with the route's schemas; query values come as text and are read as whole numbers where one is asked for. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = new Check(schema, httpPart ?? "body");
  const refuse = (value: unknown, came: unknown): { error: Error } => ({
    error: new RefusalError(check.explain(value, came)),
  });
  if (httpPart !== "querystring")
    return (value: unknown) => {
      const came = value ?? undefined; // fastify gives null for a body that did not come
      return check.accepts(value) ? true : refuse(came, came);
    };
  const numbers = wholeNumbersOf(schema as TObject);
  return (came: unknown) => {
    const value: Record<string, unknown> = { ...(came as object) };
    for (const { name, standard } of numbers) value[name] = value[name] === undefined ? standard : asWhole(value[name]);
    return check.accepts(value) ? { value } : refuse(value, came);
  };
};

interface WholeNumber {
  readonly name: string;
  readonly standard: unknown;
}

function wholeNumbersOf(schema: TObject): WholeNumber[] {
  const properties = Object.entries(schema.properties as Record<string, { type?: string; default?: unknown }>);
  return properties
    .filter(([, { type }]) => type === "integer")
    .map(([name, property]) => ({ name, standard: property.default }));
}

function asWhole(value: unknown): unknown {
  return typeof value === "string" && /^(0|[1-9]\d{0,9})$/.test(value) ? Number(value) : value;
}

type BodyParser = (request: FastifyRequest, text: string, done: (error: Error | null, body?: unknown) => void) => void;

export function registerBodyParser(app: FastifyInstance): void {
  const parse = bodyParserOf(app);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, parse);
}

/** JSON objects only. An empty body is no body. */
export function bodyParserOf(app: FastifyInstance): BodyParser {
  const parse = app.getDefaultJsonParser("error", "ignore");
  return (request, text, done) => {
    if (text === "") return done(null, undefined);
    void parse(request, text, (error, value) => {
      if (value === null) return done(new RefusalError(refusal("body", "a JSON object", null)));
      if (error === null) return done(null, value);
      const expected = isJson(text) ? 'must hold no key "__proto__"' : "must be JSON";
      done(new RefusalError(`body ${expected}, got ${shown(text)}`));
    });
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** For the routes of this scope: whatever comes in the body, of whatever type, is as if it had not come. */
export function ignoreBodies(app: FastifyInstance): void {
  app.addHook("onRequest", (request, _reply, done) => {
    delete request.raw.headers["content-type"]; // fastify refuses a malformed one, although nothing is read by it
    done();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, _body, done) => done(null));
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
  if (status >= 500) return { status: 500, message: "the node failed to answer; its log says why" };
  return { status, message: error.message };
}
