/** The settings, from the environment, read once: what each may be, what it is without being set, and `--help`. */
import { parseArgs } from "node:util";
import type { DisagreementError } from "../cluster/cluster-node.ts";
import { CORS_FORM, type CorsOrigins, parseCorsOrigins, whyNoCorsOrigins } from "./cors-origins.ts";
import { ADMIN_SETTINGS, type AdminSettings, readAdmin } from "./admin-settings.ts";
import { type Environment, fileVariable, settingsIn, withSecretsRead } from "./environment.ts";
import { parseRedisUrl, redactRedisUrl, RedisUrlError } from "./redis/redis-url.ts";
import { SettingError } from "./setting-error.ts";
import { LIMIT_SETTINGS, type LimitSettings, readLimits } from "./limit-settings.ts";
import { readSessions, SESSION_SETTINGS, type SessionSettings } from "./session-settings.ts";
import { FLOOR_SETTING, readFloor } from "./floor-setting.ts";
import { readTokens, TOKEN_SETTINGS, type TokenSettings } from "./token-settings.ts";
import { PEER_TLS_SETTINGS, readTls, TLS_SETTINGS, type TlsSettings } from "./tls-settings.ts";
import {
  choice,
  confidential,
  HOST,
  lengthOf,
  LOOPBACK,
  optional,
  read,
  type Setting,
  shown,
  text,
  whole,
} from "./setting.ts";

export { LOOPBACK, SettingError };

export interface Settings extends TlsSettings, SessionSettings {
  readonly host: string;
  readonly port: number;
  /** Web pages of which origins may ask; `undefined`: of none but its own. */
  readonly corsOrigins: CorsOrigins | undefined;
  readonly cluster: string;
  readonly partitions: number;
  readonly dataDir: string;
  /** A file with the studio's modes; `undefined`: only what the cluster has is followed. */
  readonly catalogue: string | undefined;
  readonly sessionMs: number;
  readonly graceMs: number;
  readonly durability: "log" | "snapshot" | "none";
  readonly snapshotMs: number;
  readonly leaseMs: number;
  readonly deadlineMs: number;
  readonly logLevel: string;
  /** Reports, heartbeats and popular modes are read past the HTTP framework. */
  readonly isLaneOpen: boolean;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  readonly isRepair: boolean;
  /** The node's name, for people. */
  readonly id: string | undefined;
  /** Where the cluster is kept; without it the node is alone. */
  readonly redisUrl: string | undefined;
  /** Beside what the URL carries. */
  readonly redisUsername: string | undefined;
  readonly redisPassword: string | undefined;
  /** Sentinel's, where it is not Redis'. */
  readonly redisSentinelPassword: string | undefined;
  readonly peerHost: string;
  readonly peerPort: number;
  readonly peerUrl: string | undefined;
  readonly peerSecret: string | undefined;
  readonly weight: number;
  /** `undefined`: anybody may report anybody. */
  readonly tokens: TokenSettings | undefined;
  /** Whoever asks for popular modes, regions or players shows a token too. */
  readonly areReadsGuarded: boolean;
  readonly limits: LimitSettings;
  readonly admin: AdminSettings;
  /** The privacy floor: what is published tells of no fewer players; 0: everything is shown. */
  readonly floor: number;
}

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
const DURABILITIES = ["log", "snapshot", "none"] as const;
const DAY_MS = 86_400_000;
const STANDARD_GRACE = "half the TTL + lease + deadline";
const SECRET_LENGTH_MIN = 16;
const TEXT = /^[^\p{Cc}]{1,1024}$/u;
const WORD = /^[\x21-\x7e]{1,256}$/;
/** A place to connect to: a name, an IPv4 address, or an IPv6 address in brackets. */
const PLACE = String.raw`(?:[\w.-]+|\[[\da-fA-F:.]+\])`;
const PEER_URL = new RegExp(`^https?://${PLACE}(?::\\d{1,5})?/?$`);

