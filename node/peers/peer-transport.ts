/** How this node reaches the others: a connection of its own per peer and lane, so that no lane holds another up (R20). */
import type { Lane, Transport } from "../../cluster/ports/transport.ts";
import { PeerConnection } from "./peer-connection.ts";
import type { PeerCredentials } from "./peer-door.ts";

/** Members are heard every moment, so whoever is not called any more is none. */
const IDLE_MS = 10_000;

export class PeerTransport implements Transport {
  /** R10: see `Transport`. */
  onEnded: (peerUrl: string) => void = () => undefined;
  private readonly credentials: PeerCredentials;
  private readonly connections = new Map<string, PeerConnection>();
  private readonly looking = setInterval(() => this.closeIdle(), IDLE_MS / 2).unref();

  constructor(credentials: PeerCredentials) {
    this.credentials = credentials;
  }

  call(peerUrl: string, lane: Lane, message: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const key = `${lane} ${peerUrl}`;
    let connection = this.connections.get(key);
    if (connection === undefined) {
      const opened = new PeerConnection(peerUrl, lane, this.credentials, (wasOpen) => {
        if (this.connections.get(key) === opened) this.connections.delete(key);
        if (wasOpen) setImmediate(() => this.onEnded(peerUrl));
      });
      this.connections.set(key, (connection = opened));
    }
    return connection.call(message, timeoutMs);
  }

  close(): void {
    clearInterval(this.looking);
    for (const connection of this.connections.values()) connection.close();
  }

  private closeIdle(): void {
    const beforeMs = performance.now() - IDLE_MS;
    for (const connection of this.connections.values())
      if (connection.isIdle && connection.usedAtMs < beforeMs) connection.close();
  }
}
