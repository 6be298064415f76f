/** Where Redis is, as `HEADCOUNT_REDIS_URL` says it: one server, Sentinel, or a Redis Cluster. */

export interface Address {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export type RedisUrl = Credentials & { readonly isEncrypted: boolean } & (
    | { readonly kind: "standalone"; readonly address: Address; readonly database: number }
    | { readonly kind: "sentinel"; readonly sentinels: readonly Address[]; readonly master: string }
    | { readonly kind: "cluster"; readonly addresses: readonly Address[] }
  );

const FORMS =
  "redis://[user:password@]host[:port][/database], rediss:// for TLS, several separated by commas for Redis Cluster, " +
  "or redis+sentinel://[user:password@]host:port,host:port/master-name";
const ADDRESS = /^(?<host>[\w.-]+|\[[\da-fA-F:.]+\])(?::(?<port>\d{1,5}))?$/;
const SENTINEL = /^redis\+sentinel:\/\/(?:(?<login>[^@/]*)@)?(?<places>[^/@]+)\/(?<master>[\w.-]+)$/;
const PLACE = /^(?:(?<scheme>rediss?):\/\/)?(?:(?<login>[^@/]*)@)?(?<address>[^/@]+)(?:\/(?<database>\d{1,3}))?$/;
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26379;

/** @throws {TypeError} where it is none of the forms; the message shows no secret */
export function parseRedisUrl(url: string): RedisUrl {
  if (url.startsWith("redis+sentinel:")) return parseSentinel(url);
  const parts = url.split(",").map((part) => PLACE.exec(part)?.groups ?? refuse(url, "it is none of the forms"));
  const [first] = parts;
  if (first["scheme"] === undefined) refuse(url, "it does not begin with redis:// or rediss://");
  for (const part of parts.slice(1)) {
    if (part["scheme"] !== undefined && part["scheme"] !== first["scheme"]) refuse(url, "all must be of one scheme");
    if (part["login"] !== undefined && part["login"] !== first["login"]) refuse(url, "all must have one password");
  }
  const common = { ...credentialsOf(url, first["login"]), isEncrypted: first["scheme"] === "rediss" };
  const addresses = parts.map((part) => addressOf(url, part["address"], REDIS_PORT));
  const isAnyDatabase = parts.some((part) => part["database"] !== undefined && part["database"] !== "0");
  if (parts.length > 1 && isAnyDatabase) refuse(url, "Redis Cluster has no databases");
  return parts.length > 1
    ? { ...common, kind: "cluster", addresses }
    : { ...common, kind: "standalone", address: addresses[0], database: Number(first["database"] ?? 0) };
}

/** The URL without anything that may be secret, for messages: all up to the last @ goes. */
export function redactRedisUrl(url: string): string {
  return url.replace(/^([a-z+]*:\/\/)?.*@/s, "$1***@");
}

function parseSentinel(url: string): RedisUrl {
  const groups = SENTINEL.exec(url)?.groups ?? refuse(url, "Sentinel needs its addresses and the master's name");
  const sentinels = groups["places"].split(",").map((place) => addressOf(url, place, SENTINEL_PORT));
  const common = { ...credentialsOf(url, groups["login"]), isEncrypted: false };
  return { ...common, kind: "sentinel", sentinels, master: groups["master"] };
}

function addressOf(url: string, place: string, standardPort: number): Address {
  const groups = ADDRESS.exec(place)?.groups ?? refuse(url, "an address must be host:port");
  const port = Number(groups["port"] ?? standardPort);
  if (port < 1 || port > 65_535) refuse(url, "a port must be 1 to 65535");
  return { host: groups["host"].replace(/^\[|\]$/g, ""), port };
}

/** `user:password`, `:password` or `password`, percent-encoded where need be. */
function credentialsOf(url: string, login: string | undefined): Credentials {
  if (login === undefined || login === "") return { username: undefined, password: undefined };
  const [name, ...rest] = login.split(":");
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      return refuse(url, "a % in the password must be written as %25");
    }
  };
  if (rest.length === 0) return { username: undefined, password: decode(name) };
  return { username: name === "" ? undefined : decode(name), password: decode(rest.join(":")) };
}

function refuse(url: string, reason: string): never {
  throw new TypeError(`Cannot read the Redis URL ${redactRedisUrl(url)}: ${reason}. It may be ${FORMS}`);
}
