/**
 * HalfSipHash-c-d of any message, byte by byte, as published: Aumasson and Bernstein, SipHash: a fast short-input PRF,
 * 2012, with words of 32 bits, rotations 5 16 8 7 13 16 and a result of 32 bits.
 */
import { itemAt } from "../../simulator/item-at.ts";

export function halfSipHashReference(c: number, d: number, key: Uint8Array, message: Uint8Array): number {
  const key0 = wordAt(key, 0);
  const key1 = wordAt(key, 4);
  const state: State = [key0, key1, 0x6c796765 ^ key0, 0x74656462 ^ key1];
  const blocks = new Uint8Array(message.length - (message.length % 4) + 4);
  blocks.set(message);
  blocks[blocks.length - 1] = message.length;
  for (let at = 0; at < blocks.length; at += 4) {
    const word = wordAt(blocks, at);
    state[3] ^= word;
    for (let round = 0; round < c; round++) sipRound(state);
    state[0] ^= word;
  }
  state[2] ^= 0xff;
  for (let round = 0; round < d; round++) sipRound(state);
  return (state[1] ^ state[3]) >>> 0;
}

type State = [v0: number, v1: number, v2: number, v3: number];

function sipRound(v: State): void {
  v[0] = (v[0] + v[1]) >>> 0;
  v[1] = rotate(v[1], 5) ^ v[0];
  v[0] = rotate(v[0], 16);
  v[2] = (v[2] + v[3]) >>> 0;
  v[3] = rotate(v[3], 8) ^ v[2];
  v[0] = (v[0] + v[3]) >>> 0;
  v[3] = rotate(v[3], 7) ^ v[0];
  v[2] = (v[2] + v[1]) >>> 0;
  v[1] = rotate(v[1], 13) ^ v[2];
  v[2] = rotate(v[2], 16);
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

function wordAt(bytes: Uint8Array, start: number): number {
  const byte = (index: number): number => itemAt(bytes, start + index);
  return byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24);
}
