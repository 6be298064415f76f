/**
 * Connections to a listener whose caller has not shown yet that it may be there: no secret, no TLS. Anybody who reaches the port
 * can open them, so each has a time limit, all together are bounded, and those that were admitted are not among them: strangers
 * cannot use up what others need. When there are too many, the address with the most loses one: a flood from one address does not
 * keep those at others out.
 */
import type { Socket } from "node:net";

export interface NewcomersOptions {
  /** How many there may be at once; one more, and the oldest of the address with the most is dropped. */
  readonly countMax: number;
  /** How long a connection may take to be admitted, or to take its refusal. */
  readonly withinMs: number;
  /** Told of each that is dropped here. */
  readonly onDropped?: (socket: Socket, why: "late" | "crowded") => void;
}

interface Newcomer {
  readonly address: string;
  readonly timer: NodeJS.Timeout;
}

export class Newcomers {
  /** Connections that were dropped, by why. */
  readonly dropped = { late: 0, crowded: 0 };
  private readonly options: NewcomersOptions;
  private readonly all = new Map<Socket, Newcomer>();
  /** Of each address in the order in which they came. */
  private readonly byAddress = new Map<string, Set<Socket>>();

  constructor(options: NewcomersOptions) {
    this.options = options;
  }

  get count(): number {
    return this.all.size;
  }

  add(socket: Socket): void {
    const address = socket.remoteAddress ?? "";
    // An answer that the other side never reads must not keep the connection open, so this is no idle timeout.
    const timer = setTimeout(() => this.drop(socket, "late"), this.options.withinMs);
    this.all.set(socket, { address, timer });
    const ofAddress = this.byAddress.get(address);
    if (ofAddress === undefined) this.byAddress.set(address, new Set([socket]));
    else ofAddress.add(socket);
    socket.once("close", () => this.forget(socket));
    if (this.all.size > this.options.countMax) this.drop(this.superfluous(), "crowded");
  }

  /** It may stay. */
  admit(socket: Socket): void {
    this.forget(socket);
  }

  close(): void {
    for (const socket of this.all.keys()) socket.destroy();
  }

  private drop(socket: Socket, why: "late" | "crowded"): void {
    this.dropped[why]++;
    this.forget(socket); // at once, since "close" comes later
    this.options.onDropped?.(socket, why);
    socket.destroy();
  }

  /** The oldest connection of the address that has the most; O(addresses), some thousands at the most. */
  private superfluous(): Socket {
    let most: Set<Socket> | undefined;
    for (const sockets of this.byAddress.values()) if (sockets.size > (most?.size ?? 0)) most = sockets;
    const [oldest] = most as Set<Socket>;
    return oldest as Socket;
  }

  private forget(socket: Socket): void {
    const newcomer = this.all.get(socket);
    if (newcomer === undefined) return;
    clearTimeout(newcomer.timer);
    this.all.delete(socket);
    const ofAddress = this.byAddress.get(newcomer.address);
    ofAddress?.delete(socket);
    if (ofAddress?.size === 0) this.byAddress.delete(newcomer.address);
  }
}
