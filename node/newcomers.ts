/**
 * Connections to a listener whose caller has not shown yet that it may be there: no secret, no TLS. Anybody who reaches the port
 * can open them, so each has a time limit, all together are bounded, and those that were admitted are not among them: strangers
 * cannot use up what others need.
 */
import type { Socket } from "node:net";

export interface NewcomersOptions {
  /** How many there may be at once; one more, and the oldest is dropped. */
  readonly countMax: number;
  /** How long a connection may take to be admitted, or to take its refusal. */
  readonly withinMs: number;
  /** Told of each that is dropped here. */
  readonly onDropped?: (socket: Socket, why: "late" | "too many") => void;
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
      setTimeout(() => this.drop(socket, "late"), this.options.withinMs),
    );
    socket.once("close", () => this.forget(socket));
    const [oldest] = this.timers.keys();
    if (oldest !== undefined && this.timers.size > this.options.countMax) this.drop(oldest, "too many");
  }

  /** It may stay. */
  admit(socket: Socket): void {
    this.forget(socket);
  }

  close(): void {
    for (const socket of this.timers.keys()) socket.destroy();
  }

  private drop(socket: Socket, why: "late" | "too many"): void {
    this.forget(socket); // at once, since "close" comes later
    this.options.onDropped?.(socket, why);
    socket.destroy();
  }

  private forget(socket: Socket): void {
    clearTimeout(this.timers.get(socket));
    this.timers.delete(socket);
  }
}
