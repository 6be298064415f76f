import fc from "fast-check";
import { expect, test } from "vitest";
import { Places } from "../../node/limits/places.ts";

test("Places refuses an address that has its share, and anybody when all are taken", () => {
  const places = new Places({ all: 3, ofAddress: 2 });
  expect([places.take("a"), places.take("a"), places.take("a")]).toEqual([undefined, undefined, "address"]);
  expect([places.take("b"), places.take("b"), places.take("a")]).toEqual([undefined, "all", "address"]);
  places.release("a");
  expect([places.take("a"), places.count]).toEqual([undefined, 3]);
  expect(places.refused).toEqual({ all: 1, address: 2 });
});
test("Places: loopback and trusted proxies have only the limit of all", () => {
  const places = new Places({ all: 4, ofAddress: 1 });
  for (const client of [undefined, undefined, undefined, undefined]) expect(places.take(client)).toBeUndefined();
  expect(places.take(undefined)).toBe("all");
});
test("Places equals counting a list, after any connections and ends", () => {
  const anyClient = fc.constantFrom("a", "b", "c", undefined);
  const anyStep = fc.tuple(anyClient, fc.boolean());
  fc.assert(
    fc.property(fc.array(anyStep), fc.nat(6), fc.integer({ min: 1, max: 3 }), (steps, all, ofAddress) => {
      const places = new Places({ all, ofAddress });
      const model: (typeof steps)[number][0][] = [];
      for (const [client, isNew] of steps) {
        const at = model.indexOf(client);
        if (!isNew && at >= 0) {
          model.splice(at, 1);
          places.release(client);
        } else {
          const isShareTaken = typeof client === "string" && model.filter((one) => one === client).length >= ofAddress;
          const full = isShareTaken ? "address" : model.length >= all ? "all" : undefined;
          expect(places.take(client)).toBe(full);
          if (full === undefined) model.push(client);
        }
        expect(places.count).toBe(model.length);
      }
    }),
  );
});
