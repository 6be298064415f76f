/** One connection to a peer's lane, opened at the first call: requests out, answers back in whatever order they are done. */
import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";
import { type Lane, PeerError } from "../../cluster/ports/transport.ts";
import type { Certificate } from "../tls/certificate.ts";
import type { PeerCredentials } from "./peer-door.ts";
import { FRAME_KINDS, FrameReader, writeFrame } from "./peer-frame.ts";
import { FRAMES, LANE_BYTES_MAX } from "./peer-port.ts";
import { requestPeer, tlsFault } from "./peer-tls.ts";

interface Call {
  readonly sentAtMs: number;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: PeerError) => void;
}

const OPEN_WITHIN_MS = 500;
const REFUSAL_CHARACTERS_MAX = 512;

export class PeerConnection {
  /** When it was last used, by `performance.now()`. */
  usedAtMs = performance.now();
  private readonly peerUrl: string;
  private readonly lane: Lane;
  private readonly credentials: PeerCredentials;
  private readonly onEnd: (wasOpen: boolean) => void;
  private readonly calls = new Map<number, Call>();
  private readonly opening: NodeJS.Timeout;
  private readonly request: ClientRequest;
  private socket: Socket | undefined;
  /** What is to be sent once the connection is open. */
  private unsent: (readonly [call: number, message: Uint8Array])[] = [];
  private heardAtMs = -Infinity;
  private lastCall = 0;
  private hasEnded = false;
  private isClosedHere = false;

  /**
   * @param onEnd told once, before anything is rejected: nothing may be called after. `wasOpen` (R10): the connection was
   *   open, and it was not this node that closed it
   */
  constructor(peerUrl: string, lane: Lane, credentials: PeerCredentials, onEnd: (wasOpen: boolean) => void) {
    this.peerUrl = peerUrl;
    this.lane = lane;
    this.credentials = credentials;
    this.onEnd = onEnd;
    this.opening = setTimeout(() => this.end("did not open in time"), OPEN_WITHIN_MS);
    const url = new URL(`/peer/${lane}`, peerUrl);
    this.request = requestPeer(url, credentials, { headers: { connection: "upgrade", upgrade: FRAMES } });
    this.request.on("upgrade", (_response, socket: Socket, head: Buffer) => this.open(socket, head));
    this.request.on("response", (response) => {
      response.setEncoding("utf8").once("data", (text: string) => {
        this.end(`answered ${response.statusCode}: ${text.slice(0, REFUSAL_CHARACTERS_MAX)}`);
      });
      response.once("close", () => this.end(`answered ${response.statusCode}`));
    });
    this.request.on("error", (error: NodeJS.ErrnoException) =>
      this.end(whyNot(error, credentials.certificate), error.code === "ECONNREFUSED"),
    );
    this.request.end();
  }

  get isIdle(): boolean {
    return this.calls.size === 0;
  }

  /** @throws {PeerError} (rejects) */
  call(message: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const number = (this.lastCall = (this.lastCall + 1) >>> 0);
      const sentAtMs = performance.now();
      // An answer that came while this process stood still is read before the time is judged.
      const timer = setTimeout(() => setImmediate(() => this.giveUp(number, timeoutMs)), timeoutMs);
      this.usedAtMs = sentAtMs;
      this.calls.set(number, { sentAtMs, timer, resolve, reject });
      if (this.socket === undefined) this.unsent.push([number, message]);
      else writeFrame(this.socket, FRAME_KINDS.request, number, message);
    });
  }

  close(): void {
    this.isClosedHere = true;
    this.end("is not needed any more");
  }

  private open(socket: Socket, head: Buffer): void {
    if (this.hasEnded) return void socket.destroy();
    clearTimeout(this.opening);
    socket.setNoDelay(true);
    socket.setTimeout(0);
    const reader = new FrameReader(LANE_BYTES_MAX[this.lane], (kind, number, message) =>
      this.settle(number, kind, message),
    );
    const read = (chunk: Buffer): void => {
      this.heardAtMs = performance.now();
      try {
        reader.read(chunk);
      } catch (error) {
        this.end(String(error));
      }
    };
    socket.on("data", read);
    socket.on("error", (error: NodeJS.ErrnoException) => this.end(whyNot(error, this.credentials.certificate)));
    socket.on("close", () => this.end("hung up"));
    this.socket = socket;
    const { unsent } = this;
    this.unsent = [];
    for (const [number, message] of unsent)
      if (this.calls.has(number)) writeFrame(socket, FRAME_KINDS.request, number, message);
    if (head.length > 0) read(head);
  }

  private settle(number: number, kind: number, message: Uint8Array): void {
    const call = this.take(number);
    if (call === undefined) return; // it was given up
    if (kind === FRAME_KINDS.answer) call.resolve(message);
    else call.reject(new PeerError(`${this.peerUrl} refused a message: ${Buffer.from(message).toString()}`, false));
  }

  /** A connection on which nothing comes back may be cut without anybody having said so: the next call opens another. */
  private giveUp(number: number, timeoutMs: number): void {
    const call = this.take(number);
    if (call === undefined) return;
    if (this.socket !== undefined && this.heardAtMs < call.sentAtMs) this.end("has gone silent");
    call.reject(new PeerError(`${this.peerUrl} did not answer within ${timeoutMs} ms`, false));
  }

  private take(number: number): Call | undefined {
    const call = this.calls.get(number);
    this.calls.delete(number);
    clearTimeout(call?.timer);
    return call;
  }

  private end(reason: string, isRefused = false): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.opening);
    this.onEnd(this.socket !== undefined && !this.isClosedHere);
    this.request.destroy();
    this.socket?.destroy();
    for (const number of this.calls.keys())
      this.take(number)?.reject(new PeerError(`${this.peerUrl} ${reason}`, isRefused));
  }
}

function whyNot(error: NodeJS.ErrnoException, certificate: Certificate | undefined): string {
  const fault = tlsFault(error, certificate);
  return fault === undefined ? (error.code ?? error.message) : `cannot be talked to: ${fault}`;
}
