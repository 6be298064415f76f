/**
 * Server-sent events as the standard reads them (WHATWG HTML, 9.2.5 and 9.2.6, read 2026-11), written from it and from nothing of the service.
 *
 *     await using stream = await watchPlace(node.port, "/v1/regions/CA/gamemode/stream");
 *     await stream.until("3 players", ({ events }) => events.at(-1)?.json.players === 3);
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { checkDescribed } from "./described.ts";
import { until } from "./until.ts";

export interface StreamEvent {
  readonly type: string;
  readonly data: string;
  /** What Last-Event-ID would be from here on. */
  readonly lastEventId: string;
}

/** Reads bytes, however cut, and tells each event when its empty line has come. */
export class EventStreamParser {
  readonly events: StreamEvent[] = [];
  comments = 0;
  /** The reconnection time, in milliseconds, as far as the stream has set it. */
  retryMs: number | undefined;
  lastEventId = "";
  private readonly decoder = new TextDecoder("utf-8"); // takes a byte order mark away, as the standard asks
  private text = "";
  private isBehindCr = false;
  private data = "";
  private type = "";
  private id = "";

  push(bytes: Uint8Array): void {
    this.text += this.decoder.decode(bytes, { stream: true });
    let start = 0;
    for (let at = 0; at < this.text.length; at++) {
      const character = this.text[at];
      const wasBehindCr = this.isBehindCr;
      this.isBehindCr = character === "\r";
      if (character === "\n" && wasBehindCr) start = at + 1; // the second half of a line end
      else if (character === "\n" || character === "\r") {
        this.line(this.text.slice(start, at));
        start = at + 1;
      }
    }
    this.text = this.text.slice(start); // the rest of a line is looked at once it is whole
  }

  private line(line: string): void {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return void this.comments++;
    if (colon < 0) return this.field(line, "");
    const value = line.slice(colon + 1);
    this.field(line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value);
  }

  private field(name: string, value: string): void {
    if (name === "event") this.type = value;
    else if (name === "data") this.data += `${value}\n`;
    else if (name === "id" && !value.includes("\0")) this.id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
  }

  private dispatch(): void {
    this.lastEventId = this.id;
    if (this.data !== "")
      this.events.push({ type: this.type || "message", data: this.data.slice(0, -1), lastEventId: this.id });
    this.data = "";
    this.type = "";
  }
}

export interface WatchedEvent extends StreamEvent {
  // oxlint-disable-next-line typescript/no-explicit-any -- whether it has the right form is what the tests ask
  readonly json: any;
  readonly atMs: number;
}

export interface PlaceStream extends AsyncDisposable {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly socket: Socket;
  readonly events: readonly WatchedEvent[];
  readonly parser: EventStreamParser;
  /** All that came behind the head. */
  readonly body: string;
  readonly isEnded: boolean;
  /** Waits for what the stream brings. */
  until(what: string, look: (stream: PlaceStream) => unknown): Promise<void>;
  /** The instants of the events of that type. */
  of(type: string): readonly WatchedEvent[];
}

export interface WatchPlaceOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly version?: "1.0" | "1.1";
  /** Sent right behind the request. */
  readonly behind?: string;
  /** Of the node's certificate, where it speaks TLS. */
  readonly authority?: string;
  /** The client ends its side once it has asked. */
  readonly isHalfClosed?: boolean;
}

/** Asks for a stream over a connection of its own, and resolves when the head has come. */
export async function watchPlace(
  port: number,
  path: string,
  { headers = {}, version = "1.1", behind = "", authority, isHalfClosed = false }: WatchPlaceOptions = {},
): Promise<PlaceStream> {
  const place = { port, host: "127.0.0.1", noDelay: true, allowHalfOpen: isHalfClosed };
  const socket = authority === undefined ? connect(place) : connectTls({ ...place, ca: authority });
  await once(socket, authority === undefined ? "connect" : "secureConnect");
  const reader = new Reader(socket);
  const lines = Object.entries({ host: `127.0.0.1:${port}`, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.write(`GET ${path} HTTP/${version}\r\n${lines.join("")}\r\n${behind}`);
  if (isHalfClosed) socket.end();
  await until(`the head of ${path}`, () => reader.status > 0);
  if (reader.status !== 200) await until(`the refusal of ${path}`, () => reader.body.length >= reader.length);
  const { status, headers: told, body, length } = reader;
  if (path.startsWith("/v1/")) checkDescribed("GET", path, { status, headers: told, text: body.slice(0, length) });
  return reader;
}

class Reader implements PlaceStream {
  status = 0;
  headers: Record<string, string> = {};
  readonly events: WatchedEvent[] = [];
  readonly parser = new EventStreamParser();
  body = "";
  isEnded = false;
  readonly socket: Socket;
  private head = "";

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => this.take(bytes));
    socket.on("error", () => undefined);
    socket.on("close", () => (this.isEnded = true));
    socket.on("end", () => (this.isEnded = true));
  }

  async until(what: string, look: (stream: PlaceStream) => unknown): Promise<void> {
    await until(what, () => Boolean(look(this)));
  }

  /** Of the answer's body; a stream has none. */
  get length(): number {
    return Number(this.headers["content-length"] ?? Infinity);
  }

  of(type: string): WatchedEvent[] {
    return this.events.filter((event) => event.type === type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    if (!this.socket.closed) await once(this.socket, "close");
  }

  private take(bytes: Buffer): void {
    if (this.status > 0) return this.read(bytes);
    this.head += bytes.toString("latin1");
    const end = this.head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const [first = "", ...lines] = this.head.slice(0, end).split("\r\n");
    this.headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
    this.read(Buffer.from(this.head.slice(end + 4), "latin1"));
    this.status = Number(first.split(" ")[1]);
  }

  private read(bytes: Buffer): void {
    this.body += bytes.toString("latin1");
    this.parser.push(bytes);
    for (const event of this.parser.events.splice(0))
      this.events.push({ ...event, json: JSON.parse(event.data), atMs: performance.now() });
  }
}
