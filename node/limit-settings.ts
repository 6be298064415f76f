/** The settings of how often anybody may ask. */
import type { BlockList } from "node:net";
import type { Rate } from "../engine/rate.ts";
import type { Environment } from "./environment.ts";
import { parseTrusted } from "./trusted-proxies.ts";
import { SettingError } from "./setting-error.ts";
import { read, type Setting } from "./setting.ts";

export interface LimitSettings {
  /** Proxies whose word on who asks is taken. */
  readonly trusted: BlockList | undefined;
  /** Reports and heartbeats of a player, at the player's owner; `undefined`: as many as it likes. */
  readonly profile: Rate | undefined;
  /** Requests of an address. */
  readonly address: Rate | undefined;
  /** Rows of batches of a token. */
  readonly token: Rate | undefined;
}

type Limited = Rate | "off";

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
  token: limit("HEADCOUNT_RATE_TOKEN", "0", "rows of batches of a token"),
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
  return {
    trusted: read(LIMIT_SETTINGS.trusted, environment),
    profile: limitOf(LIMIT_SETTINGS.profile),
    address: limitOf(LIMIT_SETTINGS.address),
    token: limitOf(LIMIT_SETTINGS.token),
  };
}

function limit(name: string, standard: string, about: string): Setting<Limited> {
  return { name, form: RATE_FORM, standard, about, parse: parseRate };
}

function parseRate(value: string): Limited | undefined {
  if (value === "0") return "off";
  const [, count, seconds] = RATE.exec(value) ?? [];
  return count === undefined ? undefined : { count: Number(count), windowMs: Number(seconds) * 1000 };
}
