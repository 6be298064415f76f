/**
 * Profile ids: a UUID's 128 bits as four signed 32-bit words, big-endian; text only where a client sees it.
 */

/** Four words in an `Int32Array(4)`: the compiler knows that they are there. */
export type ProfileId = Int32Array & Record<0 | 1 | 2 | 3, number>;

/** An id to be written to. */
export function emptyProfileId(): ProfileId {
  return new Int32Array(4) as ProfileId;
}

/** Value of a hex digit by its character code, -1 for any other character. */
const DIGITS = new Int8Array(256).fill(-1);
for (let value = 0; value < 16; value++) {
  DIGITS[value.toString(16).charCodeAt(0)] = value;
  DIGITS[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const DASH = 45;

/**
 * Reads a UUID (8-4-4-4-12 hex digits, either case, any version) into `id`.
 * @returns false, with `id` undefined, where `text` is no such UUID, or is the nil or the max one
 */
export function parseProfileId(text: string, id: ProfileId): boolean {
  if (text.length !== 36) return false;
  if (text.charCodeAt(8) !== DASH || text.charCodeAt(13) !== DASH) return false;
  if (text.charCodeAt(18) !== DASH || text.charCodeAt(23) !== DASH) return false;
  const digits0 = fourDigits(text, 0);
  const digits1 = fourDigits(text, 4);
  const digits2 = fourDigits(text, 9);
  const digits3 = fourDigits(text, 14);
  const digits4 = fourDigits(text, 19);
  const digits5 = fourDigits(text, 24);
  const digits6 = fourDigits(text, 28);
  const digits7 = fourDigits(text, 32);
  if ((digits0 | digits1 | digits2 | digits3 | digits4 | digits5 | digits6 | digits7) < 0) return false;
  const id0 = (digits0 << 16) | digits1;
  const id1 = (digits2 << 16) | digits3;
  const id2 = (digits4 << 16) | digits5;
  const id3 = (digits6 << 16) | digits7;
  id[0] = id0;
  id[1] = id1;
  id[2] = id2;
  id[3] = id3;
  return (id0 | id1 | id2 | id3) !== 0 && (id0 & id1 & id2 & id3) !== -1;
}

/** The id as a UUID in lower case. */
export function formatProfileId(id: ProfileId): string {
  const byte = (index: number): string => HEX[((id[index >> 2] as number) >>> (24 - 8 * (index & 3))) & 255] as string;
  let text = "";
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += "-";
    text += byte(index);
  }
  return text;
}

/** The number that four hex digits spell, or less than 0 where one is none. */
function fourDigits(text: string, at: number): number {
  const code0 = text.charCodeAt(at);
  const code1 = text.charCodeAt(at + 1);
  const code2 = text.charCodeAt(at + 2);
  const code3 = text.charCodeAt(at + 3);
  if ((code0 | code1 | code2 | code3) > 255) return -1;
  const digit0 = DIGITS[code0] as number;
  const digit1 = DIGITS[code1] as number;
  const digit2 = DIGITS[code2] as number;
  const digit3 = DIGITS[code3] as number;
  return (digit0 << 12) | (digit1 << 8) | (digit2 << 4) | digit3;
}
