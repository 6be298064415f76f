import fc from "fast-check";
import { expect, test } from "vitest";

import { halfSipHash, hashKeyOf } from "../../engine/half-sip-hash.ts";
import { halfSipHashReference } from "../support/half-sip-hash-reference.ts";
import { anyWords } from "../../simulator/players.ts";

test("halfSipHash() equals HalfSipHash-1-3 of the id's words, for any key and id", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), anyWords, (key, id) => {
      const hash = halfSipHash(hashKeyOf(key), id[0], id[1], id[2], id[3]);
      expect(hash >>> 0).toBe(halfSipHashReference(1, 3, key, new Uint8Array(id.buffer)));
    }),
  );
});
