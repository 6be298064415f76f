/**
 * One client's session: a WebSocket (RFC 6455) that stands for its player while it played last (R30). It holds no queue: what it answers is
 * bounded by what is under way, and while its client does not read, nothing more of the client is read.
 */
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { StandingSession } from "../../cluster/standing-sessions.ts";
import type { Done, Outcome, PlayerRequest, Refused } from "../../cluster/ports/rows.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import type { Client } from "../limits/clients.ts";
import { refusal } from "../values.ts";
import type { FanOut } from "./fan-out.ts";
import type { Frame } from "./frame.ts";
import { type Right, SessionCredentials } from "./session-credentials.ts";
import {
  AS_MESSAGE,
  BINARY,
  framed,
  leftText,
  type Message,
  playedText,
  PONG,
  readMessage,
  type Ref,
  type Refusal,
  refusedText,
  SUPERSEDED,
} from "./session-messages.ts";
import { type FrameOutlet, SessionWatches } from "./session-watches.ts";

/** What a session asks of the node. */
export interface SessionHost {
  readonly fanOut: FanOut;
  submit(request: PlayerRequest, settle: (outcome: Outcome) => void): void;
  /** Why a report of this client is not even asked for; `undefined`: it is. */
  whyNoReport(client: Client | undefined): Refusal | undefined;
  /** Why this place cannot be watched just now. */
  whyNoWatch(place: number): Refusal | undefined;
  /** In words; a report that was refused is counted. */
  refusalFor(why: Refused, asked: PlayerRequest): Refusal;
  notePlayed(effect: Done["effect"], mode: string, client: Client | undefined): void;
  noteRemoved(): void;
  /** What a token allows for this player; a refusal says why nothing. Never rejects. */
  judge(token: string, id: ProfileId): Promise<Right | Refusal>;
}

/** Whose session it is. */
export interface SessionAbout {
  readonly id: ProfileId;
  readonly client: Client | undefined;
  readonly right: Right;
}

/** What all sessions share. */
export interface SessionRoom {
  readonly host: SessionHost;
  /** As of the last look. */
  readonly nowMs: number;
  stand(session: Session, stamp: NonNullable<Done["stamp"]>): void;
  drop(session: Session): void;
  /** Answers of one turn of the event loop leave together. */
  flushSoon(session: Session): void;
  closed(session: Session, code: number): void;
  noteMessage(type: Message["type"]): void;
}

/** Pings after so long a silence, and closes after so much more. */
const SILENCE_MS = 25_000;
const UNANSWERED_MS = 10_000;
/** Plays and leaves that are not answered yet; past it they are refused, and nothing more is read until half of them are. */
export const UNDER_WAY_MAX = 64;
/** Other messages between two looks, and those that were refused at once: past it nothing more is read before the next one. */
const SAID_MAX = 64;
/** Nothing more is read while so much waits for the client to read it. */
const UNREAD_BYTES_MAX = 16_384;

export const CLOSED = {
  done: 1000,
  silent: 1001,
  draining: 1012,
  "no room": 1013,
  unreadable: 4400,
  credentials: 4401,
} as const;

const TOO_MANY: Refusal = {
  status: 429,
  reason: "rate",
  message: refusal("plays and leaves that wait for their answers", `at most ${UNDER_WAY_MAX}`, UNDER_WAY_MAX + 1),
};

/** A `WebSocket` with its session, so that all share their listeners. */
export class SessionSocket extends WebSocket {
  session: Session | undefined;
  /** With which it began to close from here, also by itself where the client's frames are wrong; then its event says 1006. */
  closingCode = 0;

  override close(code?: number, reason?: string | Buffer): void {
    this.closingCode ||= code ?? 0;
    super.close(code, reason);
  }
}

export class Session implements StandingSession, FrameOutlet {
  readonly id: ProfileId;
  readonly client: Client | undefined;
  private readonly credentials: SessionCredentials;
  private readonly room: SessionRoom;
  private readonly ws: SessionSocket;
  private readonly socket: Socket;
  private readonly release: () => void;
  /** Made when first needed. */
  private watches: SessionWatches | undefined;
  /** Of this turn of the event loop. */
  private answers: string[] = [];
  private heardMs: number;
  private isPinged = false;
  private underWay = 0;
  /** Messages since the last look, but for plays that are, or were, under way. */
  private said = 0;
  private isRoomAsked = false;
  /** With which it was closed from here. */
  private code = 0;

