/** All sessions of the listener: how many there may be, their renewals in bulk (R30), their silence, and their end. */
import type { IncomingMessage } from "node:http";
import { type Server, WebSocketServer } from "ws";
import { StandingSessions } from "../../cluster/standing-sessions.ts";
import type { Stamp } from "../../engine/standings.ts";
import type { Metrics } from "../metrics.ts";
import { endAll, retryMs, spread } from "./goodbye.ts";
import {
  CLOSED,
  closeReason,
  Session,
  type SessionAbout,
  type SessionHost,
  type SessionRoom,
  SessionSocket,
} from "./session.ts";
import { MESSAGE_BYTES_MAX, type Message } from "./session-messages.ts";
import type { Taken } from "./stream.ts";

export const SUBPROTOCOL = "headcount.v1";

/** Renewals and what must be in time. */
const TICK_MS = 20;
/** Every session is looked at so often: silence, tokens, what operators switched off. */
const LOOK_EVERY_MS = 1000;
/** Closed in one look at the most; the others in the next. */
const ENDED_A_LOOK = 1000;
/** Whoever is told to close and does not is cut off. */
const CLOSE_WITHIN_MS = 2000;
/** A message of 1 KiB needs no more pieces. */
const FRAGMENTS_MAX = 64;
/** When there is room again nobody knows. */
const RETRY_FULL_MS = 10_000;

/** Codes with which sessions close; those of clients may be any of some thousands. */
const CODES = [1000, 1001, 1002, 1005, 1006, 1007, 1008, 1009, 1012, 1013, 4400, 4401] as const;
const MESSAGES = ["play", "watch", "unwatch", "leave", "token", "ping", "malformed", "unreadable"] as const;

export interface SessionsOptions {
  readonly sessionsMax: number;
  /** The session's life: who stands is renewed three times in it. */
  readonly sessionMs: number;
  /** Whether operators switched sessions off. */
  readonly isOff: () => boolean;
}

export class Sessions implements SessionRoom {
  readonly host: SessionHost;
  nowMs = performance.now();
  isDraining = false;
  /** Sessions so far. */
  opened = 0;
  private readonly options: SessionsOptions;
  private readonly all = new Set<Session>();
  private readonly standing: StandingSessions<Session>;
  private readonly server: Server<typeof SessionSocket>;
  private readonly dirty: Session[] = [];
  private readonly closedBy: Record<string, number>;
  private readonly messages = Object.fromEntries(MESSAGES.map((type) => [type, 0])) as Record<
    (typeof MESSAGES)[number],
    number
  >;
  private readonly timer: NodeJS.Timeout;
  private lookedAtMs = 0;
  /** Sessions that found no room. */
  private refused = 0;

