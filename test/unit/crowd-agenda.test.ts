import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Agenda } from "../../crowd/agenda.ts";

test("Agenda always names the earliest, after any changes", () => {
  const seats = 20;
  const change = fc.tuple(fc.nat(seats - 1), fc.option(fc.integer({ min: 0, max: 50 })));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const [agenda, model] = [new Agenda(seats), new Map<number, number>()];
      for (const [seat, timeMs] of changes) {
        if (timeMs === null) {
          agenda.remove(seat);
          model.delete(seat);
        } else {
          agenda.set(seat, timeMs);
          model.set(seat, timeMs);
        }
        expect(agenda.firstMs).toBe(Math.min(...model.values()));
        if (model.size > 0) expect(model.get(agenda.first)).toBe(agenda.firstMs);
      }
      for (let left = model.size; left > 0; left--) {
        expect(model.get(agenda.first)).toBe(Math.min(...model.values()));
        model.delete(agenda.first);
        agenda.remove(agenda.first);
      }
      expect(agenda.firstMs).toBe(Infinity);
    }),
  );
});
