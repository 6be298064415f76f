/**
 * Connections to the peer port whose caller is not known to be a peer yet. Anybody who reaches the port can open them, so
 * each has a time limit, all together are bounded, and peers are not among them: strangers cannot use up what peers need.
 */
import type { Socket } from "node:net";

export interface NewcomersOptions {
  /** How many there may be at once; one more, and the oldest is dropped. */
  readonly countMax: number;
  /** How long a connection may take to become a peer's, or to take its refusal. */
  readonly withinMs: number;
}

export class Newcomers {
  private readonly options: NewcomersOptions;
  /** In the order in which they came. */
  private readonly timers = new Map<Socket, NodeJS.Timeout>();

  constructor(options: NewcomersOptions) {
    this.options = options;
  }

  get count(): number {
    return this.timers.size;
  }

  add(socket: Socket): void {
    // An answer that the other side never reads must not keep the connection open, so this is no idle timeout.
    this.timers.set(
      socket,
      setTimeout(() => socket.destroy(), this.options.withinMs),
    );
    socket.once("close", () => this.forget(socket));
    const [oldest] = this.timers.keys();
    if (oldest === undefined || this.timers.size <= this.options.countMax) return;
    this.forget(oldest); // at once, since "close" comes later
    oldest.destroy();
  }

  /** It has become a peer's connection. */
  admit(socket: Socket): void {
    this.forget(socket);
  }

  close(): void {
    for (const socket of this.timers.keys()) socket.destroy();
  }

  private forget(socket: Socket): void {
    clearTimeout(this.timers.get(socket));
    this.timers.delete(socket);
  }
}
