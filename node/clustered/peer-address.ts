/**
 * By which address the other nodes are told to reach this one. Wrong, it is found out late: the node joins, gets its share of
 * the players, and nobody reaches them.
 */
import { isIPv4 } from "node:net";
import { hostOf, type Scheme, urlOf, WILDCARDS } from "../place.ts";
import type { Ends } from "../redis/connection.ts";
import { LOOPBACK, SettingError } from "../settings.ts";

export interface PeerAddress {
  /** What the listener listens on. */
  readonly address: string;
  readonly port: number;
  /** `HEADCOUNT_PEER_HOST` and `HEADCOUNT_PEER_URL`. */
  readonly host: string;
  readonly url: string | undefined;
  readonly scheme: Scheme;
  /** Of the connections to Redis. */
  readonly ends: readonly Ends[];
  /** All addresses of this machine. */
  readonly own: readonly string[];
}

const LINK_LOCAL = /^(?:fe[89ab][\da-f]:|169\.254\.)/i;

/**
 * Where the listener listens on all addresses, the one by which this machine reaches Redis: that the others do too.
 * @throws {SettingError} where it would be loopback, but Redis is on another machine: then other nodes may be as well
 */
export function peerUrlOf({ address, port, host, url, scheme, ends, own }: PeerAddress): string {
  const told = url ?? urlOf(scheme, WILDCARDS.includes(address) ? reachable(address, ends, own) : address, port);
  const elsewhere = ends.map(({ remote }) => plain(remote)).find((remote) => !isHere(remote, own));
  if (elsewhere === undefined || !LOOPBACK.test(hostOf(told))) return told;
  const [name, got, form] =
    url === undefined
      ? ["HEADCOUNT_PEER_HOST", host, "an address by which the other nodes reach this machine, or 0.0.0.0"]
      : ["HEADCOUNT_PEER_URL", url, "a URL by which the other nodes reach this one"];
  throw new SettingError(`${name} must be ${form}, since Redis is on another machine (${elsewhere}), got "${got}"`);
}

function reachable(listened: string, ends: readonly Ends[], own: readonly string[]): string {
  const isUsable = (address: string): boolean =>
    !LOOPBACK.test(address) && !LINK_LOCAL.test(address) && (listened === "::" || isIPv4(address));
  const candidates = [...ends.map(({ local }) => plain(local)), ...own.filter(isIPv4), ...own];
  return candidates.find(isUsable) ?? listened;
}

function isHere(address: string, own: readonly string[]): boolean {
  return LOOPBACK.test(address) || own.includes(address);
}

/** An IPv4 address that came over IPv6 as itself. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}
