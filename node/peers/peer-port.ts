/**
 * The listener for the other nodes: `GET /peer/hello` for those that want to join, and per lane an upgrade of
 * `GET /peer/<lane>` to frames (`peer-frame.ts`). HTTP is only the door: who comes in is asked once per connection.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { type Lane, PeerError, PROTOCOL } from "../../cluster/ports/transport.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { JSON_TYPE } from "../http/http.ts";
import { refusalBody } from "../http/reasons.ts";
import type { Metrics } from "../metrics.ts";
import { Newcomers } from "../newcomers.ts";
import type { Scheme } from "../place.ts";
import type { Certificate } from "../tls/certificate.ts";
import { Handshakes } from "../tls/handshakes.ts";
import { TLS_SETTINGS } from "../tls-settings.ts";
import { Door, DOOR_MARK, type PeerCredentials } from "./peer-door.ts";
import { tlsFault } from "./peer-tls.ts";
import { FRAME_KINDS, type FrameKind, FrameReader, writeFrame } from "./peer-frame.ts";
import { shown } from "../values.ts";

export interface PeerPortOptions extends PeerCredentials {
  incarnation(): string;
  /** @throws {MalformedMessageError | PeerError} (rejects) told to the peer; anything else is an error of this node */
  receive(lane: Lane, message: Uint8Array): Promise<Uint8Array>;
  /** Told of what must not happen. */
  onError(error: unknown): void;
  /** Told whom TLS keeps out, and why; the address where it is known. */
  onStranger?(reason: string, address: string | undefined): void;
  readonly limits?: PeerPortLimits;
}

/** On connections that are no peer's yet: before the head of the request is read and the secret in it is checked. */
export interface PeerPortLimits {
  /** How many there may be; one more, and the oldest of the address with the most is dropped. */
  readonly newcomersMax: number;
  /** How long one may take to become a peer's. */
  readonly newcomerWithinMs: number;
}

export const PEER_PORT_LIMITS: PeerPortLimits = { newcomersMax: 256, newcomerWithinMs: 4000 };

/** What is said in words of the upgraded connection. */
export const FRAMES = "headcount-frames";
/** Longest message per lane, both ways: whole tables travel on `control`. */
export const LANE_BYTES_MAX: Readonly<Record<Lane, number>> = {
  rows: 2 * 1024 * 1024,
  counts: 16 * 1024 * 1024,
  control: 64 * 1024 * 1024,
};
/** Requests of one connection that may wait for their answers; past it the connection is not read. */
const REQUESTS_AT_ONCE = 64;
const HEADERS_WITHIN_MS = 2000;
/** Peers' connections: some 1,000 peers with a connection a lane. Newcomers have a bound of their own. */
const PEER_CONNECTIONS_MAX = 4096;

/** A client of Node's that refuses a certificate says nothing. */
const BROKEN_OFF =
  "a caller broke off while TLS began: perhaps it does not take this node's certificate, or asks for another TLS";

const KEEP_ALIVE_AFTER_MS = 10_000;

export class PeerPort {
  readonly server: Server;
  private readonly options: PeerPortOptions;
  private readonly door: Door;
  private readonly newcomers: Newcomers;
  /** `undefined` without TLS. */
  private readonly handshakes: Handshakes | undefined;
  private readonly upgraded = new Set<Duplex>();
  private notAdmitted = 0;
  private beyondMax = 0;
  /** What is still under way then cannot be answered, so it does not matter how it ends. */
  private isClosed = false;

