// Each player as a game would have it: with the client library, which renews, retries and reconnects by itself. To the sender it
// looks like a link: what a player says goes to the player's client, and everything else to the service as it is.
import { Headcount, HeadcountError } from "../client/index.ts";
import { type Answer, type Caller, TIMEOUT } from "./link.ts";

/** So long the crowd waits for a client, which goes on trying by itself. */
const PATIENCE_MS = 10_000;
/** How often the crowd looks whether a player's client is still fine; nothing goes to the service for that. */
const LOOK_MS = 30_000;
const OF_PLAYER = /^\/v1\/profiles\/([^/]+)\/(gamemode|heartbeat)$/;

export interface ClientsSetup {
  readonly url: URL;
  /** Where everything goes that no player says. */
  readonly link: Caller;
  /** False: heartbeats only. */
  readonly hasSessions: boolean;
  /** Told why a client had to try again. */
  readonly onError: (reason: string) => void;
}

export class Clients implements Caller {
  readonly #setup: ClientsSetup;
  readonly #clients = new Map<string, Headcount>();

  constructor(setup: ClientsSetup) {
    this.#setup = setup;
  }

  get count(): number {
    return this.#clients.size;
  }

  get sessionCount(): number {
    let count = 0;
    for (const client of this.#clients.values()) if (client.hasSession()) count++;
    return count;
  }

  async call(method: string, path: string, headers: Readonly<Record<string, string>>, body?: string): Promise<Answer> {
    const [, player, what] = OF_PLAYER.exec(path) ?? [];
    if (player === undefined || method === "GET") return this.#setup.link.call(method, path, headers, body);
    try {
      if (what === "heartbeat") return this.#look(player);
      if (method === "DELETE") return await inTime(this.#leave(player));
      const { region, gamemode } = JSON.parse(body ?? "") as { region: string; gamemode: string };
      const { remembered } = await inTime(this.#clientOf(player).play(region, gamemode));
      return { status: remembered ? 200 : 202, headers: {}, body: JSON.stringify({ renewInMs: LOOK_MS }) };
    } catch (error) {
      if (!(error instanceof HeadcountError) || error.status < 400) throw error;
      return { status: error.status, headers: { "retry-after": `${error.retryAfterMs / 1_000}` }, body: "" };
    }
  }

  /** A player falls silent: its client ends without a goodbye, as a phone does that is switched off. */
  readonly silence = (player: string): void => {
    this.#clients.get(player)?.close();
    this.#clients.delete(player);
  };

  close(): void {
    for (const player of this.#clients.keys()) this.silence(player);
  }

  #clientOf(player: string): Headcount {
    const known = this.#clients.get(player);
    if (known !== undefined) return known;
    const { url, hasSessions, onError } = this.#setup;
    const client = new Headcount({
      url: url.href,
      profileId: player,
      sessions: hasSessions,
      onError: ({ status, reason }) => onError(status >= 400 ? String(status) : reason),
    });
    this.#clients.set(player, client);
    return client;
  }

  #look(player: string): Answer {
    const isFine = this.#clients.get(player)?.state !== "superseded";
    return { status: isFine ? 204 : 404, headers: { "renew-in-ms": `${LOOK_MS}` }, body: "" };
  }

  async #leave(player: string): Promise<Answer> {
    await this.#clientOf(player).leave();
    this.silence(player);
    return { status: 204, headers: {}, body: "" };
  }
}

async function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(TIMEOUT)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
