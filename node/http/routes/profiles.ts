/** A player's own calls: report, look-up, heartbeat, disconnection. */
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import type { Static } from "typebox";
import { NO_SEQ } from "../../../cluster/records/presences.ts";
import type { Done, Outcome, Place, PlayerRequest, Refused, TooOften } from "../../../cluster/ports/rows.ts";
import { isVerdict, type Verdict } from "../../../engine/catalogue.ts";
import { NO_ENTITLEMENTS } from "../../../engine/entitlement.ts";
import { MODES_MAX } from "../../../engine/modes.ts";
import { emptyProfileId, parseProfileId } from "../../../engine/profile-id.ts";
import { countryOf, REGIONS, regionOf } from "../../../engine/places.ts";
import {
  Counted,
  ErrorAnswer,
  HeartbeatAnswer,
  MalformedReportAnswer,
  Nothing,
  NoRoomAnswer,
  NotFoundAnswer,
  NotNowAnswer,
  NotJsonAnswer,
  ProfileAnswer,
  REFUSED_ASKERS,
  REFUSED_REPORTERS,
  Renewed,
  ReportAnswer,
  TOKEN,
  TooLargeAnswer,
} from "../answers.ts";
import { Admission, entitlementsOf } from "../admission.ts";
import { ignoreBodies } from "../body.ts";
import { Answers, type Context, type Reply, routeLabel } from "../http.ts";
import { includingNothing } from "../include.ts";
import { LiveAnswers } from "../live-answers.ts";
import { opaqueOf } from "../tags.ts";
import type { Reading } from "../../live/fan-out.ts";
import { issuerUnblocked, unblocked, whileOn } from "../decided.ts";
import { clientOf, refusalOfProfile } from "../rate-limits.ts";
import type { Client } from "../../limits/clients.ts";
import { type AskedFor, refusalByRules } from "../refused-by-rules.ts";
import type { Refusal } from "../reasons.ts";
import type { Report } from "../report-reader.ts";
import type { Noted } from "../../entry.ts";
import type { Service } from "../../service.ts";
import { HeartbeatQuery, ProfileParams, refusal, RemovalQuery, ReportBody, ReportQuery } from "../../values.ts";

/** What a refused client is told; a new reason cannot compile unanswered. */
export const REFUSALS = {
  overloaded: {
    status: 503,
    reason: "overloaded",
    message: () => "too many requests wait for the store: try again soon",
  },
  "no owner": {
    status: 503,
    reason: "no-owner",
    message: () => "the node that has this player could not be asked in time: try again soon",
  },
  "no room for the mode": {
    status: 503, // a mode that nobody is in makes room when it is needed
    reason: "no-room",
    message: (mode: string) =>
      `${refusal("gamemode", `one that players are in (there is no room for another: ${MODES_MAX} are in use, or this player has brought many new ones just now)`, mode)}: try again soon`,
  },
  "mode not known": {
    status: 503,
    reason: "no-owner",
    message: () => "the game mode cannot be looked up just now: try again soon",
  },
  "no room for the player": {
    status: 503,
    reason: "no-room",
    message: () => "there is no room for another player: try again later",
  },
} as const satisfies Record<
  Exclude<Refused["reason"], TooOften["reason"] | Verdict>,
  Omit<Refusal, "message"> & { message: (mode: string) => string }
>;

/** Of what is no report. */
const NOTHING_ASKED: AskedFor = { mode: "", region: 0, entitlements: NO_ENTITLEMENTS };

/** @param asked what was reported, if anything was */
export function refusalFor(context: Context, why: Refused, asked: AskedFor = NOTHING_ASKED): Refusal {
  if (why.reason === "too often") return refusalOfProfile(context, why.waitS);
  if (isVerdict(why.reason)) return refusalByRules(why.reason, asked, context.service.rules.catalogue);
  const refused = REFUSALS[why.reason];
  return { ...refused, message: refused.message(asked.mode) };
}

export const REPORT_ROUTE = "/v1/profiles/:profileId/gamemode";
export const HEARTBEAT_ROUTE = "/v1/profiles/:profileId/heartbeat";
/** Of a body that is not read. */
export const IGNORED_BYTES_MAX = 1024;
type Params = { Params: Static<typeof ProfileParams> };
type Removal = Params & { Querystring: Static<typeof RemovalQuery> };
type Reporting = Params & { Body: ReportBody; Querystring: Static<typeof ReportQuery> };
type Renewing = Params & { Querystring: Static<typeof HeartbeatQuery> };

