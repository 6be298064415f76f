/** Who may ask what: the tokens, their keys, and the thread that verifies. */
import type { Logger } from "pino";
import type { Metrics } from "../metrics.ts";
import type { TokenSettings } from "../token-settings.ts";
import { KeySet } from "./key-set.ts";
import { Tokens, verifyInThread } from "./tokens.ts";

const TICK_MS = 1000;

export interface Access {
  readonly tokens: Tokens;
  /** Who signs all tokens. */
  readonly issuer: string;
  /** Whoever asks for popular modes, regions or players shows a token too. */
  readonly areReadsGuarded: boolean;
  /** False until there is a first set of keys: no token can be verified. */
  readonly hasKeys: () => boolean;
  /** Ends its thread and its timers. */
  close(): Promise<void>;
}

/** @throws {SettingError} (rejects) where the keys are in a file that is no set of keys */
export async function openAccess(
  settings: TokenSettings,
  areReadsGuarded: boolean,
  log: Logger,
  metrics: Metrics,
): Promise<Access> {
  const keys = await KeySet.open(settings.keys, {
    algorithms: settings.algorithms,
    log,
    nowMs: () => performance.now(),
    fetch: globalThis.fetch,
  });
  const thread = verifyInThread();
  const tokens = new Tokens(keys, settings, { verify: thread.verify, log, wallMs: () => Date.now() });
  const timer = setInterval(() => tokens.tick(), TICK_MS).unref();
  metrics.labelledCounter("tokens_total", "Tokens by how they were judged", "judged", () => tokens.judged);
  metrics.labelledCounter("token_key_reads_total", "Reads of the set of keys", "outcome", () => keys.reads);
  metrics.gauge("tokens_waiting", "Tokens that wait to be verified", () => tokens.waitingCount);
  metrics.gauge("tokens_remembered", "Tokens that are remembered", () => tokens.rememberedCount);
  return {
    tokens,
    issuer: settings.issuer,
    areReadsGuarded,
    hasKeys: () => keys.keys !== undefined,
    close: () => {
      clearInterval(timer);
      keys.close();
      return thread.close();
    },
  };
}
