/** What the client needs of the world around it. Tests bring their own; `realWorld()` is the one of browsers, Node and React Native. */

/** What is used of a WebSocket. */
export interface Socket {
  addEventListener(
    type: "open" | "message" | "close" | "error",
    listener: (event: { readonly data?: unknown; readonly code?: number; readonly reason?: string }) => void,
  ): void;
  send(text: string): void;
  close(code?: number): void;
}

export interface World {
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Without it there are no sessions: heartbeats over HTTP instead. */
  readonly WebSocket?: (new (url: string, protocols: string[]) => Socket) | undefined;
  /** Milliseconds since 1970. Devices of one player should agree on it within a second: it orders what they say. */
  now(): number;
  /** From 0 up to and without 1. */
  random(): number;
  setTimeout(run: () => unknown, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  /** Where `online` and `offline` happen. */
  readonly events?: Partial<Pick<EventTarget, "addEventListener">> | undefined;
}

export function realWorld(): World {
  const platform = globalThis as unknown as Partial<World & EventTarget>;
  return {
    fetch: (url, init) => fetch(url, init),
    WebSocket: platform.WebSocket,
    now: Date.now,
    random: Math.random,
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
    // Node has no `addEventListener` of its own, React Native has one that knows neither event: requests that fail do as well.
    events: platform,
  };
}

/** For an answer, for a connection to open, for a token: what takes longer is not coming. */
export const ANSWER_MS = 10_000;
/** How long a session that is being opened may take before HTTP is used beside it. */
export const HEAD_START_MS = 2_000;
const PAUSE_MAX_MS = 60_000;

/**
 * How long to wait before trying again: full jitter, evenly between nothing and a bound that doubles with each failure in a row.
 * @param leastMs the service asked for so long; the jitter comes on top, so that not all come back in the same instant
 * Source: Brooker, "Exponential Backoff and Jitter", 2015.
 */
export function pauseMs(world: World, baseMs: number, failures: number, leastMs = 0, maxMs = PAUSE_MAX_MS): number {
  return leastMs + world.random() * Math.min(maxMs, baseMs * 2 ** failures);
}

/** One thing that is to be done later: in place of what was to be done before; nothing where there is no `run`. */
export function alarmOf(world: World) {
  let timer: unknown;
  return (ms = 0, run?: () => unknown): void => {
    world.clearTimeout(timer);
    timer = run && world.setTimeout(run, ms);
  };
}

/**
 * Calls `run` when the signal is aborted, at once where it is.
 * @returns forgets it: a signal may live longer than what waits for it
 */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal?.aborted) run();
  signal?.addEventListener("abort", run);
  return () => signal?.removeEventListener("abort", run);
}

/** Resolves after so long, or at once when aborted. */
export async function sleep(world: World, ms: number, signal: AbortSignal): Promise<void> {
  const alarm = alarmOf(world);
  let forget: (() => void) | undefined;
  await new Promise<void>((resolve) => {
    alarm(ms, resolve);
    forget = onAbort(signal, resolve);
  });
  alarm();
  forget!();
}

/** Calls what the user gave, apart from our own work: what it throws is the user's to see, and breaks nothing here. */
export function tell<T>(listener: ((value: T) => void) | undefined, value: T): void {
  if (listener) void (async () => listener(await value))();
}
