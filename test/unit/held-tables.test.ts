import { expect, test } from "vitest";
import { namedTables, namingText } from "../../cluster/records/held-tables.ts";

const [RUN, LATER] = ["run-1 - -", "run-2 - -"];

test("R15: namingText() puts tags under the same run into one line, and marks tables that are ahead and lines that are whole", () => {
  const text = namingText([
    { run: RUN, tag: 0, namesAll: false, tables: [[4, { term: 12, isAhead: false }]] },
    { run: LATER, tag: 1, namesAll: true, tables: [[5, { term: 3, isAhead: false }]] },
    { run: RUN, tag: 2, namesAll: false, tables: [[6, { term: 7, isAhead: true }]] },
    { run: RUN, tag: 3, namesAll: true, tables: [] },
  ]);
  expect(JSON.parse(text)).toEqual([
    [RUN, [0, 2], "4:12,6:7+"],
    [LATER, [1], "*,5:3"],
    [RUN, [3], "*"],
  ]);
  const named = namedTables(text, 4);
  expect([0, 1, 2, 3].map((tag) => named.get(tag)?.namesAll)).toEqual([false, true, false, true]);
});
test("R15: namedTables() reads partitions and terms of every length", () => {
  const tables = namedTables(JSON.stringify([[RUN, [0], "1024:123456789012345+,8:1"]]), 4).get(0)?.tables;
  expect([...(tables ?? [])]).toEqual([
    [1024, { term: 123_456_789_012_345, isAhead: true }],
    [8, { term: 1, isAhead: false }],
  ]);
});
test("R15: namedTables() leaves out a table whose tag is not named", () => {
  const named = namedTables(JSON.stringify([[RUN, [1], "4:2,5:3"]]), 4);
  expect([...named]).toEqual([[1, { run: RUN, namesAll: false, tables: new Map([[5, { term: 3, isAhead: false }]]) }]]);
});
test.each([
  ["is no list", { 0: LATER, 1: [1], 2: "", length: 3 }],
  ["has a part too many", [LATER, [1], "", ""]],
  ["has a part too few", [LATER, [1]]],
  ["has no text for a run", [5, [1], ""]],
  ["has no text for its tables", [LATER, [1], 5]],
  ["has no list of tags", [LATER, 1, ""]],
  ["has a tag that is no number", [LATER, [1, "a"], ""]],
])("R15: namedTables() passes over a line that %s, and reads the others", (_, line) => {
  const named = namedTables(JSON.stringify([line, [RUN, [0], "4:2"]]), 4);
  expect([...named.keys()]).toEqual([0]);
});
