/**
 * Who asks, by address: the socket's, or behind proxies that are trusted the one that they name (`X-Forwarded-For`). An IPv6 address
 * counts by its /64, which one household has.
 */
import { type BlockList, isIPv6 } from "node:net";
import { groupsOf, plainAddress } from "../addresses.ts";
import { Recent } from "../recent.ts";

/** Behind a trusted proxy: each request may be another's. */
export const PROXIED = Symbol("proxied");

export interface Client {
  /** IPv4 where it can be written so. */
  readonly address: string;
  /** For limits; `undefined`: nobody who is limited. */
  readonly key: string | undefined;
  /** Its neighbours, among whom somebody finds many addresses: a /24, of IPv6 a /48. */
  readonly prefix: string;
}

const LOOPBACK = "0:0:0:0:0:0:0:1";
/** As proxies write it: an address, or one with a port. */
const FORWARDED = /^(?:\[([^\]]+)\](?::\d{1,5})?|(\d+\.\d+\.\d+\.\d+)(?::\d{1,5})?|([\da-f:.]+))$/i;
/** Longer ones have a zone: each is looked at anew. */
const ADDRESS_LENGTH_MAX = 45;
const KEY_GROUPS = 4;
const PREFIX_GROUPS = 3;
/** Clients that are remembered: some 20 MB at the most. */
const REMEMBERED_MAX = 65_536;

export class Clients {
  /** Requests whose sender a trusted proxy did not name, or not well: they are not limited. */
  unknown = 0;
  private readonly trusted: BlockList | undefined;
  /** By address as it came. */
  private readonly known = new Recent<Client | typeof PROXIED>(REMEMBERED_MAX);

  constructor(trusted: BlockList | undefined) {
    this.trusted = trusted;
  }

  /** @param address of a socket */
  ofSocket(address: string | undefined): Client | typeof PROXIED | undefined {
    return address === undefined ? undefined : this.clientOf(address);
  }

  /** @param forwarded the lines of `X-Forwarded-For`, joined */
  ofForwarded(forwarded: string): Client | undefined {
    const named = forwarded.split(",");
    for (let at = named.length - 1; at >= 0; at--) {
      const address = forwardedAddress((named[at] as string).trim());
      const client = address === undefined ? undefined : this.clientOf(address);
      if (client === PROXIED) continue;
      if (client?.key === undefined) break; // nobody comes from loopback over a proxy
      return client;
    }
    this.unknown++;
    return undefined;
  }

  private clientOf(address: string): Client | typeof PROXIED | undefined {
    const known = this.known.get(address);
    if (known !== undefined) return known;
    const plain = plainAddress(address);
    if (plain === undefined) return undefined;
    const client = this.isTrusted(plain) ? PROXIED : describe(plain);
    if (address.length <= ADDRESS_LENGTH_MAX) this.known.set(copyOf(address), client);
    return client;
  }

  private isTrusted(address: string): boolean {
    return this.trusted?.check(address, isIPv6(address) ? "ipv6" : "ipv4") === true;
  }
}

function forwardedAddress(text: string): string | undefined {
  const [, bracketed, withPort, bare] = FORWARDED.exec(text) ?? [];
  return bracketed ?? withPort ?? bare;
}

function describe(plain: string): Client {
  const address = copyOf(plain);
  if (!isIPv6(address)) {
    const prefix = `${address.slice(0, address.lastIndexOf("."))}.0/24`;
    return { address, key: address.startsWith("127.") ? undefined : address, prefix };
  }
  const groups = groupsOf(address);
  const key = groups.join(":") === LOOPBACK ? undefined : `${groups.slice(0, KEY_GROUPS).join(":")}::/64`;
  return { address, key, prefix: `${groups.slice(0, PREFIX_GROUPS).join(":")}::/48` };
}

/** A piece of a header would keep all of that. */
function copyOf(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
