/**
 * Where the player was last said to be, and how the service comes to know it: over the session where one is open, else over
 * HTTP, again and again until it is told or refused for good; then it is renewed at the pace that the service sets.
 *
 * `seq` orders what a player's devices say. Each wish has one, of the clock when it was made; saying the same wish again raises
 * it by 1 where the service must take it anew, so a later wish of another device still wins.
 */
import type { Caller } from "./caller.ts";
import { closed, HeadcountError, isFinal, notUnderstood, refusal } from "./error.ts";
import type { Message, Session } from "./session.ts";
import { alarmOf, HEAD_START_MS, onAbort, pauseMs, type World } from "./world.ts";

export interface Played {
  readonly region: string;
  readonly gamemode: string;
  /** False where the player was there already. */
  readonly changed: boolean;
  /** False where the service cannot store it just now: it counts, and is reported again until it is stored. */
  readonly remembered: boolean;
}

interface Place {
  readonly region: string;
  readonly gamemode: string;
}

/** What was asked for: to be somewhere, or to be nowhere. */
interface Wish {
  readonly place: Place | undefined;
  seq: number;
  wasSent?: boolean;
  /** Tells whoever asked what came of it; only the first time counts. */
  settle?: (outcome: Played | Error | undefined) => void;
}

export interface PresenceEvents {
  changed(state: PresenceState): void;
  /** Told of each failure; what may pass is tried again. */
  failed(error: HeadcountError): void;
}

/** `asking`: the service does not know yet. `superseded`: another device played later. */
export type PresenceState = "away" | "asking" | "here" | "superseded";

const RENEW_MS = 30_000; // where the service names no pace
const RENEW_MIN_MS = 250;
const RENEW_MAX_MS = 600_000;
const RETRY_BASE_MS = 1_000;
/**
 * What was said last is the last word, though somebody may be ahead of the clock: this very player before a restart, since plays
 * within a second are told apart by counting on. So often it is said anew, 5 + 4 + 3 + 2 + 1 seconds ahead in all.
 */
const LATE_TRIES = 5;
/** What is counted and not stored is said again so soon, where the service names no pace. */
const STORE_MS = 2_000;
/** A lost session's player is renewed over HTTP after 4 to 8 s, unless there is a session again: the service waits 10. */
const LOST_MS = 4_000;

