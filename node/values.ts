/**
 * The values clients send, as schemas: one definition that validates, words the refusal, and becomes OpenAPI.
 * A field's `description` completes the sentence "<field> must be …".
 */
import { type Static, type TSchema, Type } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import Format from "typebox/format";
import { ENTITLEMENT, ENTITLEMENTS_MAX } from "../engine/entitlement.ts";
import { MODE_NAME } from "../engine/modes.ts";
import { emptyProfileId, parseProfileId } from "../engine/profile-id.ts";
import { isSubdivision, placeOf, regionOf } from "../engine/places.ts";

/** The profile id that was checked last: checking reads it, so who asks at once need not read it again. */
export const checkedId = emptyProfileId();
Format.Set("profile-id", (text) => parseProfileId(text, checkedId));
Format.Set("iso-3166-1-alpha-2", (text) => text.length === 2 && regionOf(text) >= 0);
Format.Set("region", (text) => regionOf(text) >= 0);
Format.Set("place", (text) => placeOf(text) >= 0);
Format.Set("country-or-area", (text) => placeOf(text) >= 0 && !isSubdivision(placeOf(text)));

const PROFILE_SHOWN = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";
const OTHER_SHOWN = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e22";
/** Without `seq`: the same report with the same `seq` does nothing, and who tries an example may try it again. */
const PLACE_SHOWN = { region: "CA", gamemode: "GM01" };

export const PROFILE_ID_FORM = "a UUID (8-4-4-4-12 hex digits, neither nil nor max)";
const ProfileId = Type.String({
  format: "profile-id",
  minLength: 36,
  maxLength: 36,
  description: PROFILE_ID_FORM,
  examples: [PROFILE_SHOWN],
});
const Region = Type.String({
  format: "region",
  pattern: "^[A-Za-z]{2}(-[A-Za-z0-9]{1,3})?$",
  description: "an ISO 3166-1 alpha-2 code, or an ISO 3166-2 code such as US-CA",
  examples: ["CA"],
});
const PLACE = "^([A-Za-z]{2}(-[A-Za-z0-9]{1,3})?|[0-9]{3})$";
const Place = Type.String({
  format: "place",
  pattern: PLACE,
  description: "an ISO 3166-1 alpha-2 code, an ISO 3166-2 code such as US-CA, or a UN M49 area such as 150",
  examples: ["CA"],
});
const CountryOrArea = Type.String({
  format: "country-or-area",
  pattern: PLACE,
  description: "an ISO 3166-1 alpha-2 code, or a UN M49 area such as 150",
  examples: ["150"],
});
export const GameMode = Type.String({
  pattern: MODE_NAME.source,
  description: "1 to 64 of A-Z a-z 0-9 . _ : - beginning with a letter or digit",
  examples: ["GM01"],
});
const Seq = Type.Integer({
  format: "int64", // in many languages a client's integer would else be too short
  minimum: 0,
  maximum: 4_294_967_295,
  description: "a whole number from 0 to 4294967295",
});
const Entitlements = Type.Array(Type.String({ pattern: ENTITLEMENT.source }), {
  maxItems: ENTITLEMENTS_MAX,
  description: `an array of up to ${ENTITLEMENTS_MAX} entitlements, each 1 to 64 of A-Z a-z 0-9 . _ : -`,
  examples: [["season-pass"]],
});
const Top = Type.Integer({
  minimum: 1,
  maximum: 100,
  default: 5,
  description: "a whole number from 1 to 100",
  examples: [5],
});
const Every = Type.Integer({
  minimum: 250,
  maximum: 60_000,
  default: 2000,
  description: "a whole number from 250 to 60000",
  examples: [2000],
});

export const ProfileParams = Type.Object({ profileId: ProfileId });
export const PlaceParams = Type.Object({ region: Place });
export const RegionsQuery = Type.Object({ of: Type.Optional(CountryOrArea) });
export const TopQuery = Type.Object({ top: Type.Optional(Top) });
/** `every` in milliseconds. */
export const StreamsQuery = Type.Object({ top: Type.Optional(Top), every: Type.Optional(Every) });
/** The same once it is read. */
export type StreamQuery = Required<Static<typeof StreamsQuery>>;
export const ModesQuery = Type.Object({ region: Type.Optional(Region) });
const Known = Type.String({
  maxLength: 128,
  description: "a tag as it was answered, at most 128 characters",
  examples: ['W/"0Xpx68KC8k4tdRH3Qj67oXFzlWg"'],
});
/** Without a default: whoever names no `top` asks for no more than the call itself. */
const TopBeside = Type.Integer({
  minimum: 1,
  maximum: 100,
  description: "a whole number from 1 to 100",
  examples: [5],
});
export const ReportQuery = Type.Object({ top: Type.Optional(TopBeside) });
export const HeartbeatQuery = Type.Object({ top: Type.Optional(TopBeside), known: Type.Optional(Known) });
export const RemovalQuery = Type.Object({ seq: Type.Optional(Seq) });
export const ReportBody = Type.Object(
  { region: Region, gamemode: GameMode, seq: Type.Optional(Seq) },
  { title: "ReportRequest", description: "a JSON object", examples: [PLACE_SHOWN] },
);
export type ReportBody = Static<typeof ReportBody>;
export const ReportRow = Type.Object(
  {
    profileId: ProfileId,
    region: Region,
    gamemode: GameMode,
    seq: Type.Optional(Seq),
    entitlements: Type.Optional(Entitlements),
  },
  { title: "ReportRow", description: "a JSON object" },
);
export type ReportRow = Static<typeof ReportRow>;
export const LeaveRow = Type.Object(
  {
    profileId: ProfileId,
    leave: Type.Literal(true, { description: "true where the player leaves, else false or left out" }),
    seq: Type.Optional(Seq),
  },
  { title: "LeaveRow", description: "a JSON object" },
);
export type LeaveRow = Static<typeof LeaveRow>;

