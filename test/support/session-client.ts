/** A player's session, as a client of the package `ws` sees it; and on the bare socket, for frames that no client would send. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { randomBytes } from "node:crypto";
import { WebSocket } from "ws";
import type { Answer } from "./http.ts";
import { checkDescribed } from "./described.ts";
import { until } from "./until.ts";

export type Told = Readonly<Record<string, unknown>>;

interface SessionOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
  /** Of a certificate's authority. */
  readonly ca?: string;
  /** Whether pings are answered. */
  readonly autoPong?: boolean;
}

export function sessionPath(player: string): string {
  return `/v1/session?profileId=${player}`;
}

/** All are closed when the scope of their test ends: a test uses each by `using`. */
export class SessionClient implements Disposable {
  readonly told: Told[] = [];
  readonly ws: WebSocket;
  closedBy: { readonly code: number; readonly reason: string } | undefined;
  /** Status of a request that became no session. */
  refusedBy: { readonly status: number; readonly headers: Answer["headers"]; body: string } | undefined;
  isOpen = false;
  private readonly path: string;
  private upgradedBy: Readonly<Record<string, string | string[] | undefined>> = {};

  constructor(
    url: string,
    player: string,
    { headers, protocols = ["headcount.v1"], ca, autoPong }: SessionOptions = {},
  ) {
    const options = { headers, ca, autoPong, perMessageDeflate: true };
    this.path = sessionPath(player);
    this.ws = new WebSocket(`${url.replace(/^http/, "ws")}${this.path}`, [...protocols], options);
    this.ws.on("upgrade", (response) => (this.upgradedBy = response.headers));
    this.ws.on("open", () => (this.isOpen = true));
    this.ws.on("message", (data) => this.told.push(JSON.parse((data as Buffer).toString()) as Told));
    this.ws.on("close", (code, reason) => (this.closedBy = { code, reason: String(reason) }));
    this.ws.on("error", () => undefined);
    this.ws.on("unexpected-response", (_request, response) => {
      const refused = { status: response.statusCode ?? 0, headers: response.headers, body: "" };
      response.on("data", (text: Buffer) => (refused.body += String(text)));
      response.on("end", () => (this.refusedBy = refused));
    });
  }

  /** Resolves once it is open. */
  static async open(...args: ConstructorParameters<typeof SessionClient>): Promise<SessionClient> {
    const client = new SessionClient(...args);
    await until("the session is open", () => client.isOpen);
    checkDescribed("GET", client.path, { status: 101, headers: client.upgradedBy, text: "" });
    return client;
  }

  say(message: object): void {
    this.ws.send(JSON.stringify(message));
  }

  /** Plays, and resolves with the answer. */
  async play(gamemode: string, more: object = {}): Promise<Told> {
    const ref = `play ${this.told.length} ${gamemode}`;
    this.say({ type: "play", region: "CA", gamemode, ref, ...more });
    return this.answer((told) => told["ref"] === ref);
  }

  /** The first thing told that fits, now or later. */
  async answer(fits: (told: Told) => boolean, limitMs = 30_000): Promise<Told> {
    return until("it is told", () => this.told.find(fits), { limitMs });
  }

  async next(type: string, limitMs?: number): Promise<Told> {
    return this.answer((told) => told["type"] === type, limitMs);
  }

  async closed(limitMs = 30_000): Promise<{ readonly code: number; readonly reason: string }> {
    return until("the session is closed", () => this.closedBy, { limitMs });
  }

  async refused() {
    const refused = await until("the request is refused", () => this.refusedBy);
    checkDescribed("GET", this.path, { ...refused, text: refused.body });
    return refused;
  }

  [Symbol.dispose](): void {
    this.ws.terminate();
  }
}

/** A frame that came. */
export interface RawFrame {
  readonly opcode: number;
  readonly isLast: boolean;
  readonly payload: Buffer;
}

interface FrameParts {
  readonly isLast?: boolean;
  readonly reserved?: number;
  readonly isMasked?: boolean;
}

