/**
 * Files that are looked at once a second: a write, another file that takes their place, as editors do, and the turned link of a
 * mounted Kubernetes volume are all noticed.
 */
import { fileMark } from "./environment.ts";

const LOOK_EVERY_MS = 1000;

export interface WatchOptions {
  /**
   * Called with each look. It may read the files at once, whatever changes meanwhile is told with the next.
   * @param haveChanged since it was last told so; at first since this was made
   */
  readonly onLook: (haveChanged: boolean) => void;
  /** A change is told only when a second has passed without another: whoever writes slowly has then come to the end. */
  readonly isSettled?: boolean;
}

export class WatchedFiles {
  private readonly paths: readonly string[];
  private readonly options: WatchOptions;
  private timer: NodeJS.Timeout | undefined;
  /** As they were when they were told of. */
  private told: string;
  /** As they were at the last look. */
  private seen: string;

  /** Notes how they are; what they hold is to be read after that. */
  constructor(paths: readonly string[], options: WatchOptions) {
    this.paths = paths;
    this.options = options;
    this.told = this.seen = this.mark;
  }

  start(): void {
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** Another one whenever they are not as they were. */
  get mark(): string {
    return this.paths.map(fileMark).join(", ");
  }

  /** Whether they are not as they were told of: they changed so lately that they may change again. */
  get isUnsettled(): boolean {
    return this.seen !== this.told;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const { mark } = this;
    const areStill = mark === this.seen || this.options.isSettled !== true;
    const haveChanged = mark !== this.told && areStill;
    this.seen = mark;
    if (haveChanged) this.told = mark;
    this.options.onLook(haveChanged);
  }
}
