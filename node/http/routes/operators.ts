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
import { type Switch, SWITCHES } from "../../controls/decisions.ts";
import type { Status } from "../../service.ts";
import { Answers, type Context, RETRY_AFTER_S, routeLabel } from "../http.ts";
import { isLong } from "../packing.ts";
import { weakTagOf } from "../tags.ts";

const TAGS = ["operators"];
/** A node that takes the place of others must not be deaf to all tokens. */
const WITHOUT_KEYS = { kind: "starting", reason: "the keys of tokens are not known yet" } as const;
/** Nor must it answer what is switched off. */
const WITHOUT_CONTROLS = { kind: "starting", reason: "reading what operators switched off" } as const;
/** Nor must it take what the catalogue forbids. */
const WITHOUT_RULES = { kind: "starting", reason: "reading the catalogue of modes" } as const;
/** The description changes only with the release. */
const DESCRIPTION_CACHING = "public, max-age=60";

/** What anybody may ask. */
export function registerOperators(app: FastifyInstance, context: Context): void {
  const { service, version } = context;
  const get = getting(app, context);

  get(
    "/livez",
    { operationId: "isAlive", summary: "The process works", response: { 200: StatusAnswer } },
    () => `{"status":"alive"}`,
  );
  registerReady(app, context);
  registerItself(app, context);

  get(
    "/v1/node",
    { operationId: "whichNode", summary: "Which node answered", response: { 200: NodeAnswer, ...TOO_OFTEN } },
    () => {
      const { id, incarnation } = service;
      return JSON.stringify({ id, incarnation, version, uptimeSeconds: Math.floor(process.uptime()) });
    },
  );
}

/** What tells of the node, its cluster and all that is asked of it. */
export function registerDetails(app: FastifyInstance, context: Context): void {
  const { service } = context;
  registerMetrics(app, context);
  getting(app, context)(
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

/** Registers GETs; what they send is counted and timed. */
function getting(app: FastifyInstance, context: Context) {
  return (url: string, schema: object, body: () => string): void => {
    const answers = new Answers(context, routeLabel("GET", url));
    app.get(url, { schema: { tags: TAGS, ...schema } }, (_request, reply) => {
      const startedMs = answers.startTiming();
      answers.json(reply, 200, body(), startedMs);
    });
  };
}

function registerReady(app: FastifyInstance, context: Context): void {
  const answers = new Answers(context, routeLabel("GET", "/readyz"));
  const schema = {
    tags: TAGS,
    operationId: "isReady",
    summary: "The node answers",
    response: { 200: StatusAnswer, 503: NotReadyAnswer },
  };
  app.get("/readyz", { schema }, (_request, reply) => {
    const startedMs = answers.startTiming();
    const degradedReason = degradedReasonOf(context);
    const off = switchedOff(context);
    const status = statusOf(context);
    if (status.kind !== "ready") {
      const { kind, reason } = status;
      reply.header("retry-after", RETRY_AFTER_S);
      answers.json(reply, 503, JSON.stringify({ code: "503", message: reason, status: kind, reason }), startedMs);
    } else if (degradedReason !== undefined)
      answers.json(reply, 200, JSON.stringify({ status: "degraded", reason: degradedReason, ...off }), startedMs);
    else answers.json(reply, 200, JSON.stringify({ status: "ready", ...off }), startedMs);
  });
}

/** What anybody sees of calls that are off; the reasons are for those who ask. */
function switchedOff({ controls }: Context): { readonly switchedOff?: readonly Switch[] } {
  const off = SWITCHES.filter((name) => controls.offOf(name) !== undefined);
  return off.length === 0 ? {} : { switchedOff: off };
}

function statusOf({ access, controls, rules, service }: Context): Status {
  if (access?.hasKeys() === false) return WITHOUT_KEYS;
  if (service.status.kind !== "ready") return service.status;
  if (!controls.isKnown) return WITHOUT_CONTROLS;
  return rules.isKnown ? service.status : WITHOUT_RULES;
}

function degradedReasonOf({ rules, service }: Context): string | undefined {
  const reasons = [service.degradedReason, rules.degradedReason].filter((each) => each !== undefined);
  return reasons.length === 0 ? undefined : reasons.join("; ");
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