  constructor(host: SessionHost, options: SessionsOptions) {
    this.host = host;
    this.options = options;
    this.closedBy = Object.fromEntries([...CODES, "other"].map((code) => [String(code), 0]));
    this.server = new WebSocketServer<typeof SessionSocket>(SERVER_OPTIONS);
    const ports = { nowMs: () => performance.now(), submit: host.submit.bind(host) };
    this.standing = new StandingSessions(ports, options.sessionMs);
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  get count(): number {
    return this.all.size;
  }

  get isFull(): boolean {
    return this.all.size >= this.options.sessionsMax;
  }

  /** Makes the connection of a request a session. */
  open(request: IncomingMessage, taken: Taken, about: SessionAbout): void {
    this.upgrade(request, taken, (ws) => {
      this.opened++;
      this.all.add(new Session(this, ws, taken, about));
    });
  }

  /** Says by a close code why there is no session: a browser's page sees nothing else. */
  turnAway(request: IncomingMessage, taken: Taken, code: number, reason: string): void {
    this.upgrade(request, taken, (ws) => {
      ws.on("close", taken.release).on("error", () => undefined);
      this.noteClosed(code);
      ws.close(code, closeReason(reason));
    });
  }

  /** The same where there are too many. */
  turnAwayFull(request: IncomingMessage, taken: Taken): void {
    this.refused++;
    this.turnAway(request, taken, CLOSED["no room"], `retry in ${spread(RETRY_FULL_MS / 2, RETRY_FULL_MS)}`);
  }

  /** The same where the node began to drain while a token was verified. */
  turnAwayDraining(request: IncomingMessage, taken: Taken): void {
    this.turnAway(request, taken, CLOSED.draining, reconnectIn());
  }

  private upgrade(request: IncomingMessage, { socket, release }: Taken, begin: (ws: SessionSocket) => void): void {
    let isUpgraded = false;
    this.server.handleUpgrade(request, socket, NOTHING, (ws) => {
      isUpgraded = true;
      if (socket.isPaused()) socket.resume();
      begin(ws);
    });
    if (isUpgraded) return; // else its client was gone already
    if (socket.closed) release();
    else socket.once("close", release);
  }

  // What sessions need.

  stand(session: Session, stamp: Stamp): void {
    this.standing.stand(session, stamp);
    if (!this.all.has(session)) this.standing.end(session); // it has closed meanwhile
  }

  drop(session: Session): void {
    this.standing.drop(session);
  }

  flushSoon(session: Session): void {
    if (this.dirty.push(session) === 1) process.nextTick(() => this.flush());
  }

  closed(session: Session, code: number): void {
    this.all.delete(session);
    this.standing.end(session);
    this.noteClosed(code);
  }

  noteMessage(type: Message["type"] | "unreadable"): void {
    this.messages[type]++;
  }

  private flush(): void {
    for (const session of this.dirty.splice(0)) session.flush();
  }

  private noteClosed(code: number): void {
    const label = String((CODES as readonly number[]).includes(code) ? code : "other");
    (this.closedBy[label] as number)++;
  }

  // Time.

  private tick(): void {
    this.nowMs = performance.now();
    this.standing.tick();
    if (this.nowMs - this.lookedAtMs < LOOK_EVERY_MS) return;
    this.lookedAtMs = this.nowMs;
    for (const session of this.all) session.look(this.nowMs);
    if (this.all.size > 0 && this.options.isOff()) this.endSome(ENDED_A_LOOK, CLOSED["no room"], "retry in");
  }

  private endSome(count: number, code: number, what: string): void {
    for (const session of this.all) {
      if (count-- === 0) return;
      session.end(code, `${what} ${retryMs()}`);
    }
  }

  /** Ends all of them, a few at a time; resolves when each was told. */
  async drain(): Promise<void> {
    this.isDraining = true;
    await endAll([...this.all], (session) => session.end(CLOSED.draining, reconnectIn()));
  }

  close(): void {
    clearInterval(this.timer);
    for (const session of this.all) session.terminate();
  }

  registerMetrics(metrics: Metrics): void {
    const { figures } = this.standing;
    metrics.gauge("sessions", "Sessions (WebSocket) that are open", () => this.all.size);
    metrics.gauge("sessions_standing", "Sessions that stand for their players", () => figures.standing);
    metrics.labelledCounter("session_messages_total", "Messages of clients over sessions", "type", () => this.messages);
    metrics.labelledCounter(
      "sessions_closed_total",
      "Sessions that closed, by close code",
      "code",
      () => this.closedBy,
    );
    metrics.counter("sessions_refused_total", "Sessions refused since there were too many", () => this.refused);
    metrics.counter("session_renewals_total", "Renewals of players whose sessions stand", () => figures.renewals);
    metrics.counter(
      "session_renewals_failed_total",
      "Renewals by sessions that no owner answered in time; they go again",
      () => figures.failed,
    );
    metrics.counter(
      "sessions_superseded_total",
      "Sessions that stand no longer: another played, or somebody reported or removed the player",
      () => figures.superseded,
    );
  }
}

function reconnectIn(): string {
  return `reconnect in ${retryMs()}`;
}

const NOTHING = Buffer.alloc(0);
const SERVER_OPTIONS = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false, // a message is shorter than what compressing it keeps in memory
  maxPayload: MESSAGE_BYTES_MAX,
  maxFragments: FRAGMENTS_MAX,
  closeTimeout: CLOSE_WITHIN_MS,
  WebSocket: SessionSocket,
  handleProtocols: (offered: Set<string>): string | false => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
} as const;
