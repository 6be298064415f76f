/** What anybody may ask: popular modes of a region, regions, players. */
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { REGIONS, regionOf } from "../../../engine/regions.ts";
import {
  ErrorAnswer,
  PlayersAnswer,
  RegionsAnswer,
  StillSo,
  TopAnswer,
  NotNowAnswer,
  REFUSED_READERS,
  TOKEN,
  Unchanged,
} from "../answers.ts";
import type { RegionCounts, Wholeness } from "../../entry.ts";
import { Admission } from "../admission.ts";
import { cachingOf } from "../caching.ts";
import { whileOn } from "../decided.ts";
import { Answers, type Context, type Reply, routeLabel } from "../http.ts";
import { includingNothing } from "../include.ts";
import { shownTo } from "../live-answers.ts";
import { codingFor, isLong, wantedBy } from "../packing.ts";
import { Clock, lengthOf, packedOf, PopularModes, textOf } from "../popular-modes.ts";
import { weakTagOf } from "../tags.ts";
import { RegionParams, TopQuery } from "../../values.ts";

export const POPULAR_MODES_ROUTE = "/v1/regions/:region/gamemode";

export function registerRegions(app: FastifyInstance, context: Context): PopularModesCall {
  const { service } = context;

  type Top = { Params: Static<typeof RegionParams>; Querystring: { top: number } };
  const admission = new Admission(context);
  const readable = (url: string) => {
    const label = routeLabel("GET", url);
    return { onRequest: whileOn(context, "queries", label), preHandler: admission.toRead(label) };
  };
  const popularModes = new PopularModesCall(context);
  const hooks = readable(POPULAR_MODES_ROUTE);
  const including = includingNothing(context, routeLabel("GET", POPULAR_MODES_ROUTE));
  const toTop = { ...hooks, schema: TOP_SCHEMA, preHandler: [...hooks.preHandler, including] };
  app.get<Top>(POPULAR_MODES_ROUTE, toTop, ({ headers, params, query }, reply) => {
    const isFromOwner = isOwnerAsked(headers["cache-control"]);
    const asked = {
      region: regionOf(params.region),
      top: query.top,
      known: headers["if-none-match"],
      accepted: headers["accept-encoding"],
    };
    popularModes.answer(asked, isFromOwner, reply);
  });

  const toRegions = new Answers(context, "GET /v1/regions", cachingOf(context));
  app.get("/v1/regions", { schema: REGIONS_SCHEMA, ...readable("/v1/regions") }, ({ headers }, reply) => {
    if (!toRegions.isServing(service, reply)) return;
    const startedMs = toRegions.startTiming();
    const { players, regions, ...wholeness } = shownTo(context, service).overview();
    const body = JSON.stringify({ players, ...flawsOf(wholeness), regions });
    sendShared(toRegions, reply, body, headers["if-none-match"], startedMs);
  });

  const toPlayers = new Answers(context, "GET /v1/players", cachingOf(context));
  app.get("/v1/players", { schema: PLAYERS_SCHEMA, ...readable("/v1/players") }, ({ headers }, reply) => {
    if (!toPlayers.isServing(service, reply)) return;
    const startedMs = toPlayers.startTiming();
    const { players, ...wholeness } = shownTo(context, service).players();
    const body = JSON.stringify({ players, ...flawsOf(wholeness) });
    sendShared(toPlayers, reply, body, headers["if-none-match"], startedMs);
  });
  return popularModes;
}

/** Who asks for the popular modes of which region. */
export interface Asked {
  /** The region's number. */
  readonly region: number;
  /** 1 to 100. */
  readonly top: number;
  /** What If-None-Match names. */
  readonly known: string | undefined;
  /** Accept-Encoding. */
  readonly accepted: string | undefined;
}

/** Answers with the top modes of a region, or that they are still what the client knows. */
export class PopularModesCall {
  private readonly context: Context;
  private readonly answers: Answers;
  private readonly popularModes = new PopularModes();
  private readonly clock = new Clock();

  constructor(context: Context) {
    this.context = context;
    this.answers = new Answers(context, routeLabel("GET", POPULAR_MODES_ROUTE), cachingOf(context));
  }

  /** @param isFromOwner asks for more than what this node happens to know; what is published is the same at every node */
  answer(asked: Asked, isFromOwner: boolean, reply: Reply): void {
    const { answers } = this;
    const { service } = this.context;
    if (!answers.isServing(service, reply)) return;
    const { entry } = service;
    const { region } = asked;
    const shown = shownTo(this.context, service);
    const startedMs = answers.startTiming();
    const send = (counts: RegionCounts): void => this.send(reply, asked, counts, startedMs);
    if (!isFromOwner || shown !== entry) return send(shown.regionCounts(region));
    entry.askOwner(region, (counts) => send(counts ?? { ...entry.regionCounts(region), isStale: true }));
  }

  private send(reply: Reply, { region, top, known, accepted }: Asked, counts: RegionCounts, startedMs: number): void {
    const { answers } = this;
    const hidden = this.context.controls.quarantined;
    const answer = this.popularModes.answer(REGIONS[region] as string, counts, hidden, top);
    const asOf = this.clock.ago(counts.ageMs);
    const length = lengthOf(answer);
    const coding = codingFor(wantedBy(accepted), length);
    if (answers.isKnown(reply, answer.etag, known, isLong(length) || coding !== undefined))
      return answers.empty(reply.header("as-of", asOf), 304, startedMs);
    if (coding === undefined) answers.json(reply, 200, textOf(answer, asOf), startedMs);
    else answers.packed(reply, coding, packedOf(answer, asOf, coding), startedMs);
  }
}

/** Sends an answer whose tag stands for all of it. */
function sendShared(answers: Answers, reply: Reply, body: string, known: string | undefined, startedMs: number): void {
  if (answers.isKnown(reply, weakTagOf(body), known, isLong(body.length))) answers.empty(reply, 304, startedMs);
  else answers.json(reply, 200, body, startedMs);
}

/** Whether a Cache-Control header asks for more than what this node happens to know. Source: RFC 9111, 5.2.1.4. */
function isOwnerAsked(header: string | undefined): boolean {
  return header !== undefined && /(?:^|[,\s])no-cache(?:$|[,\s])/i.test(header);
}

/** Says so where an answer is not whole. */
function flawsOf({ isComplete, isStale }: Wholeness): { complete?: false; stale?: true } {
  return { ...(isComplete ? {} : { complete: false }), ...(isStale ? { stale: true } : {}) };
}

const TAGS = ["popular modes"];
const TOP_SCHEMA = {
  tags: TAGS,
  security: TOKEN,
  operationId: "popularModes",
  summary: "The modes most played in a region",
  params: RegionParams,
  querystring: TopQuery,
  response: { 200: TopAnswer, 304: Unchanged, 400: ErrorAnswer, ...REFUSED_READERS, 503: NotNowAnswer },
};
const REGIONS_SCHEMA = {
  tags: TAGS,
  security: TOKEN,
  operationId: "listRegions",
  summary: "Players per region",
  response: { 200: RegionsAnswer, 304: StillSo, ...REFUSED_READERS, 503: NotNowAnswer },
};
const PLAYERS_SCHEMA = {
  tags: TAGS,
  security: TOKEN,
  operationId: "countPlayers",
  summary: "Players connected",
  response: { 200: PlayersAnswer, 304: StillSo, ...REFUSED_READERS, 503: NotNowAnswer },
};
