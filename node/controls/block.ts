/** Whose reports are refused: a prefix of addresses, or an issuer of tokens. */
import { BlockList, isIP } from "node:net";
import { bytesOf, groupsOf, plainAddress, shortest } from "../addresses.ts";

export interface Block {
  readonly kind: "prefix" | "issuer";
  /** In its one spelling. */
  readonly name: string;
}

export const BLOCK_FORM =
  "a prefix such as 203.0.113.0/24 or 2001:db8:1::/48 (8 to 32 bits, of IPv6 16 to 128) with nothing behind it, an address, or an issuer (1 to 1024 characters, none of them a control character)";
const PREFIX = /^([\d.]+|[\da-f:.]*:[\da-f:.]*)(?:\/(\d{1,3}))?$/i;
/** Where a colon is in it, it is a URI (RFC 7519, 2): else an address that is misspelt would be taken for an issuer. */
const ISSUER = /^(?!\s)(?:[^\p{Cc}:]{1,1024}|[a-z][a-z\d+.-]*:(?!:)\P{Cc}+)(?<!\s)$/iu;
const LENGTH_MAX = 1024;
const BITS = { 4: { least: 8, most: 32 }, 6: { least: 16, most: 128 } } as const;

/** @returns undefined where it is neither */
export function blockOf(text: string): Block | undefined {
  const [, address, bits] = PREFIX.exec(text) ?? [];
  if (address === undefined)
    return ISSUER.test(text) && text.length <= LENGTH_MAX ? { kind: "issuer", name: text } : undefined;
  const family = isIP(address);
  if (family !== 4 && family !== 6) return undefined;
  const { least, most } = BITS[family];
  const length = bits === undefined ? most : Number(bits);
  if (length < least || length > most) return undefined;
  const first = family === 4 ? address : shortest(address);
  if (!isFirstOf(first, length, family) || (family === 6 && isOfMapped(first, length))) return undefined;
  return { kind: "prefix", name: `${first}/${length}` };
}

/** Whether it has addresses in it, or is in those, that are IPv4 written as IPv6: they are blocked as IPv4. */
function isOfMapped(address: string, bits: number): boolean {
  const list = new BlockList();
  list.addSubnet(address, bits, "ipv6");
  return plainAddress(address) !== address || list.check("192.0.2.1", "ipv4");
}

/** Whether nothing stands behind the prefix: no other address below it is in it. */
function isFirstOf(address: string, bits: number, family: 4 | 6): boolean {
  const bytes = family === 4 ? address.split(".").map(Number) : bytesOf(groupsOf(address));
  return bytes.every((byte, at) => {
    const kept = Math.max(0, Math.min(8, bits - 8 * at));
    return (byte & (0xff >> kept)) === 0;
  });
}

/** Addresses and issuers that are blocked. */
export class Blocks {
  readonly count: number;
  private readonly issuers = new Set<string>();
  private readonly prefixes = new BlockList();
  private readonly hasPrefixes: boolean;

  /** @param names each in its one spelling */
  constructor(names: readonly string[]) {
    this.count = names.length;
    let prefixes = 0;
    for (const name of names) {
      if (blockOf(name)?.kind === "prefix") {
        const [address, bits] = name.split("/") as [string, string];
        this.prefixes.addSubnet(address, Number(bits), isIP(address) === 6 ? "ipv6" : "ipv4");
        prefixes++;
      } else this.issuers.add(name);
    }
    this.hasPrefixes = prefixes > 0;
  }

  hasIssuer(issuer: string): boolean {
    return this.issuers.has(issuer);
  }

  /** @param address IPv4 where it can be written so */
  hasAddress(address: string): boolean {
    return this.hasPrefixes && this.prefixes.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  }
}
