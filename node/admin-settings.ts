/** The settings of the admin listener. */
import type { Environment } from "./environment.ts";
import { SettingError } from "./setting-error.ts";
import { confidential, HOST, LOOPBACK, read, type Setting, text, whole } from "./setting.ts";

export interface AdminSettings {
  readonly host: string;
  /** 0: there is no admin listener. */
  readonly port: number;
  /** Where the port is not free the next that is. */
  readonly mayBeNext: boolean;
  /** `undefined`: one is made at the start, unless tokens with the scope `admin` can be shown. */
  readonly token: string | undefined;
  /** Names by which it is asked, besides its own. */
  readonly hosts: readonly string[];
}

/** Where `npm start` has it. */
const USUAL_PORT = 8079;
const NAMES = /^[\w.:[\]-]{1,255}(?:,[\w.:[\]-]{1,255}){0,31}$/;

export const ADMIN_SETTINGS = {
  host: text("HEADCOUNT_ADMIN_HOST", "127.0.0.1", "an address or host name", HOST, "where operators ask"),
  port: whole(
    "HEADCOUNT_ADMIN_PORT",
    "0",
    0,
    65_535,
    `port of the admin listener; 0: none (npm start: ${USUAL_PORT}, or the next that is free)`,
  ),
  token: {
    ...confidential("HEADCOUNT_ADMIN_TOKEN", "16 to 256 characters of A-Z a-z 0-9 . _ ~ + / -", /^[\w.~+/-]{16,256}$/),
    about: "what operators show; or a token with the scope admin",
  },
  hosts: {
    name: "HEADCOUNT_ADMIN_HOSTS",
    form: "host names, comma-separated",
    standard: undefined,
    parse: (value) => (NAMES.test(value) ? value.toLowerCase().split(",") : undefined),
    about: "names by which operators ask, besides its own and localhost",
  } as Setting<readonly string[] | undefined>,
};

/**
 * @param isUsual as `npm start` asks: there is one, unless the port is set to 0
 * @throws {SettingError}
 */
export function readAdmin(environment: Environment, areTokensAsked: boolean, isUsual: boolean): AdminSettings {
  const { host, port, token, hosts } = ADMIN_SETTINGS;
  const mayBeNext = isUsual && environment[port.name] === undefined;
  const settings = {
    host: read(host, environment),
    port: mayBeNext ? USUAL_PORT : read(port, environment),
    mayBeNext,
    token: read(token, environment),
    hosts: read(hosts, environment) ?? [],
  };
  if (settings.port !== 0 && settings.token === undefined && !areTokensAsked && !LOOPBACK.test(settings.host))
    throw new SettingError(
      `${host.name} must be an address of loopback where neither ${token.name} nor HEADCOUNT_AUTH=jwt is set, got ${JSON.stringify(settings.host)}`,
    );
  return settings;
}
