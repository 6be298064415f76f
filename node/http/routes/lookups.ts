/** Look-ups of many players at once: a player's friends, and which modes they are in. */
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { NO_SEQ } from "../../../cluster/records/presences.ts";
import type { Place } from "../../../cluster/ports/rows.ts";
import { emptyProfileId, parseProfileId } from "../../../engine/profile-id.ts";
import { REGIONS } from "../../../engine/places.ts";
import type { Entry } from "../../entry.ts";
import { LookupBody, LookupBodyShown, PROFILE_ID_FORM, refusal } from "../../values.ts";
import { Admission } from "../admission.ts";
import {
  ErrorAnswer,
  LookupAnswer,
  LookupNotNowAnswer,
  NotJsonAnswer,
  REFUSED_ASKERS,
  TOKEN,
  TooLargeAnswer,
} from "../answers.ts";
import { whileOn } from "../decided.ts";
import { Answers, type Context, RefusalError, routeLabel, validatorCompiler } from "../http.ts";
import { refusalOfLookup } from "../rate-limits.ts";

export const LOOKUP_ROUTE = "/v1/profiles/lookup";
/** 500 ids with white space around them. */
export const LOOKUP_BYTES_MAX = 32_768;

/** What is known of a player; `unknown`: its owner could not be asked. */
type Found = Place | "nowhere" | "unknown";

const id = emptyProfileId();
const bodyValidator = validatorCompiler({ schema: LookupBody, httpPart: "body", method: "POST", url: LOOKUP_ROUTE });

export function registerLookups(app: FastifyInstance, context: Context): void {
  const label = routeLabel("POST", LOOKUP_ROUTE);
  const answers = new Answers(context, label);
  const toLookUp = {
    schema: SCHEMA,
    bodyLimit: LOOKUP_BYTES_MAX,
    validatorCompiler: () => checked,
    onRequest: whileOn(context, "queries", label),
    preHandler: new Admission(context).toLookUpMany(label),
  };
  app.post<{ Body: Static<typeof LookupBodyShown> }>(LOOKUP_ROUTE, toLookUp, (request, reply) => {
    if (!answers.isServing(context.service, reply)) return;
    const profileIds = request.body.profileIds.map((profileId) => profileId.toLowerCase());
    const players = new Set(profileIds);
    const refused = refusalOfLookup(context, request, players.size);
    if (refused !== undefined) return answers.refuse(reply, refused);
    const startedMs = answers.startTiming();
    findAll(context.service.entry, players, (found) => answers.json(reply, 200, textOf(profileIds, found), startedMs));
  });
}

/** Each id by itself, so that the one that is none is named. */
const checked: typeof bodyValidator = (body: unknown) => {
  const verdict = bodyValidator(body);
  if (verdict !== true) return verdict;
  const { profileIds } = body as Static<typeof LookupBody>;
  const at = profileIds.findIndex((each) => typeof each !== "string" || !parseProfileId(each, id));
  if (at < 0) return true;
  return { error: new RefusalError(refusal(`profileIds[${at}]`, PROFILE_ID_FORM, profileIds[at])) };
};

/**
 * Asks for all of them in one turn: questions to one owner go together. A player whose owner is not heard of within the
 * request's deadline is not known.
 */
function findAll(entry: Entry, profileIds: ReadonlySet<string>, settle: (found: Map<string, Found>) => void): void {
  const found = new Map<string, Found>();
  for (const profileId of profileIds) {
    parseProfileId(profileId, id);
    const asked = { operation: "find", id, region: 0, mode: "", seq: NO_SEQ, isBulk: true } as const;
    entry.submit(asked, (outcome) => {
      if (outcome.kind === "refused") found.set(profileId, "unknown");
      else found.set(profileId, outcome.effect === "found" && outcome.place ? outcome.place : "nowhere");
      if (found.size === profileIds.size) settle(found);
    });
  }
}

/** Everything in it was checked for its form, so nothing needs to be escaped. @param profileIds as they were asked, in lower case */
function textOf(profileIds: readonly string[], found: ReadonlyMap<string, Found>): string {
  const profiles: string[] = [];
  for (const profileId of profileIds) {
    const place = found.get(profileId);
    if (typeof place !== "object") continue;
    profiles.push(`{"profileId":"${profileId}","region":"${REGIONS[place.region]}","gamemode":"${place.mode}"}`);
  }
  const players = new Map<string, number>();
  let unknown = 0;
  for (const place of found.values()) {
    if (place === "unknown") unknown++;
    if (typeof place === "object") players.set(place.mode, (players.get(place.mode) ?? 0) + 1);
  }
  const modes = [...players]
    .toSorted(([one, ofOne], [other, ofOther]) => ofOther - ofOne || (one < other ? -1 : 1))
    .map(([mode, count]) => `{"mode":"${mode}","players":${count}}`);
  return `{"profiles":[${profiles.join(",")}],"gamemodes":[${modes.join(",")}],"unknown":${unknown}}`;
}

const SCHEMA = {
  tags: ["players"],
  security: TOKEN,
  operationId: "findPlayers",
  summary: "Where many players are",
  description:
    "Those who are connected, in the order asked (who is named twice comes twice), and how many of them are in each mode, each player once. A token without `profiles:read` may look up its own player only. Each player counts: with a token against its rows, without one against the requests of the address. More than all of that limit are taken only when nothing of it is spent, and have to come back.",
  body: LookupBodyShown,
  response: {
    200: LookupAnswer,
    400: ErrorAnswer,
    413: TooLargeAnswer,
    415: NotJsonAnswer,
    ...REFUSED_ASKERS,
    503: LookupNotNowAnswer,
  },
};
