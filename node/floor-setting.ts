/** The setting of the privacy floor. */
import { FLOOR_MAX, FLOOR_MIN } from "../engine/published-table.ts";
import type { Environment } from "./environment.ts";
import { read, type Setting, shown, whole } from "./setting.ts";
import { SettingError } from "./setting-error.ts";

const NUMBER = whole("HEADCOUNT_MIN_PLAYERS", "0", 0, FLOOR_MAX, "");

export const FLOOR_SETTING: Setting<number> = {
  ...NUMBER,
  form: `0 (off) or a whole number from ${FLOOR_MIN} to ${FLOOR_MAX}`,
  parse: (value) => {
    const floor = NUMBER.parse(value);
    return floor === undefined || (floor > 0 && floor < FLOOR_MIN) ? undefined : floor;
  },
  about:
    "the privacy floor: no number that is published tells of fewer players (docs/privacy.md); needs HEADCOUNT_AUTH=jwt",
};

/** @throws {SettingError} also where anybody may look up anybody: the counts would hide nothing */
export function readFloor(environment: Environment, areTokensAsked: boolean): number {
  const floor = read(FLOOR_SETTING, environment);
  if (floor === 0 || areTokensAsked) return floor;
  const why = "whoever may look up any player needs no counts";
  throw new SettingError(
    `${FLOOR_SETTING.name} must be 0 without HEADCOUNT_AUTH=jwt, got ${shown(String(floor))}: ${why}`,
  );
}
