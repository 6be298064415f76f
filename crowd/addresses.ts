// Who comes from where. All of it is space that no network on the internet has, so that a block which an operator forgets
// to lift shuts nobody out: players from 240.0.0.0/4 (reserved, RFC 1112) and 3fff::/20 (documentation, RFC 9637),
// bots from 198.18.0.0/15 (benchmarks, RFC 2544).
import { hash32 } from "./sampling.ts";

/** Where a message comes from, as a load balancer would tell it. */
export interface Origin {
  readonly address: string;
  readonly isBot: boolean;
}

/** @param seat of the player @param serial number of the player, who may come back in another seat */
export type OriginOf = (seat: number, serial: number) => Origin;

const ADDRESS_SEED = 0x0add_4e55; // so that addresses share no number with what players do
const IPV6_SHARE = 0.3;

export const FARM_PREFIXES = 4;
const BENCHMARK_PREFIXES = 512; // /24s of 198.18.0.0/15
const HOSTS = 254; // of a /24, without the network's own and the broadcast address

/** Each player has an address for good, in one of a million /24 or of 2^28 /48. Two share one as rarely as chance has it. */
export function playersOrigin(seed: number): OriginOf {
  return (_seat, serial) => {
    const word = (part: number): number => hash32(seed ^ ADDRESS_SEED, serial, part);
    const address = word(0) / 2 ** 32 < IPV6_SHARE ? ipv6Of(word(1), word(2)) : ipv4Of(word(1));
    return { address, isBot: false };
  };
}

/** Four different /24. */
export function farmPrefixes(seed: number): string[] {
  const first = hash32(seed ^ ADDRESS_SEED, 0, 0);
  const step = (hash32(seed ^ ADDRESS_SEED, 0, 1) % BENCHMARK_PREFIXES) | 1; // odd, so it meets all 512 before one comes again
  return Array.from({ length: FARM_PREFIXES }, (_, index) => {
    const number = (first + index * step) % BENCHMARK_PREFIXES;
    return `198.${18 + (number >> 8)}.${number & 255}.0/24`;
  });
}

/** A bot's machine is its seat: whoever comes there comes from one address. They are spread evenly, over all there are. */
export function botsOrigin(prefixes: readonly string[]): OriginOf {
  const networks = prefixes.map((prefix) => prefix.slice(0, prefix.lastIndexOf(".") + 1));
  return (seat) => {
    const host = 1 + (Math.floor(seat / networks.length) % HOSTS);
    return { address: `${networks[seat % networks.length]}${host}`, isBot: true };
  };
}

function ipv4Of(word: number): string {
  const host = 1 + ((word & 255) % HOSTS);
  return `${240 + (word >>> 28)}.${(word >>> 20) & 255}.${(word >>> 12) & 255}.${host}`;
}

function ipv6Of(network: number, host: number): string {
  const group = (value: number): string => (value & 0xffff).toString(16);
  return `3fff:${group((network >>> 16) & 0xfff)}:${group(network)}:${group(host >>> 16)}::${group(host | 1)}`;
}
