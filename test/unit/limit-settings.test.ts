import { expect, test } from "vitest";
import { openFilesMax } from "../../node/open-files.ts";
import { readSettings } from "../../node/settings.ts";

const ADDRESS = "HEADCOUNT_CONNECTIONS_ADDRESS";

test("connections: four fifths of the files that are left, and a quarter of that for one address", () => {
  const { connections, connectionsOfAddress } = readSettings({}).limits;
  expect(connections).toBe(Math.floor(Math.min(100_000, 0.8 * (openFilesMax() - 256))));
  expect(connectionsOfAddress).toBe(Math.floor(connections / 4));
});
test("connections: numbers of one's own", () => {
  const read = (all: string, one: string) => readSettings({ HEADCOUNT_CONNECTIONS: all, [ADDRESS]: one }).limits;
  expect(read("700", "auto")).toMatchObject({ connections: 700, connectionsOfAddress: 175 });
  expect(read("1", "auto")).toMatchObject({ connections: 1, connectionsOfAddress: 1 });
  expect(read("auto", "20").connectionsOfAddress).toBe(20);
  expect(read("700", "0").connectionsOfAddress).toBe(Infinity);
});
test.each(["0", "-1", "1.5", "many", "07", ""])("HEADCOUNT_CONNECTIONS=%s is refused", (value) => {
  expect(() => readSettings({ HEADCOUNT_CONNECTIONS: value })).toThrow(/^HEADCOUNT_CONNECTIONS must be auto/);
});
test("HEADCOUNT_CONNECTIONS above what the process may open is refused, and says why", () => {
  const told = /^HEADCOUNT_CONNECTIONS must be at most \d+ here, got "99999999": the process may open \d+ files/;
  expect(() => readSettings({ HEADCOUNT_CONNECTIONS: "99999999" })).toThrow(told);
});
test.each([
  ["Max open files            1024                 524288               files     \n", 1024],
  ["Max open files            unlimited            unlimited            files     \n", Infinity],
  ["", 8192],
])("openFilesMax() reads %j", (limits, files) => {
  expect(openFilesMax(limits)).toBe(files);
});
