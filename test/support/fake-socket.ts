/** A session with the contract in memory (`fake-service.ts`). */
import type { Socket } from "../../client/world.ts";
import type { FakeService } from "./fake-service.ts";

export type SocketFault =
  | "no upgrade"
  | "never opens"
  | "half-open"
  | "says nonsense"
  | { readonly code: number; readonly reason: string };

/** Of each message, and of each answer over HTTP. */
export const LATENCY_MS = 20;
const REASONS: Readonly<Record<number, string>> = {
  400: "malformed",
  403: "forbidden",
  404: "no-such-path",
  429: "rate",
  503: "switched-off",
};

/** One WebSocket, seen from both sides. */
export class FakeSocket implements Socket {
  readonly #listeners = new Map<string, Parameters<Socket["addEventListener"]>[1]>();
  readonly url: string;
  readonly protocols: readonly string[];
  /** What the client sent. */
  readonly sent: Record<string, unknown>[] = [];
  readonly watches = new Set<string>();
  readonly openedAtMs: number;
  state: "connecting" | "open" | "closed" = "connecting";
  readonly #service: FakeService;
  readonly #profileId: string;
  #isDeaf = false;

  constructor(service: FakeService, url: string, protocols: readonly string[]) {
    this.#service = service;
    this.url = url;
    this.protocols = protocols;
    this.openedAtMs = service.clock.nowMs;
    this.#profileId = new URL(url).searchParams.get("profileId") ?? "";
    service.sockets.push(this);
    const fault = service.hasSessions ? service.socketFault(url) : "no upgrade";
    if (fault === "never opens") return;
    service.clock.after(LATENCY_MS, () => {
      if (this.state !== "connecting") return;
      if (fault === "no upgrade") return this.end(1006);
      this.state = "open";
      this.#isDeaf = fault === "half-open";
      this.#emit("open");
      const { token } = service;
      if (token !== undefined && !this.protocols.includes(`bearer.${token}`)) return this.end(4401);
      if (fault === "says nonsense") this.#emit("message", { data: "what?" });
      if (typeof fault === "object") service.clock.after(1_000, () => this.end(fault.code, fault.reason));
    });
  }

  addEventListener(type: string, listener: Parameters<Socket["addEventListener"]>[1]): void {
    this.#listeners.set(type, listener);
  }

  send(text: string): void {
    const message = JSON.parse(text) as Record<string, unknown>;
    this.sent.push(message);
    if (this.state !== "open" || this.#isDeaf) return;
    this.#service.clock.after(LATENCY_MS, () => {
      if (this.state === "open") this.#handle(message);
    });
  }

  close(): void {
    this.#close();
  }

  /** The service says something. */
  hear(message: object): void {
    if (this.#isDeaf) return;
    this.#service.clock.after(LATENCY_MS, () => {
      if (this.state === "open") this.#emit("message", { data: JSON.stringify(message) });
    });
  }

  /** The service, or the network, ends it. */
  end(code: number, reason = ""): void {
    if (this.state === "closed") return;
    this.#close();
    this.#emit("close", { code, reason });
  }

  #emit(type: string, event: { data?: string; code?: number; reason?: string } = {}): void {
    this.#listeners.get(type)?.(event);
  }

  #close(): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.watches.clear();
    this.#service.closed(this, this.#profileId);
  }

  #handle(message: Record<string, unknown>): void {
    const { type, ref, region, gamemode, place, token } = message as Record<string, string>;
    const seq = Number(message["seq"] ?? 0);
    const service = this.#service;
    if (type === "ping") return this.hear({ type: "pong" });
    if (type === "watch") {
      const status = service.watchFault(place!);
      if (status !== undefined) return this.#refuse(ref, status);
      this.watches.add(service.codeOf(place!));
      return this.hear({ type: "top", ...service.popular(place!) });
    }
    if (type === "unwatch") return void this.watches.delete(service.codeOf(place!));
    if (type === "token") return token === service.token || service.token === undefined ? undefined : this.end(4401);
    if (type === "leave") {
      service.leave(this.#profileId, seq);
      return this.hear({ type: "left", ref });
    }
    if (type !== "play") return this.end(4400);
    const status = service.playFault(gamemode!);
    if (status !== undefined) return this.#refuse(ref, status);
    if (service.isRefused(gamemode!))
      return this.hear({ type: "refused", ref, code: "403", reason: "not-entitled", message: "no" });
    const { stands, changed } = service.report(this.#profileId, { region: region!, gamemode: gamemode! }, seq, this);
    const { region: at = null, gamemode: mode = null } = stands ?? {};
    this.hear({ type: "played", ref, region: at, gamemode: mode, changed, remembered: true });
  }

  #refuse(ref: string | undefined, status: number): void {
    this.hear({ type: "refused", ref, code: `${status}`, reason: REASONS[status], message: `refused: ${status}` });
  }
}
