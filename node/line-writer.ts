/**
 * Writes what is only told: the lines of the log, the greeting. Telling must never end a node or hold it up. So a line that
 * cannot be written is dropped and counted, and while nobody reads, lines wait in bounded memory and not in the event loop.
 */
import { fstatSync, writeSync } from "node:fs";

type Stream = NodeJS.WritableStream & { readonly _handle?: { setBlocking?(isBlocking: boolean): void } | undefined };

const WAITING_BYTES_MAX = 1 << 20;
const RETRY_EVERY_MS = 20;
/** How long the end of the process waits for whoever reads. */
const END_WITHIN_MS = 200;
const LINE_END = Buffer.from("\n");

export class LineWriter {
  /** Lines that were not written, or only in part. */
  dropped = 0;
  private readonly writeBytes: (bytes: Uint8Array) => number;
  private readonly waiting: { readonly bytes: Uint8Array; written: number }[] = [];
  private waitingBytes = 0;
  private retrying: NodeJS.Timeout | undefined;
  /** Only the beginning of the last line was written: the next one must not go on in it. */
  private isTorn = false;

  /** @param writeBytes writes some of them at once and says how many; throws `EAGAIN` where it would have to wait */
  constructor(writeBytes: (bytes: Uint8Array) => number) {
    this.writeBytes = writeBytes;
  }

  /** @param text a line with its end, or several that belong together */
  write(text: string): void {
    const bytes = Buffer.from(text);
    if (this.waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.dropped++;
      return;
    }
    this.waiting.push({ bytes, written: 0 });
    this.waitingBytes += bytes.length;
    if (this.retrying === undefined) this.writeWaiting();
  }

  /** Waits a little for whoever reads. To be called when the process ends. */
  finish(): void {
    const untilMs = performance.now() + END_WITHIN_MS;
    const never = new Int32Array(new SharedArrayBuffer(4));
    this.writeWaiting();
    while (this.waiting.length > 0 && performance.now() < untilMs) {
      Atomics.wait(never, 0, 0, RETRY_EVERY_MS);
      this.writeWaiting();
    }
  }

  private writeWaiting(): void {
    clearTimeout(this.retrying);
    this.retrying = undefined;
    while (this.waiting.length > 0 && this.writeFirst());
    if (this.waiting.length > 0) this.retrying = setTimeout(() => this.writeWaiting(), RETRY_EVERY_MS).unref();
  }

  /** @returns false where nobody reads just now */
  private writeFirst(): boolean {
    const line = this.waiting[0]!;
    try {
      if (this.isTorn) this.writeBytes(LINE_END);
      this.isTorn = false;
      while (line.written < line.bytes.length) line.written += this.writeBytes(line.bytes.subarray(line.written));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return false;
      this.dropped++;
      this.isTorn ||= line.written > 0;
    }
    this.waiting.shift();
    this.waitingBytes -= line.bytes.length;
    return true;
  }
}

/** To be made once for each of the process' two outputs. */
export function openStandard(output: "stdout" | "stderr"): LineWriter {
  const stream: Stream = process[output];
  const fd = output === "stdout" ? 1 : 2;
  stream.on("error", () => {}); // who else writes to it, as a thread does that warns, must not end the process either
  if (!fstatSync(fd).isFile()) neverBlock(stream);
  const writer = new LineWriter((bytes) => writeSync(fd, bytes));
  process.once("exit", () => writer.finish());
  return writer;
}

/** A pipe, a socket or a terminal that nobody reads would hold up the event loop for ever. */
function neverBlock({ _handle: handle }: Stream): void {
  // Node makes pipes and sockets so by itself, but terminals only in this way, which it does not document.
  handle?.setBlocking?.(false);
}
