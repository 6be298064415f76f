// What the command line says, checked once. Everything wrong is one line: which option, what it may be, what came.
import { Command, CommanderError, Option } from "commander";

export interface CrowdOptions {
  readonly players: number;
  readonly bots?: number;
  readonly rate?: number;
  readonly url: URL;
  readonly seconds?: number;
  readonly batch: number;
  readonly seed: number;
  readonly connections: number;
  readonly rampSeconds?: number;
  readonly sessionTtl: number;
  readonly hour?: number;
  readonly check?: true;
  readonly client?: true;
  readonly sessions?: true;
}

export type Parsed =
  | { readonly kind: "run"; readonly options: CrowdOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "wrong"; readonly line: string };

const PLAYERS_MAX = 5_000_000; // 79 bytes each, and a node's own share besides
const BOTS_MAX = 1_000_000; // a thousand behind each address of the farm
const SECONDS_MAX = 2_000_000; // 23 days: what a timer can wait

const WRONG_VALUE = "crowd.wrongValue";

/** @param args without the interpreter and the script */
export function parseOptions(args: readonly string[]): Parsed {
  let printed = "";
  const command = new Command("npm run crowd --")
    .description("Sends a realistic crowd of players at a running node until Ctrl-C, or for --seconds.")
    .addOption(wholeOption("--players <number>", "players connected at any time", 1, PLAYERS_MAX).default(10_000))
    .addOption(
      wholeOption(
        "--bots <number>",
        "and so many bots from four networks that push one mode; all addresses are sent as X-Forwarded-For",
        1,
        BOTS_MAX,
      ),
    )
    .addOption(
      wholeOption(
        "--rate <number>",
        "reports, heartbeats and goodbyes a second, kept by hurrying matches or holding them back (default: as they end)",
        1,
        1_000_000,
      ),
    )
    .addOption(
      new Option("--url <url>", "the service")
        .default(new URL("http://127.0.0.1:8080"), "http://127.0.0.1:8080")
        .argParser(parseUrl),
    )
    .addOption(decimalOption("--seconds <number>", "end after this long (default: until Ctrl-C)", 0.001, SECONDS_MAX))
    .addOption(
      wholeOption(
        "--batch <rows>",
        "send reports in batches of so many, as a game server would; 0: one by one",
        0,
        10_000,
      ).default(0),
    )
    .addOption(
      new Option("--client", "each player by the client library, which renews by itself, over heartbeats").conflicts([
        "batch",
        "bots",
      ]),
    )
    .addOption(
      new Option(
        "--sessions",
        "the same over WebSocket sessions, over heartbeats where the service has none",
      ).conflicts(["batch", "bots"]),
    )
    .addOption(
      wholeOption(
        "--seed <number>",
        "one seed is one crowd: give another to each of two crowds",
        0,
        4_294_967_295,
      ).default(1),
    )
    .addOption(wholeOption("--connections <number>", "calls at a time", 1, 1_024).default(64))
    .addOption(
      decimalOption(
        "--ramp-seconds <number>",
        "time in which the crowd arrives (default: 10, and at most 5,000 players or the rate a second)",
        0,
        86_400,
      ),
    )
    .addOption(
      decimalOption(
        "--session-ttl <seconds>",
        "the service's HEADCOUNT_SESSION_TTL_MS, in seconds: how long it keeps those who fell silent",
        0.1,
        86_400,
      ).default(90),
    )
    .addOption(
      decimalOption(
        "--hour <0-23>",
        "begin at this hour (UTC): where it is evening more people play (default: every hour is alike)",
        0,
        23.99,
      ),
    )
    .addOption(new Option("--check", "at the end ask the service and compare with what the crowd knows"))
    .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => {} })
    .exitOverride();
  try {
    command.parse(args, { from: "user" });
    return { kind: "run", options: command.opts<CrowdOptions>() };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "help", text: printed };
    const line = error.message.replace(/^error: /, "").replaceAll("\n", " ");
    return { kind: "wrong", line: error.code === WRONG_VALUE ? line : `${line} (--help lists the options)` };
  }
}

function wholeOption(flags: string, description: string, min: number, max: number): Option {
  return numberOption(flags, description, `a whole number from ${min} to ${max}`, /^\d+$/, min, max);
}

function decimalOption(flags: string, description: string, min: number, max: number): Option {
  return numberOption(flags, description, `a number from ${min} to ${max}`, /^\d+(\.\d+)?$/, min, max);
}

function numberOption(
  flags: string,
  description: string,
  form: string,
  pattern: RegExp,
  min: number,
  max: number,
): Option {
  const option = new Option(flags, description);
  return option.argParser((text) => {
    const value = Number(text);
    if (!pattern.test(text) || value < min || value > max) throw wrong(option.long!, form, text);
    return value;
  });
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isFit = url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username && !url.password;
  if (!isFit) throw wrong("--url", "an http or https address such as http://127.0.0.1:8080", text);
  return url;
}

function wrong(option: string, form: string, came: string): CommanderError {
  const shown = JSON.stringify(came.length > 64 ? `${came.slice(0, 64)}…` : came);
  return new CommanderError(2, WRONG_VALUE, `${option} must be ${form}, got ${shown}`);
}
