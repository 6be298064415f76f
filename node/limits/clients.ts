/**
 * Who asks, by address: the socket's, or behind proxies that are trusted the one that they name (`X-Forwarded-For`). An IPv6 address
 * counts by its /64, which one household has.
 */
import { type BlockList, isIP, isIPv6 } from "node:net";

/** Behind a trusted proxy: each request may be another's. */
export const PROXIED = Symbol("proxied");

/** A key for limits; `undefined`: nobody who is limited. */
export type ClientKey = string | undefined;

const LOOPBACK = "0:0:0:0:0:0:0:1";
/** How IPv4 addresses begin that are written as IPv6. */
const MAPPED = "0:0:0:0:0:ffff";
/** As proxies write it: an address, or one with a port. */
const FORWARDED = /^(?:\[([^\]]+)\](?::\d{1,5})?|(\d+\.\d+\.\d+\.\d+)(?::\d{1,5})?|([\da-f:.]+))$/i;
const GROUPS_KEPT = 4;

export class Clients {
  /** Requests whose sender a trusted proxy did not name, or not well: they are not limited. */
  unknown = 0;
  private readonly trusted: BlockList | undefined;

  constructor(trusted: BlockList | undefined) {
    this.trusted = trusted;
  }

  /** @param address of a socket */
  ofSocket(address: string | undefined): ClientKey | typeof PROXIED {
    const plain = plainAddress(address ?? "");
    if (plain === undefined) return undefined;
    return this.isTrusted(plain) ? PROXIED : keyOf(plain);
  }

  /** @param forwarded the lines of `X-Forwarded-For`, joined */
  ofForwarded(forwarded: string): ClientKey {
    const named = forwarded.split(",");
    for (let at = named.length - 1; at >= 0; at--) {
      const address = forwardedAddress((named[at] as string).trim());
      if (address === undefined) break;
      if (this.isTrusted(address)) continue;
      const key = keyOf(address);
      if (key === undefined) break; // nobody comes from there over a proxy
      return key;
    }
    this.unknown++;
    return undefined;
  }

  private isTrusted(address: string): boolean {
    return this.trusted?.check(address, isIPv6(address) ? "ipv6" : "ipv4") === true;
  }
}

function forwardedAddress(text: string): string | undefined {
  const [, bracketed, withPort, bare] = FORWARDED.exec(text) ?? [];
  return plainAddress(bracketed ?? withPort ?? bare ?? "");
}

/** Without a zone, and as IPv4 where it is one. */
function plainAddress(text: string): string | undefined {
  const [address = ""] = text.split("%", 1);
  if (isIP(address) !== 6) return isIP(address) === 0 ? undefined : address;
  const groups = groupsOf(address);
  if (groups.slice(0, 6).join(":") !== MAPPED) return address;
  return groups
    .slice(6)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])
    .join(".");
}

function keyOf(address: string): ClientKey {
  if (isIPv6(address)) {
    const groups = groupsOf(address);
    return groups.join(":") === LOOPBACK ? undefined : `${groups.slice(0, GROUPS_KEPT).join(":")}::/64`;
  }
  // A copy: a piece of a header would keep all of that.
  return address.startsWith("127.") ? undefined : Buffer.from(address, "latin1").toString("latin1");
}

/** The eight groups of an IPv6 address, without leading zeros. Source: RFC 5952. */
function groupsOf(address: string): string[] {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1); // hex groups, zeros compressed
  const [before = "", after] = canonical.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  if (after === undefined) return groups(before);
  const [head, tail] = [groups(before), groups(after)];
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => "0"), ...tail];
}
