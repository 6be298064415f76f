/** A player's client: says where the player is, keeps saying it, and tells what is popular. */
import { callerTo } from "./caller.ts";
import { closed, type HeadcountError, isFinal } from "./error.ts";
import { type Played, presenceOf, type PresenceState } from "./presence.ts";
import { sessionTo } from "./session.ts";
import { tokensFrom, type TokenSource } from "./tokens.ts";
import { pathOf, type Popular, type TopOptions, watchesOf, type WatchOptions } from "./watches.ts";
import { pauseMs, realWorld, sleep, tell, type World } from "./world.ts";

export interface HeadcountOptions {
  /** The service; several where there are several: one is kept until it fails. */
  readonly url: string | readonly string[];
  /** The player, a UUID. Without it only `top` and `watch` can be used. */
  readonly profileId?: string | undefined;
  /** Where the service asks for tokens: one, or a function that gets one, called again whenever another is needed. */
  readonly token?: TokenSource | undefined;
  /** False: heartbeats over HTTP only, no WebSocket. */
  readonly sessions?: boolean | undefined;
  readonly onState?: ((state: HeadcountState) => void) | undefined;
  /** Each failure, also those that are tried again. */
  readonly onError?: ((error: HeadcountError) => void) | undefined;
  /** For tests, and for platforms that lack something; what is left out is the real thing. */
  readonly world?: Partial<World> | undefined;
}

export interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/**
 * `away`: nowhere. `asking`: not acknowledged yet. `here`: acknowledged, and renewed. `superseded`: another device of the
 * player played later; this one does nothing until its own `play()`. `closed`: for good.
 */
export type HeadcountState = PresenceState | "closed";

const TRIES = 4;
const RETRY_BASE_MS = 250; // twice that bounds the first pause

/** Its functions need no `this`: they can be handed on as they are. */
export class Headcount {
  /**
   * The player is now in this mode, in this region: said until the service has it or refuses it for good, then renewed until
   * the next `play()` or `leave()`. A promise that is not looked at does no harm: `onError` is told too.
   * @throws {HeadcountError} refused for good (what stood before stands again); `replaced`; `superseded`; `closed`
   */
  declare readonly play: (region: string, gamemode: string, options?: Cancellable) => Promise<Played>;

  /** The player is nowhere any more. Works while a page is being left. */
  declare readonly leave: (options?: Cancellable) => Promise<void>;

  /**
   * What is popular in a place: asked once, up to four tries.
   * @throws {HeadcountError} refused, or no answer
   */
  declare readonly top: (place: string, options?: TopOptions) => Promise<Popular>;

  /**
   * Calls `fn` with what is popular in a place, now and whenever it changes.
   * @returns ends it; so does `signal`
   */
  declare readonly watch: (place: string, fn: (popular: Popular) => void, options?: WatchOptions) => () => void;

  /** Ends everything, without a goodbye: `leave()` first where the player goes. */
  declare readonly close: () => void;

  readonly state: HeadcountState = "away";

  /** Whether a session is open; otherwise heartbeats keep the player's place. */
  declare readonly hasSession: () => boolean;

  /** @throws {TypeError} for a URL that is none */
  constructor({ url, profileId = "", token, sessions = true, onState, onError, world: given }: HeadcountOptions) {
    const world = { ...realWorld(), ...given, ...(!sessions && { WebSocket: undefined }) };
    const tokens = tokensFrom(token, world);
    const caller = callerTo(url, tokens, world);
    const ending = new AbortController();
    const { signal: ended } = ending;
    const failed = (error: HeadcountError): void => tell(onError, error);
    const changed = (next: HeadcountState): void => {
      if (this.state === next || this.state === "closed") return;
      (this as { state: HeadcountState }).state = next;
      tell(onState, next);
    };
    const session = sessionTo(caller, tokens, world, profileId, {
      opened() {
        presence.opened();
        watches.opened();
      },
      lost(wasOpen) {
        presence.lost(wasOpen);
        watches.lost();
      },
      failed,
      heard(message) {
        if (message["type"] === "superseded") presence.superseded();
        else watches.heard(message);
      },
    });
    const presence = presenceOf(caller, session, world, profileId, { changed, failed });
    const watches = watchesOf(caller, session, world, failed);
    for (const event of ["online", "offline"])
      world.events?.addEventListener?.(
        event,
        () => {
          session.wake();
          presence.wake();
        },
        { signal: ended },
      );

    const whileOpen = <T>(run: () => Promise<T>): Promise<T> => {
      const promise = ended.aborted ? Promise.reject(closed()) : run();
      promise.catch(() => {}); // nobody has to look at it
      return promise;
    };
    const own: Omit<Headcount, "state"> = {
      hasSession: () => session.state === "open",
      play: (region, gamemode, { signal } = {}) =>
        whileOpen(() => presence.ask({ region, gamemode }, signal) as Promise<Played>),
      leave: ({ signal } = {}) => whileOpen(() => presence.ask(undefined, signal) as Promise<undefined>),
      async top(place, options = {}) {
        const signal = options.signal ?? ended;
        for (let tries = 0; ;) {
          if (ended.aborted) throw closed();
          try {
            return (await caller.ask(pathOf(place, options), { signal })).body as Popular;
          } catch (error) {
            const failure = error as HeadcountError;
            if (signal.aborted || isFinal(failure) || ++tries === TRIES) throw failure;
            await sleep(world, pauseMs(world, RETRY_BASE_MS, tries, failure.retryAfterMs), signal);
          }
        }
      },
      watch(place, fn, options = {}) {
        if (ended.aborted) throw closed();
        return watches.add(place, fn, options);
      },
      close() {
        ending.abort(closed());
        watches.close();
        presence.close();
        session.want(false);
        changed("closed");
      },
    };
    Object.assign(this, own);
  }
}
