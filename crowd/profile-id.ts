import { hash32 } from "./sampling.ts";

const PROFILE_SEED = 0x05ee_d1d5; // so that ids share no number with what players do

/** A UUID of version 4's form; never the same for two serials of one seed, since its first word is a bijection. */
export function profileIdOf(seed: number, serial: number): string {
  const word = (part: number): string =>
    hash32(seed ^ PROFILE_SEED, serial, part)
      .toString(16)
      .padStart(8, "0");
  const [word0, word1, word2, word3] = [word(0), word(1), word(2), word(3)];
  const variant = "89ab"[Number.parseInt(word2.charAt(0), 16) & 3];
  return `${word0}-${word1.slice(0, 4)}-4${word1.slice(5)}-${variant}${word2.slice(1, 4)}-${word2.slice(4)}${word3}`;
}
