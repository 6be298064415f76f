/** The test data of `test/data/`, parsed. Sources and licences: `test/data/README.md`. */

import { readFileSync } from "node:fs";

export interface JsonText {
  readonly name: string;
  /** What a JSON parser should do with it. */
  readonly expect: "accept" | "reject" | "either";
  readonly bytes: Buffer;
}

/** The alpha-2 codes of all 249 countries, from the crowd's data. */
export const REGIONS: readonly string[] = lines("../../crowd/data/countries.csv")
  .slice(1)
  .map((line) => line.slice(0, 2));

export const naughtyStrings = (): string[] => JSON.parse(read("blns.json"));

export const jsonTexts = (): JsonText[] =>
  lines("jsontestsuite.jsonl").map((line) => {
    const { name, expect, b64 } = JSON.parse(line);
    return { name, expect, bytes: Buffer.from(b64, "base64") };
  });

/** JSON bodies, as text, that try to poison a prototype. */
export const prototypePoisons = (): string[] => lines("proto_pollution.jsonl").map((line) => JSON.parse(line).body);

/** Strings that are or resemble a UUID. */
export const uuidLikes = (): string[] => lines("uuid_cases.jsonl").map((line) => JSON.parse(line).value);

function lines(name: string): string[] {
  return read(name)
    .split("\n")
    .filter((line) => line !== "");
}

function read(name: string): string {
  return readFileSync(new URL(`../data/${name}`, import.meta.url), "utf8");
}
