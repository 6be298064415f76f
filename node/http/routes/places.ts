/** The tree of places, for whoever offers a choice of them. */
import type { FastifyInstance } from "fastify";
import { type Place, PLACES } from "../../../engine/places.ts";
import { Admission } from "../admission.ts";
import { NotNowAnswer, PlacesAnswer, REFUSED_READERS, StillSo, TOKEN } from "../answers.ts";
import { whileOn } from "../decided.ts";
import { Answers, type Context, routeLabel } from "../http.ts";
import { isLong } from "../packing.ts";
import { weakTagOf } from "../tags.ts";

export const PLACES_ROUTE = "/v1/places";
/** It changes with a version of the service alone. */
const DAY_S = 86_400;
const SCHEMA = {
  tags: ["popular modes"],
  security: TOKEN,
  operationId: "listPlaces",
  summary: "All places by code and name, and what holds them",
  response: { 200: PlacesAnswer, 304: StillSo, ...REFUSED_READERS, 503: NotNowAnswer },
};

let made: { readonly text: string; readonly etag: string } | undefined;

export function registerPlaces(app: FastifyInstance, context: Context): void {
  const label = routeLabel("GET", PLACES_ROUTE);
  const who = context.access?.areReadsGuarded === true ? "private" : "public";
  const answers = new Answers(context, label, `${who}, max-age=${DAY_S}`);
  const options = {
    schema: SCHEMA,
    onRequest: whileOn(context, "queries", label),
    preHandler: new Admission(context).toRead(label),
  };
  app.get(PLACES_ROUTE, options, ({ headers }, reply) => {
    const { text, etag } = (made ??= make());
    const startedMs = answers.startTiming();
    if (answers.isKnown(reply, etag, headers["if-none-match"], isLong(text.length)))
      answers.empty(reply, 304, startedMs);
    else answers.json(reply, 200, text, startedMs);
  });
}

/** Some 400 KB, once in a process. */
function make(): { readonly text: string; readonly etag: string } {
  const text = JSON.stringify(
    PLACES.map(({ code, name, within }) => ({
      place: code,
      name,
      in: within.map((holder) => (PLACES[holder] as Place).code),
    })),
  );
  return { text, etag: weakTagOf(text) };
}
