/** What the admin listener takes and answers, as schemas. */
import { Type } from "typebox";
import { BLOCK_FORM } from "../controls/block.ts";
import { SWITCHES } from "../controls/decisions.ts";
import { refusedFor, RETRY_AFTER, WWW_AUTHENTICATE } from "../http/answers.ts";
import { CatalogueSchema } from "../rules/catalogue-form.ts";
import { RELATIONS } from "../rules/followed-rules.ts";
import { HOURS_MAX } from "../usage/usage.ts";
import { GameMode } from "../values.ts";

const REASON_FORM = "1 to 200 characters, none of them a control character";
const Reason = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: String.raw`^[^\u0000-\u001f\u007f-\u009f]*$`,
  description: REASON_FORM,
  examples: ["a match server loops"],
});
const Instant = Type.String({
  format: "date-time",
  description: "an instant (RFC 3339)",
  examples: ["2026-12-01T00:00:00Z"],
});
const SwitchName = Type.Union(
  SWITCHES.map((name) => Type.Literal(name)),
  { description: `one of ${SWITCHES.join(", ")}` },
);

export const SwitchParams = Type.Object({ switch: SwitchName });
export const QuarantineParams = Type.Object({ mode: GameMode });
export const BlockParams = Type.Object({
  block: Type.String({ description: BLOCK_FORM, examples: ["203.0.113.0/24"] }),
});
export const PrefixParams = Type.Object({
  address: Type.String({ description: "the first address of a prefix", examples: ["203.0.113.0"] }),
  bits: Type.String({ description: "the length of the prefix in bits", examples: ["24"] }),
});
export const UsageQuery = Type.Object({
  hours: Type.Optional(
    Type.Integer({ minimum: 1, maximum: HOURS_MAX, default: 24, description: `a whole number from 1 to ${HOURS_MAX}` }),
  ),
});
export const SwitchBody = Type.Object(
  {
    enabled: Type.Boolean({ description: "true or false" }),
    reason: Type.Optional(Reason),
    until: Type.Optional(Instant),
  },
  {
    title: "SwitchRequest",
    description: "a JSON object",
    examples: [{ enabled: false, reason: "a match server loops" }],
  },
);
export const NoteBody = Type.Union([Type.Object({ reason: Type.Optional(Reason) }), Type.Null()], {
  description: "a JSON object, or nothing",
});

const SwitchState = {
  enabled: Type.Boolean({ description: "Whether such calls are answered" }),
  reason: Type.Optional(Type.String({ description: "Told to whoever asks" })),
  since: Type.Optional(Instant),
  until: Type.Optional(Instant),
};
const Noted = { reason: Type.Optional(Type.String()), since: Instant };
const Quarantined = Type.Object({ mode: Type.String(), ...Noted }, { title: "ModeInQuarantine" });
const Kind = Type.Enum(["prefix", "issuer"], { description: "What the block was read as" });
const Blocked = Type.Object({ block: Type.String(), kind: Kind, ...Noted }, { title: "Block" });
const counts = (description: string) => Type.Record(Type.String(), Type.Integer({ minimum: 0 }), { description });
const Source = Type.Object(
  {
    source: Type.String({ description: "A prefix or an issuer; unknown where it is not known" }),
    arrivals: Type.Integer({ minimum: 0 }),
    share: Type.Number({ description: "Of the mode's arrivals, four decimals" }),
  },
  { title: "ArrivalsFrom" },
);

export const SwitchesAnswer = Type.Object(
  { switches: Type.Object(Object.fromEntries(SWITCHES.map((name) => [name, Type.Object(SwitchState)]))) },
  { title: "Switches", description: "Which calls are answered, in the whole cluster" },
);
export const SwitchAnswer = Type.Object(
  { switch: SwitchName, ...SwitchState },
  { title: "Switch", description: "As it stands now, in the whole cluster" },
);
export const QuarantineAnswer = Type.Object(
  { quarantine: Type.Array(Quarantined) },
  { title: "Quarantine", description: "Modes that are on no board" },
);
export const QuarantinedAnswer = Type.Object(Quarantined.properties, {
  title: "ModeInQuarantine",
  description: "It is on no board now",
});
export const BlocksAnswer = Type.Object(
  { blocks: Type.Array(Blocked) },
  { title: "Blocks", description: "Prefixes of addresses, and issuers, whose reports are refused" },
);
export const BlockedAnswer = Type.Object(Blocked.properties, {
  title: "Block",
  description: "Its reports are refused now",
});
export const CatalogueAnswer = Type.Object(
  {
    node: Type.String({ description: "Which node answered: another one has a file of its own" }),
    version: Type.Integer({ minimum: 0, description: "Of the catalogue in force; 0 where there is none" }),
    store: Type.String({ description: "Where it lies, for all nodes" }),
    storedBy: Type.Optional(Type.String({ description: "The node whose file it was" })),
    storedAt: Type.Optional(Instant),
    catalogue: Type.Optional(CatalogueSchema),
    file: Type.Optional(
      Type.Object(
        {
          path: Type.String(),
          state: Type.Enum(RELATIONS, { description: "Beside what is in force" }),
          version: Type.Optional(
            Type.Integer({ minimum: 1, description: "What it says; not there where it is refused" }),
          ),
          faults: Type.Optional(Type.Array(Type.String(), { description: "With line and column" })),
        },
        { title: "CatalogueFile", description: "This node's file, where HEADCOUNT_CATALOGUE names one" },
      ),
    ),
    reason: Type.Optional(Type.String({ description: "Why the node is degraded" })),
  },
  { title: "CatalogueInForce", description: "The catalogue in force, and this node's file" },
);
export const UsageAnswer = Type.Object(
  {
    node: Type.String({ description: "Of which node: another one has figures of its own" }),
    hours: Type.Array(
      Type.Object(
        {
          from: Instant,
          calls: counts("Calls answered, by route"),
          answers: counts("The same by status"),
          rows: Type.Integer({ minimum: 0, description: "Reports that took effect, those in batches too" }),
          streams: Type.Integer({ minimum: 0, description: "Streams of popular modes that were opened" }),
          sessions: Type.Integer({ minimum: 0, description: "Sessions that were opened" }),
        },
        { title: "HourUsage" },
      ),
      { description: "The newest first; nothing of before the node's start" },
    ),
    arrivals: Type.Array(
      Type.Object(
        {
          mode: Type.String(),
          arrivals: Type.Integer({ minimum: 0, description: "Players who came to it within ten minutes" }),
          prefixes: Type.Array(Source, { description: "A /24, of IPv6 a /48, the largest first" }),
          issuers: Type.Array(Source, { description: "Of tokens, the largest first" }),
        },
        { title: "ModeArrivals" },
      ),
      { description: "The modes to which most came" },
    ),
  },
  { title: "Usage", description: "What was asked of this node" },
);
export const NotStoredAnswer = refusedFor("Cannot be stored just now", ["no-owner", "overloaded"], RETRY_AFTER);
export const PageAnswer = Type.String({ description: "A page that says what there is" });
/** What every call of the admin listener may answer. */
export const REFUSED_OPERATORS = {
  401: refusedFor("No good token", ["credentials"], WWW_AUTHENTICATE),
  403: refusedFor("Asked by another name or from another origin, or the token has not the scope", ["forbidden"]),
};
