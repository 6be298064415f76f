/** What operators and their tools ask: liveness, readiness, metrics, which node, which view. */
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { ClusterAnswer, NodeAnswer, NotReadyAnswer, StatusAnswer } from "../answers.ts";
import { Answers, type Context, RETRY_AFTER_S } from "../http.ts";

const TAGS = ["operators"];
const PLAIN = Type.String({ description: "Prometheus text format" });

export function registerOperators(app: FastifyInstance, { service, metrics, version }: Context): void {
  const answers = new Answers(metrics, "operators");
  app.get(
    "/livez",
    { schema: { tags: TAGS, summary: "The process works", response: { 200: StatusAnswer } } },
    (_request, reply) => {
      answers.json(reply, 200, `{"status":"alive"}`);
    },
  );

  const ready = { tags: TAGS, summary: "The node answers", response: { 200: StatusAnswer, 503: NotReadyAnswer } };
  app.get("/readyz", { schema: ready }, (_request, reply) => {
    const { status, degradedReason } = service;
    if (status.kind !== "ready")
      answers.json(
        reply.header("retry-after", RETRY_AFTER_S),
        503,
        JSON.stringify({ code: "503", message: status.reason, status: status.kind, reason: status.reason }),
      );
    else if (degradedReason !== undefined)
      answers.json(reply, 200, JSON.stringify({ status: "degraded", reason: degradedReason }));
    else answers.json(reply, 200, `{"status":"ready"}`);
  });

  app.get(
    "/metrics",
    { schema: { tags: TAGS, summary: "Metrics", response: { 200: PLAIN } } },
    async (_request, reply) => {
      const text = await metrics.registry.metrics();
      return reply.header("content-type", metrics.registry.contentType).send(text);
    },
  );

  app.get(
    "/openapi.json",
    { schema: { tags: TAGS, summary: "This description", response: { 200: Type.Object({}) } } },
    (_request, reply) => {
      answers.json(reply, 200, JSON.stringify(app.swagger()));
    },
  );

  app.get(
    "/v1/node",
    { schema: { tags: TAGS, summary: "Which node answered", response: { 200: NodeAnswer } } },
    (_request, reply) => {
      const { id, incarnation } = service;
      answers.json(
        reply,
        200,
        JSON.stringify({ id, incarnation, version, uptimeSeconds: Math.floor(process.uptime()) }),
      );
    },
  );

  const cluster = {
    tags: TAGS,
    summary: "The cluster as this node knows it",
    response: { 200: ClusterAnswer },
  };
  app.get("/v1/cluster", { schema: cluster }, (_request, reply) => {
    const { settings, epoch } = service;
    answers.json(reply, 200, JSON.stringify({ cluster: settings.cluster, epoch, members: service.members() }));
  });
}
