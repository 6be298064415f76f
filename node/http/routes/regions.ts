/** What anybody may ask: popular modes of a place, the regions in one, players. */
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { isArea, isSubdivision, type Place, placeOf, PLACES, WORLD } from "../../../engine/places.ts";
import {
  ErrorAnswer,
  NOT_PUBLISHED,
  PlayersAnswer,
  RegionsAnswer,
  StillSo,
  TopAnswer,
  NotNowAnswer,
  REFUSED_READERS,
  TOKEN,
  Unchanged,
} from "../answers.ts";
import type { Overview, RegionCounts, Wholeness } from "../../entry.ts";
import { Admission } from "../admission.ts";
import { cachingOf } from "../caching.ts";
import { whileOn } from "../decided.ts";
import { Answers, type Context, type Reply, routeLabel } from "../http.ts";
import { includingNothing } from "../include.ts";
import { shownTo } from "../live-answers.ts";
import { codingFor, isLong, wantedBy } from "../packing.ts";
import { Clock, lengthOf, packedOf, PopularModes, textOf } from "../popular-modes.ts";
import type { Refusal } from "../reasons.ts";
import { weakTagOf } from "../tags.ts";
import { PlaceParams, RegionsQuery, TopQuery } from "../../values.ts";

export const POPULAR_MODES_ROUTE = "/v1/regions/:region/gamemode";

export function registerRegions(app: FastifyInstance, context: Context): PopularModesCall {
  const { service } = context;

  type Top = { Params: Static<typeof PlaceParams>; Querystring: { top: number } };
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
      place: placeOf(params.region),
      top: query.top,
      known: headers["if-none-match"],
      accepted: headers["accept-encoding"],
    };
    popularModes.answer(asked, isFromOwner, reply);
  });

  const regions = new RegionsCall(context);
  type Of = { Querystring: Static<typeof RegionsQuery> };
  app.get<Of>("/v1/regions", { schema: REGIONS_SCHEMA, ...readable("/v1/regions") }, ({ headers, query }, reply) => {
    regions.answer(query.of === undefined ? WORLD : placeOf(query.of), headers["if-none-match"], reply);
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

/** Answers with the countries of an area, or the subdivisions of a country, that have players. */
class RegionsCall {
  private readonly context: Context;
  private readonly answers: Answers;

  constructor(context: Context) {
    this.context = context;
    this.answers = new Answers(context, "GET /v1/regions", cachingOf(context));
  }

  /** @param place an area or a country */
  answer(place: number, known: string | undefined, reply: Reply): void {
    const { answers, context } = this;
    const { service } = context;
    if (!answers.isServing(service, reply)) return;
    const startedMs = answers.startTiming();
    const shown = shownTo(context, service);
    const send = ({ players, isComplete, isStale, regions }: Overview): void => {
      const body = JSON.stringify({ players, ...flawsOf({ isComplete, isStale }), regions });
      sendShared(answers, reply, body, known, startedMs);
    };
    if (isArea(place)) return send(shown.overview(place));
    if (shown !== service.entry) return answers.refuse(reply, NOT_SHOWN, startedMs);
    service.entry.askSubdivisions(place, (overview) => {
      if (overview === undefined) answers.refuse(reply, NOT_ASKED, startedMs);
      else send(overview);
    });
  }
}

/** Who asks for the popular modes of which place. */
export interface Asked {
  /** The place's number. */
  readonly place: number;
  /** 1 to 100. */
  readonly top: number;
  /** What If-None-Match names. */
  readonly known: string | undefined;
  /** Accept-Encoding. */
  readonly accepted: string | undefined;
}

/** Answers with the top modes of a place, or that they are still what the client knows. */
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
    const { place } = asked;
    const shown = shownTo(this.context, service);
    const startedMs = answers.startTiming();
    const send = (counts: RegionCounts): void => this.send(reply, asked, counts, startedMs);
    const orLastHeard = (counts: RegionCounts | undefined): void =>
      send(counts ?? { ...entry.regionCounts(place), isStale: true });
    if (shown !== entry && isSubdivision(place)) return answers.refuse(reply, NOT_SHOWN, startedMs);
    if (shown !== entry) return send(shown.regionCounts(place));
    if (isFromOwner) return entry.askOwner(place, orLastHeard);
    if (isSubdivision(place)) return entry.askSubdivision(place, orLastHeard);
    send(entry.regionCounts(place));
  }

  private send(reply: Reply, { place, top, known, accepted }: Asked, counts: RegionCounts, startedMs: number): void {
    const { answers } = this;
    const hidden = this.context.controls.quarantined;
    const answer = this.popularModes.answer((PLACES[place] as Place).code, counts, hidden, top);
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

/** Of what no table tells. */
export const NOT_SHOWN: Refusal = {
  status: 403,
  reason: "forbidden",
  message: "subdivisions are not shown where there is a privacy floor: ask for a country or an area",
};
const NOT_ASKED: Refusal = {
  status: 503,
  reason: "no-owner",
  message: "the node that counts this country could not be asked in time: try again soon",
};

const TAGS = ["popular modes"];
const TOP_SCHEMA = {
  tags: TAGS,
  security: TOKEN,
  operationId: "popularModes",
  summary: "The modes most played in a country, a subdivision or an area",
  params: PlaceParams,
  querystring: TopQuery,
  response: {
    200: TopAnswer,
    304: Unchanged,
    400: ErrorAnswer,
    ...REFUSED_READERS,
    ...NOT_PUBLISHED,
    503: NotNowAnswer,
  },
};
const REGIONS_SCHEMA = {
  tags: TAGS,
  security: TOKEN,
  operationId: "listRegions",
  summary: "Players per country, or per subdivision of a country",
  description: "With `of`, only the countries of an area, or the subdivisions of a country, which may be a second old.",
  querystring: RegionsQuery,
  response: {
    200: RegionsAnswer,
    304: StillSo,
    400: ErrorAnswer,
    ...REFUSED_READERS,
    ...NOT_PUBLISHED,
    503: NotNowAnswer,
  },
};
const PLAYERS_SCHEMA = {
  tags: TAGS,
  security: TOKEN,
  operationId: "countPlayers",
  summary: "Players connected",
  response: { 200: PlayersAnswer, 304: StillSo, ...REFUSED_READERS, 503: NotNowAnswer },
};
