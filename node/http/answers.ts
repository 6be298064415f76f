/** What the service answers, as schemas: for OpenAPI, so for readers and generated clients. */
import { type TSchema, Type } from "typebox";
import { MODES_MAX } from "../../engine/modes.ts";
import { type Reason, REASONS } from "./reasons.ts";

const nullable = (description: string): TSchema => Type.Union([Type.String(), Type.Null()], { description });
const whole = (description: string): TSchema => Type.Integer({ minimum: 0, description });

const RENEW_IN = { "Renew-In-Ms": whole("When to be heard from again, in milliseconds") };
const AS_OF = { "As-Of": Type.String({ description: "When the counts were so", format: "date-time" }) };
export const RETRY_AFTER = { "Retry-After": whole("When to ask again, in seconds") };
const CACHE_CONTROL = {
  "Cache-Control": Type.String({
    description: "Who may keep the answer, and how long",
    examples: ["public, max-age=1"],
  }),
};
const cached = (of: string): Record<string, TSchema> => ({
  ...CACHE_CONTROL,
  ETag: Type.String({ description: `Stands for ${of}: name it in If-None-Match` }),
});
const CODINGS = {
  "Accept-Encoding": Type.String({ description: "Where the body was packed: how it may come" }),
};
const CACHED_TOP = cached("all fields but `asOf`");
const CACHED = cached("the whole answer");

const Complete = Type.Optional(Type.Boolean({ description: "false while not every partition has spoken" }));
const Stale = Type.Optional(Type.Boolean({ description: "true while the answer is older than it should be" }));

const REFUSED = {
  code: Type.String({ description: "The status", examples: ["400"] }),
  message: Type.String({
    description: "Which field, what was expected, and what came",
    examples: ['region must be an ISO 3166-1 alpha-2 code, or an ISO 3166-2 code such as US-CA, got "XX"'],
  }),
  reason: Type.Unsafe<Reason>({
    title: "Reason",
    type: "string",
    enum: Object.keys(REASONS),
    description: "Why, for programs: from a closed list",
  }),
};

/**
 * One schema for all refusals, so that clients have one type; `x-reasons` tells those that the call may give. It is not called
 * Error, which is the name of something else in the languages of most generated clients.
 */
export function refusedFor(description: string, reasons: readonly Reason[], headers?: Record<string, TSchema>) {
  const told = { title: "Refusal", description: `${description} (${reasons.join(", ")})`, "x-reasons": reasons };
  return Type.Object(REFUSED, headers === undefined ? told : { ...told, headers });
}

/** Where tokens are asked for, one is needed. */
export const TOKEN = [{}, { token: [] }];

