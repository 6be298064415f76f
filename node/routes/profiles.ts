/** A player's own calls: report, look-up, heartbeat, disconnection. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { Type } from "typebox";
import type { Static } from "typebox";
import { NO_SEQ, type ReportOutcome } from "../../cluster/owner.ts";
import type { Remembrance } from "../../cluster/recorder.ts";
import { MODES_MAX } from "../../engine/modes.ts";
import { parseProfileId } from "../../engine/profile-id.ts";
import { REGIONS, regionOf } from "../../engine/regions.ts";
import { ErrorAnswer, Nothing, ProfileAnswer, ReportAnswer } from "../answers.ts";
import { Answers, type Context, type ServingService } from "../http.ts";
import { ProfileParams, refusal, ReportBody } from "../values.ts";

const STATUS = { remembered: 200, counted: 202 } as const satisfies Record<Remembrance, number>;
const STATUS_WITHOUT_BODY = { remembered: 204, counted: 202 } as const satisfies Record<Remembrance, number>;

/** What a refused report is told; a new outcome cannot compile unanswered. */
export const REPORT_REFUSALS = {
  overloaded: { status: 503, message: () => "too much waits for the store: try again soon" },
  "no room for the mode": {
    status: 400,
    message: (mode: string) => refusal("gamemode", `one of the ${MODES_MAX} in use, since no more are taken,`, mode),
  },
  "no room for the player": { status: 503, message: () => "no room for another player in this partition" },
} as const satisfies Record<Exclude<ReportOutcome, "moved" | "renewed" | "late">, unknown>;

const REPORT_ROUTE = "/v1/profiles/:profileId/gamemode";
const HEARTBEAT_ROUTE = "/v1/profiles/:profileId/heartbeat";
type Params = { Params: Static<typeof ProfileParams> };
type Report = Params & { Body: Static<typeof ReportBody> };

const id = new Int32Array(4);

export function registerProfiles(app: FastifyInstance, context: Context): void {
  const answersOf = (call: string): Answers => new Answers(context.metrics, call);
  const toReport = answersOf(`POST ${REPORT_ROUTE}`);
  app.post<Report>(REPORT_ROUTE, { schema: REPORT_SCHEMA }, (request, reply) => {
    report(context, toReport, request.params.profileId, request.body, reply);
  });
  const toFind = answersOf(`GET ${REPORT_ROUTE}`);
  app.get<Params>(REPORT_ROUTE, { schema: FIND_SCHEMA }, (request, reply) => {
    find(context, toFind, request.params.profileId, reply);
  });
  const toRenew = answersOf(`PUT ${HEARTBEAT_ROUTE}`);
  app.put<Params>(HEARTBEAT_ROUTE, { schema: HEARTBEAT_SCHEMA }, (request, reply) => {
    renew(context, toRenew, request.params.profileId, reply);
  });
  const toRemove = answersOf(`DELETE ${REPORT_ROUTE}`);
  app.delete<Params>(REPORT_ROUTE, { schema: REMOVE_SCHEMA }, (request, reply) => {
    remove(context, toRemove, request.params.profileId, reply);
  });
}

function report(
  { service, metrics }: Context,
  answers: Answers,
  profileId: string,
  body: Static<typeof ReportBody>,
  reply: FastifyReply,
): void {
  if (!answers.isServing(service, reply)) return;
  const { owner, pace } = service;
  const startedMs = metrics.startTiming();
  parseProfileId(profileId, id);
  const hash = owner.engine.hash(id);
  const { region, gamemode, seq = NO_SEQ } = body;
  const outcome = owner.report(hash, id, regionOf(region), gamemode, seq);
  if (outcome !== "moved" && outcome !== "renewed" && outcome !== "late") {
    metrics.totals.rejected++;
    return answers.refuse(reply, REPORT_REFUSALS[outcome].status, REPORT_REFUSALS[outcome].message(gamemode));
  }
  metrics.totals[outcome]++;
  const where =
    outcome === "late" ? standing(service, hash) : `"region":"${region.toUpperCase()}","gamemode":"${gamemode}"`;
  // Everything in it was checked for its form, so nothing needs to be escaped.
  const start = `{"profileId":"${profileId.toLowerCase()}",${where},"changed":${outcome === "moved"},"renewInMs":`;
  owner.whenRemembered(hash, (remembrance) => {
    const renewInMs = remembrance === "remembered" ? pace.renewMs() : pace.retryMs();
    metrics.observe("report", startedMs);
    answers.json(reply, STATUS[remembrance], `${start}${renewInMs}}`);
  });
}