export const BATCH_ROWS_MAX = 10_000;
/** The rows are checked one by one, so that bad ones are refused and the good ones stand. */
export const BatchBody = Type.Object(
  {
    reports: Type.Array(Type.Unknown(), {
      minItems: 1,
      maxItems: BATCH_ROWS_MAX,
      description: `an array of 1 to ${BATCH_ROWS_MAX} reports`,
    }),
  },
  { description: "a JSON object" },
);
/** The same for readers: what the rows are. */
export const BatchBodyShown = Type.Object(
  {
    reports: Type.Array(Type.Union([ReportRow, LeaveRow]), {
      minItems: 1,
      maxItems: BATCH_ROWS_MAX,
      description: `an array of 1 to ${BATCH_ROWS_MAX} reports`,
    }),
  },
  {
    title: "BatchRequest",
    description: "a JSON object",
    examples: [
      {
        reports: [
          { profileId: PROFILE_SHOWN, ...PLACE_SHOWN },
          { profileId: OTHER_SHOWN, leave: true },
        ],
      },
    ],
  },
);

const LOOKUPS_MAX = 500;
const lookupsOf = <Item extends TSchema>(item: Item) =>
  Type.Array(item, { minItems: 1, maxItems: LOOKUPS_MAX, description: `an array of 1 to ${LOOKUPS_MAX} profile ids` });
/** The ids are checked one by one, so that a bad one is named. */
export const LookupBody = Type.Object({ profileIds: lookupsOf(Type.Unknown()) }, { description: "a JSON object" });
/** The same for readers. */
export const LookupBodyShown = Type.Object(
  { profileIds: lookupsOf(ProfileId) },
  { title: "LookupRequest", description: "a JSON object", examples: [{ profileIds: [PROFILE_SHOWN] }] },
);

const SHOWN_MAX = 64;

interface Field {
  readonly name: string;
  readonly expectation: string;
  readonly isOptional: boolean;
  readonly validator: Validator;
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, TSchema & { readonly description: string }>>;
  readonly required?: readonly string[];
  readonly description?: string;
}

/** A checker that also words the first thing wrong with a value. */
export class Check<Schema extends TSchema> {
  private readonly validator: Validator<{}, Schema>;
  private readonly subject: string;
  private readonly expectation: string;
  private readonly fields: readonly Field[];

  /** @param subject what the value as a whole is called: "body" */
  constructor(schema: Schema, subject: string) {
    const { properties = {}, required = [], description = "a JSON object" } = schema as ObjectSchema;
    this.validator = Compile(schema);
    this.subject = subject;
    this.expectation = description;
    this.fields = Object.entries(properties).map(([name, property]) => ({
      name,
      expectation: property.description,
      isOptional: !required.includes(name),
      validator: Compile(property),
    }));
  }

  accepts(value: unknown): value is Static<Schema> {
    return this.validator.Check(value);
  }

  /**
   * "region must be an ISO 3166-1 alpha-2 code, or an ISO 3166-2 code such as US-CA, got "XX"", of a value that is not accepted.
   * @param came the value as it came, where it was converted since
   */
  explain(value: unknown, came: unknown = value): string {
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      for (const { name, expectation, isOptional, validator } of this.fields) {
        const field = ownValue(value, name);
        if (!(isOptional && field === undefined) && !validator.Check(field))
          return refusal(name, expectation, ownValue(came, name));
      }
    return refusal(this.subject, this.expectation, came);
  }
}

function ownValue(value: unknown, field: string): unknown {
  return Object.hasOwn(value as object, field) ? (value as Record<string, unknown>)[field] : undefined;
}

export function refusal(field: string, expectation: string, value: unknown): string {
  return `${field} must be ${expectation}, got ${shown(value)}`;
}

/** A value as it may stand in a message: cut to 64 characters, control characters escaped. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string")
    return JSON.stringify(value.slice(0, SHOWN_MAX)).replace(/[\u007f-\u009f\u2028\u2029]/g, escaped);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : JSON.stringify(value);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