/** One frame as a client sends it (RFC 6455, 5.2). */
export function frameOf(opcode: number, payload: Buffer | string, parts: FrameParts = {}): Buffer {
  const { isLast = true, reserved = 0, isMasked = true } = parts;
  const bytes = Buffer.from(payload);
  const { length } = bytes;
  const first = (isLast ? 0x80 : 0) | (reserved << 4) | opcode;
  const second = (isMasked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127);
  const long = Buffer.alloc(length < 126 ? 0 : length < 65_536 ? 2 : 8);
  if (long.length === 2) long.writeUInt16BE(length);
  if (long.length === 8) long.writeBigUInt64BE(BigInt(length));
  if (!isMasked) return Buffer.concat([Buffer.of(first, second), long, bytes]);
  const mask = randomBytes(4);
  const masked = bytes.map((byte, at) => byte ^ (mask[at % 4] as number));
  return Buffer.concat([Buffer.of(first, second), long, mask, masked]);
}

export const OPCODES = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A session on the bare socket. */
export class RawSession implements Disposable {
  readonly frames: RawFrame[] = [];
  readonly socket: Socket;
  /** The head of the answer to the opening handshake. */
  head = "";
  hasEnded = false;
  private bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => this.read(bytes));
    socket.on("close", () => (this.hasEnded = true));
    socket.on("error", () => undefined);
  }

  static async open(port: number, player: string, before = ""): Promise<RawSession> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const raw = new RawSession(socket);
    socket.write(before + handshakeOf(player));
    await until("the session is open", () => raw.head.includes(" 101 "));
    return raw;
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The code of the close frame that came, once the socket is closed too; `undefined` where none came. */
  async closeCode(): Promise<number | undefined> {
    await until("the socket is closed", () => this.hasEnded);
    const close = this.frames.find(({ opcode }) => opcode === OPCODES.close);
    return close === undefined || close.payload.length < 2 ? undefined : close.payload.readUInt16BE();
  }

  async frame(opcode: number): Promise<RawFrame> {
    return until("a frame comes", () => this.frames.find((frame) => frame.opcode === opcode));
  }

  async pongs(count: number): Promise<string[]> {
    const came = () =>
      this.frames.filter(({ opcode }) => opcode === OPCODES.text).map(({ payload }) => String(payload));
    await until("answers come", () => came().length >= count);
    return came();
  }

  private read(bytes: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    for (;;) {
      if (!this.head.includes(" 101 ")) {
        const end = this.bytes.indexOf("\r\n\r\n");
        if (end < 0) return;
        this.head = this.bytes.toString("latin1", 0, end);
        const length = Number(/content-length: (\d+)/i.exec(this.head)?.[1] ?? 0);
        this.bytes = this.bytes.subarray(end + 4 + length);
        continue;
      }
      if (!this.takeFrame()) return;
    }
  }

  private takeFrame(): boolean {
    const { bytes } = this;
    if (bytes.length < 2) return false;
    const short = (bytes[1] as number) & 127;
    const headLength = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < headLength) return false;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    if (bytes.length < headLength + length) return false;
    const first = bytes[0] as number;
    const payload = bytes.subarray(headLength, headLength + length);
    this.frames.push({ opcode: first & 15, isLast: first >= 128, payload });
    if ((first & 15) === OPCODES.close) this.socket.end();
    this.bytes = bytes.subarray(headLength + length);
    return true;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** @param lines beside those that are needed, or instead of them */
export function handshakeOf(player: string, lines: Readonly<Record<string, string | undefined>> = {}): string {
  const headers: Readonly<Record<string, string | undefined>> = {
    host: "headcount.example",
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
    ...lines,
  };
  const shown = Object.entries(headers).filter(([, value]) => value !== undefined);
  return [`GET ${sessionPath(player)} HTTP/1.1`, ...shown.map(([name, value]) => `${name}: ${value}`), "", ""].join(
    "\r\n",
  );
}

/** Two that are closed together when their scope ends. */
export function pair(first: SessionClient, second: SessionClient): [SessionClient, SessionClient] & Disposable {
  const dispose = (): void => [first, second].forEach(({ ws }) => ws.terminate());
  return Object.assign([first, second] as [SessionClient, SessionClient], { [Symbol.dispose]: dispose });
}
