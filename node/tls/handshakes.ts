/**
 * Has a server speak TLS only: its connections come to whoever listens for them once they are secure. Half a handshake costs
 * memory, and anybody can begin one; so they have a time limit, all together are bounded, and none begins before a first byte.
 */
import type { Server, Socket } from "node:net";
import { createServer, type Server as TlsServer, type TLSSocket } from "node:tls";
import type { Metrics } from "../metrics.ts";
import { Newcomers, type NewcomersOptions } from "../newcomers.ts";
import type { Certificate } from "./certificate.ts";

export interface HandshakesOptions extends Pick<NewcomersOptions, "countMax" | "withinMs"> {
  readonly certificate: Certificate;
  /** Answers and ends a connection that does not begin with TLS, such as one of HTTP in the clear. */
  readonly onPlain: (socket: Socket) => void;
  /** Answers and ends a connection whose certificate is not by the authority; asked only where one has to be shown. */
  readonly onUntrusted?: (socket: TLSSocket, reason: string) => void;
  /** Told of each handshake that broke off, and by what. */
  readonly onBroken?: (error: NodeJS.ErrnoException | undefined, address: string | undefined) => void;
}

/** The first byte of TLS: a record of the handshake (RFC 8446, 5.1). */
const HANDSHAKE = 0x16;
const PROTOCOLS = ["http/1.1"];
const CONNECTION = "connection";

export class Handshakes {
  /** Connections that did not become secure, by why not. Who comes and goes without a byte is none. */
  readonly failed = { plain: 0, late: 0, crowded: 0, untrusted: 0, broken: 0 };
  private readonly options: HandshakesOptions;
  private readonly newcomers: Newcomers;
  private readonly tls: TlsServer;
  /** Those that have sent something, by both their ends: what Node hands on as secure does not say from which socket it came. */
  private readonly shaking = new Map<string, Socket>();
  /** Node tells of it just before the socket closes. */
  private lastError: NodeJS.ErrnoException | undefined;

  /** @param server whoever listens for its connections by now gets them secure; who comes later gets them raw */
  constructor(server: Server, options: HandshakesOptions) {
    const { certificate, countMax, withinMs } = options;
    this.options = options;
    this.newcomers = new Newcomers({
      countMax,
      withinMs,
      onDropped: (socket, why) => {
        this.failed[why]++;
        this.shaking.delete(endsOf(socket));
      },
    });
    const listeners = server.listeners(CONNECTION);
    const { allowHalfOpen } = server as Server & { readonly allowHalfOpen: boolean }; // not in Node's types
    const rejectUnauthorized = false; // who shows a wrong one is told so, over TLS
    this.tls = createServer(
      { ...certificate.options, ALPNProtocols: PROTOCOLS, requestCert: certificate.isMutual, rejectUnauthorized },
      (socket) => {
        if (!this.isWelcome(socket)) return;
        socket.allowHalfOpen = allowHalfOpen;
        for (const listener of listeners) listener.call(server, socket);
      },
    );
    this.tls.on("tlsClientError", (error) => (this.lastError = error));
    certificate.onChange(() => this.tls.setSecureContext(certificate.options));
    server.removeAllListeners(CONNECTION).on(CONNECTION, (socket: Socket) => this.begin(socket));
  }

  /** How many are under way. */
  get count(): number {
    return this.newcomers.count;
  }

  /** @param prefix of the names of metrics: `tls` */
  registerMetrics(metrics: Metrics, prefix: string): void {
    metrics.gauge(`${prefix}_handshakes`, "Connections that are not secure yet", () => this.count);
    metrics.labelledCounter(
      `${prefix}_handshakes_failed_total`,
      "Connections that did not become secure: they spoke no TLS, were late, were the oldest of too many, showed no certificate by the authority, or broke off",
      "why",
      () => this.failed,
    );
  }

  /** Ends all that are under way. */
  close(): void {
    this.newcomers.close();
  }

  private begin(socket: Socket): void {
    this.newcomers.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("end", () => socket.destroySoon());
    socket.once("data", (bytes: Buffer) => {
      socket.pause();
      socket.unshift(bytes); // Node's TLS takes what is there already
      if (bytes[0] === HANDSHAKE) this.shake(socket);
      else this.refusePlain(socket);
    });
  }

  private shake(socket: Socket): void {
    const ends = endsOf(socket);
    const address = socket.remoteAddress;
    this.shaking.set(ends, socket);
    socket.allowHalfOpen = false; // whoever ends its side now is gone, and Node's TLS does as the socket does
    socket.once("close", () => {
      const { lastError } = this;
      this.lastError = undefined;
      if (this.shaking.get(ends) !== socket) return;
      this.shaking.delete(ends);
      this.failed.broken++;
      this.options.onBroken?.(lastError, address);
    });
    this.tls.emit(CONNECTION, socket);
  }

  private refusePlain(socket: Socket): void {
    this.failed.plain++;
    this.options.onPlain(socket);
    socket.resume(); // closed with bytes unread, the client would lose the answer
  }

  /** Who is not is told, and stays a newcomer until gone. */
  private isWelcome(socket: TLSSocket): boolean {
    const ends = endsOf(socket);
    const raw = this.shaking.get(ends);
    this.shaking.delete(ends);
    const { certificate, onUntrusted } = this.options;
    if (certificate.isMutual && !socket.authorized) {
      this.failed.untrusted++;
      socket.on("error", () => socket.destroy());
      onUntrusted?.(socket, reasonOf(socket));
      socket.resume();
      return false;
    }
    if (raw !== undefined) this.newcomers.admit(raw);
    return true;
  }
}

function reasonOf(socket: TLSSocket): string {
  if (Object.keys(socket.getPeerCertificate()).length === 0) return "none";
  return String(socket.authorizationError);
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
