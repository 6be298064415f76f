/** IP addresses, in one spelling. Source: RFC 5952. */
import { isIP } from "node:net";

/** How IPv4 addresses begin that are written as IPv6. */
const MAPPED = "0:0:0:0:0:ffff";

/** Without a zone, and as IPv4 where it is one; `undefined` where it is none. */
export function plainAddress(text: string): string | undefined {
  const [address = ""] = text.split("%", 1);
  if (isIP(address) !== 6) return isIP(address) === 0 ? undefined : address;
  const groups = groupsOf(address);
  if (groups.slice(0, 6).join(":") !== MAPPED) return address;
  return bytesOf(groups.slice(6)).join(".");
}

/** The eight groups of an IPv6 address, without leading zeros. */
export function groupsOf(address: string): string[] {
  const [before = "", after] = shortest(address).split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  if (after === undefined) return groups(before);
  const [head, tail] = [groups(before), groups(after)];
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => "0"), ...tail];
}

/** An IPv6 address with its longest run of zeros left out. */
export function shortest(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** The bytes of groups of an IPv6 address. */
export function bytesOf(groups: readonly string[]): number[] {
  return groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
}
