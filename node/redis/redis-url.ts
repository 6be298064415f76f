/** Where Redis is, as `HEADCOUNT_REDIS_URL` says it: one server, Sentinel, or a Redis Cluster. */

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Where the URL is none of the forms; the message shows no secret. */
export class RedisUrlError extends TypeError {
  override readonly name = "RedisUrlError";
  /** What is wrong, without the URL and its forms. */
  readonly reason: string;

  constructor(url: string, reason: string) {
    super(`Cannot read the Redis URL ${redactRedisUrl(url)}: ${reason}. It may be ${FORMS}`);
    this.reason = reason;
  }
}

export type RedisUrl = Credentials & { readonly isEncrypted: boolean } & (
    | { readonly kind: "standalone"; readonly address: Address; readonly database: number }
    | {
        readonly kind: "sentinel";
        readonly sentinels: readonly Address[];
        readonly master: string;
        /** Where Sentinel has one of its own; else the password is tried there too. */
        readonly sentinelPassword?: string | undefined;
      }
    | { readonly kind: "cluster"; readonly addresses: readonly Address[] }
  );

const FORMS =
  "redis://[user:password@]host[:port][/database], several separated by commas for Redis Cluster, " +
  "or redis+sentinel://[user:password@]host:port,host:port/master-name; rediss:// and rediss+sentinel:// for TLS";
const ADDRESS = /^(?<host>[\w.-]+|\[[\da-fA-F:.]+\])(?::(?<port>\d{1,5}))?$/;
const SENTINEL = /^(?<scheme>rediss?)\+sentinel:\/\/(?:(?<login>[^@/]*)@)?(?<places>[^/@]+)\/(?<master>[\w.-]+)$/;
const PLACE = /^(?:(?<scheme>rediss?):\/\/)?(?:(?<login>[^@/]*)@)?(?<address>[^/@]+)(?:\/(?<database>\d{1,3}))?$/;
/** Also where an @ in it makes it look like a part of the login. */
const LOGIN_QUERY = /[?&](?:user|pass|auth)\w*=/i;
type Groups = Readonly<Partial<Record<string, string>>>;
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26379;

/** @throws {RedisUrlError} where it is none of the forms */
export function parseRedisUrl(url: string): RedisUrl {
  // Other programs take `?password=`; passed over, it would be a login without a password that nobody understands.
  if (/[?#]/.test(afterLogin(url)) || LOGIN_QUERY.test(url))
    refuse(url, "it must not have a query: user and password go before the host, with an @");
  if (/^rediss?\+sentinel:/.test(url)) return parseSentinel(url);
  const parts = url.split(",").map((part) => PLACE.exec(part)?.groups ?? refuse(url, "it is none of the forms"));
  const [first, ...others] = parts as [Groups, ...Groups[]];
  if (first["scheme"] === undefined) refuse(url, "it does not begin with redis:// or rediss://");
  for (const part of others) {
    if (part["scheme"] !== undefined && part["scheme"] !== first["scheme"]) refuse(url, "all must be of one scheme");
    if (part["login"] !== undefined && part["login"] !== first["login"]) refuse(url, "all must have one password");
  }
  const common = { ...credentialsOf(url, first["login"]), isEncrypted: first["scheme"] === "rediss" };
  const addresses = parts.map((part) => addressOf(url, part["address"] as string, REDIS_PORT));
  const isAnyDatabase = parts.some((part) => part["database"] !== undefined && part["database"] !== "0");
  if (others.length > 0 && isAnyDatabase) refuse(url, "Redis Cluster has no databases");
  return others.length > 0
    ? { ...common, kind: "cluster", addresses }
    : { ...common, kind: "standalone", address: addresses[0] as Address, database: Number(first["database"] ?? 0) };
}

/** What may be said beside the URL. */
export interface Login extends Credentials {
  readonly sentinelPassword: string | undefined;
}

/** What the login says goes before what the URL carries. */
export function withLogin(url: RedisUrl, { username, password, sentinelPassword }: Login): RedisUrl {
  const common = { username: username ?? url.username, password: password ?? url.password };
  return url.kind === "sentinel" ? { ...url, ...common, sentinelPassword } : { ...url, ...common };
}

export function hostsOf(url: RedisUrl): string[] {
  const addresses = url.kind === "standalone" ? [url.address] : url.kind === "cluster" ? url.addresses : url.sentinels;
  return addresses.map(({ host }) => host);
}

/**
 * The URL without anything that may be secret, for messages: all up to the last @ goes, and so does a query. Where the two
 * cannot be told apart (a ? before an @), all but the scheme goes.
 */
export function redactRedisUrl(url: string): string {
  const [scheme] = /^([a-z+]*:\/\/)?/.exec(url) as [string];
  const rest = url.slice(scheme.length);
  const visible = scheme + rest.replace(/^.*(?:@|%40)/s, "***@");
  return /[?#].*(?:@|%40)/s.test(rest) ? `${scheme}***` : visible.replace(/[?#].*$/s, "?***");
}

function parseSentinel(url: string): RedisUrl {
  const groups = SENTINEL.exec(url)?.groups ?? refuse(url, "Sentinel needs its addresses and the master's name");
  const sentinels = (groups["places"] as string).split(",").map((place) => addressOf(url, place, SENTINEL_PORT));
  const common = { ...credentialsOf(url, groups["login"]), isEncrypted: groups["scheme"] === "rediss" };
  return { ...common, kind: "sentinel", sentinels, master: groups["master"] as string };
}

function addressOf(url: string, place: string, standardPort: number): Address {
  const groups = ADDRESS.exec(place)?.groups ?? refuse(url, "an address must be host:port");
  const port = Number(groups["port"] ?? standardPort);
  if (port < 1 || port > 65_535) refuse(url, "a port must be 1 to 65535");
  return { host: (groups["host"] as string).replace(/^\[|\]$/g, ""), port };
}

/** `user:password`, `:password` or `password`, percent-encoded where need be. */
function credentialsOf(url: string, login: string | undefined): Credentials {
  if (login === undefined || login === "") return { username: undefined, password: undefined };
  const [name, ...rest] = login.split(":") as [string, ...string[]];
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      return refuse(url, "a % in the password must be written as %25");
    }
  };
  if (rest.length === 0) return { username: undefined, password: decode(name) };
  const given = (text: string): string | undefined => (text === "" ? undefined : text);
  return { username: given(decode(name)), password: given(decode(rest.join(":"))) };
}

/** What comes after the last @: a ? in a password is part of it. */
function afterLogin(url: string): string {
  return url.slice(url.lastIndexOf("@") + 1);
}

function refuse(url: string, reason: string): never {
  throw new RedisUrlError(url, reason);
}
