/** The form of a catalogue as a studio writes it: the schema, what is wrong with a value, and its one spelling. */
import { type Static, Type } from "typebox";
import Format, { IsDateTime } from "typebox/format";
import { type CatalogueData, type CatalogueMode, NOT_CONNECTED } from "../../engine/catalogue.ts";
import { isModeName, MODES_MAX } from "../../engine/modes.ts";
import { COUNTRIES, regionOf } from "../../engine/places.ts";
import { type Fault, Faults, type Path } from "./faults.ts";

const NAME_BYTES_MAX = 64;
const LEADERBOARDS_MAX = 64;
/** As JSON, which is how it lies in the store: names that are used again and again by an alias count each time. */
export const CATALOGUE_BYTES_MAX = 1_048_576;
const WORD = "1 to 64 of A-Z a-z 0-9 . _ : -";

Format.Set("listed-mode", (text) => isModeName(text) && text !== NOT_CONNECTED);
Format.Set("shown-name", (text) => text.isWellFormed() && Buffer.byteLength(text) <= NAME_BYTES_MAX);
// Date.parse knows no leap seconds, nor what newer standards allow behind an instant. In UTC its year may be none of four digits
// (9999-12-31T23:59:59-01:00), and what is stored so no node could read.
Format.Set("known-instant", (text) => {
  const isKnown = IsDateTime(text) && Number.isFinite(Date.parse(text));
  return isKnown && IsDateTime(instantOf(text));
});

const some = (most: number, what: string): { minItems: number; maxItems: number; description: string } => ({
  minItems: 1,
  maxItems: most,
  description: `a list of 1 to ${most} ${what}`,
});
const Instant = Type.String({
  format: "known-instant",
  description: "an instant such as 2026-12-01T00:00:00Z (RFC 3339)",
});
const ListedMode = Type.String({
  format: "listed-mode",
  description: `${WORD} beginning with a letter or digit, and not ${NOT_CONNECTED}`,
});

const Mode = Type.Object(
  {
    mode: ListedMode,
    name: Type.Optional(
      Type.String({
        minLength: 1,
        format: "shown-name",
        description: `text of 1 to ${NAME_BYTES_MAX} bytes in UTF-8`,
      }),
    ),
    lobby: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10_000,
        description: "a whole number from 1 to 10000: players of one match",
      }),
    ),
    requires: Type.Optional(
      Type.Array(Type.String({ pattern: "^[A-Za-z0-9._:-]{1,64}$", description: WORD }), some(16, "entitlements")),
    ),
    regions: Type.Optional(
      Type.Array(
        Type.String({ format: "iso-3166-1-alpha-2", description: "an ISO 3166-1 alpha-2 code" }),
        some(COUNTRIES, "countries"),
      ),
    ),
    from: Type.Optional(
      Type.Array(
        Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$", description: `a mode, or ${NOT_CONNECTED}` }),
        some(MODES_MAX + 1, `modes, ${NOT_CONNECTED} among them for who is not connected`),
      ),
    ),
    retired: Type.Optional(Instant),
  },
  { title: "CatalogueMode", description: "a mode: an object with mode, name, lobby, requires, regions, from, retired" },
);
const Leaderboard = Type.Object(
  {
    name: Type.String({
      pattern: "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$",
      description: `${WORD} beginning with a letter or digit`,
    }),
    period: Type.Enum(["day", "week", "month", "season"], { description: "day, week, month or season" }),
    score: Type.Enum(["sum", "best", "last"], { description: "sum, best or last" }),
    keep: Type.Optional(Type.Integer({ minimum: 0, maximum: 100, description: "a whole number from 0 to 100" })),
    site: Type.Optional(Type.String({ pattern: "^[a-z0-9-]{1,32}$", description: "1 to 32 of a-z 0-9 -" })),
    from: Type.Optional(Instant),
    to: Type.Optional(Instant),
  },
  {
    title: "CatalogueLeaderboard",
    description: "a leaderboard: an object with name, period, score, keep, site, from, to",
  },
);
export const CatalogueSchema = Type.Object(
  {
    version: Type.Integer({
      format: "int64",
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: `a whole number from 1 to ${Number.MAX_SAFE_INTEGER}`,
    }),
    unknownModes: Type.Optional(Type.Enum(["refuse", "accept"], { description: "refuse or accept" })),
    modes: Type.Array(Mode, { maxItems: MODES_MAX, description: `a list of at most ${MODES_MAX} modes` }),
    leaderboards: Type.Optional(
      Type.Array(Leaderboard, {
        maxItems: LEADERBOARDS_MAX,
        description: `a list of at most ${LEADERBOARDS_MAX} leaderboards`,
      }),
    ),
  },
  { title: "Catalogue", description: "an object with version and modes, perhaps unknownModes and leaderboards" },
);

/** As a studio writes it. */
type Written = Static<typeof CatalogueSchema>;
export type WrittenMode = Written["modes"][number];
/** In its one spelling: two that mean the same are the same. */
export interface CatalogueText extends Written {
  readonly unknownModes: "refuse" | "accept";
}

export type Checked =
  | { readonly kind: "sound"; readonly catalogue: CatalogueText }
  | { readonly kind: "faulty"; readonly faults: readonly Fault[] };

