/** The settings of sessions over WebSocket. */
import type { Environment } from "./environment.ts";
import { read, type Setting, whole } from "./setting.ts";

export interface SessionSettings {
  /** Sessions open at once. */
  readonly sessionsMax: number;
  /** How long a player stays whose connection ended without a word (R30). */
  readonly reconnectGraceMs: number;
}

export const SESSION_SETTINGS = {
  sessionsMax: whole(
    "HEADCOUNT_SESSIONS_MAX",
    "20000",
    0,
    1_000_000,
    "sessions (WebSocket) open at once, among the connections of clients; 0: none",
  ),
  reconnectGraceMs: whole(
    "HEADCOUNT_RECONNECT_GRACE_MS",
    "10000",
    0,
    3_600_000,
    "how long a player stays connected whose session ended without saying so, for it to come back",
  ),
} satisfies { readonly [Key in keyof SessionSettings]: Setting<SessionSettings[Key]> };

/** @throws {SettingError} */
export function readSessions(environment: Environment): SessionSettings {
  const { sessionsMax, reconnectGraceMs } = SESSION_SETTINGS;
  return { sessionsMax: read(sessionsMax, environment), reconnectGraceMs: read(reconnectGraceMs, environment) };
}