  /** @param release to be called when the socket is closed */
  constructor(
    room: SessionRoom,
    ws: SessionSocket,
    { socket, release }: { readonly socket: Socket; readonly release: () => void },
    about: SessionAbout,
  ) {
    this.room = room;
    this.ws = ws;
    this.socket = socket;
    this.release = release;
    this.id = about.id;
    this.client = about.client;
    this.credentials = new SessionCredentials(about.right, UNDER_WAY_MAX + SAID_MAX);
    this.heardMs = room.nowMs;
    ws.session = this;
    ws.on("message", onMessage).on("pong", onHeard).on("ping", onHeard).on("close", onClose).on("error", onError);
  }

  onMessage(data: Buffer, isBinary: boolean): void {
    if (this.code !== 0) return;
    this.heard();
    const message = isBinary ? BINARY : readMessage(data.toString("utf8"));
    this.room.noteMessage(message.type);
    if (this.credentials.areJudged) this.wait(message);
    else this.take(message);
    this.readNoMore();
  }

  private wait(message: Message): void {
    const why = this.credentials.wait(message);
    if (why !== undefined) this.refuse("ref" in message ? message.ref : undefined, why);
  }

  private take(message: Message): void {
    this.said++;
    switch (message.type) {
      case "play":
        return this.play(message);
      case "watch":
        return this.watch(message);
      case "unwatch":
        return this.watches?.unwatch(message.place);
      case "leave":
        return this.leave(message.seq, message.ref);
      case "token":
        return void this.renew(message.token, message.ref);
      case "ping":
        return this.answer(PONG);
      case "unreadable":
        return this.end(CLOSED.unreadable, message.message);
      default:
        return this.refuse(message.ref, { status: 400, reason: "malformed", message: message.message });
    }
  }

  heard(): void {
    this.heardMs = this.room.nowMs;
    this.isPinged = false;
  }

  // The player.

  private play({ region, mode, seq, ref }: Extract<Message, { type: "play" }>): void {
    const why = this.room.host.whyNoReport(this.client);
    if (why !== undefined) return this.refuse(ref, why);
    const { entitlements } = this.credentials.right;
    this.submit({ operation: "report", id: this.id, region, mode, seq, entitlements, isPlay: true }, ref, (done) =>
      this.played(done, region, mode, ref),
    );
  }

  private played({ effect, isRemembered, place, stamp }: Done, region: number, mode: string, ref: Ref): void {
    this.room.host.notePlayed(effect, mode, this.client);
    // Also where it has closed meanwhile: its end is told then.
    if (stamp !== undefined) this.room.stand(this, stamp);
    const [atRegion, atMode] = effect === "late" ? [place?.region ?? -1, place?.mode ?? ""] : [region, mode];
    this.answer(playedText(ref, atRegion, atMode, effect === "changed", isRemembered));
  }

  private leave(seq: number, ref: Ref): void {
    this.submit({ operation: "remove", id: this.id, region: 0, mode: "", seq }, ref, (done) => this.left(done, ref));
  }

  private left({ effect }: Done, ref: Ref): void {
    if (effect === "removed") this.room.host.noteRemoved();
    if (effect !== "late") this.room.drop(this); // else the player stays, and so does its standing
    this.answer(leftText(ref));
  }

  private submit(request: PlayerRequest, ref: Ref, settle: (done: Done) => void): void {
    const { host } = this.room;
    if (this.underWay >= UNDER_WAY_MAX) return this.refuse(ref, TOO_MANY);
    if (request.operation === "report") this.said--; // a player's reports have a limit of their own
    this.underWay++;
    host.submit(request, (outcome) => {
      this.underWay--;
      if (outcome.kind === "refused") this.refuse(ref, host.refusalFor(outcome, request));
      else settle(outcome);
      this.readOn();
    });
  }

  onSuperseded(): void {
    this.answer(SUPERSEDED);
  }

  // What is popular.

  private watch({ place, top, everyMs, ref }: Extract<Message, { type: "watch" }>): void {
    const { host } = this.room;
    this.watches ??= new SessionWatches(host.fanOut, this);
    this.flush(); // what was answered before goes first
    const why = host.whyNoWatch(place) ?? this.watches.watch(place, top, everyMs);
    if (why !== undefined) this.refuse(ref, why);
  }