const SETTINGS = {
  host: text("HEADCOUNT_HOST", "127.0.0.1", "an address or host name", HOST, "public listener"),
  port: whole("HEADCOUNT_PORT", "8080", 0, 65_535, "public listener; 0 picks a free port, printed at start"),
  corsOrigins: {
    name: "HEADCOUNT_CORS_ORIGINS",
    form: CORS_FORM,
    standard: undefined,
    parse: parseCorsOrigins,
    about: "web pages of which origins may ask from a browser",
    why: whyNoCorsOrigins,
  },
  cluster: text("HEADCOUNT_CLUSTER", "default", "1 to 32 of a-z 0-9 -", /^[a-z0-9-]{1,32}$/, "the cluster's name"),
  partitions: {
    ...whole("HEADCOUNT_PARTITIONS", "256", 16, 4096, "slices of the players, fixed when the data folder is made"),
    form: "a power of two from 16 to 4096",
    parse: (value) => powerOfTwo(whole("", "", 16, 4096, "").parse(value)),
  },
  dataDir: text("HEADCOUNT_DATA_DIR", "./data", "a folder", /^[^\0]+$/, "where the embedded store lives"),
  catalogue: {
    ...optional("HEADCOUNT_CATALOGUE", "a file, JSON or YAML", /^[^\0]+$/),
    about: "the studio's modes and what each asks of a report (docs/catalogue.md); read again when it changes",
  },
  sessionMs: whole("HEADCOUNT_SESSION_TTL_MS", "90000", 1000, DAY_MS, "silence after which a player is disconnected"),
  graceMs: {
    ...whole(
      "HEADCOUNT_RECOVERY_GRACE_MS",
      STANDARD_GRACE,
      0,
      DAY_MS,
      "least time to live that a recovered player gets",
    ),
    form: `a whole number from ${STANDARD_GRACE} to ${DAY_MS}`,
  },
  durability: choice(
    "HEADCOUNT_DURABILITY",
    "log",
    DURABILITIES,
    "what a 200 means: log, it is in the log on disk or in Redis; snapshot, in memory, and a crash loses what came since the last snapshot; none, nothing is ever stored",
  ),
  snapshotMs: whole(
    "HEADCOUNT_SNAPSHOT_MS",
    "10000",
    100,
    DAY_MS,
    "shortest pause between two snapshots of a partition",
  ),
  leaseMs: whole("HEADCOUNT_LEASE_MS", "3000", 100, 600_000, "silence after which a node is expelled"),
  deadlineMs: whole(
    "HEADCOUNT_REQUEST_DEADLINE_MS",
    "2000",
    50,
    600_000,
    "longest a request waits for the owner and the store",
  ),
  logLevel: choice("HEADCOUNT_LOG_LEVEL", "info", LOG_LEVELS, "what is logged, on standard error"),
  isLaneOpen: {
    ...choice("HEADCOUNT_FAST_LANE", "on", ["on", "off"], "off: every request goes through fastify"),
    parse: (value) => (value === "on" || value === "off" ? value === "on" : undefined),
  },
  keepAliveMs: whole(
    "HEADCOUNT_KEEP_ALIVE_MS",
    "72000",
    1000,
    DAY_MS,
    "how long an idle connection is kept; longer than a load balancer in front keeps its own (deploy/README.md)",
  ),
  isRepair: {
    ...choice(
      "HEADCOUNT_REPAIR",
      "0",
      ["0", "1"],
      "1: go on without what is damaged in the data folder, or in a record in Redis",
    ),
    parse: (value) => (value === "0" || value === "1" ? value === "1" : undefined),
  },
  id: {
    ...optional("HEADCOUNT_ID", "1 to 64 of A-Z a-z 0-9 . _ : -", /^[\w.:-]{1,64}$/),
    about:
      "the node's name: with the same name it gets the same partitions after a restart; without it made from the host's name and the port",
  },
  redisUrl: {
    name: "HEADCOUNT_REDIS_URL",
    form: "redis://, rediss://, or redis+sentinel:// or rediss+sentinel://host:port,host:port/master-name",
    standard: undefined,
    parse: (value) => (whyNoRedisUrl(value) === undefined ? value : undefined),
    about: "makes the node one of a cluster, kept in this Redis; several, comma-separated, for Redis Cluster",
    show: (value) => shown(redactRedisUrl(value)),
    why: (value) => whyNoRedisUrl(value) ?? "",
    isSecret: true,
  },
  redisUsername: {
    ...optional("HEADCOUNT_REDIS_USERNAME", "1 to 256 characters", TEXT),
    about: "the user at Redis, beside or instead of the URL's; deploy/README.md has the least rights it needs",
  },
  redisPassword: {
    ...confidential("HEADCOUNT_REDIS_PASSWORD", "1 to 1024 characters", TEXT),
    about: "the password at Redis, and at Sentinel where that has none of its own",
  },
  redisSentinelPassword: {
    ...confidential("HEADCOUNT_REDIS_SENTINEL_PASSWORD", "1 to 1024 characters", TEXT),
    about: "the password at Sentinel",
  },
  peerHost: text("HEADCOUNT_PEER_HOST", "127.0.0.1", "an address or host name", HOST, "listener for the other nodes"),
  peerPort: whole("HEADCOUNT_PEER_PORT", "0", 0, 65_535, "listener for the other nodes; 0 picks a free port"),
  peerUrl: {
    ...optional("HEADCOUNT_PEER_URL", "http://host:port or https://host:port", PEER_URL),
    parse: (value) => (PEER_URL.test(value) && URL.canParse(value) ? value : undefined),
    about:
      "how the other nodes reach that listener; without it its address, or that by which this machine reaches Redis",
  },
  peerSecret: {
    ...confidential("HEADCOUNT_PEER_SECRET", `${SECRET_LENGTH_MIN} to 256 printable characters without spaces`, WORD),
    about: "what the nodes of a cluster authenticate with; required where that listener is beyond loopback",
  },
  weight: whole("HEADCOUNT_WEIGHT", "1", 1, 100, "the node's share of the work compared to the others'"),
} satisfies {
  readonly [
    Key in keyof Omit<
      Settings,
      "tokens" | "areReadsGuarded" | "limits" | "admin" | "floor" | keyof TlsSettings | keyof SessionSettings
    >
  ]: Setting<Settings[Key]>;
};

