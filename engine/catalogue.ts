/**
 * The studio's modes and what each asks of a report: data, and the decision as a pure function. It is made once, by the player's
 * owner, in the step that would set where the player is: so one version judges a request, and no other request comes in between.
 */

import { countryOf } from "./places.ts";

/** In `from`: who is not connected. No mode of a catalogue has this name. */
export const NOT_CONNECTED = "none";

/** A mode of a catalogue; what is left out asks nothing. */
export interface CatalogueMode {
  readonly mode: string;
  /** For people. Any text of 1 to 64 bytes. */
  readonly name?: string;
  /** Players of one match. */
  readonly lobby?: number;
  /** Entitlements, all of which a player must have. */
  readonly requires?: readonly string[];
  /** Region numbers of the countries in which it is offered, in their subdivisions too. */
  readonly regions?: readonly number[];
  /** Modes, and NOT_CONNECTED, from which a player may come into it. */
  readonly from?: readonly string[];
  /** From then on nobody comes into it, in milliseconds since 1970. */
  readonly retiredMs?: number;
}

export interface CatalogueData {
  /** 1 or more; 0 only of NO_CATALOGUE. */
  readonly version: number;
  /** Whether a mode that is not listed is refused. */
  readonly refusesUnknown: boolean;
  /** In their order in the file. */
  readonly modes: readonly CatalogueMode[];
}

/** Why a report is refused. */
export const VERDICTS = ["unknown mode", "not entitled", "not offered", "retired", "switch forbidden"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Whether what is refused for this reason is refused by the rules. */
export function isVerdict(reason: string): reason is Verdict {
  return (VERDICTS as readonly string[]).includes(reason);
}

/** Whether what is refused for this reason may be allowed to a player who stands elsewhere. */
export function dependsOnStanding(reason: string): boolean {
  return reason === "retired" || reason === "switch forbidden";
}

/** What a report asks for. */
export interface Asked {
  readonly mode: string;
  /** Its number. */
  readonly region: number;
  readonly entitlements: readonly string[];
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** Where a connected player stands. */
export interface Standing {
  readonly mode: string;
  readonly region: number;
}

export class Catalogue {
  readonly data: CatalogueData;
  private readonly modes: ReadonlyMap<string, CatalogueMode>;
  /** By name, for the modes that are listed: whether it asks nothing. It is looked up for every report. */
  private readonly areFree: ReadonlyMap<string, boolean>;

  constructor(data: CatalogueData) {
    this.data = data;
    this.modes = new Map(data.modes.map((mode) => [mode.mode, mode]));
    this.areFree = new Map(data.modes.map((mode) => [mode.mode, asksNothing(mode)]));
  }

  get version(): number {
    return this.data.version;
  }

  /** Whether it refuses the name, whoever asks. */
  isUnknown(mode: string): boolean {
    return this.data.refusesUnknown && !this.modes.has(mode);
  }

  /** Whether a mode asks nothing of anybody: then there is nothing to judge. */
  isFree(mode: string): boolean {
    return this.areFree.get(mode) ?? !this.data.refusesUnknown;
  }

  /** What the catalogue says of a mode; `undefined` where it does not list it. */
  rulesOf(mode: string): CatalogueMode | undefined {
    return this.modes.get(mode);
  }

  /**
   * Why a report is refused; `undefined`: it is not.
   * @param standingOf asked only where it matters; `undefined` where the player is not connected
   */
  judge(asked: Asked, standingOf: () => Standing | undefined): Verdict | undefined {
    const rules = this.modes.get(asked.mode);
    if (rules === undefined) return this.data.refusesUnknown ? "unknown mode" : undefined;
    const { requires, regions, from, retiredMs } = rules;
    if (requires?.some((each) => !asked.entitlements.includes(each))) return "not entitled";
    if (regions?.includes(countryOf(asked.region)) === false) return "not offered";
    const isRetired = retiredMs !== undefined && asked.nowMs >= retiredMs;
    if (!isRetired && from === undefined) return undefined;
    const standing = standingOf();
    if (isRetired && (standing?.mode !== asked.mode || standing.region !== asked.region)) return "retired";
    const isSwitch = standing?.mode !== asked.mode;
    if (isSwitch && from?.includes(standing?.mode ?? NOT_CONNECTED) === false) return "switch forbidden";
    return undefined;
  }
}

function asksNothing({ requires, regions, from, retiredMs }: CatalogueMode): boolean {
  return (requires ?? regions ?? from ?? retiredMs) === undefined;
}

/** Where the studio has none: any mode is anybody's. */
export const NO_CATALOGUE = new Catalogue({ version: 0, refusesUnknown: false, modes: [] });
