/** A place whose counts change when the test says so, and the time in which a fan-out lives. */
import type { FanOutPorts, Reading, Source } from "../../node/live/fan-out.ts";

/** Answers are told by what they say of each place. */
export class LiveSource implements Source {
  /** How many bodies were made. */
  made = 0;
  isAnswering = true;
  private readonly said = new Map<number, { value: number; change: number }>();

  /** Says the same value anew, too: then only the state is another. */
  set(place: number, value: number): void {
    this.said.set(place, { value, change: (this.said.get(place)?.change ?? 0) + 1 });
  }

  value(place: number): number {
    return this.said.get(place)?.value ?? 0;
  }

  read(place: number): Reading | undefined {
    if (!this.isAnswering) return undefined;
    const state = this.said.get(place);
    return {
      state,
      answer: (top) => {
        this.made++;
        return { tag: tagOf(state?.value ?? 0), body: bodyOf(place, top, state?.value ?? 0) };
      },
    };
  }
}

export function tagOf(value: number): string {
  return `W/"${value}"`;
}

export function bodyOf(place: number, top: number, value: number): string {
  return JSON.stringify({ place, top, value });
}

/** Time that passes when told; a turn of the loop may end between any two of its steps. */
export class LiveTime implements FanOutPorts {
  ms = 0;
  /** What reading the clock costs: long slices are cut by it. */
  readingMs = 0;
  private readonly timers = new Set<{ readonly everyMs: number; nextMs: number; readonly run: () => void }>();
  private soons: (() => void)[] = [];

  readonly nowMs = (): number => (this.ms += this.readingMs);

  readonly repeat = (everyMs: number, run: () => void): (() => void) => {
    const timer = { everyMs, nextMs: this.ms + everyMs, run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  };

  readonly soon = (run: () => void): void => void this.soons.push(run);

  get isQuiet(): boolean {
    return this.timers.size === 0;
  }

  /** One turn of the loop. */
  turn(): void {
    const soons = this.soons;
    this.soons = [];
    for (const run of soons) run();
    for (const timer of this.timers)
      if (timer.nextMs <= this.ms) {
        timer.nextMs = this.ms + timer.everyMs;
        timer.run();
      }
  }

  pass(ms: number): void {
    for (const endMs = this.ms + ms; this.ms < endMs || this.soons.length > 0; this.ms++) this.turn();
  }
}