/** The settings that all nodes of a cluster must agree on (R12). */
const AGREED: Readonly<Partial<Record<DisagreementError["field"], string>>> = {
  partitions: SETTINGS.partitions.name,
  sessionMs: SETTINGS.sessionMs.name,
  graceMs: SETTINGS.graceMs.name,
  leaseMs: SETTINGS.leaseMs.name,
  deadlineMs: SETTINGS.deadlineMs.name,
  durability: SETTINGS.durability.name,
};

const ALL: readonly Setting<unknown>[] = [
  ...Object.values(SETTINGS),
  ...Object.values(TOKEN_SETTINGS),
  ...Object.values(LIMIT_SETTINGS),
  FLOOR_SETTING,
  ...Object.values(SESSION_SETTINGS),
  ...Object.values(ADMIN_SETTINGS),
  ...Object.values(TLS_SETTINGS),
];
const SECRETS = ALL.filter(({ isSecret }) => isSecret === true).map(({ name }) => name);

/**
 * @param isAdminUsual there is an admin listener unless its port is set to 0
 * @throws {SettingError} for the first setting that is unknown or not of its form
 */
export function readSettings(everything: Environment, isAdminUsual = false): Settings {
  const given = settingsIn(everything);
  refuseUnknown(given);
  const environment = withSecretsRead(given, SECRETS);
  const [sessionMs, leaseMs] = [read(SETTINGS.sessionMs, environment), read(SETTINGS.leaseMs, environment)];
  const deadlineMs = read(SETTINGS.deadlineMs, environment);
  const redisUrl = read(SETTINGS.redisUrl, environment);
  const peerUrl = read(SETTINGS.peerUrl, environment);
  if (redisUrl === undefined) refuseWithoutCluster(environment);
  return Object.freeze({
    host: read(SETTINGS.host, environment),
    port: read(SETTINGS.port, environment),
    corsOrigins: read(SETTINGS.corsOrigins, environment),
    cluster: read(SETTINGS.cluster, environment),
    partitions: read(SETTINGS.partitions, environment),
    dataDir: read(SETTINGS.dataDir, environment),
    catalogue: read(SETTINGS.catalogue, environment),
    sessionMs,
    graceMs: readGrace(Math.ceil(sessionMs / 2) + leaseMs + deadlineMs, environment),
    durability: read(SETTINGS.durability, environment),
    snapshotMs: read(SETTINGS.snapshotMs, environment),
    leaseMs,
    deadlineMs,
    logLevel: read(SETTINGS.logLevel, environment),
    isLaneOpen: read(SETTINGS.isLaneOpen, environment),
    keepAliveMs: read(SETTINGS.keepAliveMs, environment),
    isRepair: read(SETTINGS.isRepair, environment),
    id: read(SETTINGS.id, environment),
    redisUrl,
    ...readRedisLogin(redisUrl, environment),
    peerHost: read(SETTINGS.peerHost, environment),
    peerPort: read(SETTINGS.peerPort, environment),
    peerUrl,
    peerSecret: redisUrl === undefined ? undefined : readSecret(environment),
    weight: read(SETTINGS.weight, environment),
    tokens: readTokens(environment, given[fileVariable(TOKEN_SETTINGS.key.name)] !== undefined),
    areReadsGuarded: read(TOKEN_SETTINGS.reads, environment) === "jwt",
    admin: readAdmin(environment, environment[TOKEN_SETTINGS.auth.name] === "jwt", isAdminUsual),
    floor: readFloor(environment, environment[TOKEN_SETTINGS.auth.name] === "jwt"),
    ...readSessions(environment),
    ...readTls(environment, peerUrl),
    limits: readLimits(environment, environment[TOKEN_SETTINGS.auth.name] === "jwt"),
  });
}

