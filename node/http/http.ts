/** The pieces of HTTP that all routes share: the form of answers and refusals, validation by schema. */
import type { FastifyRequest, FastifySchemaCompiler } from "fastify";
import type { TObject, TSchema } from "typebox";
import type { Logger } from "pino";
import type { Access } from "../access/access.ts";
import type { Controls } from "../controls/controls.ts";
import type { Entry } from "../entry.ts";
import type { Usage } from "../usage/usage.ts";
import type { Limits } from "../limits/limits.ts";
import type { Metrics, RouteMetrics } from "../metrics.ts";
import type { FollowedRules } from "../rules/followed-rules.ts";
import type { Service, Status } from "../service.ts";
import { Check, refusal, shown } from "../values.ts";
import type { Cors } from "./cors.ts";
import type { Coding } from "./packing.ts";
import { type Refusal, refusalBody, type Reason, tooLong } from "./reasons.ts";
import { isTagNamed } from "./tags.ts";

export const JSON_TYPE = "application/json; charset=utf-8";
/** Goes with every body: a message shows what came, so nobody may take it for a page or a script. */
export const AS_TYPED = ["x-content-type-options", "nosniff"] as const;
export const RETRY_AFTER_S = 1;

/** What every file of routes is given. */
export interface Context {
  readonly service: Service;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly version: string;
  /** `undefined` where no page of another origin may ask. */
  readonly cors: Cors | undefined;
  /** `undefined` where no tokens are asked for. */
  readonly access: Access | undefined;
  readonly limits: Limits;
  readonly controls: Controls;
  readonly rules: FollowedRules;
  readonly usage: Usage;
  /** Of the admin listener. */
  readonly isForOperators?: boolean;
}

/** A service that can answer. */
export type ServingService = Service & { readonly entry: Entry };

/** What is told of a node that does not answer. */
export function notServing({ status }: Pick<Service, "status">): Refusal {
  return NOT_SERVING[status.kind];
}

/** Input that a client has to change; becomes a 400. */
export class RefusalError extends Error {
  override readonly name: string = "RefusalError";
  readonly statusCode: number = 400;
  readonly reason: Reason = "malformed";
}

/** A body that was packed in a way that is not read here. */
export class CodingError extends RefusalError {
  override readonly name = "CodingError";
  override readonly statusCode = 415;
  override readonly reason = "not-json";

  /** @param coding as it came */
  constructor(coding: string) {
    super(refusal("content-encoding", "identity or left out, since bodies are not unpacked", coding));
  }
}

/** An answer on its way to a client, over fastify or over the fast lane. */
export interface Reply {
  code(status: number): this;
  /** @param name in lower case */
  header(name: string, value: string | number): this;
  /** @param body text, all ASCII; or what was packed */
  send(body?: string | Buffer): unknown;
}

/** What it was stands in the log. */
export const FAULT: Refusal = {
  status: 500,
  reason: undefined,
  message: "the node failed to answer; its log says why",
};
/** The label of paths that there are no routes of. */
export const NOWHERE = "none";
const VARY_BOTH = "Origin, Accept-Encoding";
/** For answers that are of one moment, or about one player. */
const NO_STORE = "no-store";

export const DRAINING: Refusal = { status: 503, reason: "draining", message: "the node is ending: ask another" };
/** What anybody is told of a node that does not answer; why it is so stands in the log. */
const NOT_SERVING: Readonly<Record<Status["kind"], Refusal>> = {
  starting: { status: 503, reason: "starting", message: "the node is starting: try again soon" },
  ready: { status: 503, reason: "starting", message: "the node is starting: try again soon" },
  draining: DRAINING,
  drained: DRAINING,
  expelled: {
    status: 503,
    reason: "starting",
    message: "the node was expelled from its cluster and joins anew: try again soon",
  },
};

/** Too much of other bodies is on its way; becomes a 503. */
export class NoRoomError extends Error {
  override readonly name = "NoRoomError";
  readonly statusCode = 503;
  readonly reason = "overloaded";

  constructor() {
    super("too many bodies are on their way: try again soon");
  }
}

/** How one route answers; every answer is counted, by status. */
export class Answers {
  private readonly cors: Cors | undefined;
  private readonly caching: string;
  private readonly route: RouteMetrics;
  private readonly counts: Float64Array;

