/** What anybody may ask: popular modes of a region, regions, players. */
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Static } from "typebox";
import { REGIONS, regionOf } from "../../engine/regions.ts";
import { ErrorAnswer, Nothing, PlayersAnswer, RegionsAnswer, TopAnswer } from "../answers.ts";
import { Answers, type Context } from "../http.ts";
import { Clock, isTagNamed, PopularModes } from "../popular-modes.ts";
import { RegionParams, TopQuery } from "../values.ts";

const TOP_ROUTE = "/v1/regions/:region/gamemode";
const MAX_AGE = "public, max-age=1";

export function registerRegions(app: FastifyInstance, context: Context): void {
  const { service, metrics } = context;
  const popularModes = new PopularModes();
  const clock = new Clock();

  type Top = { Params: Static<typeof RegionParams>; Querystring: { top: number } };
  const toTop = new Answers(metrics, `GET ${TOP_ROUTE}`);
  app.get<Top>(TOP_ROUTE, { schema: TOP_SCHEMA }, (request, reply) => {
    if (!toTop.isServing(service, reply)) return;
    const number = regionOf(request.params.region);
    const board = service.owner.engine.boards.of(number);
    const isComplete = service.owner.isComplete(performance.now());
    const answer = popularModes.answer(REGIONS[number], board, request.query.top, isComplete);
    void reply.header("cache-control", MAX_AGE).header("etag", answer.etag);
    const known = request.headers["if-none-match"];
    if (known !== undefined && isTagNamed(known, answer.etag)) toTop.empty(reply.header("as-of", clock.now()), 304);
    else toTop.json(reply, 200, answer.before + clock.now() + answer.after);
  });

  const toRegions = new Answers(metrics, "GET /v1/regions");
  app.get("/v1/regions", { schema: REGIONS_SCHEMA }, (_request, reply) => {
    if (!toRegions.isServing(service, reply)) return;
    const { players } = service.owner.engine.boards;
    sendWhole(
      toRegions,
      reply,
      { players, regions: service.owner.regions() },
      service.owner.isComplete(performance.now()),
    );
  });

  const toPlayers = new Answers(metrics, "GET /v1/players");
  app.get("/v1/players", { schema: PLAYERS_SCHEMA }, (_request, reply) => {
    if (!toPlayers.isServing(service, reply)) return;
    sendWhole(
      toPlayers,
      reply,
      { players: service.owner.engine.boards.players },
      service.owner.isComplete(performance.now()),
    );
  });
}

/** Says so where the answer is not whole. */
function sendWhole(answers: Answers, reply: FastifyReply, answer: object, isComplete: boolean): void {
  answers.json(reply, 200, JSON.stringify(isComplete ? answer : { ...answer, complete: false }));
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
