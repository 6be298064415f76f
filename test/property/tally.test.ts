import fc from "fast-check";
import { expect, test } from "vitest";

import { Tally } from "../../engine/tally.ts";
import { take } from "../../simulator/item-at.ts";

/** Few cells, neighbours, and cells that differ in their high bits only: what clusters in a table. */
const anyCell = fc.oneof(
  fc.nat(6),
  fc.nat(200),
  fc.nat(248).map((region) => region << 12),
  fc.nat(249 * 4096 - 1),
);
const anySteps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ cell: anyCell, count: fc.constant(1) }) },
    { weight: 1, arbitrary: fc.record({ cell: anyCell, count: fc.nat(150) }) },
    { weight: 4, arbitrary: fc.constant("leave" as const) },
    { weight: 2, arbitrary: fc.constant("leave many" as const) },
    { weight: 4, arbitrary: fc.constant("look" as const) },
    { weight: 2, arbitrary: fc.constant("drain" as const) },
  ),
  { size: "medium" },
);

test("Tally equals a Map of counts, whoever comes and goes and whenever somebody looks", () => {
  fc.assert(
    fc.property(anySteps, fc.integer(), fc.infiniteStream(fc.nat()), (steps, salt, picks) => {
      const presences: number[] = [];
      const tally = new Tally(salt, () => presences);
      const enter = (cell: number): void => {
        presences.push(cell);
        tally.enter(cell);
      };
      const leaveAny = (): void => {
        if (presences.length === 0) return;
        const [cell] = take(1, presences.splice((picks.next().value as number) % presences.length, 1));
        tally.leave(cell);
      };
      const check = (): void => {
        const model = new Map<number, number>();
        for (const cell of presences) model.set(cell, (model.get(cell) ?? 0) + 1);
        expect(new Map(tally.cells())).toEqual(model);
        for (const [cell, players] of model) expect(tally.players(cell)).toBe(players);
      };
      const known = new Map<number, number>();
      const drain = (): void => {
        const changed = new Set<number>();
        const isTold = tally.drain((cell) => changed.add(cell));
        const now = new Map(tally.cells());
        for (const cell of isTold ? changed : [...known.keys(), ...now.keys()]) known.set(cell, now.get(cell) ?? 0);
        for (const [cell, players] of known) if (players === 0) known.delete(cell);
        expect(known, "who follows the changes knows all counts").toEqual(now);
      };
      for (const step of steps) {
        if (step === "look") check();
        else if (step === "drain") drain();
        else if (step === "leave") leaveAny();
        else if (step === "leave many") for (let left = presences.length / 2; left > 0; left--) leaveAny();
        else for (let entered = 0; entered < step.count; entered++) enter(step.cell + (step.cell & 1 ? entered : 0));
      }
      check();
    }),
  );
});
