import { expect, test } from "vitest";
import { faultNamed, PLANTED_FAULTS } from "../../simulator/planted-faults.ts";

test("faultNamed() gives each fault by its name, and refuses a name that none has", () => {
  for (const [name, fault] of Object.entries(PLANTED_FAULTS)) expect(faultNamed(name)).toBe(fault);
  expect(() => faultNamed("no such fault")).toThrow('none is named "no such fault"');
});