export function presenceOf(caller: Caller, session: Session, world: World, profileId: string, events: PresenceEvents) {
  const path = `/v1/profiles/${profileId}/`;
  let wish: Wish | undefined;
  /** What the service acknowledged last. */
  let standing: Wish | undefined;
  let isKnown = true; // whether it acknowledged `wish`
  let isDoubtful: unknown; // whether something that was sent and then given up may have taken effect
  let isSuperseded = false;
  let wasSuperseded = false; // when `wish` was made
  let isHeadStart = false;
  let lastSeq = 0;
  let failures = 0;
  const alarm = alarmOf(world);
  let flight: AbortController | undefined;

  function ask(place: Place | undefined, signal: AbortSignal | undefined): Promise<Played | undefined> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const mine: Wish = { place, seq: Math.floor(world.now() / 1000) };
      const forget = onAbort(signal, () => {
        reject(signal!.reason as Error);
        goBack(mine);
      });
      mine.settle = (outcome) => {
        forget();
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      wasSuperseded = isSuperseded || (wasSuperseded && !isKnown);
      wish?.settle?.(new HeadcountError(0, "replaced"));
      take(mine);
    });
  }

  function take(next: Wish): void {
    isDoubtful ||= !isKnown && wish?.wasSent;
    next.seq = lastSeq = Math.max(lastSeq + 1, next.seq);
    wish = next;
    isKnown = isSuperseded = false;
    failures = 0;
    if (next.place) session.want(true);
    void attempt();
  }

  /**
   * To what stood before: nothing is to be said where the service cannot have heard anything else, but over a session, which
   * perhaps never carried it. What is said comes right after what is taken back, so it undoes nothing that another device said since.
   */
  function goBack(from: Wish): void {
    isDoubtful ||= from.wasSent || (session.state === "open" && standing?.place);
    if (isDoubtful && !wasSuperseded) {
      if (from.place !== standing?.place) return take({ place: standing?.place, seq: 0, wasSent: true });
      return again(pauseMs(world, RETRY_BASE_MS, failures++)); // it is what stood before that is refused now
    }
    wish = standing;
    isKnown = true;
    isSuperseded = wasSuperseded;
    void attempt();
  }

  function again(ms: number): void {
    alarm(ms, attempt);
  }

  /** Says what is to be said next, and cuts off what is being said: it is outdated. */
  async function attempt(hasWaited?: unknown): Promise<void> {
    const mine = wish;
    flight?.abort();
    alarm();
    tell();
    if (!mine || isSuperseded || (isKnown && (!mine.place || session.state === "open"))) return;
    isHeadStart = !isKnown && !hasWaited && session.state === "connecting";
    if (isHeadStart) return alarm(HEAD_START_MS, () => attempt(true));
    const { signal } = (flight = new AbortController());
    try {
      const renewInMs = await (isKnown ? renew(signal) : say(mine, signal, mine.wasSent ? 0 : LATE_TRIES));
      if (signal.aborted) return;
      failures = 0;
      if (renewInMs) again(Math.min(RENEW_MAX_MS, Math.max(RENEW_MIN_MS, Number(renewInMs) || RENEW_MS)));
    } catch (error) {
      if (!signal.aborted) failed(mine, error as HeadcountError);
    }
    tell();
  }

  function failed(mine: Wish, error: HeadcountError): void {
    const isRefused = isFinal(error, caller.canRenew);
    if (isKnown && isRefused && error.status === 404) {
      // It lost the player: silence, or a store that came back empty.
      anew(mine);
      return void attempt();
    }
    events.failed(error);
    if (isKnown || !isRefused) return again(pauseMs(world, RETRY_BASE_MS, failures++, error.retryAfterMs));
    mine.settle?.(error);
    mine.wasSent = failures > 0; // a try before this one may have taken effect
    goBack(mine);
  }

  async function renew(signal: AbortSignal): Promise<unknown> {
    const { headers } = await caller.ask(`${path}heartbeat`, { method: "PUT", signal });
    return headers.get("renew-in-ms") ?? RENEW_MS;
  }

  /**
   * @param tries so often the wish is said anew, each time further ahead, where the service has heard a later one
   * @returns when to be heard from again; undefined where nothing is to be said
   */
  async function say(mine: Wish, signal: AbortSignal, tries: number): Promise<unknown> {
    const { place, seq } = mine;
    mine.wasSent = true;
    const answer = await (session.state === "open" ? overSession(place, seq) : overHttp(place, seq, signal));
    if (signal.aborted) return;
    const { changed, remembered, renewInMs } = answer;
    if (place && typeof changed !== "boolean") throw notUnderstood(200, JSON.stringify(answer));
    const isLate = place && !isSame(place, answer);
    if (isLate && tries) {
      lastSeq = mine.seq += tries;
      return say(mine, signal, tries - 1);
    }
    isDoubtful = wasSuperseded = false;
    isKnown = true;
    if (isLate) {
      isSuperseded = true;
      mine.settle?.(new HeadcountError(200, "superseded"));
      return;
    }
    standing = mine;
    tell();
    mine.settle?.(place && (answer as unknown as Played));
    if (!place) return session.want(false);
    if (!remembered) anew(mine);
    return renewInMs;
  }

  async function overHttp(place: Place | undefined, seq: number, signal: AbortSignal): Promise<Message> {
    const { status, body } = place
      ? await caller.ask(`${path}gamemode`, { method: "POST", json: { ...place, seq }, signal })
      : await caller.ask(`${path}gamemode?seq=${seq}`, { method: "DELETE", keepalive: true, signal });
    if (!place && status !== 204 && status !== 202) throw notUnderstood(status, body);
    return { renewInMs: RENEW_MS, ...(body as Message), remembered: status !== 202 };
  }

  async function overSession(place: Place | undefined, seq: number): Promise<Message> {
    const answer = await session.ask({ type: place ? "play" : "leave", ...place, seq });
    if (answer["type"] === "refused") throw refusal(answer);
    return { remembered: true, renewInMs: answer["remembered"] === false && STORE_MS, ...answer };
  }

  /** The service must take the wish as a new one. */
  function anew(mine: Wish): void {
    isKnown = false;
    if (mine.wasSent) mine.seq = ++lastSeq;
  }

  function tell(): void {
    const state = isKnown || wish === standing ? (wish?.place ? "here" : "away") : "asking";
    events.changed(isSuperseded ? "superseded" : state);
  }

  return {
    /** Where the player is from now on; without a place nowhere. */
    ask,
    opened(): void {
      if (wish?.place) anew(wish);
      void attempt();
    },
    lost(wasOpen: boolean): void {
      if (isHeadStart) void attempt();
      else if (isKnown && wasOpen) again(pauseMs(world, LOST_MS, 0, LOST_MS));
      // Otherwise what was being said has failed with it, and is said again.
    },
    superseded(): void {
      isSuperseded ||= isKnown; // where it is not known, what is being said decides
      tell();
    },
    /** The network is back: what waits for its next try goes soon. */
    wake(): void {
      if (failures) again(pauseMs(world, RETRY_BASE_MS, 0));
      failures = 0;
    },
    close(): void {
      if (wish?.place) flight?.abort(); // a goodbye that is under way may come through
      alarm();
      wish?.settle?.(closed());
      wish = undefined;
      isKnown = false;
    },
  };
}

/** As the service gives it back: upper case, and a subdivision perhaps as the country that it is. */
function isSame(asked: Place, stands: Message): boolean {
  const isRegion = stands["region"] === asked.region.toUpperCase() || asked.region.includes("-");
  return stands["gamemode"] === asked.gamemode && isRegion;
}
