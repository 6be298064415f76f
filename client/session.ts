/**
 * One WebSocket to the service, opened again when it is lost. What is sent over it, and what answers mean, is others' business.
 *
 *   off ── want(true) ──► connecting ──► open ──► lost: again after a pause
 *                             └─ not to be had (404, a firewall, no room): again much later, heartbeats until then
 */
import type { Caller } from "./caller.ts";
import { HeadcountError } from "./error.ts";
import type { Tokens } from "./tokens.ts";
import { alarmOf, ANSWER_MS, pauseMs, type Socket, type World } from "./world.ts";

/** What the service says: `type`, and what belongs to it. */
export type Message = Readonly<Record<string, unknown>>;

export interface SessionEvents {
  readonly opened: () => void;
  /** It was open and is no more, or it is not wanted any more; false: it could not be opened, do without it. */
  readonly lost: (wasOpen: boolean) => void;
  readonly heard: (message: Message) => void;
  /** There is no token. */
  readonly failed: (error: HeadcountError) => void;
}

export type Session = ReturnType<typeof sessionTo>;

/** After so much silence we ask whether anybody is there: sooner than the service would (25 s), so that one of the two does. */
const SILENCE_MS = 20_000;
/** And sooner where an answer is overdue. */
const OVERDUE_MS = 5_000;
/** Whoever lost a session comes back within so long, while the service still keeps the player's place (10 s). */
const LOST_BASE_MS = 5_000;
/** Where there are no sessions, they are looked for this seldom. */
const REFUSED_BASE_MS = 60_000;
const REFUSED_MAX_MS = 600_000;
const SOON_MS = 1_000;
const TIMER_MAX_MS = 2_147_483_647; // 2 ** 31 - 1

const DONE = 1000;
const SILENT = 1001;
const TOO_LARGE = 1009;
const NO_ROOM = 1013;
const MALFORMED = 4400;
const CREDENTIALS = 4401;

export function sessionTo(caller: Caller, tokens: Tokens, world: World, profileId: string, events: SessionEvents) {
  let state: "off" | "connecting" | "open" = "off";
  let isWanted = false;
  let socket: Socket | undefined;
  let url: string;
  let token: string | undefined;
  const after = alarmOf(world);
  const atTokensEnd = alarmOf(world);
  let failures = 0;
  let refs = 0;
  /** Whose answer is waited for, or has come. */
  let waiting: { ref: number; resolve: (message: Message) => void; reject: (error: Error) => void } | undefined;

  async function takeToken(): Promise<void> {
    token = (await tokens.get().catch(events.failed)) as string | undefined;
  }

  async function connect(): Promise<void> {
    if (!isWanted || state !== "off" || !world.WebSocket) return;
    state = "connecting";
    await takeToken();
    if (!isWanted || socket) return;
    url = caller.url;
    try {
      const protocols = ["headcount.v1"].concat(token ? `bearer.${token}` : []);
      const mine = new world.WebSocket(`${url.replace("http", "ws")}/v1/session?profileId=${profileId}`, protocols);
      const on: Socket["addEventListener"] = (type, listener) =>
        mine.addEventListener(type, (event) => {
          if (mine === socket) listener(event);
        });
      socket = mine;
      on("open", () => {
        state = "open";
        listen();
        keepToken();
        events.opened();
      });
      on("message", ({ data }) => heard(data));
      on("close", ({ code, reason }) => ended(code, reason));
      on("error", () => {}); // a close follows
      after(ANSWER_MS, ended);
    } catch {
      ended(); // a token that is no JWT cannot be a subprotocol
    }
  }

  function heard(data: unknown): void {
    let message: Message | undefined;
    try {
      message = JSON.parse(data as string);
    } catch {
      // Whoever says that is not the service.
    }
    if (!message?.["type"]) return ended();
    failures = 0;
    listen();
    if (waiting && message["ref"] === waiting.ref) waiting.resolve(message);
    else events.heard(message);
  }

  /** Silence is asked about, and ends the session where it goes on: a connection can be dead without a word. */
  function listen(silenceMs = SILENCE_MS): void {
    after(silenceMs, () => {
      send({ type: "ping" });
      after(ANSWER_MS, () => ended(SILENT));
    });
  }

  function keepToken(): void {
    atTokensEnd(Math.min(TIMER_MAX_MS, Math.max(ANSWER_MS, tokens.renewInMs())), async () => {
      tokens.forget(token);
      await takeToken(); // without one the service closes with 4401
      if (!token || state !== "open") return;
      send({ type: "token", token });
      keepToken();
    });
  }

  function ended(code?: number, reason?: string): void {
    const wasOpen = state === "open";
    close();
    const canRenew = code === CREDENTIALS && tokens.canRenew;
    if (code === CREDENTIALS) tokens.forget(token);
    else if (wasOpen && code !== SILENT && code !== DONE) caller.leave(url);
    const toldMs = Number(/ in (\d+)/.exec(reason!)?.[1]) || 0;
    const isRefused = !wasOpen || code === TOO_LARGE || (code! >= MALFORMED && !canRenew);
    // "reconnect in" is spread over the drain already; who finds no room comes back later and later.
    const isSpread = toldMs && code !== NO_ROOM;
    const isAtOnce = isSpread || (canRenew && !failures);
    const baseMs = isAtOnce ? 0 : isRefused ? REFUSED_BASE_MS : LOST_BASE_MS;
    after(pauseMs(world, baseMs, failures, toldMs, REFUSED_MAX_MS), connect);
    failures++;
    events.lost(wasOpen);
  }

  /** Ends what there is, without a word to `events`. */
  function close(): void {
    socket?.close(DONE); // its close is told later, and then it is ours no more
    socket = undefined;
    state = "off";
    after();
    atTokensEnd();
    waiting?.reject(new HeadcountError(0, "unreachable"));
  }

  /** @returns the `ref` that its answer will carry */
  function send(message: object): number {
    socket?.send(JSON.stringify({ ...message, ref: ++refs }));
    return refs;
  }

  return {
    get state() {
      return state;
    },
    want(wanted: boolean): void {
      if (wanted === isWanted) return;
      isWanted = wanted;
      if (wanted) return void connect();
      close();
      events.lost(true);
    },
    /** Resolves with the answer; rejects where the session ends before. The first is not answered any more once there is a second. */
    ask(message: object): Promise<Message> {
      return new Promise((resolve, reject) => {
        waiting = { ref: send(message), resolve, reject };
        listen(OVERDUE_MS);
      });
    },
    send,
    /** Something about the network changed: look whether the session lives, or open it soon. */
    wake(): void {
      failures = 0;
      if (state === "open") listen(0);
      else if (state === "off") after(pauseMs(world, SOON_MS, 0), connect);
    },
  };
}
