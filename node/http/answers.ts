/** What the service answers, as schemas: for OpenAPI, so for readers and generated clients. */
import { type TSchema, Type } from "typebox";

const nullable = (description: string): TSchema => Type.Union([Type.String(), Type.Null()], { description });
const whole = (description: string): TSchema => Type.Integer({ minimum: 0, description });

const RENEW_IN = { "Renew-In-Ms": whole("When to be heard from again, in milliseconds") };
const AS_OF = { "As-Of": Type.String({ description: "When the counts were so", format: "date-time" }) };
const RETRY_AFTER = { "Retry-After": whole("When to ask again, in seconds") };
const CACHED = {
  "Cache-Control": Type.String({ description: "How long anybody may keep the answer" }),
  ETag: Type.String({ description: "Stands for all fields but `asOf`: name it in If-None-Match" }),
};

const Complete = Type.Optional(Type.Boolean({ description: "false while not every partition has spoken" }));
const Stale = Type.Optional(Type.Boolean({ description: "true while the answer is older than it should be" }));

export const ErrorAnswer = Type.Object(
  { code: Type.String(), message: Type.String() },
  { description: "What was wrong" },
);
export const TryAgainAnswer = Type.Object(ErrorAnswer.properties, {
  description: "Cannot be answered just now",
  headers: RETRY_AFTER,
});
export const ReportAnswer = Type.Object(
  {
    profileId: Type.String(),
    region: nullable("Where the player stands; null where a late report found the player removed"),
    gamemode: nullable("The mode the player stands in; null as above"),
    changed: Type.Boolean({ description: "false where nothing moved" }),
    renewInMs: whole("When to be heard from again, in milliseconds"),
  },
  { description: "Connected, counted there and nowhere else, remembered" },
);
export const ProfileAnswer = Type.Object(
  {
    profileId: Type.String(),
    region: Type.String(),
    gamemode: Type.String(),
    lastSeen: Type.String({ format: "date-time", description: "The player was heard of then or later" }),
  },
  { description: "Connected" },
);
export const BatchAnswer = Type.Object(
  {
    accepted: whole("Rows that took effect"),
    remembered: whole("Accepted rows that outlive this process"),
    rejected: Type.Array(Type.Object({ index: whole("Row, from 0"), code: Type.String(), message: Type.String() })),
  },
  { description: "What became of the rows" },
);
export const TopAnswer = Type.Object(
  {
    region: Type.String(),
    players: whole("Players in the region"),
    asOf: Type.String({ format: "date-time" }),
    complete: Complete,
    stale: Stale,
    gamemodes: Type.Array(
      Type.Object({
        mode: Type.String(),
        rank: Type.Integer({ minimum: 1 }),
        players: whole("Players in the mode"),
        share: Type.Number({ description: "Of the region's players, four decimals" }),
      }),
    ),
  },
  { description: "Most players first, equal counts by name", headers: CACHED },
);
export const RegionsAnswer = Type.Object(
  {
    players: whole("Players in all regions"),
    complete: Complete,
    stale: Stale,
    regions: Type.Array(Type.Object({ region: Type.String(), players: whole("Players in the region") })),
  },
  { description: "Regions with players, most first" },
);
export const PlayersAnswer = Type.Object(
  { players: whole("Players connected"), complete: Complete, stale: Stale },
  { description: "Connected in the whole cluster" },
);
export const ClusterAnswer = Type.Object(
  {
    cluster: Type.String(),
    epoch: whole("Number of the view"),
    members: Type.Array(
      Type.Object({
        id: Type.String(),
        incarnation: Type.String(),
        url: Type.String(),
        partitions: whole("Partitions owned"),
        regions: whole("Regions owned"),
        state: Type.String(),
      }),
    ),
  },
  { description: "The view as this node knows it" },
);
export const NodeAnswer = Type.Object(
  { id: Type.String(), incarnation: Type.String(), version: Type.String(), uptimeSeconds: Type.Number() },
  { description: "Which node answered" },
);
export const StatusAnswer = Type.Object(
  { status: Type.String(), reason: Type.Optional(Type.String()) },
  { description: "How the node is" },
);
export const NotReadyAnswer = Type.Object(
  { ...ErrorAnswer.properties, ...StatusAnswer.properties },
  { description: "The node starts, drains or was expelled", headers: RETRY_AFTER },
);
export const Renewed = Type.Null({ description: "The session is renewed; no body", headers: RENEW_IN });
export const Unchanged = Type.Null({
  description: "What you know still stands; no body",
  headers: { ...CACHED, ...AS_OF },
});
export const Nothing = Type.Null({ description: "Done; no body" });