/** Names the setting in which a node differs from its cluster. */
export function disagreement({ field, standing, brought }: DisagreementError): SettingError {
  const name = AGREED[field] ?? `the version of Headcount (its ${field})`;
  return new SettingError(
    `${name} must be ${String(standing)}, as when the cluster was founded, got "${String(brought)}"`,
  );
}

export interface Arguments {
  readonly wanted: "run" | "help" | "version";
  readonly isAdminUsual: boolean;
}

/** What the command line asks for; the node itself takes no arguments. @throws {SettingError} for anything else */
export function readArguments(args: readonly string[]): Arguments {
  try {
    const options = {
      admin: { type: "boolean" },
      help: { type: "boolean", short: "h" },
      version: { type: "boolean", short: "v" },
    } as const;
    const { values } = parseArgs({ args: [...args], options, strict: true });
    const wanted = values.help === true ? "help" : values.version === true ? "version" : "run";
    return { wanted, isAdminUsual: values.admin === true };
  } catch (error) {
    throw new SettingError(`${(error as Error).message.split(". ")[0]} (see --help)`);
  }
}

export function helpText(): string {
  const lines = ALL.map(({ name, standard, form, about, isSecret }) => {
    const file = isSecret === true ? `; or ${fileVariable(name)}, a file that holds it` : "";
    return `  ${name.padEnd(34)} ${about}\n${" ".repeat(37)}${form}; default ${standard ?? "none"}${file}\n`;
  });
  return `Usage: headcount [--admin] [--help] [--version]

Headcount tells a mobile game's players which game modes people in their country are playing right now.
With --admin, as \`npm start\` has it, operators are answered at port 8079, or at the next that is free, unless HEADCOUNT_ADMIN_PORT says otherwise.
It takes its settings from the environment:

${lines.join("")}`;
}