/** The effects that a report can have. */
type ReportEffect = "changed" | "renewed" | "late";

const id = emptyProfileId();

export function registerProfiles(app: FastifyInstance, context: Context): ProfileCalls {
  const calls = new ProfileCalls(context);
  const admission = new Admission(context);
  const mayReport = (method: string, url: string) => admission.toReport(routeLabel(method, url));
  const label = routeLabel("POST", REPORT_ROUTE);
  const toReport = {
    schema: REPORT_SCHEMA,
    onRequest: [...whileOn(context, "reports", label), unblocked(context, label)],
    preHandler: [
      ...mayReport("POST", REPORT_ROUTE),
      ...issuerUnblocked(context, label),
      includingNothing(context, label),
    ],
  };
  app.post<Reporting>(REPORT_ROUTE, toReport, (request, reply) => {
    const { params, body, query } = request;
    const reporter = { client: clientOf(request, context), entitlements: entitlementsOf(request) };
    calls.report(params.profileId, reportOf(body), reporter, query.top, reply);
  });
  registerLookUp(app, context, calls);
  void app.register((bodiless, _options, done) => {
    registerBodiless(bodiless, context, calls, mayReport);
    done();
  });
  return calls;
}

/** Where a player is: the one call about a player that changes nothing. */
export function registerLookUp(app: FastifyInstance, context: Context, calls: ProfileCalls): void {
  const label = routeLabel("GET", REPORT_ROUTE);
  const onRequest = whileOn(context, "queries", label);
  const toFind = { schema: FIND_SCHEMA, onRequest, preHandler: new Admission(context).toLookUp(label) };
  app.get<Params>(REPORT_ROUTE, toFind, ({ params }, reply) => {
    calls.find(params.profileId, reply);
  });
}

/** Calls that need no body. Libraries name a content type all the same, or send one: both are ignored. */
function registerBodiless(
  app: FastifyInstance,
  context: Context,
  calls: ProfileCalls,
  mayReport: (method: string, url: string) => ReturnType<Admission["toReport"]>,
): void {
  ignoreBodies(app);
  const bodyLimit = IGNORED_BYTES_MAX;
  const including = includingNothing(context, routeLabel("PUT", HEARTBEAT_ROUTE));
  const preHandler = [...mayReport("PUT", HEARTBEAT_ROUTE), including];
  const toRenew = { schema: HEARTBEAT_SCHEMA, bodyLimit, preHandler };
  const toRemove = { schema: REMOVE_SCHEMA, bodyLimit, preHandler: mayReport("DELETE", REPORT_ROUTE) };
  app.put<Renewing>(HEARTBEAT_ROUTE, toRenew, ({ params, query: { top, known } }, reply) => {
    calls.renew(params.profileId, top === undefined ? undefined : { top, known: known && opaqueOf(known) }, reply);
  });
  app.delete<Removal>(REPORT_ROUTE, toRemove, (request, reply) => {
    calls.remove(request.params.profileId, request.query, reply);
  });
}

/** @param body one that was checked */
export function reportOf({ region, gamemode, seq = NO_SEQ }: ReportBody): Report {
  return { region: regionOf(region), mode: gamemode, seq };
}

/** Who sends a report. */
export interface Reporter {
  /** As far as is known. */
  readonly client: Client | undefined;
  /** Of its token. */
  readonly entitlements: readonly string[];
}

/** The popular modes, asked for beside a heartbeat. */
export interface Beside {
  readonly top: number;
  /** The opaque part of the tag that the client has. */
  readonly known: string | undefined;
}

/** The calls, once their values are checked: of the routes, and of the fast lane. */
export class ProfileCalls {
  private readonly context: Context;
  private readonly toReport: Answers;
  private readonly toFind: Answers;
  private readonly toRenew: Answers;
  private readonly toRemove: Answers;
  private readonly live: LiveAnswers;

  constructor(context: Context) {
    const answersOf = (method: string, url: string): Answers => new Answers(context, routeLabel(method, url));
    this.context = context;
    this.toReport = answersOf("POST", REPORT_ROUTE);
    this.toFind = answersOf("GET", REPORT_ROUTE);
    this.toRenew = answersOf("PUT", HEARTBEAT_ROUTE);
    this.toRemove = answersOf("DELETE", REPORT_ROUTE);
    this.live = new LiveAnswers(context);
  }

