/** The last line of a node's log. */
import { expect, test } from "vitest";

import { farewellOf } from "../../node/run.ts";
import type { Service } from "../../node/service.ts";
import { readSettings } from "../../node/settings.ts";

const serving = {} as NonNullable<Service["entry"]>;

test.each([
  ["log", serving, /^stored everything/],
  ["snapshot", serving, /^stored everything/],
  ["none", serving, /^stopped: .*HEADCOUNT_DURABILITY=none/],
  ["log", undefined, /^stopped before/],
])("farewellOf() with durability %s says what was stored", (durability, entry, words) => {
  const settings = readSettings({ HEADCOUNT_DURABILITY: durability });
  expect(farewellOf({ entry, settings })).toMatch(words);
});