/** @param most so many faults are told */
export function checkCatalogue(value: unknown, most: number): Checked {
  const faults = new Faults(most);
  faults.look(CatalogueSchema, value, []);
  findContradictions(value, faults);
  if (faults.found.length > 0) return { kind: "faulty", faults: faults.found };
  const catalogue = spelt(value as Written);
  const bytes = Buffer.byteLength(JSON.stringify(catalogue));
  if (bytes <= CATALOGUE_BYTES_MAX) return { kind: "sound", catalogue };
  faults.add([], `at most ${CATALOGUE_BYTES_MAX} bytes long where it is written as JSON`, bytes);
  return { kind: "faulty", faults: faults.found };
}

/** What no schema of a field sees. Looks only at what has the form that it expects. */
function findContradictions(value: unknown, faults: Faults): void {
  const { modes, leaderboards, unknownModes } = fieldsOf(value);
  const listed = namesOf(modes, "mode", MODES_MAX, faults);
  if (unknownModes !== "accept") findUnlisted(modes, listed, faults);
  namesOf(leaderboards, "name", LEADERBOARDS_MAX, faults);
  for (const [at, each] of listOf(leaderboards, LEADERBOARDS_MAX).entries())
    findSeasonFault(["leaderboards", at], each, faults);
}

/** Names of a list, each of which may be there once. */
function namesOf(list: unknown, field: "mode" | "name", most: number, faults: Faults): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  const of = field === "mode" ? "modes" : "leaderboards";
  for (const [at, each] of listOf(list, most).entries()) {
    const name = fieldsOf(each)[field];
    if (typeof name !== "string") continue;
    const before = first.get(name);
    if (before === undefined) first.set(name, at);
    else faults.add([of, at, field], `named once, and ${of}[${before}] has that name`, name);
  }
  return first;
}

function findUnlisted(modes: unknown, listed: ReadonlyMap<string, number>, faults: Faults): void {
  for (const [at, each] of listOf(modes, MODES_MAX).entries())
    for (const [index, name] of listOf(fieldsOf(each)["from"], MODES_MAX + 1).entries()) {
      if (typeof name !== "string" || name === NOT_CONNECTED || listed.has(name) || !isModeName(name)) continue;
      const form = `a mode that is listed, or ${NOT_CONNECTED}, where unknownModes is refuse`;
      faults.add(["modes", at, "from", index], form, name);
    }
}

function findSeasonFault(path: Path, leaderboard: unknown, faults: Faults): void {
  const { period, from, to } = fieldsOf(leaderboard);
  const isSeason = period === "season";
  for (const [field, instant] of Object.entries({ from, to }))
    if (isSeason === (instant === undefined) && typeof period === "string")
      faults.add(
        [...path, field],
        isSeason ? "given where period is season" : "left out where period is not season",
        instant,
      );
  if (isSeason && typeof from === "string" && typeof to === "string" && Date.parse(from) >= Date.parse(to))
    faults.add([...path, "to"], "later than from", to);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** Longer ones have been refused. */
function listOf(value: unknown, most: number): readonly unknown[] {
  return Array.isArray(value) && value.length <= most ? value : [];
}

/** The order of modes is told to players, so it means something; that of other lists does not. */
function spelt({ version, unknownModes = "refuse", modes, leaderboards = [] }: Written): CatalogueText {
  const spelling = { version, unknownModes, modes: modes.map(speltMode) };
  return leaderboards.length === 0 ? spelling : { ...spelling, leaderboards: leaderboards.map(speltLeaderboard) };
}

function speltMode({ mode, name, lobby, requires, regions, from, retired }: WrittenMode): WrittenMode {
  return {
    mode,
    ...(name === undefined ? {} : { name }),
    ...(lobby === undefined ? {} : { lobby }),
    ...(requires === undefined ? {} : { requires: requires.toSorted() }),
    ...(regions === undefined ? {} : { regions: regions.map((code) => code.toUpperCase()).toSorted() }),
    ...(from === undefined ? {} : { from: from.toSorted() }),
    ...(retired === undefined ? {} : { retired: instantOf(retired) }),
  };
}

type WrittenLeaderboard = NonNullable<Written["leaderboards"]>[number];
function speltLeaderboard({ name, period, score, keep, site, from, to }: WrittenLeaderboard): WrittenLeaderboard {
  return {
    name,
    period,
    score,
    ...(keep === undefined ? {} : { keep }),
    ...(site === undefined ? {} : { site }),
    ...(from === undefined ? {} : { from: instantOf(from) }),
    ...(to === undefined ? {} : { to: instantOf(to) }),
  };
}

function instantOf(text: string): string {
  return new Date(text).toISOString();
}

/** As the engine takes it. */
export function dataOf({ version, unknownModes, modes }: CatalogueText): CatalogueData {
  return { version, refusesUnknown: unknownModes === "refuse", modes: modes.map(modeOf) };
}

function modeOf({ regions, retired, ...rest }: WrittenMode): CatalogueMode {
  return {
    ...rest,
    ...(regions === undefined ? {} : { regions: regions.map(regionOf) }),
    ...(retired === undefined ? {} : { retiredMs: Date.parse(retired) }),
  };
}