  /** @param top so many of the popular modes are asked for beside it */
  report(
    profileId: string,
    { region, mode, seq }: Report,
    reporter: Reporter,
    top: number | undefined,
    reply: Reply,
  ): void {
    const { service, metrics, usage, access } = this.context;
    const answers = this.toReport;
    if (!answers.isServing(service, reply)) return;
    const startedMs = answers.startTiming();
    const { client, entitlements } = reporter;
    parseProfileId(profileId, id);
    const noted = top === undefined ? undefined : this.noting(top, region);
    const settle = (outcome: Outcome): void => {
      if (outcome.kind === "refused") {
        metrics.totals.rejected++;
        metrics.refused[outcome.reason]++;
        const refused = refusalFor(this.context, outcome, { mode, region, entitlements });
        return answers.refuse(reply, refused, startedMs);
      }
      const { isRemembered } = outcome;
      const effect = outcome.effect as ReportEffect;
      metrics.totals[effect]++;
      if (effect === "changed") usage.arrivals.note(mode, client?.prefix, access?.issuer);
      const where = effect === "late" ? standing(outcome.place) : `"region":"${REGIONS[region]}","gamemode":"${mode}"`;
      const renewInMs = isRemembered ? service.pace.renewMs() : service.pace.retryMs();
      // Everything in it was checked for its form, so nothing needs to be escaped.
      const start = `{"profileId":"${profileId.toLowerCase()}",${where},"changed":${effect === "changed"}`;
      const body = `${start},"renewInMs":${renewInMs}${besideOf(noted?.popular)}}`;
      answers.json(reply, isRemembered ? 200 : 202, body, startedMs);
    };
    const asked = { operation: "report", id, region, mode, seq, entitlements } as const;
    service.entry.submit(asked, settle, noted?.note);
  }

  find(profileId: string, reply: Reply): void {
    const { service } = this.context;
    const answers = this.toFind;
    this.ask(answers, { operation: "find" }, profileId, reply, ({ effect, place }, startedMs) => {
      if (effect !== "found" || place === undefined)
        return answers.refuse(reply, notConnected(profileId, service), startedMs);
      const lastSeen = new Date(Date.now() - place.ageMs).toISOString();
      const region = REGIONS[place.region];
      const found = { profileId: profileId.toLowerCase(), region, gamemode: place.mode, lastSeen };
      answers.json(reply, 200, JSON.stringify(found), startedMs);
    });
  }

  renew(profileId: string, beside: Beside | undefined, reply: Reply): void {
    const { service, metrics } = this.context;
    const answers = this.toRenew;
    const noted = beside === undefined ? undefined : this.noting(beside.top);
    const asked: Asked =
      noted === undefined ? { operation: "renew" } : { operation: "renew", isPlaceAsked: true, note: noted.note };
    this.ask(answers, asked, profileId, reply, ({ effect, isRemembered }, startedMs) => {
      if (effect !== "renewed") return answers.refuse(reply, notConnected(profileId, service), startedMs);
      metrics.totals.heartbeats++;
      const { pace } = service;
      // Where the store cannot be written the player should report again soon: only a report can be stored.
      const renewInMs = isRemembered ? pace.renewMs() : pace.retryMs();
      const popular = noted?.popular;
      if (popular !== undefined && opaqueOf(popular.tag) !== beside?.known)
        return answers.json(reply, 200, `{"renewInMs":${renewInMs}${besideOf(popular)}}`, startedMs);
      answers.empty(reply.header("renew-in-ms", renewInMs), 204, startedMs);
    });
  }

  /**
   * Looks up what is popular as soon as it is known where the player stands: later, when the answer may leave, other requests have
   * taken effect, and over fastify they would not have.
   * @param reported where the player stands unless its report was late
   */
  private noting(top: number, reported?: number): NotedPopular {
    const noted: NotedPopular = {
      popular: undefined,
      note: (effect, place) => {
        noted.popular = this.popularIn(effect === "late" ? place?.region : (reported ?? place?.region), top);
      },
    };
    return noted;
  }

  /** What is popular in the country where a player stands, as this node knows it; `undefined` too where such questions are switched off. */
  private popularIn(region: number | undefined, top: number): Popular | undefined {
    if (region === undefined || region < 0 || this.context.controls.offOf("queries") !== undefined) return undefined;
    return this.live.read(countryOf(region))?.answer(top);
  }

