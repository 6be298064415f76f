import { expect, test } from "vitest";

import { halfSipHash, hashKeyOf } from "../../engine/half-sip-hash.ts";
import { halfSipHashReference } from "../support/half-sip-hash-reference.ts";

/**
 * HalfSipHash-2-4 of the messages "", 00, 00 01, … up to 63 bytes, key 00 … 07, four bytes each as they lie in memory.
 * Source: vectors_hsip32 of the authors' reference implementation, github.com/veorq/SipHash (CC0).
 */
const PUBLISHED_2_4 =
  "a9359f5b 27475ab8 fa62a603 8afee704 2a6e4689 c5fab669 5863fc23 8bcf63c5 d0b8848f f806e779 94b07934 08083050 57f0872f " +
  "77e663ff d6fff87c 74fe2b97 d9b5ac84 c474645b 465b8d9b 7befe387 e34d1045 613f62b3 70f367fe e6adb8bd 27400c63 26787875 " +
  "4f567b5f 3ab0e669 b0644000 ff670fb4 509e338b 5d589f1a fee72112 33753259 6a434f8c fe28b729 e75cc6ec 697e8d54 63688b0f " +
  "650b62b4 b6bc1840 5d074505 2442fd2e 7bb7863a 7705d548 d75208b1 b6d499c8 0892202e 69e12ce3 8db580e5 369764c6 016e0204 " +
  "3b85f3d4 fedb66be 1e692a3a c68984c0 a5c5b940 9be9e88c 7dbc8140 7c078ec5 d4e76c73 428fcbb9 bd83997a 59ea4a74";

/** HalfSipHash-1-3 of 00 … 0f, same key. Source: lib/siphash_kunit.c of Linux, hsiphash of 16 bytes on 32-bit machines. */
const PUBLISHED_1_3 = 0x8b31d501;

const ascending = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index);

test("halfSipHashReference() gives the published hashes", () => {
  const hashes = Array.from({ length: 64 }, (_, length) => halfSipHashReference(2, 4, ascending(8), ascending(length)));
  const published = PUBLISHED_2_4.split(" ").map((hex) => Buffer.from(hex, "hex").readUInt32LE());
  expect(hashes).toEqual(published);
  expect(halfSipHashReference(1, 3, ascending(8), ascending(16))).toBe(PUBLISHED_1_3);
});
test("halfSipHash() gives the published hash, as a signed number", () => {
  const key = hashKeyOf(ascending(8));
  expect(halfSipHash(key, 0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c)).toBe(PUBLISHED_1_3 | 0);
});
test("hashKeyOf() reads two little-endian words, wherever the bytes lie", () => {
  const bytes = Uint8Array.of(99, 1, 2, 3, 0x84, 5, 6, 7, 0x88, 99);
  expect(hashKeyOf(bytes.subarray(1, 9))).toEqual({ low: 0x84030201 | 0, high: 0x88070605 | 0 });
});
test.each([0, 7, 9, 16])("hashKeyOf() refuses %i bytes", (length) => {
  const refusal = new RangeError(`Cannot make a hash key: it must have 8 bytes, got ${length}`);
  expect(() => hashKeyOf(new Uint8Array(length))).toThrow(refusal);
});
