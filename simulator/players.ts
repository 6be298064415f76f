/** Players for tests of the engine: the same ids, key and hashes in every run. */

import fc from "fast-check";

import { halfSipHash, type HashKey, hashKeyOf } from "../engine/half-sip-hash.ts";
import type { ProfileId } from "../engine/profile-id.ts";

export const KEY_BYTES = Uint8Array.of(0x4d, 0x1c, 0xe2, 0x07, 0x9a, 0x55, 0xb8, 0x3f);
export const KEY: HashKey = hashKeyOf(KEY_BYTES);

/** The id of player `number`, 0 … 2^32 - 1: all different, none nil. */
export function playerId(number: number): ProfileId {
  const [id0, id1] = [Math.imul(number, 0x9e3779b1), Math.imul(number, 0x85ebca6b) ^ 0x5bd1e995];
  return Int32Array.of(id0, id1, ~number, 0x27d4eb2f) as ProfileId;
}

export function hashOf(id: ProfileId, key: HashKey = KEY): number {
  return halfSipHash(key, id[0], id[1], id[2], id[3]);
}

/**
 * Where in a table the search for an id begins, 0 … below 1 of its length. Who knows the key and reads
 * engine/presence-table.ts knows it: so the tests play the attacker.
 */
export function homeOf(id: ProfileId, key: HashKey = KEY): number {
  return (Math.imul(hashOf(id, key), 0x9e3779b1) >>> 0) / 2 ** 32;
}

/** Any four words, the extremes often. */
export const anyWords: fc.Arbitrary<ProfileId> = fc
  .tuple(...Array.from({ length: 4 }, () => fc.oneof(fc.constantFrom(0, -1, 1, -(2 ** 31)), fc.integer())))
  .map((words) => Int32Array.from(words) as ProfileId);

/** Any id that a player may have: neither nil nor max. */
export const anyProfileId = anyWords.filter(
  (id) => !id.every((word) => word === 0) && !id.every((word) => word === -1),
);