  remove(profileId: string, { seq = NO_SEQ }: Static<typeof RemovalQuery>, reply: Reply): void {
    const answer = ({ effect, isRemembered }: Done, startedMs: number): void => {
      if (effect === "removed") this.context.metrics.totals.removals++;
      this.toRemove.empty(reply, isRemembered ? 204 : 202, startedMs);
    };
    this.ask(this.toRemove, { operation: "remove", seq }, profileId, reply, answer);
  }

  /** Asks for what needs no more than the player's id, and perhaps a `seq`. */
  private ask(
    answers: Answers,
    { note, ...asked }: Asked,
    profileId: string,
    reply: Reply,
    answer: (done: Done, startedMs: number) => void,
  ): void {
    const { service } = this.context;
    if (!answers.isServing(service, reply)) return;
    const startedMs = answers.startTiming();
    parseProfileId(profileId, id);
    const settle = (outcome: Outcome): void => {
      if (outcome.kind === "done") return answer(outcome, startedMs);
      answers.refuse(reply, refusalFor(this.context, outcome), startedMs);
    };
    service.entry.submit({ id, region: 0, mode: "", seq: NO_SEQ, ...asked }, settle, note);
  }
}

/** What needs no more than the player's id. */
interface Asked extends Pick<PlayerRequest, "operation" | "isPlaceAsked"> {
  readonly seq?: number;
  readonly note?: Noted;
}

type Popular = ReturnType<Reading["answer"]>;

interface NotedPopular {
  popular: Popular | undefined;
  readonly note: Noted;
}

/** Behind the last field of an answer; the tag has quotes in it. */
function besideOf(popular: Popular | undefined): string {
  return popular === undefined ? "" : `,"tag":${JSON.stringify(popular.tag)},"popular":${popular.body}`;
}

/** What stands of the player whose report came late. */
function standing(place: Place | undefined): string {
  if (place === undefined || place.region < 0) return `"region":null,"gamemode":null`;
  return `"region":"${REGIONS[place.region]}","gamemode":"${place.mode}"`;
}

function notConnected(profileId: string, { settings }: Service): Refusal {
  const wrong = refusal("profileId", "a player who is connected", profileId.toLowerCase());
  const message = `${wrong}: never reported, disconnected, or silent for ${settings.sessionMs / 1000} s; report again`;
  return { status: 404, reason: "not-connected", message };
}

const COMMON = { params: ProfileParams, tags: ["players"], security: TOKEN };
const NOT_NOW = { ...REFUSED_ASKERS, 400: ErrorAnswer, 503: NotNowAnswer };
const REPORT_SCHEMA = {
  ...COMMON,
  operationId: "report",
  summary: "Report where a player is",
  description:
    "With `top`, the answer has the popular modes of the country where the player now stands too, from this node's memory: it may lack the report just made. They are left out where the player stands nowhere, or such questions are switched off.",
  querystring: ReportQuery,
  body: ReportBody,
  response: {
    200: ReportAnswer,
    202: Type.Unsafe({ ...ReportAnswer, description: "Counted, but the store cannot be written just now" }),
    413: TooLargeAnswer,
    415: NotJsonAnswer,
    ...NOT_NOW,
    ...REFUSED_REPORTERS,
    400: MalformedReportAnswer,
    503: NoRoomAnswer,
  },
};
const FIND_SCHEMA = {
  ...COMMON,
  operationId: "findPlayer",
  summary: "Where a player is",
  response: { 200: ProfileAnswer, 404: NotFoundAnswer, ...NOT_NOW },
};
const HEARTBEAT_SCHEMA = {
  ...COMMON,
  operationId: "renewSession",
  summary: "Renew a player's session",
  description:
    "With `top`, the answer has the popular modes of the country where the player stands, unless `known` names what stands there (or such questions are switched off).",
  querystring: HeartbeatQuery,
  response: { 200: HeartbeatAnswer, 204: Renewed, 404: NotFoundAnswer, 413: TooLargeAnswer, ...NOT_NOW },
};
const REMOVE_SCHEMA = {
  ...COMMON,
  operationId: "disconnect",
  summary: "Disconnect a player",
  description: "With `seq`, only where no newer one was seen of the player; who stays is answered the same.",
  querystring: RemovalQuery,
  response: { 202: Counted, 204: Nothing, 413: TooLargeAnswer, ...NOT_NOW },
};
