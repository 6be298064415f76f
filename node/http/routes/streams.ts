/** What is popular, pushed while it changes: server-sent events. After the head is sent there is no response any more (`node/live/stream.ts`). */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Static } from "typebox";
import { placeOf } from "../../../engine/places.ts";
import type { Full, PlacesOptions } from "../../limits/places.ts";
import { FanOut } from "../../live/fan-out.ts";
import { retryMs } from "../../live/goodbye.ts";
import { Streams } from "../../live/streams.ts";
import { PlaceParams, type StreamQuery, StreamsQuery } from "../../values.ts";
import { Admission, isStillGranted } from "../admission.ts";
import { ErrorAnswer, NOT_PUBLISHED, REFUSED_READERS, StreamAnswer, StreamNotNowAnswer, TOKEN } from "../answers.ts";
import { DateLine } from "../connections/date-line.ts";
import type { StandIn } from "../connections/stand-in.ts";
import { whileOn } from "../decided.ts";
import { Answers, AS_TYPED, type Context, DRAINING, routeLabel } from "../http.ts";
import { includingNothing } from "../include.ts";
import { isShown, LiveAnswers } from "../live-answers.ts";
import { clientOf } from "../rate-limits.ts";
import type { Refusal } from "../reasons.ts";
import { NOT_SHOWN } from "./regions.ts";

export const STREAM_ROUTE = "/v1/regions/:region/gamemode/stream";
/** Another stream has to end first. */
const RETRY_FULL_S = 5;
const dateLine = new DateLine();

type Watching = { Params: Static<typeof PlaceParams>; Querystring: StreamQuery };

/** The streams of a listener, and what they push. */
export function makeStreams(context: Context, places: PlacesOptions): Streams {
  const { controls, isForOperators } = context;
  // Operators need to see what they switched off.
  const isOff = (): boolean => isForOperators !== true && controls.offOf("streams") !== undefined;
  return new Streams(new FanOut(new LiveAnswers(context)), { ...places, isOff });
}

/** HEAD is not for streams: an answer without an end has no head that stands for it. */
export function registerStreams(app: FastifyInstance, context: Context, streams: Streams): void {
  const label = routeLabel("GET", STREAM_ROUTE);
  const answers = new Answers(context, label);
  const toWatch = {
    schema: STREAM_SCHEMA,
    exposeHeadRoute: false,
    onRequest: whileOn(context, "streams", label),
    preHandler: [...new Admission(context).toRead(label), includingNothing(context, label)],
  };
  app.get<Watching>(STREAM_ROUTE, toWatch, (request, reply) => {
    const { service } = context;
    if (!answers.isServing(service, reply)) return;
    const place = placeOf(request.params.region);
    if (!isShown(context, service, place)) return answers.refuse(reply, NOT_SHOWN);
    if (request.raw.socket.destroyed) return void reply.hijack(); // its client went while its token was verified
    if (streams.isDraining) return answers.refuse(reply, DRAINING);
    const client = clientOf(request, context)?.key;
    const full = streams.take(client);
    if (full !== undefined) return answers.refuse(reply, refusalOf(full, streams.places.options));
    answers.begun(200);
    context.metrics.totals.streams++;
    open(request, reply, { place, client });
  });
  const open = (
    request: FastifyRequest<Watching>,
    reply: FastifyReply,
    { place, client }: { readonly place: number; readonly client: string | undefined },
  ): void => {
    const { query, headers, raw } = request;
    const { top, every: everyMs } = query;
    const known = [headers["last-event-id"]].flat()[0];
    reply.hijack();
    const { access } = context;
    const isAllowed = access?.areReadsGuarded === true ? isStillGranted(access, request) : undefined;
    const options = { head: headOf(reply), retryMs: retryMs(), client, isAllowed };
    // Every connection comes here by its stand-in.
    streams.open((raw.socket as unknown as StandIn).letGo(), { place, top, everyMs, known }, options);
  };
  app.addHook("preClose", async () => {
    await streams.drain();
    streams.close();
  });
}

/** The answer has no length and no pieces: it ends with its connection, so each byte is a byte of an event. */
function headOf(reply: FastifyReply): string {
  const headers = {
    ...reply.getHeaders(), // of hooks
    "content-type": "text/event-stream",
    [AS_TYPED[0]]: AS_TYPED[1],
    "cache-control": "no-store",
    "x-accel-buffering": "no", // nginx would hold events back
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  return `HTTP/1.1 200 OK\r\n${lines.join("")}${dateLine.text()}Connection: close\r\n\r\n`;
}

function refusalOf(full: Full, { all, ofAddress }: PlacesOptions): Refusal {
  const retry = { "retry-after": RETRY_FULL_S };
  if (full === "all") {
    const message = `streams of this node must be at most ${all}, and there are so many: try again soon`;
    return { status: 503, reason: "overloaded", message, headers: retry };
  }
  const message = `streams from one address must be at most ${ofAddress}, and there are so many: close one, or try again in ${RETRY_FULL_S} s`;
  const ratelimit = `"streams";r=0;t=${RETRY_FULL_S}`;
  const headers = { ...retry, ratelimit, "ratelimit-policy": `"streams";q=${ofAddress}` };
  return { status: 429, reason: "rate", message, headers };
}

const STREAM_SCHEMA = {
  tags: ["popular modes"],
  security: TOKEN,
  operationId: "watchPopularModes",
  summary: "The modes most played in a region, whenever they change",
  description:
    "Server-sent events: `top`, with the answer of the call without `/stream` in one line and its tag as id, at once and whenever it changes; `bye`, with when to come again, before the node ends the stream. A comment comes every 15 seconds. With Last-Event-ID, what it names is left out.",
  produces: ["text/event-stream"],
  params: PlaceParams,
  querystring: StreamsQuery,
  response: { 200: StreamAnswer, 400: ErrorAnswer, ...REFUSED_READERS, ...NOT_PUBLISHED, 503: StreamNotNowAnswer },
};