function refuseUnknown(environment: Environment): void {
  const known = new Set([...ALL.map(({ name }) => name), ...SECRETS.map(fileVariable)]);
  for (const name of Object.keys(environment)) {
    if (known.has(name)) continue;
    throw new SettingError(`${shown(name)} is no setting: --help lists all there are`);
  }
}

/** A node without peers that is told of them was meant to be one of a cluster. */
function refuseWithoutCluster(environment: Environment): void {
  const { peerHost, peerPort, peerUrl, peerSecret, weight, redisUsername, redisPassword } = SETTINGS;
  const refuse = (settings: readonly { name: string }[], why: string): void => {
    for (const { name } of settings)
      if (environment[name] !== undefined)
        throw new SettingError(`${name} must not be set without ${SETTINGS.redisUrl.name}: a node alone ${why}`);
  };
  refuse([peerHost, peerPort, peerUrl, peerSecret, weight, ...PEER_TLS_SETTINGS], "has no peers");
  refuse([redisUsername, redisPassword, SETTINGS.redisSentinelPassword], "keeps nothing in Redis");
}

/** The URL may carry a login too: where it does, both must say the same. */
function readRedisLogin(
  url: string | undefined,
  environment: Environment,
): Pick<Settings, "redisUsername" | "redisPassword" | "redisSentinelPassword"> {
  const login = {
    redisUsername: read(SETTINGS.redisUsername, environment),
    redisPassword: read(SETTINGS.redisPassword, environment),
    redisSentinelPassword: read(SETTINGS.redisSentinelPassword, environment),
  };
  if (url === undefined) return login;
  const { kind, username, password } = parseRedisUrl(url);
  const refuse = (name: string, what: string): never => {
    throw new SettingError(`${name} must not be set ${what}`);
  };
  const differs = `where ${SETTINGS.redisUrl.name} carries another (user:password@, or a password alone before the @)`;
  const isOther = (said: string | undefined, carried: string | undefined): boolean =>
    said !== undefined && carried !== undefined && said !== carried;
  if (isOther(login.redisUsername, username)) refuse(SETTINGS.redisUsername.name, differs);
  if (isOther(login.redisPassword, password)) refuse(SETTINGS.redisPassword.name, differs);
  if (login.redisSentinelPassword !== undefined && kind !== "sentinel")
    refuse(SETTINGS.redisSentinelPassword.name, `where ${SETTINGS.redisUrl.name} names no Sentinel`);
  return login;
}

/** Beyond loopback whoever reaches the port could write: a secret is required there, and a long one. */
function readSecret(environment: Environment): string | undefined {
  const secret = read(SETTINGS.peerSecret, environment);
  const host = read(SETTINGS.peerHost, environment);
  if (LOOPBACK.test(host) || (secret !== undefined && secret.length >= SECRET_LENGTH_MIN)) return secret;
  const { name, form } = SETTINGS.peerSecret;
  const got = secret === undefined ? "nothing" : lengthOf(secret);
  throw new SettingError(`${name} must be ${form} where ${SETTINGS.peerHost.name} is ${shown(host)}, got ${got}`);
}

function readGrace(leastMs: number, environment: Environment): number {
  const { name } = SETTINGS.graceMs;
  if (environment[name] === undefined) return leastMs;
  const graceMs = read(SETTINGS.graceMs, environment);
  if (graceMs < leastMs)
    throw new SettingError(`${name} must be at least ${leastMs} (${STANDARD_GRACE}), got ${shown(environment[name])}`);
  return graceMs;
}

function powerOfTwo(value: number | undefined): number | undefined {
  return value !== undefined && Number.isInteger(Math.log2(value)) ? value : undefined;
}

/** What is wrong with it; `undefined` where nothing is. */
function whyNoRedisUrl(value: string): string | undefined {
  try {
    parseRedisUrl(value);
    return undefined;
  } catch (error) {
    return error instanceof RedisUrlError ? error.reason : String(error);
  }
}