const NOT_SERVING: readonly Reason[] = ["starting", "draining"];
export const ErrorAnswer = refusedFor("What was wrong", ["malformed"]);
export const NotNowAnswer = refusedFor(
  "Cannot be answered just now",
  [...NOT_SERVING, "overloaded", "no-owner", "switched-off"],
  RETRY_AFTER,
);
/** Of what is meant to become a WebSocket. */
export const UpgradeAnswer = refusedFor("The request is no WebSocket's", ["malformed"]);
/** Of look-ups of many: of whom the owner cannot be asked is told as unknown. */
export const LookupNotNowAnswer = refusedFor(
  "Cannot be answered just now",
  [...NOT_SERVING, "overloaded", "switched-off"],
  RETRY_AFTER,
);
/** Of a new stream. */
export const StreamNotNowAnswer = refusedFor(
  "Cannot be opened just now: also where the node has all the streams that it may have",
  [...NOT_SERVING, "overloaded", "switched-off"],
  RETRY_AFTER,
);
export const NoRoomAnswer = refusedFor(
  `Cannot be taken just now: also a new game mode while players are in ${MODES_MAX} others, or after many new ones of one player`,
  [...NOT_SERVING, "overloaded", "no-owner", "no-room", "switched-off"],
  RETRY_AFTER,
);
export const BatchNotNowAnswer = refusedFor(
  "Cannot be read just now; rows that cannot be taken are refused one by one",
  [...NOT_SERVING, "overloaded", "switched-off"],
  RETRY_AFTER,
);
export const NotJsonAnswer = refusedFor("The body is not JSON by its type, or is packed", ["not-json"], CODINGS);
export const TooLargeAnswer = refusedFor("The body is too large", ["too-large"]);
export const WWW_AUTHENTICATE = { "WWW-Authenticate": Type.String({ description: "What token is needed (RFC 6750)" }) };
const WhoAnswer = refusedFor("No good token, where tokens are asked for", ["credentials"], WWW_AUTHENTICATE);
export const ForbiddenAnswer = refusedFor(
  "The token is good, but not for this; or a strange page asks",
  ["forbidden"],
  WWW_AUTHENTICATE,
);
const TooOftenAnswer = refusedFor(
  "Too many requests of a player or an address, or rows or players looked up with a token",
  ["rate"],
  {
    ...RETRY_AFTER,
    RateLimit: Type.String({
      description: "Which limit it was, what is left of it, and in how many seconds to ask again",
    }),
    "RateLimit-Policy": Type.String({ description: "The limit: so many (q) within so many seconds (w)" }),
  },
);
const BlockedAnswer = refusedFor(
  "The token is good, but not for this; or a strange page asks, or the operator blocked reports from here",
  ["forbidden", "blocked"],
  WWW_AUTHENTICATE,
);
/** Of a report, which the rules of modes may refuse. */
const RuledOutAnswer = refusedFor(
  "The token is good, but not for this; or a strange page asks, the operator blocked reports from here, or the rules of the game mode refuse this player",
  ["forbidden", "blocked", "not-entitled", "not-offered", "retired"],
  WWW_AUTHENTICATE,
);
/** Of a report. */
export const MalformedReportAnswer = refusedFor("What was wrong", ["malformed", "unknown-mode"]);
export const SwitchForbiddenAnswer = refusedFor("The player may not come into the game mode from where it stands", [
  "switch-forbidden",
]);
export const TOO_OFTEN = { 429: TooOftenAnswer };
/** Of calls that need a token. */
export const REFUSED_ASKERS = { 401: WhoAnswer, 403: ForbiddenAnswer, ...TOO_OFTEN };
/** Of batches of reports: what the rules of modes refuse is told of each row. */
export const REFUSED_BATCHES = { ...REFUSED_ASKERS, 403: BlockedAnswer };
/** Of a report. */
export const REFUSED_REPORTERS = { ...REFUSED_ASKERS, 403: RuledOutAnswer, 409: SwitchForbiddenAnswer };
export const REFUSED_READERS = { 401: WhoAnswer, ...TOO_OFTEN };
/** Of what a privacy floor hides. */
export const NOT_PUBLISHED = {
  403: refusedFor("Subdivisions are not shown where there is a privacy floor", ["forbidden"]),
};
export const NoMethodAnswer = refusedFor("The path has no such method", ["no-such-method"]);
export const NotFoundAnswer = refusedFor("The player is not connected", ["not-connected"]);
export const TopAnswer = Type.Object(
  {
    region: Type.String({ description: "The place that was asked for" }),
    players: whole("Players in the place"),
    asOf: Type.String({ format: "date-time" }),
    complete: Complete,
    stale: Stale,
    gamemodes: Type.Array(
      Type.Object(
        {
          mode: Type.String(),
          rank: Type.Integer({ minimum: 1 }),
          players: whole("Players in the mode"),
          share: Type.Number({ description: "Of the place's players, four decimals" }),
        },
        { title: "PopularMode" },
      ),
    ),
    others: Type.Optional(
      Type.Object(
        { players: whole("Players of all modes that are too small to be shown, together and rounded") },
        { title: "OtherModes", description: "Only with a privacy floor, and only where they are enough to be shown" },
      ),
    ),
  },
  { title: "PopularModes", description: "Most players first, equal counts by name", headers: CACHED_TOP },
);
const BESIDE = {
  tag: Type.String({ description: "The tag of `popular`: name it as `known` in the next heartbeat" }),
  popular: Type.Unsafe({
    ...TopAnswer,
    headers: undefined,
    description: "The popular modes of the country where the player now stands",
  }),
};
const BESIDE_REPORT = { tag: Type.Optional(BESIDE.tag), popular: Type.Optional(BESIDE.popular) };
export const ReportAnswer = Type.Object(
  {
    profileId: Type.String(),
    region: nullable("Where the player stands; null where a late report found the player removed"),
    gamemode: nullable("The mode the player stands in; null as above"),
    changed: Type.Boolean({ description: "false where nothing moved" }),
    renewInMs: whole("When to be heard from again, in milliseconds"),
    ...BESIDE_REPORT,
  },
  { title: "Report", description: "Connected, counted there and nowhere else, remembered" },
);
export const HeartbeatAnswer = Type.Object(
  { renewInMs: whole("When to be heard from again, in milliseconds"), ...BESIDE },
  { title: "Heartbeat", description: "The session is renewed; with `top`, unless what is `known` stands" },
);
export const ProfileAnswer = Type.Object(
  {
    profileId: Type.String(),
    region: Type.String(),
    gamemode: Type.String(),
    lastSeen: Type.String({ format: "date-time", description: "The player was heard of then or later" }),
  },
  { title: "Player", description: "Connected" },
);
export const LookupAnswer = Type.Object(
  {
    profiles: Type.Array(
      Type.Object(
        { profileId: Type.String(), region: Type.String(), gamemode: Type.String() },
        { title: "FoundPlayer" },
      ),
      { description: "Those who are connected, in the order asked" },
    ),
    gamemodes: Type.Array(
      Type.Object(
        { mode: Type.String(), players: whole("Of those who were asked for, each once") },
        { title: "ModeOfPlayers" },
      ),
      { description: "Most players first, equal counts by name" },
    ),
    unknown: whole(
      "Players of whom nobody knows just now whether they are connected: their owner could not be asked in time",
    ),
  },
  { title: "PlayersFound", description: "Who of them is connected, and where" },
);
export const BatchAnswer = Type.Object(
  {
    accepted: whole("Rows that took effect"),
    remembered: whole("Accepted rows that outlive this process"),
    rejected: Type.Array(
      Type.Object(
        { index: whole("Row, from 0"), ...REFUSED },
        { title: "RejectedRow", description: "A row that did not take effect" },
      ),
    ),
  },
  { title: "Batch", description: "What became of the rows" },
);
export const StreamAnswer = Type.String({ description: "Server-sent events (WHATWG HTML), until the connection ends" });
export const RegionsAnswer = Type.Object(
  {
    players: whole("Players in all regions, or in the place named by `of`"),
    complete: Complete,
    stale: Stale,
    regions: Type.Array(
      Type.Object({ region: Type.String(), players: whole("Players in the region") }, { title: "RegionPlayers" }),
    ),
  },
  { title: "Regions", description: "Regions with players, most first", headers: CACHED },
);
export const PlacesAnswer = Type.Array(
  Type.Object(
    {
      place: Type.String({ description: "Its code", examples: ["CA"] }),
      name: Type.String({ description: "For people, in the language of the standard", examples: ["Canada"] }),
      in: Type.Array(Type.String(), {
        description: "The places that hold it, nearest first",
        examples: [["021", "003", "019", "001"]],
      }),
    },
    { title: "Place" },
  ),
  { title: "Places", description: "Countries, then subdivisions, then areas, each by code", headers: CACHED },
);
export const ModesAnswer = Type.Object(
  {
    version: whole("Of the catalogue; 0 where there is none, and any mode may be reported"),
    modes: Type.Array(
      Type.Object(
        {
          mode: Type.String(),
          name: Type.Optional(Type.String({ description: "For people; any text" })),
          requires: Type.Optional(Type.Array(Type.String(), { description: "Entitlements, all of which it takes" })),
          from: Type.Optional(
            Type.Array(Type.String(), {
              description: "From which modes one comes into it; none: who is not connected",
            }),
          ),
          lobby: Type.Optional(Type.Integer({ minimum: 1, description: "Players of one match" })),
        },
        { title: "OfferedMode" },
      ),
    ),
  },
  {
    title: "Modes",
    description: "Those that are offered there and not retired, in the studio's order",
    headers: CACHED,
  },
);
export const PlayersAnswer = Type.Object(
  { players: whole("Players connected"), complete: Complete, stale: Stale },
  { title: "Players", description: "Connected in the whole cluster", headers: CACHED },
);
export const ClusterAnswer = Type.Object(
  {
    cluster: Type.String(),
    epoch: whole("Number of the view"),
    members: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          incarnation: Type.String(),
          url: Type.String(),
          partitions: whole("Partitions owned"),
          regions: whole("Regions owned"),
          state: Type.String(),
        },
        { title: "Member" },
      ),
    ),
  },
  { title: "Cluster", description: "The view as this node knows it" },
);
export const NodeAnswer = Type.Object(
  { id: Type.String(), incarnation: Type.String(), version: Type.String(), uptimeSeconds: Type.Number() },
  { title: "Node", description: "Which node answered" },
);
export const StatusAnswer = Type.Object(
  {
    status: Type.String({ description: "alive, ready, degraded; of a node that does not answer: why" }),
    reason: Type.Optional(Type.String({ description: "What is wrong, for people" })),
    switchedOff: Type.Optional(Type.Array(Type.String(), { description: "Kinds of calls that are switched off" })),
  },
  { title: "Status", description: "How the node is" },
);
export const NotReadyAnswer = Type.Object(
  { ...REFUSED, ...StatusAnswer.properties },
  { title: "NotReady", description: "The node starts, drains or was expelled", headers: RETRY_AFTER },
);
export const Renewed = Type.Null({ description: "The session is renewed; no body", headers: RENEW_IN });
export const Unchanged = Type.Null({
  description: "What you know still stands; no body",
  headers: { ...CACHED_TOP, ...AS_OF },
});
export const StillSo = Type.Null({ description: "What you know still stands; no body", headers: CACHED });
export const Nothing = Type.Null({ description: "Done; no body" });
export const MetricsAnswer = Type.String({ description: "Prometheus text format, names beginning with headcount_" });
export const DescriptionAnswer = Type.Object({}, { description: "OpenAPI 3.1", headers: CACHED });
export const Counted = Type.Null({ description: "Disconnected, but the store cannot be written just now; no body" });