  constructor(options: PeerPortOptions) {
    this.options = options;
    this.door = new Door(options);
    this.server = createServer(
      { headersTimeout: HEADERS_WITHIN_MS, requestTimeout: HEADERS_WITHIN_MS, connectionsCheckingInterval: 1000 },
      (request, response) => this.answer(request, response),
    );
    const { newcomersMax, newcomerWithinMs } = options.limits ?? PEER_PORT_LIMITS;
    this.newcomers = new Newcomers({ countMax: newcomersMax, withinMs: newcomerWithinMs });
    this.server.maxConnections = PEER_CONNECTIONS_MAX + 2 * newcomersMax; // with those who are not secure yet
    this.server.on("drop", () => this.beyondMax++);
    this.server.on("connection", (socket: Socket) => this.newcomers.add(socket));
    this.server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.upgrade(request, socket, head),
    );
    this.handshakes = options.certificate && this.speakTls(options.certificate);
  }

  get scheme(): Scheme {
    return this.handshakes === undefined ? "http" : "https";
  }

  registerMetrics(metrics: Metrics): void {
    metrics.labelledCounter(
      "peer_connections_refused_total",
      "Connections to the peer port that did not become a peer's: late, one of too many, or not of this cluster",
      "reason",
      () => this.refused,
    );
    this.options.certificate?.registerMetrics(metrics, "peer_tls");
    this.handshakes?.registerMetrics(metrics, "peer_tls");
  }

  /** Connections that did not become a peer's, by why; `no peer`: another secret, protocol or cluster, or no such path. */
  get refused(): Readonly<Record<string, number>> {
    return { ...this.newcomers.dropped, "no peer": this.notAdmitted, "too many": this.beyondMax };
  }

  /** @throws (rejects) what `listen` fails with: `EADDRINUSE` and the like */
  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, host, () => {
        this.server.off("error", reject);
        resolve();
      });
    });
  }

  close(): Promise<void> {
    this.isClosed = true;
    for (const socket of this.upgraded) socket.destroy();
    this.newcomers.close();
    this.handshakes?.close();
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private speakTls(certificate: Certificate): Handshakes {
    const { limits = PEER_PORT_LIMITS } = this.options;
    const onStranger = (reason: string, address: string | undefined): void =>
      this.options.onStranger?.(reason, address);
    const keepOut = (socket: Socket, status: number, message: string): void => {
      onStranger(message, socket.remoteAddress);
      socket.end(answerOf(...refused(status, message)));
    };
    const { peerCert, peerCa } = TLS_SETTINGS;
    return new Handshakes(this.server, {
      certificate,
      countMax: limits.newcomersMax,
      withinMs: limits.newcomerWithinMs,
      onPlain: (socket) =>
        keepOut(
          socket,
          426,
          `${peerCert.name} must be set at all nodes of a cluster or at none, and one speaks no TLS`,
        ),
      onUntrusted: (socket, got) =>
        keepOut(socket, 401, `${peerCert.name} must be by the authority in ${peerCa.name} of the others, got ${got}`),
      onBroken: (error, address) => onStranger((error && tlsFault(error, certificate)) ?? BROKEN_OFF, address),
    });
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const [status, body] = this.answerOf(request);
    if (status !== 200) this.notAdmitted++;
    const length = Buffer.byteLength(body);
    const headers = { ...DOOR_MARK, "content-type": JSON_TYPE, "content-length": length, connection: "close" };
    response.writeHead(status, status === 426 ? { ...headers, upgrade: FRAMES } : headers).end(body);
  }

  private answerOf(request: IncomingMessage): [status: number, body: string] {
    const refusal = this.door.refusal(request.headers);
    if (refusal !== undefined) return refused(refusal.status, refusal.message);
    if (request.url === "/peer/hello" && request.method === "GET") {
      const { cluster } = this.options;
      return [200, JSON.stringify({ cluster, protocol: PROTOCOL, incarnation: this.options.incarnation() })];
    }
    if (laneOf(request.url) !== undefined) return refused(426, `upgrade must be ${FRAMES}, got nothing`);
    return refused(404, `no such thing: ${request.method} ${shown(request.url)}`);
  }

  private upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const lane = laneOf(request.url);
    if (lane === undefined || request.headers.upgrade !== FRAMES || this.door.refusal(request.headers) !== undefined) {
      this.notAdmitted++;
      this.refuse(socket, ...this.answerOf(request));
      return;
    }
    this.newcomers.admit(socket);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${FRAMES}\r\n\r\n`);
    this.serve(lane, socket, head);
  }

  /** After the answer the connection is closed from this side: the other may keep its own open for ever. */
  private refuse(socket: Socket, status: number, body: string): void {
    socket.end(answerOf(status, body));
    socket.destroySoon();
  }

  private serve(lane: Lane, socket: Socket, head: Buffer): void {
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_AFTER_MS); // a machine that lost its power never says that it is gone
    this.upgraded.add(socket);
    socket.once("close", () => this.upgraded.delete(socket));
    let waiting = 0;
    const readOn = (): void => {
      if (waiting < REQUESTS_AT_ONCE && !socket.writableNeedDrain) socket.resume();
    };
    const reader = new FrameReader(LANE_BYTES_MAX[lane], (kind, call, message) => {
      if (kind !== FRAME_KINDS.request) throw new RangeError("Cannot serve a frame that is no request");
      if (++waiting >= REQUESTS_AT_ONCE) socket.pause();
      void this.handle(lane, message, (answerKind, answer) => {
        waiting--;
        if (socket.writable) writeFrame(socket, answerKind, call, answer);
        if (socket.writableNeedDrain) socket.pause(); // whoever does not take its answers may not ask for more
        else readOn();
      });
    });
    const read = (chunk: Buffer): void => {
      try {
        reader.read(chunk);
      } catch {
        socket.destroy(); // no frames: nothing after can be made out
      }
    };
    if (head.length > 0) read(head);
    socket.on("data", read);
    socket.on("drain", readOn);
  }

  private async handle(
    lane: Lane,
    message: Uint8Array,
    answer: (kind: FrameKind, answer: Uint8Array) => void,
  ): Promise<void> {
    try {
      answer(FRAME_KINDS.answer, await this.options.receive(lane, message));
    } catch (error) {
      const isTold = error instanceof MalformedMessageError || error instanceof PeerError;
      if (!isTold && !this.isClosed) this.options.onError(error);
      answer(FRAME_KINDS.refusal, Buffer.from(String(error)));
    }
  }
}

function laneOf(url: string | undefined): Lane | undefined {
  const name = /^\/peer\/([a-z]+)$/.exec(url ?? "")?.[1];
  return name !== undefined && Object.hasOwn(LANE_BYTES_MAX, name) ? (name as Lane) : undefined;
}

/** A whole answer, after which the connection ends. */
function answerOf(status: number, body: string): string {
  const headers = { ...DOOR_MARK, "content-type": JSON_TYPE, "content-length": Buffer.byteLength(body) };
  const always = { Date: new Date().toUTCString(), connection: "close" };
  const lines = Object.entries({ ...headers, ...always }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`;
}

/** Peers go by the status; the reasons are for clients. */
function refused(status: number, message: string): [status: number, body: string] {
  return [status, refusalBody({ status, reason: undefined, message })];
}
