import { expect, test } from "vitest";

import { invariant, InvariantError } from "../../engine/invariant.ts";

test("invariant() says nothing while the rule holds", () => {
  expect(() => invariant(true, "water is wet")).not.toThrow();
});
test("invariant() throws an InvariantError that names the broken rule", () => {
  expect(() => invariant(false, "water is dry")).toThrow(new InvariantError("Broken invariant: water is dry"));
  expect(new InvariantError("").name).toBe("InvariantError");
});
