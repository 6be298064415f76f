/** The settings of how often anybody may ask, and over how many connections. */
import type { BlockList } from "node:net";
import type { Rate } from "../engine/rate.ts";
import type { Environment } from "./environment.ts";
import { openFilesMax } from "./open-files.ts";
import { parseTrusted } from "./trusted-proxies.ts";
import { SettingError } from "./setting-error.ts";
import { read, type Setting, shown, whole } from "./setting.ts";

export interface LimitSettings {
  /** Proxies whose word on who asks is taken. */
  readonly trusted: BlockList | undefined;
  /** Reports and heartbeats of a player, at the player's owner; `undefined`: as many as it likes. */
  readonly profile: Rate | undefined;
  /** Requests of an address. */
  readonly address: Rate | undefined;
  /** Rows of batches of a token. */
  readonly token: Rate | undefined;
  /** Connections of the public listener at once. */
  readonly connections: number;
  /** The same from one address; Infinity: no limit of its own. */
  readonly connectionsOfAddress: number;
  /** Streams at once. */
  readonly streams: number;
  /** The same of one address; Infinity: no limit of its own. */
  readonly streamsOfAddress: number;
}

type Limited = Rate | "off";
type Count = number | "auto";

/** Files that are no clients: listeners, the store, its threads; and connections that are just being refused. */
const FILES_KEPT = 256;
/** Of the files that are left, so much for clients: peers and Redis need some too. */
const FILES_SHARE = 0.8;
/** An idle connection takes some 10 KB of memory. */
const AUTO_MAX = 100_000;
/** Behind one IPv4 address of a mobile carrier may be thousands of players. */
const ADDRESS_SHARE = 0.25;
const COUNT = /^(?:0|[1-9]\d{0,7})$/;

const RATE = /^([1-9]\d{0,8})\/([1-9]\d{0,4})s$/;
const RATE_FORM = "a number and seconds, such as 6000/10s, or 0 for no limit";

export const LIMIT_SETTINGS = {
  trusted: {
    name: "HEADCOUNT_TRUST_PROXY",
    form: "addresses or subnets (10.0.0.0/8), comma-separated",
    standard: undefined,
    parse: parseTrusted,
    about: "proxies whose X-Forwarded-For says who asks",
  } as Setting<BlockList | undefined>,
  profile: limit("HEADCOUNT_RATE_PROFILE", "10/10s", "reports and heartbeats of a player, over all nodes"),
  address: limit(
    "HEADCOUNT_RATE_ADDRESS",
    "6000/10s",
    "requests of an address without a good token; loopback has no limit",
  ),
  token: limit("HEADCOUNT_RATE_TOKEN", "0", "rows of batches, and players of look-ups of many, of a token"),
  connections: countOf(
    "HEADCOUNT_CONNECTIONS",
    `auto (four fifths of the files that the process may open less ${FILES_KEPT}, at most ${AUTO_MAX}) or a whole number from 1`,
    1,
    "connections of clients at once",
  ),
  connectionsOfAddress: countOf(
    "HEADCOUNT_CONNECTIONS_ADDRESS",
    "auto (a quarter of all) or a whole number, 0 for no limit of its own",
    0,
    "connections of one address at once; loopback and trusted proxies have only the limit of all",
  ),
  streams: whole("HEADCOUNT_STREAMS_MAX", "20000", 0, 1_000_000, "streams of popular modes at once; 0: none"),
  streamsOfAddress: countOf(
    "HEADCOUNT_STREAMS_ADDRESS",
    "auto (a quarter of HEADCOUNT_STREAMS_MAX) or a whole number, 0 for no limit of its own",
    0,
    "streams of one address at once, behind trusted proxies of the one that they name; loopback has only the limit of all",
  ),
};

/** @throws {SettingError} */
export function readLimits(environment: Environment, areTokensAsked: boolean): LimitSettings {
  const { name } = LIMIT_SETTINGS.token;
  if (environment[name] !== undefined && !areTokensAsked)
    throw new SettingError(`${name} must not be set without HEADCOUNT_AUTH=jwt: there are no tokens to count by`);
  const limitOf = (setting: Setting<Limited>): Rate | undefined => {
    const rate = read(setting, environment);
    return rate === "off" ? undefined : rate;
  };
  const connections = readConnections(environment);
  const streams = read(LIMIT_SETTINGS.streams, environment);
  return {
    trusted: read(LIMIT_SETTINGS.trusted, environment),
    profile: limitOf(LIMIT_SETTINGS.profile),
    address: limitOf(LIMIT_SETTINGS.address),
    token: limitOf(LIMIT_SETTINGS.token),
    connections,
    connectionsOfAddress: readOfAddress(LIMIT_SETTINGS.connectionsOfAddress, environment, connections),
    streams,
    streamsOfAddress: readOfAddress(LIMIT_SETTINGS.streamsOfAddress, environment, streams),
  };
}

/** More than the process may open would fail where it hurts: when the store opens a file. */
function readConnections(environment: Environment): number {
  const setting = LIMIT_SETTINGS.connections;
  const [given, files] = [read(setting, environment), openFilesMax()];
  if (given === "auto") return Math.max(1, Math.floor(Math.min(AUTO_MAX, FILES_SHARE * (files - FILES_KEPT))));
  const most = Math.max(1, files - FILES_KEPT);
  if (given <= most) return given;
  const why = `the process may open ${files} files (ulimit -n), and keeps ${FILES_KEPT} of them for itself`;
  throw new SettingError(
    `${setting.name} must be at most ${most} here, got ${shown(environment[setting.name] ?? "")}: ${why}`,
  );
}

/** @param all of all addresses together */
function readOfAddress(setting: Setting<Count>, environment: Environment, all: number): number {
  const given = read(setting, environment);
  if (given === "auto") return Math.max(1, Math.floor(all * ADDRESS_SHARE));
  return given === 0 ? Infinity : given;
}

function countOf(name: string, form: string, least: number, about: string): Setting<Count> {
  const parse = (value: string): Count | undefined => {
    if (value === "auto") return value;
    return COUNT.test(value) && Number(value) >= least ? Number(value) : undefined;
  };
  return { name, form, standard: "auto", about, parse };
}

function limit(name: string, standard: string, about: string): Setting<Limited> {
  return { name, form: RATE_FORM, standard, about, parse: parseRate };
}

function parseRate(value: string): Limited | undefined {
  if (value === "0") return "off";
  const [, count, seconds] = RATE.exec(value) ?? [];
  return count === undefined ? undefined : { count: Number(count), windowMs: Number(seconds) * 1000 };
}
