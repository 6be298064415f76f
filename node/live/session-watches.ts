/** The places that one session watches. */
import type { FanOut, Sink, Watch } from "./fan-out.ts";
import type { Frame } from "./frame.ts";
import { type Refusal, TOO_MANY_WATCHES, WATCHES_MAX } from "./session-messages.ts";

/** Where frames go. */
export interface FrameOutlet {
  /** @returns false where the client has not read what it was sent */
  sendFrame(frame: Frame): boolean;
  /** Has `drained` called once it has. */
  askForRoom(): void;
}

export class SessionWatches {
  private readonly fanOut: FanOut;
  private readonly outlet: FrameOutlet;
  private readonly places = new Map<number, PlaceSink>();

  constructor(fanOut: FanOut, outlet: FrameOutlet) {
    this.fanOut = fanOut;
    this.outlet = outlet;
  }

  /** Sends what stands, and then what changes. Another question about the same place replaces the former. @returns why not */
  watch(place: number, top: number, everyMs: number): Refusal | undefined {
    if (this.places.size >= WATCHES_MAX && !this.places.has(place)) return TOO_MANY_WATCHES;
    this.unwatch(place);
    const sink = new PlaceSink(this.outlet);
    this.places.set(place, sink);
    sink.watch = this.fanOut.watch({ place, top }, everyMs, sink);
    return undefined;
  }

  unwatch(place: number): void {
    this.places.get(place)?.watch?.end();
    this.places.delete(place);
  }

  /** The client has read what it was sent. */
  drained(): void {
    for (const sink of this.places.values()) sink.drained();
  }

  end(): void {
    for (const place of this.places.keys()) this.unwatch(place);
  }
}

class PlaceSink implements Sink {
  watch: Watch | undefined;
  private readonly outlet: FrameOutlet;
  private isWaiting = false;

  constructor(outlet: FrameOutlet) {
    this.outlet = outlet;
  }

  send(frame: Frame): boolean {
    const isSent = this.outlet.sendFrame(frame);
    if (isSent) return true;
    this.isWaiting = true;
    this.outlet.askForRoom();
    return false;
  }

  drained(): void {
    if (!this.isWaiting) return;
    this.isWaiting = false;
    this.watch?.drained();
  }
}
