/**
 * The contract in memory, for tests of the client: one player table behind several URLs, over HTTP, streams and WebSockets, on a
 * virtual clock. It does what it should, unless `fault` says what goes wrong with a request or a connection.
 */
import type { World } from "../../client/world.ts";
import type { SeededRandom } from "../../simulator/seeded-random.ts";
import { FakeSocket, LATENCY_MS, type SocketFault } from "./fake-socket.ts";
import { VirtualClock } from "./virtual-world.ts";

export type HttpFault =
  | "refused"
  | "hangs"
  | "dropped after its effect"
  | "hangs after its effect"
  | "slow"
  | "503"
  | "503 with Retry-After"
  | "429"
  | "401"
  | "202"
  | "a page"
  | "a page with 404"
  | "half of JSON"
  | "null";
export interface Place {
  readonly region: string;
  readonly gamemode: string;
}

interface Player {
  place: Place | undefined;
  seq: number;
  heardMs: number;
  standing: FakeSocket | undefined;
}

export interface Call {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: string;
  readonly atMs: number;
}

export const SESSION_MS = 90_000;
const GRACE_MS = 10_000;
const RENEW_MS = 30_000;
const REFUSED_MODE = "REFUSED";

export class FakeService {
  readonly clock: VirtualClock;
  readonly calls: Call[] = [];
  readonly sockets: FakeSocket[] = [];
  /** What goes wrong with the next request or connection. */
  fault: (url: string) => HttpFault | undefined = () => undefined;
  socketFault: (url: string) => SocketFault | undefined = () => undefined;
  /** The status with which a session refuses to have a place watched, or a mode played. */
  watchFault: (place: string) => number | undefined = () => undefined;
  playFault: (gamemode: string) => number | undefined = () => undefined;
  hasSessions = true;
  hasStreams = true;
  /** When set, requests without it are refused with 401. */
  token: string | undefined;
  retryAfterS = 7;
  readonly #players = new Map<string, Player>();
  readonly #popular = new Map<string, object>();
  readonly #streams = new Set<(text: string | undefined) => void>();

  constructor(random: SeededRandom) {
    this.clock = new VirtualClock(random);
  }

  get world(): World {
    const open = (url: string, protocols: string[]): FakeSocket => new FakeSocket(this, url, protocols);
    const WebSocket = function (url: string, protocols: string[]) {
      return open(url, protocols);
    } as unknown as NonNullable<World["WebSocket"]>;
    return { ...this.clock.world, fetch: (url, init) => this.#fetch(url, init), WebSocket, events: undefined };
  }

  placeOf(profileId: string): Place | undefined {
    const player = this.#players.get(profileId);
    if (player === undefined) return undefined;
    const isHeard = player.standing !== undefined || this.clock.nowMs - player.heardMs < SESSION_MS;
    return isHeard ? player.place : undefined;
  }

  /** Says what is popular from now on, to watchers too. */
  publish(asked: string, gamemodes: readonly object[]): void {
    const place = this.codeOf(asked);
    this.#popular.set(place, { region: place, players: gamemodes.length, asOf: new Date().toISOString(), gamemodes });
    for (const send of this.#streams) send(this.#event(place));
    for (const socket of this.sockets)
      if (socket.watches.has(place)) socket.hear({ type: "top", ...this.popular(place) });
  }

  /** A subdivision that is a country of its own is that country. */
  codeOf(place: string): string {
    return place === "NO-21" ? "SJ" : place;
  }

  popular(asked: string): object {
    const place = this.codeOf(asked);
    return this.#popular.get(place) ?? { region: place, players: 0, asOf: "2026-01-01T00:00:00.000Z", gamemodes: [] };
  }

  tagOf(place: string): string {
    return `W/"${JSON.stringify(this.popular(place)).length}-${JSON.stringify((this.popular(place) as { gamemodes: unknown }).gamemodes)}"`;
  }

  /** Ends all streams: without a word, or with a last piece of text. */
  endStreams(last?: string): void {
    for (const send of this.#streams) {
      if (last !== undefined) send(last);
      send(undefined);
    }
    this.#streams.clear();
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  // ── one step of the service itself ──

  report(
    profileId: string,
    asked: Place,
    seq: number,
    standing?: FakeSocket,
  ): { stands: Place | undefined; changed: boolean } {
    const place = { ...asked, region: asked.region.toUpperCase() };
    const player = this.#player(profileId);
    if (seq > 0 && seq <= player.seq) return { stands: this.placeOf(profileId), changed: false };
    const before = this.placeOf(profileId);
    const changed = before?.region !== place.region || before.gamemode !== place.gamemode;
    if (player.standing !== standing) player.standing?.hear({ type: "superseded" });
    Object.assign(player, { place, seq, heardMs: this.clock.nowMs, standing });
    return { stands: place, changed };
  }

  leave(profileId: string, seq: number): void {
    const player = this.#player(profileId);
    if (seq > 0 && seq < player.seq) return;
    Object.assign(player, { place: undefined, seq, standing: undefined });
  }

  renew(profileId: string): boolean {
    if (this.placeOf(profileId) === undefined) return false;
    this.#player(profileId).heardMs = this.clock.nowMs;
    return true;
  }

  closed(socket: FakeSocket, profileId: string): void {
    const player = this.#players.get(profileId);
    if (player?.standing !== socket) return;
    const heardMs = (player.heardMs = this.clock.nowMs);
    player.standing = undefined;
    const { seq } = player;
    this.clock.after(GRACE_MS, () => {
      if (player.heardMs === heardMs && player.seq === seq && !player.standing) player.place = undefined;
    });
  }

  /** The store came back empty. Who has a session is renewed by the node that holds it, and so known again. */
  forgetEverybody(): void {
    for (const [profileId, { standing }] of this.#players) if (!standing) this.#players.delete(profileId);
  }

  isRefused(gamemode: string): boolean {
    return gamemode === REFUSED_MODE;
  }

  #player(profileId: string): Player {
    let player = this.#players.get(profileId);
    if (player === undefined) {
      player = { place: undefined, seq: 0, heardMs: 0, standing: undefined };
      this.#players.set(profileId, player);
    }
    return player;
  }

  // ── HTTP ──

  #fetch(address: string, { method = "GET", headers, body, signal }: RequestInit): Promise<Response> {
    const call = {
      method,
      url: address,
      headers: new Headers(headers),
      body: typeof body === "string" ? body : "",
      atMs: this.clock.nowMs,
    };
    this.calls.push(call);
    const fault = this.fault(address);
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(new DOMException("This operation was aborted", "AbortError")));
      if (signal?.aborted) return reject(new DOMException("This operation was aborted", "AbortError"));
      if (fault === "hangs") return;
      if (fault === "refused") return void this.clock.after(LATENCY_MS, () => reject(new TypeError("fetch failed")));
      const waitMs = fault === "slow" ? 100 * LATENCY_MS : LATENCY_MS;
      this.clock.after(waitMs, () => {
        if (fault === "hangs after its effect" || fault === "dropped after its effect") this.#answer(call, signal);
        if (fault === "hangs after its effect") return;
        if (fault === "dropped after its effect") return reject(new TypeError("terminated"));
        resolve(this.#faulty(fault) ?? this.#answer(call, signal, fault === "202"));
      });
    });
  }

