import { expect, test } from "vitest";

import {
  decideTable,
  exactFrom,
  followed,
  PUBLISHED_MODES_MAX,
  type PublishedTable,
} from "../../engine/published-table.ts";

const ABOUT = { floor: 10, minute: 7, isComplete: true };

function tableOf(counts: Readonly<Record<string, number>>): PublishedTable {
  return decideTable(Object.entries(counts), ABOUT);
}
function shown({ modes }: PublishedTable): Record<string, number> {
  return Object.fromEntries(modes.map(({ mode, players }) => [mode, players]));
}

test("decideTable() rounds each mode to the nearest multiple of the floor, halves up", () => {
  const table = tableOf({ GM01: 10, GM02: 14, GM03: 15, GM04: 24, GM05: 994 });
  expect(shown(table)).toEqual({ GM01: 10, GM02: 10, GM03: 20, GM04: 20, GM05: 990 });
  expect(table).toMatchObject({ ...ABOUT, players: 1050, others: 0 });
});
test("decideTable() shows a mode with 100 floors or more exactly, and no other", () => {
  const { modes } = tableOf({ GM01: 1000, GM02: 999, GM03: 1234 });
  expect(modes).toEqual([
    { mode: "GM03", players: 1234, isExact: true },
    { mode: "GM01", players: 1000, isExact: true },
    { mode: "GM02", players: 1000, isExact: false },
  ]);
  expect(exactFrom(10)).toBe(1000);
});
test("decideTable() shows all others together, rounded, where they are as many as the floor", () => {
  expect(tableOf({ GM01: 30, GM02: 9, GM03: 7 })).toMatchObject({ others: 20, players: 50 });
  expect(tableOf({ GM01: 30, GM02: 5, GM03: 5 })).toMatchObject({ others: 10, players: 40 });
  expect(tableOf({ GM01: 30, GM02: 5, GM03: 4 })).toMatchObject({ others: 0, players: 30 });
  expect(tableOf({})).toMatchObject({ others: 0, players: 0, modes: [] });
});
test("decideTable() ranks by what it shows, equal numbers by name", () => {
  expect(tableOf({ GM02: 24, GM03: 16, GM01: 17 }).modes.map(({ mode }) => mode)).toEqual(["GM01", "GM02", "GM03"]);
});
test("decideTable() holds the best 132 as it shows them, whatever they have exactly: the rest are others", () => {
  const names = Array.from({ length: PUBLISHED_MODES_MAX + 1 }, (_, index) => `m${String(index).padStart(3, "0")}`);
  const last = names.at(-1) as string;
  const counts = Object.fromEntries(names.map((mode) => [mode, mode === last ? 14 : 10]));
  const table = tableOf(counts);
  expect(table.modes.map(({ mode }) => mode)).toEqual(names.slice(0, -1));
  expect(table.others).toBe(10);
});
test("followed() takes exact numbers as they are, never below 100 floors, and leaves the rest", () => {
  const table = tableOf({ GM01: 1500, GM02: 1200, GM03: 55, GM04: 12 });
  const now = (counts: Record<string, number>) => (mode: string) => counts[mode] ?? 0;
  const later = followed(table, now({ GM01: 1100, GM02: 1201, GM03: 999, GM04: 0 }));
  expect(shown(later)).toEqual({ GM02: 1201, GM01: 1100, GM03: 60, GM04: 10 });
  expect(later.modes.map(({ mode }) => mode)).toEqual(["GM02", "GM01", "GM03", "GM04"]);
  expect(later.players).toBe(2371);
  expect(shown(followed(later, now({ GM01: 3 })))).toMatchObject({ GM01: 1000, GM02: 1000 });
});
test("followed() gives the table itself back where no exact number changed", () => {
  const table = tableOf({ GM01: 1500, GM03: 55 });
  expect(followed(table, (mode) => (mode === "GM01" ? 1500 : 77))).toBe(table);
});
