/** What operators and their tools ask: liveness, readiness, metrics, which node, which view. */
import type { FastifyInstance } from "fastify";
import {
  ClusterAnswer,
  DescriptionAnswer,
  MetricsAnswer,
  NodeAnswer,
  NotReadyAnswer,
  StatusAnswer,
  StillSo,
  TOO_OFTEN,
} from "../answers.ts";
import { Answers, type Context, RETRY_AFTER_S, routeLabel } from "../http.ts";
import { isLong } from "../packing.ts";
import { weakTagOf } from "../tags.ts";

const TAGS = ["operators"];
/** A node that takes the place of others must not be deaf to all tokens. */
const WITHOUT_KEYS = { kind: "starting", reason: "the keys of tokens are not known yet" } as const;
/** The description changes only with the release. */
const DESCRIPTION_CACHING = "public, max-age=60";

export function registerOperators(app: FastifyInstance, context: Context): void {
  const { service, version } = context;
  /** Registers a GET; what it sends is counted and timed. */
  const get = (url: string, schema: object, body: () => string): void => {
    const answers = new Answers(context, routeLabel("GET", url));
    app.get(url, { schema: { tags: TAGS, ...schema } }, (_request, reply) => {
      const startedMs = answers.startTiming();
      answers.json(reply, 200, body(), startedMs);
    });
  };

  get(
    "/livez",
    { operationId: "isAlive", summary: "The process works", response: { 200: StatusAnswer } },
    () => `{"status":"alive"}`,
  );
  registerReady(app, context);
  registerMetrics(app, context);
  registerItself(app, context);

  get(
    "/v1/node",
    { operationId: "whichNode", summary: "Which node answered", response: { 200: NodeAnswer, ...TOO_OFTEN } },
    () => {
      const { id, incarnation } = service;
      return JSON.stringify({ id, incarnation, version, uptimeSeconds: Math.floor(process.uptime()) });
    },
  );
  get(
    "/v1/cluster",
    {
      operationId: "showCluster",
      summary: "The cluster as this node knows it",
      response: { 200: ClusterAnswer, ...TOO_OFTEN },
    },
    () => {
      const { settings, epoch } = service;
      return JSON.stringify({ cluster: settings.cluster, epoch, members: service.members() });
    },
  );
}

function registerReady(app: FastifyInstance, context: Context): void {
  const { service } = context;
  const answers = new Answers(context, routeLabel("GET", "/readyz"));
  const schema = {
    tags: TAGS,
    operationId: "isReady",
    summary: "The node answers",
    response: { 200: StatusAnswer, 503: NotReadyAnswer },
  };
  app.get("/readyz", { schema }, (_request, reply) => {
    const startedMs = answers.startTiming();
    const { degradedReason } = service;
    const status = context.access?.hasKeys() === false ? WITHOUT_KEYS : service.status;
    if (status.kind !== "ready") {
      const { kind, reason } = status;
      reply.header("retry-after", RETRY_AFTER_S);
      answers.json(reply, 503, JSON.stringify({ code: "503", message: reason, status: kind, reason }), startedMs);
    } else if (degradedReason !== undefined)
      answers.json(reply, 200, JSON.stringify({ status: "degraded", reason: degradedReason }), startedMs);
    else answers.json(reply, 200, `{"status":"ready"}`, startedMs);
  });
}

function registerMetrics(app: FastifyInstance, context: Context): void {
  const { metrics } = context;
  const answers = new Answers(context, routeLabel("GET", "/metrics"));
  const schema = {
    tags: TAGS,
    operationId: "showMetrics",
    summary: "Metrics",
    produces: ["text/plain"],
    response: { 200: MetricsAnswer },
  };
  app.get("/metrics", { schema }, async (_request, reply) => {
    const startedMs = answers.startTiming();
    const text = await metrics.text();
    answers.text(reply, metrics.registry.contentType, text, startedMs);
    return reply;
  });
}

function registerItself(app: FastifyInstance, context: Context): void {
  const answers = new Answers(context, routeLabel("GET", "/openapi.json"), DESCRIPTION_CACHING);
  let made: { readonly text: string; readonly etag: string } | undefined;
  const make = (): { readonly text: string; readonly etag: string } => {
    const text = JSON.stringify(app.swagger());
    return { text, etag: weakTagOf(text) };
  };
  const schema = {
    tags: TAGS,
    operationId: "showDescription",
    summary: "This description",
    response: { 200: DescriptionAnswer, 304: StillSo, ...TOO_OFTEN },
  };
  app.get("/openapi.json", { schema }, ({ headers }, reply) => {
    const startedMs = answers.startTiming();
    const { text, etag } = (made ??= make());
    if (answers.isKnown(reply, etag, headers["if-none-match"], isLong(text.length)))
      answers.empty(reply, 304, startedMs);
    else answers.json(reply, 200, text, startedMs);
  });
}
