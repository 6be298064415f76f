/**
 * The least that answers like Headcount, in this process: for testing those who call it.
 *
 *     await using service = await startStubService({ renewInMs: 200 });
 *
 * It keeps who is where and what came, forgets nobody, and can be told to answer otherwise.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { itemAt } from "../../simulator/item-at.ts";

export interface StubService extends AsyncDisposable {
  readonly url: string;
  /** Who is connected, and where: profile id → region and mode. */
  readonly players: Map<string, Place>;
  /** All calls so far, in order: method, path and what was answered. */
  readonly calls: StubCall[];
  /** Rows of batches so far. */
  readonly rowCount: number;
  /** Says what to answer instead, before anything is done; `undefined` lets a call through, `"hang up"` closes without. */
  intercept: (call: { readonly method: string; readonly path: string }) => StubAnswer | "hang up" | undefined;
}

export interface Place {
  readonly region: string;
  readonly gamemode: string;
}

export interface StubAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

export interface StubCall {
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

export async function startStubService({ renewInMs = 30_000 } = {}): Promise<StubService> {
  const state = new State(renewInMs);
  const server = createServer((request, response) => void state.answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

class State {
  readonly players = new Map<string, Place>();
  readonly calls: StubCall[] = [];
  rowCount = 0;
  intercept: StubService["intercept"] = () => undefined;
  readonly #renewInMs: number;

  constructor(renewInMs: number) {
    this.#renewInMs = renewInMs;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [method, path] = [request.method!, request.url!];
    const body = await text(request);
    const intercepted = this.intercept({ method, path });
    if (intercepted === "hang up") return void request.socket.destroy();
    const { status, headers, json } = intercepted ?? this.#serve(method, path, body);
    this.calls.push({ method, path, status });
    response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
    response.end(json === undefined ? undefined : JSON.stringify(json));
  }

  #serve(method: string, path: string, body: string): StubAnswer {
    const [, , kind, id = "", last = ""] = itemAt(path.split("?"), 0).split("/");
    switch (`${method} ${kind}${last && ` ${last}`}`) {
      case "POST profiles gamemode":
        return { status: 200, json: this.#report(id, JSON.parse(body) as Place) };
      case "PUT profiles heartbeat":
        return this.players.has(id) ? { status: 204, headers: { "renew-in-ms": `${this.#renewInMs}` } } : error(404);
      case "DELETE profiles gamemode":
        this.players.delete(id);
        return { status: 204 };
      case "POST reports":
        return { status: 200, json: this.#reports(JSON.parse(body) as { reports: (Place & { profileId: string })[] }) };
      case "GET players":
        return { status: 200, json: { players: this.players.size } };
      case "GET regions gamemode":
        return { status: 200, json: this.#top(id, Number(new URL(path, this.url).searchParams.get("top") ?? 5)) };
      case "GET node":
        return { status: 200, json: { id: "stub", incarnation: "stub", version: "0.0.0", uptimeSeconds: 0 } };
      default:
        return error(404);
    }
  }

  readonly url: string = "http://stub"; // the real one comes with the listener

  #report(profileId: string, { region, gamemode }: Place): object {
    const before = this.players.get(profileId);
    this.players.set(profileId, { region, gamemode });
    const changed = before?.region !== region || before.gamemode !== gamemode;
    return { profileId, region, gamemode, changed, renewInMs: this.#renewInMs };
  }

  #reports({ reports }: { reports: (Place & { profileId: string })[] }): object {
    this.rowCount += reports.length;
    for (const { profileId, ...place } of reports) this.#report(profileId, place);
    return { accepted: reports.length, remembered: reports.length, rejected: [] };
  }

  #top(region: string, top: number): object {
    const counts = new Map<string, number>();
    for (const place of this.players.values()) {
      if (place.region === region) counts.set(place.gamemode, (counts.get(place.gamemode) ?? 0) + 1);
    }
    const players = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const gamemodes = [...counts]
      .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, top)
      .map(([mode, count], index) => ({ mode, rank: index + 1, players: count, share: count / players }));
    return { region, players, asOf: "2026-01-01T00:00:00.000Z", gamemodes };
  }
}

function error(status: number): StubAnswer {
  return { status, json: { code: String(status), message: "the stub has no such thing" } };
}