  /**
   * @param label as `routeLabel` makes it
   * @param caching the Cache-Control of what is not a refusal
   */
  constructor({ metrics, cors }: Pick<Context, "metrics" | "cors">, label: string, caching = NO_STORE) {
    this.cors = cors;
    this.caching = caching;
    this.route = metrics.route(label);
    this.counts = this.route.answers;
  }

  /** To be given to the answer; 0 where the request is not timed. */
  startTiming(): number {
    return this.route.startTiming();
  }

  json(reply: Reply, status: number, body: string, startedMs = 0): void {
    typed(reply, JSON_TYPE);
    this.send(reply, status, this.caching, startedMs, body);
  }

  /** @param body JSON that was packed */
  packed(reply: Reply, coding: Coding, body: Buffer, startedMs = 0): void {
    typed(reply, JSON_TYPE);
    reply.header("content-encoding", coding);
    this.send(reply, 200, this.caching, startedMs, body);
  }

  /** @param type the body's content type */
  text(reply: Reply, type: string, body: string, startedMs = 0): void {
    typed(reply, type);
    this.send(reply, 200, this.caching, startedMs, body);
  }

  empty(reply: Reply, status: number, startedMs = 0): void {
    this.send(reply, status, this.caching, startedMs);
  }

  /** An answer has begun that is written by somebody else. */
  begun(status: number): void {
    (this.counts[status] as number)++;
  }

  refuse(reply: Reply, why: Refusal, startedMs = 0): void {
    const { status } = why;
    const headers = status === 503 ? { "retry-after": RETRY_AFTER_S, ...why.headers } : (why.headers ?? {});
    for (const [name, value] of Object.entries(headers)) reply.header(name, value);
    typed(reply, JSON_TYPE);
    this.send(reply, status, NO_STORE, startedMs, refusalBody(why));
  }

  /**
   * Names what stands in an answer that caches may keep; true where the client knows it, so it needs no more than 304.
   * @param known the request's If-None-Match
   * @param isPacked whether it comes packed to who takes that, which 304 says too (RFC 9110, 15.4.5)
   */
  isKnown(reply: Reply, etag: string, known: string | undefined, isPacked: boolean): boolean {
    reply.header("etag", etag);
    const origin = this.cors?.shareCached(reply);
    if (isPacked) reply.header("vary", origin ? VARY_BOTH : "Accept-Encoding");
    else if (origin) reply.header("vary", origin);
    return known !== undefined && isTagNamed(known, etag);
  }

  /** Whether the node answers at all; where not, the reason has been sent. */
  isServing(service: Service, reply: Reply): service is ServingService {
    if (service.entry !== undefined) return true;
    this.refuse(reply, notServing(service));
    return false;
  }

  private send(reply: Reply, status: number, caching: string, startedMs: number, body?: string | Buffer): void {
    (this.counts[status] as number)++;
    this.route.observe(startedMs);
    reply.code(status).header("cache-control", caching).send(body);
  }
}

function typed(reply: Reply, type: string): void {
  reply.header("content-type", type).header(...AS_TYPED);
}

/** What a route is called in metrics: "GET /v1/regions/{region}/gamemode", also where HEAD asked. */
export function routeLabel(method: string, url: string | undefined): string {
  if (url === undefined || url === "*") return NOWHERE;
  return `${method === "HEAD" ? "GET" : method} ${url.replaceAll(/:(\w+)/g, "{$1}")}`;
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

interface HttpError {
  readonly statusCode?: number;
  readonly code?: string;
  readonly reason?: Reason;
  readonly message: string;
}

/** Words what fastify itself refuses. */
export function refusalOf(error: HttpError, request: FastifyRequest): Refusal {
  const { statusCode: status = 500, reason = "malformed", message } = error;
  switch (error.code) {
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return {
        status: 415,
        reason: "not-json",
        message: `content-type must be application/json, got ${shown(request.headers["content-type"])}`,
      };
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return tooLong(request.routeOptions.bodyLimit);
    case "FST_ERR_BAD_URL":
      return { status: 400, reason, message: `url must be a well-formed path, got ${shown(request.url)}` };
    default:
  }
  return status >= 500 && !(error instanceof NoRoomError) ? FAULT : { status, reason, message };
}
