/**
 * What is popular in places, as it changes: over the session where one is open, else over a stream of server-sent events, and
 * where streams do not work by asking again and again with the tag of what is known.
 */
import type { Caller } from "./caller.ts";
import { type HeadcountError, isFinal, notUnderstood, refusal } from "./error.ts";
import { eventReader } from "./event-stream.ts";
import type { Message, Session } from "./session.ts";
import { HEAD_START_MS, onAbort, pauseMs, sleep, tell, type World } from "./world.ts";

/** Of a mode; `include` adds more. */
export interface PopularMode {
  readonly mode: string;
  readonly rank: number;
  readonly players: number;
  readonly share: number;
  readonly [more: string]: unknown;
}

/** What is popular in a place: the body that the service gives. */
export interface Popular {
  readonly region: string;
  readonly players: number;
  /** RFC 3339. */
  readonly asOf: string;
  readonly gamemodes: readonly PopularMode[];
  /** False while not every partition has spoken. */
  readonly complete?: boolean;
  /** True while it is older than it should be. */
  readonly stale?: boolean;
  readonly [more: string]: unknown;
}

export interface TopOptions {
  /** How many modes, 1 to 100; 5 where not given. */
  readonly top?: number | undefined;
  /** `trend`, `peak`, `usual`, `order`. */
  readonly include?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchOptions extends TopOptions {
  /** At most one value in so many milliseconds, 250 to 60,000; 2,000 where not given. */
  readonly every?: number | undefined;
}

const STREAM_BASE_MS = 5_000;
/** A stream says something every 15 s; after three times that it is dead. */
const STREAM_SILENCE_MS = 45_000;
/** Where streams do not work they are tried again this seldom. */
const STREAM_AGAIN_MS = 600_000;
const POLL_MS = 5_000;
const SESSION_PLACES_MAX = 8;

interface Watch {
  /** Its code, once the service has told it: a subdivision may be a country too, and is given back as that. */
  place: string;
  readonly options: WatchOptions;
  readonly fn: (popular: Popular) => void;
  /** With which it was asked for over the session; 0 while it is not the session's. */
  ref: number;
  /** How often it was refused, or failed, since it worked. */
  failures: number;
  /** Ends what goes on over HTTP, or waits to be asked again. */
  abort?: AbortController;
  /** The tag of what was shown last. */
  tag?: string | null;
  seen?: string;
  /** Until then it polls. */
  pollUntilMs: number;
}

export function watchesOf(caller: Caller, session: Session, world: World, failed: (error: HeadcountError) => void) {
  let all: Watch[] = [];

  function show(watch: Watch, popular: Popular): void {
    watch.failures = 0;
    const seen = JSON.stringify({ ...popular, asOf: 0 });
    if (!popular.gamemodes) throw notUnderstood(200, seen);
    if (seen === watch.seen) return; // another way of watching tells what stands once more
    watch.seen = seen;
    watch.place = popular.region;
    arrange();
    tell((value) => all.includes(watch) && watch.fn(value), popular);
  }

  const onSession = (): Watch[] => all.filter(({ ref }) => ref);

  /** Whoever is not on the session goes there where there is room, else over HTTP. */
  function arrange(): void {
    for (const watch of all) {
      const { place, ref } = watch;
      const others = onSession();
      const isNamed = watch.seen || !place.includes("-");
      const hasRoom = others.length < SESSION_PLACES_MAX && others.every((other) => other.place !== place);
      if (ref) continue;
      if (isNamed && hasRoom && session.state === "open") ask(watch);
      else if (!watch.abort) void follow(watch, session.state === "connecting" ? HEAD_START_MS : 0);
    }
  }

  function ask(watch: Watch): void {
    watch.abort?.abort();
    const { top, every, include } = watch.options;
    watch.ref = session.send({ type: "watch", place: watch.place, top, every, include: include?.join() });
  }

  /** Over HTTP, after a pause; or over the session once more, where that refused it for now: it keeps its place there meanwhile. */
  async function follow(watch: Watch, waitMs: number): Promise<void> {
    watch.abort?.abort();
    const { signal } = (watch.abort = new AbortController());
    for (;;) {
      await sleep(world, waitMs, signal);
      if (signal.aborted) return;
      if (watch.ref) return ask(watch);
      const streams = world.now() >= watch.pollUntilMs;
      try {
        waitMs = await (streams ? stream : poll)(watch, signal);
        watch.failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const failure = error as HeadcountError;
        if (streams && failure.status > 403 && failure.status < 407) waitMs = pollFirst(watch);
        else return refused(watch, failure);
      }
    }
  }

  function pollFirst(watch: Watch): number {
    watch.pollUntilMs = world.now() + STREAM_AGAIN_MS;
    return 0;
  }

  /** @returns how long to wait before the next one, when it has ended as it should */
  function stream(watch: Watch, signal: AbortSignal): Promise<number> {
    const headers = { accept: "text/event-stream", ...(watch.tag && { "last-event-id": watch.tag }) };
    const { url } = caller;
    return caller.send(pathOf(watch.place, watch.options, "/stream"), { headers, signal }, async (response, wait) => {
      const reader = response.body?.getReader();
      // React Native's fetch has no streams.
      if (!reader || !response.headers.get("content-type")?.startsWith("text/event-stream")) return pollFirst(watch);
      const decoder = new TextDecoder();
      let retryMs = 0;
      let bye: { reconnectInMs: number } | undefined;
      const read = eventReader(
        (type, data, id) => {
          if (type === "top") {
            show(watch, JSON.parse(data));
            watch.tag = id;
          }
          if (type === "bye") bye = JSON.parse(data);
        },
        (ms) => (retryMs = ms),
      );
      for (;;) {
        wait(STREAM_SILENCE_MS);
        const { done, value } = await reader.read();
        if (done) return retryMs + pauseMs(world, STREAM_BASE_MS, 0);
        read(decoder.decode(value, { stream: true }));
        if (!bye) continue;
        caller.leave(url);
        return bye.reconnectInMs;
      }
    });
  }

  /** @returns how long to wait before the next one */
  async function poll(watch: Watch, signal: AbortSignal): Promise<number> {
    // With a tag of ours fetch would ask for an answer past all caches.
    const headers = { "cache-control": "max-age=0", ...(watch.tag && { "if-none-match": watch.tag }) };
    const answer = await caller.ask(pathOf(watch.place, watch.options), { headers, signal });
    if (answer.body) {
      show(watch, answer.body as Popular);
      watch.tag = answer.headers.get("etag");
    }
    const everyMs = Math.max(POLL_MS, watch.options.every ?? 0);
    return pauseMs(world, everyMs * 0.4, 0, everyMs * 0.8);
  }

  function refused(watch: Watch, error: HeadcountError): void {
    failed(error);
    if (isFinal(error, caller.canRenew)) {
      watch.ref = 0;
      stop(watch);
    } else void follow(watch, pauseMs(world, STREAM_BASE_MS, watch.failures++, error.retryAfterMs));
  }

  function stop(watch: Watch): void {
    watch.abort?.abort();
    if (watch.ref) session.send({ type: "unwatch", place: watch.place });
    watch.ref = 0;
    all = all.filter((each) => each !== watch);
    arrange();
  }

  return {
    add(place: string, fn: (popular: Popular) => void, options: WatchOptions): () => void {
      const watch: Watch = { place: place.toUpperCase(), options, fn, ref: 0, failures: 0, pollUntilMs: 0 };
      all.push(watch);
      arrange();
      const end = (): void => stop(watch);
      const forget = onAbort(options.signal, end);
      return () => {
        forget();
        end();
      };
    },
    opened: arrange,
    /** The session is likely back soon: a stream only where it is not. */
    lost(): void {
      for (const watch of onSession()) {
        watch.ref = 0;
        void follow(watch, pauseMs(world, STREAM_BASE_MS, 0, STREAM_BASE_MS));
      }
    },
    heard({ type, ref, ...rest }: Message): void {
      const error = type === "refused" && refusal(rest);
      for (const watch of onSession()) {
        if (error && watch.ref === ref) return refused(watch, error);
        if (rest["gamemodes"] && watch.place === rest["region"]) show(watch, rest as Popular);
      }
      if (error) failed(error);
    },
    close(): void {
      for (const watch of all) stop(watch);
    },
  };
}

export function pathOf(place: string, { top = 5, every, include }: WatchOptions, way = ""): string {
  const more = `${every ? `&every=${every}` : ""}${include ? `&include=${include.join()}` : ""}`;
  return `/v1/regions/${encodeURIComponent(place)}/gamemode${way}?top=${top}${more}`;
}