  /** @returns false where the client has not read what it was sent */
  sendFrame(frame: Frame): boolean {
    if (this.isOver) return true;
    if (this.socket.writableLength > 0) return false;
    this.flush();
    this.socket.write(frame.bytes(AS_MESSAGE));
    return true;
  }

  // Credentials.

  private async renew(token: string, ref: Ref): Promise<void> {
    const { why, waited } = await this.credentials.renew(this.room.host.judge(token, this.id));
    if (this.isOver) return;
    if (why?.status === 503) this.refuse(ref, why);
    else if (why !== undefined) this.end(CLOSED.credentials, why.message);
    for (const message of waited) if (this.code === 0) this.take(message);
    this.readOn();
  }

  // What is sent and read.

  private refuse(ref: Ref, why: Refusal): void {
    this.answer(refusedText(ref, why));
  }

  private answer(text: string): void {
    if (this.isOver) return;
    if (this.answers.push(text) === 1) this.room.flushSoon(this);
  }

  flush(): void {
    const { answers, socket } = this;
    if (answers.length === 0) return;
    this.answers = [];
    if (this.isOver) return;
    socket.write(answers.length === 1 ? framed(answers[0] as string) : answers.map(framed).join(""), "latin1");
    this.readNoMore();
  }

  private readNoMore(): void {
    const hasSaidAll = this.underWay >= UNDER_WAY_MAX || this.said >= SAID_MAX || this.credentials.areJudged;
    const hasUnread = this.socket.writableLength > UNREAD_BYTES_MAX;
    if (!(hasSaidAll || hasUnread) || this.ws.isPaused || this.isOver) return;
    this.ws.pause();
    if (hasUnread) this.askForRoom();
  }

  private readOn(): void {
    const maySay = this.underWay <= UNDER_WAY_MAX / 2 && this.said < SAID_MAX && !this.credentials.areJudged;
    const mayRead = maySay && this.socket.writableLength <= UNREAD_BYTES_MAX;
    if (!this.ws.isPaused || !mayRead || this.isOver) return;
    this.heard(); // it could not be heard
    this.ws.resume();
  }

  /** Is told behind what waits now. */
  askForRoom(): void {
    if (this.isRoomAsked || this.isOver) return;
    this.isRoomAsked = true;
    this.socket.write("", () => {
      this.isRoomAsked = false;
      this.readOn();
      this.watches?.drained();
    });
  }

  // The end.

  private get isOver(): boolean {
    return this.ws.readyState !== WebSocket.OPEN;
  }

  /** To be called once a second. */
  look(nowMs: number): void {
    if (this.code !== 0) return;
    this.said = 0;
    this.readOn();
    if (!this.credentials.right.isGood()) return this.end(CLOSED.credentials, "the token has ended");
    const silentMs = nowMs - this.heardMs;
    if (silentMs >= SILENCE_MS + UNANSWERED_MS) return this.giveUp();
    if (silentMs < SILENCE_MS || this.isPinged) return;
    this.isPinged = true;
    this.ws.ping();
  }

  /** It says nothing, or does not read what it is sent: then it would not read why either. */
  private giveUp(): void {
    this.end(CLOSED.silent, "silent");
    if (this.socket.writableLength > UNREAD_BYTES_MAX) this.ws.terminate();
  }

  end(code: number, reason: string): void {
    if (this.code !== 0) return;
    this.flush();
    this.code = code;
    this.ws.close(code, closeReason(reason));
    if (this.ws.isPaused) this.ws.resume(); // else its answer is not read
  }

  terminate(): void {
    this.ws.terminate();
  }

  onClose(code: number): void {
    this.watches?.end();
    this.answers = [];
    this.release();
    this.room.closed(this, this.code || this.ws.closingCode || code);
    this.code ||= code;
  }
}

/** What a close frame has room for behind its code (RFC 6455, 5.5), ASCII. */
const REASON_LENGTH_MAX = 123;

export function closeReason(reason: string): string {
  return reason.replaceAll(/[^ -~]/g, "?").slice(0, REASON_LENGTH_MAX);
}

function onMessage(this: WebSocket, data: unknown, isBinary: boolean): void {
  (this as SessionSocket).session?.onMessage(data as Buffer, isBinary);
}

function onHeard(this: WebSocket): void {
  (this as SessionSocket).session?.heard();
}

function onClose(this: WebSocket, code: number): void {
  (this as SessionSocket).session?.onClose(code);
}

/** What is wrong with frames closes the session by itself, with its code. */
function onError(): void {}
