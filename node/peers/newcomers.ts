/**
 * Connections to the peer port whose caller is not known to be a peer yet. Anybody who reaches the port can open them, so
 * each has a time limit, all together are bounded, and peers are not among them: strangers cannot use up what peers need.
 * When there are too many, the address with the most loses one: a flood from one address does not keep nodes at others out.
 */
import type { Socket } from "node:net";

export interface NewcomersOptions {
  /** How many there may be at once; one more, and the oldest of the address with the most is dropped. */
  readonly countMax: number;
  /** How long a connection may take to become a peer's, or to take its refusal. */
  readonly withinMs: number;
}

export class Newcomers {
  private readonly options: NewcomersOptions;
  /** Connections that were dropped, by why. */
  readonly dropped = { late: 0, crowded: 0 };
  /** In the order in which they came. */
  private readonly timers = new Map<Socket, NodeJS.Timeout>();
  private readonly addresses = new Map<Socket, string>();

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
    this.addresses.set(socket, socket.remoteAddress ?? "");
    socket.once("close", () => this.forget(socket));
    if (this.timers.size > this.options.countMax) this.drop(this.superfluous(), "crowded");
  }

  /** It has become a peer's connection. */
  admit(socket: Socket): void {
    this.forget(socket);
  }

  close(): void {
    for (const socket of this.timers.keys()) socket.destroy();
  }

  private drop(socket: Socket, why: keyof Newcomers["dropped"]): void {
    this.dropped[why]++;
    this.forget(socket); // at once, since "close" comes later
    socket.destroy();
  }

  /** The oldest connection of the address that has the most; O(newcomers), which are some hundreds. */
  private superfluous(): Socket {
    const byAddress = Map.groupBy(this.timers.keys(), (socket) => this.addresses.get(socket) as string);
    const [most = []] = [...byAddress.values()].toSorted((one, other) => other.length - one.length);
    return most[0] as Socket;
  }

  private forget(socket: Socket): void {
    this.addresses.delete(socket);
    clearTimeout(this.timers.get(socket));
    this.timers.delete(socket);
  }
}
