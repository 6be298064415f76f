/** What anybody may ask: popular modes of a region, regions, players. */
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { REGIONS, regionOf } from "../../../engine/regions.ts";
import { ErrorAnswer, PlayersAnswer, RegionsAnswer, TopAnswer, TryAgainAnswer, Unchanged } from "../answers.ts";
import type { RegionCounts, Wholeness } from "../../entry.ts";
import { Answers, type Context, type Reply } from "../http.ts";
import { Clock, isTagNamed, PopularModes } from "../popular-modes.ts";
import { RegionParams, TopQuery } from "../../values.ts";

const TOP_ROUTE = "/v1/regions/:region/gamemode";
const MAX_AGE = "public, max-age=1";

export function registerRegions(app: FastifyInstance, context: Context): PopularModesCall {
  const { service, metrics } = context;

  type Top = { Params: Static<typeof RegionParams>; Querystring: { top: number } };
  const popularModes = new PopularModesCall(context);
  app.get<Top>(TOP_ROUTE, { schema: TOP_SCHEMA }, ({ headers, params, query }, reply) => {
    const isFromOwner = isOwnerAsked(headers["cache-control"]);
    popularModes.answer(regionOf(params.region), query.top, headers["if-none-match"], isFromOwner, reply);
  });

  const toRegions = new Answers(metrics, "GET /v1/regions");
  app.get("/v1/regions", { schema: REGIONS_SCHEMA }, (_request, reply) => {
    if (!toRegions.isServing(service, reply)) return;
    const { players, regions, ...wholeness } = service.entry.overview();
    toRegions.json(reply, 200, JSON.stringify({ players, ...flawsOf(wholeness), regions }));
  });

  const toPlayers = new Answers(metrics, "GET /v1/players");
  app.get("/v1/players", { schema: PLAYERS_SCHEMA }, (_request, reply) => {
    if (!toPlayers.isServing(service, reply)) return;
    const { players, ...wholeness } = service.entry.players();
    toPlayers.json(reply, 200, JSON.stringify({ players, ...flawsOf(wholeness) }));
  });
  return popularModes;
}

/** Answers with the top modes of a region, or that they are still what the client knows. */
export class PopularModesCall {
  private readonly service: Context["service"];
  private readonly answers: Answers;
  private readonly popularModes = new PopularModes();
  private readonly clock = new Clock();

  constructor({ service, metrics }: Context) {
    this.service = service;
    this.answers = new Answers(metrics, `GET ${TOP_ROUTE}`);
  }

  /**
   * @param region its number
   * @param top 1 to 100
   * @param known what If-None-Match names
   * @param isFromOwner asks for more than what this node happens to know
   */
  answer(region: number, top: number, known: string | undefined, isFromOwner: boolean, reply: Reply): void {
    const { answers, service } = this;
    if (!answers.isServing(service, reply)) return;
    const { entry } = service;
    const send = (counts: RegionCounts): void => this.send(reply, REGIONS[region] as string, counts, top, known);
    if (!isFromOwner) return send(entry.regionCounts(region));
    entry.askOwner(region, (counts) => send(counts ?? { ...entry.regionCounts(region), isStale: true }));
  }

  private send(reply: Reply, region: string, counts: RegionCounts, top: number, known: string | undefined): void {
    const answer = this.popularModes.answer(region, counts, top);
    const asOf = this.clock.ago(counts.ageMs);
    reply.header("cache-control", MAX_AGE).header("etag", answer.etag);
    if (known !== undefined && isTagNamed(known, answer.etag)) this.answers.empty(reply.header("as-of", asOf), 304);
    else this.answers.json(reply, 200, answer.before + asOf + answer.after);
  }
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
  summary: "The modes most played in a region",
  params: RegionParams,
  querystring: TopQuery,
  response: { 200: TopAnswer, 304: Unchanged, 400: ErrorAnswer, 503: TryAgainAnswer },
};
const REGIONS_SCHEMA = {
  tags: TAGS,
  summary: "Players per region",
  response: { 200: RegionsAnswer, 503: TryAgainAnswer },
};
const PLAYERS_SCHEMA = {
  tags: TAGS,
  summary: "Players connected",
  response: { 200: PlayersAnswer, 503: TryAgainAnswer },
};
