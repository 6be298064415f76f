import { describe, expect, test } from "vitest";

import { ELSEWHERE, COVERED } from "../support/floor-requests.ts";
import { FLOOR_FAULTS } from "../support/floor-faults.ts";
import { type Attack, runFloorJob } from "../support/floor-jobs.ts";

/** Each attack is a thread that loads the product and plays minutes of virtual time. */
const TIMEOUT_MS = 120_000;
const SIZE = { minutes: 3, steps: 8 };
const TWINS: readonly Attack[] = [
  { kind: "twins", where: "alone", seed: 1, hasCrash: false, ...SIZE },
  { kind: "twins", where: "alone", seed: 2, hasCrash: false, ...SIZE },
  { kind: "twins", where: "cluster", seed: 3, hasCrash: false, ...SIZE },
  { kind: "twins", where: "cluster", seed: 4, hasCrash: true, ...SIZE },
  { kind: "twins", where: "cluster", seed: 5, hasCrash: false, delayMs: 33, ...SIZE },
];
const SCRIPTED: readonly Attack[] = [
  { kind: "linked", where: "alone" },
  { kind: "linked", where: "cluster" },
  { kind: "over time", where: "alone" },
  { kind: "over time", where: "cluster" },
  { kind: "hold up", where: "cluster" },
];

test(
  "every public GET is asked by the attacker: whoever adds one adds it to floor-requests.ts",
  { timeout: TIMEOUT_MS },
  async () => {
    const paths = await runFloorJob({ kind: "paths" });
    expect(Object.keys(COVERED).toSorted()).toEqual(paths.toSorted());
    expect(ELSEWHERE.length).toBeGreaterThan(0);
  },
);

describe("the law: two worlds with the same published tables are answered alike, byte for byte", () => {
  test.each(TWINS)("$where, seed $seed, an owner dies: $hasCrash", { timeout: TIMEOUT_MS }, async (attack) => {
    expect(await runFloorJob(attack)).toEqual([]);
  });
});

describe("the attacker finds nothing that the published tables do not tell", () => {
  test.each(SCRIPTED)("$kind, $where", { timeout: TIMEOUT_MS }, async (attack) => {
    expect(await runFloorJob(attack)).toEqual([]);
  });
});

describe("the attacker finds something once a part of the floor is taken out", () => {
  test.each(FLOOR_FAULTS)("$name", { timeout: TIMEOUT_MS }, async ({ attack, patches }) => {
    expect(await runFloorJob(attack, patches)).not.toEqual([]);
  });
});
