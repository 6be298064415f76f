/** All streams of a listener: how many there may be, what is sent to them in time, and their end. */
import { Places, type PlacesOptions } from "../limits/places.ts";
import type { Full } from "../limits/places.ts";
import type { Metrics } from "../metrics.ts";
import type { FanOut, Question } from "./fan-out.ts";
import { endAll } from "./goodbye.ts";
import { type Ending, ENDINGS, Stream, type StreamOptions, type Taken } from "./stream.ts";

/** A comment comes so often. */
const BEAT_MS = 15_000;
/** Looked at so often: what operators switched off, and a part of all streams, so that all have had their beat in time. */
const TICK_MS = 250;
const PARTS = BEAT_MS / TICK_MS;
/** So long is said goodbye before others have their turn. */
const SLICE_MS = 4;

export interface StreamsOptions extends PlacesOptions {
  /** Whether operators switched streams off. */
  readonly isOff: () => boolean;
}

/** A question, and who asks it. */
export interface Asking extends Question {
  readonly everyMs: number;
  /** The tag of what the client has. */
  readonly known: string | undefined;
}

export class Streams {
  isDraining = false;
  /** Bytes that were written. */
  bytes = 0;
  /** Streams so far. */
  opened = 0;
  readonly places: Places;
  readonly fanOut: FanOut;
  private readonly isOff: StreamsOptions["isOff"];
  private readonly ended = Object.fromEntries(ENDINGS.map((ending) => [ending, 0])) as Record<Ending, number>;
  /** Each has its beat in another tick. */
  private readonly parts = Array.from({ length: PARTS }, () => new Set<Stream>());
  private part = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(fanOut: FanOut, { isOff, ...places }: StreamsOptions) {
    this.fanOut = fanOut;
    this.isOff = isOff;
    this.places = new Places(places);
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** To be asked before a stream is opened; its place is taken where there is one. @returns which limit refuses it */
  take(client: string | undefined): Full | undefined {
    return this.places.take(client);
  }

  /** For a connection whose client has taken its place. */
  open(taken: Taken, { everyMs, known, ...question }: Asking, options: StreamOptions): void {
    if (taken.socket.destroyed) {
      // Its end was told to nobody here, and will not be again.
      taken.release();
      return this.places.release(options.client);
    }
    const stream = new Stream(this, taken, options);
    this.opened++;
    this.parts[(this.part + this.opened) % PARTS]?.add(stream);
    stream.begin((sink) => this.fanOut.watch(question, everyMs, sink, { known }));
  }

  closed(stream: Stream): void {
    for (const part of this.parts) if (part.delete(stream)) break;
    this.places.release(stream.client);
    this.ended[stream.ending]++;
  }

  /** Ends all of them, a few at a time; resolves when each was told. */
  async drain(): Promise<void> {
    this.isDraining = true;
    await endAll(this.all(), (stream) => stream.end("draining"));
  }

  close(): void {
    clearInterval(this.timer);
  }

  registerMetrics(metrics: Metrics): void {
    const { fanOut, places } = this;
    metrics.gauge("streams", "Streams of server-sent events that are open", () => places.count);
    metrics.labelledCounter("streams_ended_total", "Streams that have ended, by why", "why", () => this.ended);
    metrics.labelledCounter(
      "streams_refused_total",
      "Streams refused since there were too many, of all or of one address",
      "limit",
      () => places.refused,
    );
    metrics.counter("stream_bytes_total", "Bytes written to streams", () => this.bytes);
    metrics.gauge("watchers", "Questions that are watched, each by a stream or a session", () => fanOut.count);
    metrics.counter("frames_total", "Answers pushed to who watches", () => fanOut.sent);
    metrics.counter(
      "frames_skipped_total",
      "Answers that were due and not pushed, since the reader had not taken the one before",
      () => fanOut.skipped,
    );
  }

  private tick(): void {
    this.part = (this.part + 1) % PARTS;
    for (const stream of this.parts[this.part] ?? []) stream.beat();
    if (this.places.count > 0 && this.isOff()) this.endSome(this.all());
  }

  private endSome(all: Stream[]): void {
    const untilMs = performance.now() + SLICE_MS;
    while (performance.now() < untilMs) {
      const stream = all.pop();
      if (stream === undefined) return;
      stream.end("switched off");
    }
    setImmediate(() => this.endSome(all));
  }

  private all(): Stream[] {
    return this.parts.flatMap((part) => [...part]);
  }
}