/** What stands of the player whose report came late; `id` is still the player's. */
function standing(service: ServingService, hash: number): string {
  const presence = service.owner.find(hash, id);
  if (presence === undefined || presence.region < 0) return `"region":null,"gamemode":null`;
  return `"region":"${REGIONS[presence.region]}","gamemode":"${presence.mode}"`;
}

function find({ service }: Context, answers: Answers, profileId: string, reply: FastifyReply): void {
  if (!answers.isServing(service, reply)) return;
  parseProfileId(profileId, id);
  const hash = service.owner.engine.hash(id);
  const presence = service.owner.find(hash, id);
  service.owner.whenRemembered(hash, () => {
    if (presence === undefined || presence.region < 0) return answers.refuse(reply, 404, notConnected(profileId));
    const lastSeen = new Date(Date.now() - (performance.now() - presence.seenMs)).toISOString();
    const region = REGIONS[presence.region];
    answers.json(
      reply,
      200,
      JSON.stringify({ profileId: profileId.toLowerCase(), region, gamemode: presence.mode, lastSeen }),
    );
  });
}

function renew({ service, metrics }: Context, answers: Answers, profileId: string, reply: FastifyReply): void {
  if (!answers.isServing(service, reply)) return;
  parseProfileId(profileId, id);
  const hash = service.owner.engine.hash(id);
  const isConnected = service.owner.renew(hash, id);
  if (isConnected) metrics.totals.heartbeats++;
  service.owner.whenRemembered(hash, (remembrance) => {
    if (!isConnected) return answers.refuse(reply, 404, notConnected(profileId));
    const { pace } = service;
    // Where the store cannot be written the player should report again soon: only a report can be stored.
    const renewInMs = remembrance === "remembered" ? pace.renewMs() : pace.retryMs();
    answers.empty(reply.header("renew-in-ms", renewInMs), 204);
  });
}

function remove({ service, metrics }: Context, answers: Answers, profileId: string, reply: FastifyReply): void {
  if (!answers.isServing(service, reply)) return;
  parseProfileId(profileId, id);
  const hash = service.owner.engine.hash(id);
  if (service.owner.remove(hash, id)) metrics.totals.removals++;
  service.owner.whenRemembered(hash, (remembrance) => {
    answers.empty(reply, STATUS_WITHOUT_BODY[remembrance]);
  });
}

function notConnected(profileId: string): string {
  return `${refusal("profileId", "a player who is connected", profileId.toLowerCase())}: report again`;
}

const COMMON = { params: ProfileParams, tags: ["players"] };
const NOT_NOW = { 400: ErrorAnswer, 503: ErrorAnswer };
const REPORT_SCHEMA = {
  ...COMMON,
  summary: "Report where a player is",
  body: ReportBody,
  response: {
    200: ReportAnswer,
    202: Type.Unsafe({ ...ReportAnswer, description: "Counted, but the store cannot be written just now" }),
    413: ErrorAnswer,
    415: ErrorAnswer,
    ...NOT_NOW,
  },
};
const FIND_SCHEMA = {
  ...COMMON,
  summary: "Where a player is",
  response: { 200: ProfileAnswer, 404: ErrorAnswer, ...NOT_NOW },
};
const HEARTBEAT_SCHEMA = {
  ...COMMON,
  summary: "Renew a player's session",
  response: { 204: Nothing, 404: ErrorAnswer, ...NOT_NOW },
};
const REMOVE_SCHEMA = {
  ...COMMON,
  summary: "Disconnect a player",
  response: { 202: Nothing, 204: Nothing, ...NOT_NOW },
};
