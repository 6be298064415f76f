import { expect, test } from "vitest";

import { readSettings } from "../../node/settings.ts";
import { TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";

const NAME = "HEADCOUNT_MIN_PLAYERS";

test("HEADCOUNT_MIN_PLAYERS: no floor without it, else 0 or 2 to 1,000", () => {
  expect(readSettings({}).floor).toBe(0);
  expect(readSettings({ [NAME]: "0" }).floor).toBe(0);
  for (const floor of [2, 10, 1000])
    expect(readSettings({ ...TOKEN_SETTINGS_GIVEN, [NAME]: String(floor) }).floor).toBe(floor);
});
test.each(["1", "1001", "-2", "2.5", "ten", ""])("HEADCOUNT_MIN_PLAYERS: %j stops the start in one line", (value) => {
  expect(() => readSettings({ ...TOKEN_SETTINGS_GIVEN, [NAME]: value })).toThrow(
    `${NAME} must be 0 (off) or a whole number from 2 to 1000, got "${value}"`,
  );
});
test("HEADCOUNT_MIN_PLAYERS: where anybody may look up anybody it stops the start, and says so", () => {
  expect(() => readSettings({ [NAME]: "10" })).toThrow(
    `${NAME} must be 0 without HEADCOUNT_AUTH=jwt, got "10": whoever may look up any player needs no counts`,
  );
});
