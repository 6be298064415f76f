/** Feeds Node's server a connection's bytes, through a stand-in for the socket that is made when it is first needed. */
import type { Socket } from "node:net";
import { StandIn, type StandInPorts } from "./stand-in.ts";

export interface FeedPorts extends Pick<StandInPorts, "onEnd" | "letGo"> {
  /** Hands the stand-in to the server. */
  readonly serve: (standIn: StandIn) => void;
  /** Told where bytes were parsed later than they were pushed. */
  readonly onParsed: () => void;
  readonly onDestroyed: () => void;
}

export class Feed {
  private readonly socket: Socket;
  private readonly ports: FeedPorts;
  private made: StandIn | undefined;
  /** Bytes that were pushed, and that Node's parser has not seen. */
  private unparsed = 0;
  private isPushing = false;

  constructor(socket: Socket, ports: FeedPorts) {
    this.socket = socket;
    this.ports = ports;
  }

  /** Whether it is known how many requests the bytes hold that were pushed. */
  get isParsed(): boolean {
    return this.unparsed === 0;
  }

  get isMade(): boolean {
    return this.made !== undefined;
  }

  /** The stand-in; Node's server counts its time from then on. */
  open(): StandIn {
    return (this.made ??= this.make());
  }

  push(bytes: Buffer): void {
    const standIn = this.open();
    this.unparsed += bytes.length;
    this.isPushing = true;
    standIn.push(bytes);
    this.isPushing = false;
  }

  /** Nothing more comes. */
  end(): void {
    this.made?.push(null);
  }

  destroy(error?: Error): void {
    this.made?.destroy(error);
  }

  private make(): StandIn {
    const { onEnd, letGo, serve, onParsed, onDestroyed } = this.ports;
    const standIn = new StandIn(this.socket, {
      onEnd,
      letGo,
      onDestroyed: () => {
        if (this.made === standIn) this.made = undefined;
        this.unparsed = 0;
        onDestroyed();
      },
    });
    serve(standIn);
    // Behind the server's own listener, so that the requests in them are known by now.
    standIn.on("data", (bytes: Buffer) => {
      this.unparsed = Math.max(0, this.unparsed - bytes.length);
      if (!this.isPushing) onParsed();
    });
    return standIn;
  }
}
