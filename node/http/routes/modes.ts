/** What modes there are, by the studio's catalogue. */
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { countryOf, regionOf } from "../../../engine/places.ts";
import { ModesQuery } from "../../values.ts";
import { Admission } from "../admission.ts";
import { ErrorAnswer, ModesAnswer, NotNowAnswer, REFUSED_READERS, StillSo, TOKEN } from "../answers.ts";
import { cachingOf } from "../caching.ts";
import { whileOn, WITHOUT_RULES } from "../decided.ts";
import { Answers, type Context, routeLabel } from "../http.ts";
import { ANYWHERE, OfferedModes } from "../offered-modes.ts";
import { codingFor, isLong, wantedBy } from "../packing.ts";

export const MODES_ROUTE = "/v1/modes";
const SCHEMA = {
  tags: ["popular modes"],
  security: TOKEN,
  operationId: "listModes",
  summary: "The studio's modes",
  querystring: ModesQuery,
  response: { 200: ModesAnswer, 304: StillSo, 400: ErrorAnswer, ...REFUSED_READERS, 503: NotNowAnswer },
};

export function registerModes(app: FastifyInstance, context: Context): void {
  const { rules, service } = context;
  const label = routeLabel("GET", MODES_ROUTE);
  const answers = new Answers(context, label, cachingOf(context));
  const offered = new OfferedModes();
  const options = {
    schema: SCHEMA,
    onRequest: whileOn(context, "queries", label),
    preHandler: new Admission(context).toRead(label),
  };
  type Asked = { Querystring: Static<typeof ModesQuery> };
  app.get<Asked>(MODES_ROUTE, options, async ({ headers, query: { region } }, reply) => {
    if (!answers.isServing(service, reply)) return reply;
    if (!rules.isKnown) {
      answers.refuse(reply, WITHOUT_RULES);
      return reply;
    }
    const startedMs = answers.startTiming();
    const number = region === undefined ? ANYWHERE : countryOf(regionOf(region)); // modes are offered by country
    const answer = offered.answer(rules.catalogue, number, rules.nowMs());
    const coding = codingFor(wantedBy(headers["accept-encoding"]), answer.text.length);
    const isPacked = isLong(answer.text.length) || coding !== undefined;
    if (answers.isKnown(reply, answer.etag, headers["if-none-match"], isPacked)) answers.empty(reply, 304, startedMs);
    else if (coding === undefined) answers.json(reply, 200, answer.text, startedMs);
    else answers.packed(reply, coding, await answer.packed(coding), startedMs);
    return reply;
  });
}
