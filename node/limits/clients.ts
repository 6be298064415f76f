/**
 * Who asks, by address: the socket's, or behind proxies that are trusted the one that they name (`X-Forwarded-For`). An IPv6 address
 * counts by its /64, which one household has.
 */
import { BlockList, isIP, isIPv6 } from "node:net";

/** Behind a trusted proxy: each request may be another's. */
export const PROXIED = Symbol("proxied");

/** A key for limits; `undefined`: nobody who is limited. */
export type ClientKey = string | undefined;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
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
      if (!this.isTrusted(address)) return keyOf(address);
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
  const [, mapped] = MAPPED.exec(address) ?? [];
  const plain = mapped ?? address;
  return isIP(plain) === 0 ? undefined : plain;
}

function keyOf(address: string): ClientKey {
  if (!isIPv6(address)) return LOOPBACK.check(address, "ipv4") ? undefined : address;
  return LOOPBACK.check(address, "ipv6") ? undefined : `${groupsOf(address).slice(0, GROUPS_KEPT).join(":")}::/64`;
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