  #faulty(fault: HttpFault | undefined): Response | undefined {
    if (fault === "503") return refused(503, "overloaded");
    if (fault === "503 with Retry-After") return refused(503, "overloaded", { "retry-after": `${this.retryAfterS}` });
    if (fault === "429") return refused(429, "rate", { "retry-after": `${this.retryAfterS}` });
    if (fault === "401") return refused(401, "credentials");
    if (fault === "a page") return new Response("<html>Please log in</html>", { status: 200 });
    if (fault === "a page with 404") return new Response("<html>Not here</html>", { status: 404 });
    if (fault === "half of JSON") return new Response('{"profileId":', { status: 200 });
    if (fault === "null") return new Response("null", { status: 200 });
    return undefined;
  }

  #answer({ method, url, headers, body }: Call, signal: AbortSignal | null | undefined, isUnstored = false): Response {
    const { pathname, searchParams } = new URL(url);
    if (this.token !== undefined && headers.get("authorization") !== `Bearer ${this.token}`)
      return refused(401, "credentials");
    const [, , kind, id = "", what = "", way] = pathname.split("/");
    if (kind === "regions") return this.#answerTop(id, what, way, headers, signal);
    if (kind !== "profiles") return refused(404, "no-such-path");
    if (what === "heartbeat") {
      if (!this.renew(id)) return refused(404, "not-connected");
      return new Response(null, { status: 204, headers: { "renew-in-ms": `${RENEW_MS}` } });
    }
    if (method === "DELETE") {
      this.leave(id, Number(searchParams.get("seq")));
      return new Response(null, { status: isUnstored ? 202 : 204 });
    }
    const { seq = 0, ...place } = JSON.parse(body) as Place & { seq?: number };
    if (this.isRefused(place.gamemode)) return refused(403, "not-entitled");
    const { stands, changed } = this.report(id, place, seq);
    const renewInMs = isUnstored ? 2_000 : RENEW_MS;
    const said = {
      profileId: id,
      region: stands?.region ?? null,
      gamemode: stands?.gamemode ?? null,
      changed,
      renewInMs,
    };
    return Response.json(said, { status: isUnstored ? 202 : 200 });
  }

  #answerTop(
    place: string,
    what: string,
    way: string | undefined,
    headers: Headers,
    signal: AbortSignal | null | undefined,
  ): Response {
    if (what !== "gamemode") return refused(404, "no-such-path");
    const etag = this.tagOf(place);
    if (way === undefined) {
      if (headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers: { etag } });
      return Response.json(this.popular(place), { headers: { etag } });
    }
    if (!this.hasStreams) return refused(404, "no-such-path");
    const encoder = new TextEncoder();
    const streams = this.#streams;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const send = (text: string | undefined): void => {
          if (text === undefined) controller.close();
          else controller.enqueue(encoder.encode(text));
        };
        streams.add(send);
        signal?.addEventListener("abort", () => {
          if (streams.delete(send)) controller.error(new DOMException("aborted", "AbortError"));
        });
        send("retry: 3000\n\n");
        if (headers.get("last-event-id") !== etag) send(this.#event(place));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
  }

  #event(place: string): string {
    return `event: top\nid: ${this.tagOf(place)}\ndata: ${JSON.stringify(this.popular(place))}\n\n`;
  }
}

function refused(status: number, reason: string, headers: Record<string, string> = {}): Response {
  return Response.json({ code: `${status}`, reason, message: `refused: ${reason}` }, { status, headers });
}
