/** What anybody may ask: popular modes of a region, regions, players. */
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Static } from "typebox";
import { REGIONS, regionOf } from "../../engine/regions.ts";
import { ErrorAnswer, Nothing, PlayersAnswer, RegionsAnswer, TopAnswer } from "../answers.ts";
import { type Context, isServing, sendJson } from "../http.ts";
import { Clock, isTagNamed, PopularModes } from "../popular-modes.ts";
import { RegionParams, TopQuery } from "../values.ts";

const MAX_AGE = "public, max-age=1";

export function registerRegions(app: FastifyInstance, context: Context): void {
  const { service } = context;
  const popularModes = new PopularModes();
  const clock = new Clock();

  type Top = { Params: Static<typeof RegionParams>; Querystring: { top: number } };
  app.get<Top>("/v1/regions/:region/gamemode", { schema: TOP_SCHEMA }, (request, reply) => {
    if (!isServing(service, reply)) return;
    const number = regionOf(request.params.region);
    const board = service.owner.engine.boards.of(number);
    const isComplete = service.owner.isComplete(performance.now());
    const answer = popularModes.answer(REGIONS[number], board, request.query.top, isComplete);
    reply.header("cache-control", MAX_AGE).header("etag", answer.etag);
    const known = request.headers["if-none-match"];
    if (known !== undefined && isTagNamed(known, answer.etag)) reply.code(304).header("as-of", clock.now()).send();
    else sendJson(reply, 200, answer.before + clock.now() + answer.after);
  });

  app.get("/v1/regions", { schema: REGIONS_SCHEMA }, (_request, reply) => {
    if (!isServing(service, reply)) return;
    const { players } = service.owner.engine.boards;
    sendWhole(reply, { players, regions: service.owner.regions() }, service.owner.isComplete(performance.now()));
  });

  app.get("/v1/players", { schema: PLAYERS_SCHEMA }, (_request, reply) => {
    if (!isServing(service, reply)) return;
    sendWhole(reply, { players: service.owner.engine.boards.players }, service.owner.isComplete(performance.now()));
  });
}

/** Says so where the answer is not whole. */
function sendWhole(reply: FastifyReply, answer: object, isComplete: boolean): void {
  sendJson(reply, 200, JSON.stringify(isComplete ? answer : { ...answer, complete: false }));
}

const TAGS = ["popular modes"];
const TOP_SCHEMA = {
  tags: TAGS,
  summary: "The modes most played in a region",
  params: RegionParams,
  querystring: TopQuery,
  response: { 200: TopAnswer, 304: Nothing, 400: ErrorAnswer, 503: ErrorAnswer },
};
const REGIONS_SCHEMA = {
  tags: TAGS,
  summary: "Players per region",
  response: { 200: RegionsAnswer, 503: ErrorAnswer },
};
const PLAYERS_SCHEMA = { tags: TAGS, summary: "Players connected", response: { 200: PlayersAnswer, 503: ErrorAnswer } };
