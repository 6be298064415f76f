/** One deliberate breach or more for each rule of the design, by what is broken. R16 is about Redis itself: see test/contract. */
import { COUNT_FAULTS } from "./planted-faults/counts.ts";
import { MEMBER_FAULTS } from "./planted-faults/members.ts";
import { MODE_FAULTS } from "./planted-faults/modes.ts";
import { MOVING_FAULTS } from "./planted-faults/moving.ts";
import { PLACE_FAULTS } from "./planted-faults/places.ts";
import type { PlantedFault } from "./planted-faults/planted-fault.ts";
import { RECORD_FAULTS } from "./planted-faults/records.ts";
import { RULE_FAULTS } from "./planted-faults/rules.ts";
import { SESSION_FAULTS } from "./planted-faults/sessions.ts";

export const PLANTED_FAULTS: Readonly<Record<string, PlantedFault>> = {
  ...RECORD_FAULTS,
  ...MEMBER_FAULTS,
  ...MOVING_FAULTS,
  ...COUNT_FAULTS,
  ...PLACE_FAULTS,
  ...MODE_FAULTS,
  ...RULE_FAULTS,
  ...SESSION_FAULTS,
};

/** @throws {RangeError} where no fault has this name */
export function faultNamed(name: string): PlantedFault {
  const fault = PLANTED_FAULTS[name];
  if (fault === undefined) throw new RangeError(`Cannot plant a fault: none is named "${name}"`);
  return fault;
}
