/** The file that this node's setting names: read at the start, and again whenever it has changed. */
import type { Logger } from "pino";
import { WatchedFiles } from "../watched-files.ts";
import type { FileRead } from "./catalogue-file.ts";
import { readCatalogue } from "./read-catalogue.ts";

export interface Source {
  readonly path: string;
  /** What it holds, as it was read last; `undefined` until it has been read. */
  readonly read: FileRead | undefined;
  /** `put off`: at so many looks it had changed again since the one before. */
  readonly reads: { readonly taken: number; readonly refused: number; readonly "put off": number };
  /** @param onRead called each time when it has been read */
  start(onRead: () => void): void;
  close(): void;
}

/** Looks one after another at which the file had changed again, before that is told, and each time again. */
const PUT_OFF_TOLD = 30;

export class CatalogueSource implements Source {
  readonly path: string;
  read: FileRead | undefined;
  readonly reads = { taken: 0, refused: 0, "put off": 0 };
  private readonly watch: WatchedFiles;
  private readonly log: Pick<Logger, "info" | "warn">;
  private onRead = (): void => {};
  private isReading = false;
  private isToRead = false;
  /** How the file was when what had been read of it was thrown away: it changed meanwhile, so that was perhaps half of it. */
  private discarded: string | undefined;
  private putOffInRow = 0;

  constructor(path: string, log: Pick<Logger, "info" | "warn">) {
    this.path = path;
    this.log = log;
    // A file that is cut off may be a catalogue too, of fewer modes: so whoever writes it must have come to the end.
    this.watch = new WatchedFiles([path], { onLook: (haveChanged) => this.look(haveChanged), isSettled: true });
  }

  start(onRead: () => void): void {
    this.onRead = onRead;
    this.watch.start();
    void this.readAgain();
  }

  close(): void {
    this.watch.close();
  }

  private look(hasChanged: boolean): void {
    const hasSettled = this.discarded !== undefined && this.discarded === this.watch.mark;
    this.isToRead ||= hasChanged || hasSettled;
    this.notePutOff(this.watch.isUnsettled);
    if (this.isToRead && !this.isReading) void this.readAgain();
    else if (this.discarded !== undefined) this.discarded = this.watch.mark;
  }

  /** A file that changes more often than it is looked at would never be read: whoever wrote it is told. */
  private notePutOff(isUnsettled: boolean): void {
    this.putOffInRow = isUnsettled ? this.putOffInRow + 1 : 0;
    this.reads["put off"] += Number(isUnsettled);
    if (isUnsettled && this.putOffInRow % PUT_OFF_TOLD === 0)
      this.log.warn(
        { path: this.path, looks: this.putOffInRow },
        "the catalogue's file changes again and again, and is read when a second passes without a change",
      );
  }

  private async readAgain(): Promise<void> {
    this.isReading = true;
    this.isToRead = false;
    this.discarded = undefined;
    const { mark } = this.watch;
    const read = await readCatalogue(this.path);
    this.isReading = false;
    if (this.watch.mark !== mark) {
      this.discarded = this.watch.mark;
      return;
    }
    this.read = read;
    this.tell(read);
    this.onRead();
  }

  private tell(read: FileRead): void {
    if (read.kind === "faulty") {
      this.reads.refused++; // whoever follows it says so: a start may end by it
      return;
    }
    this.reads.taken++;
    const { version, modes } = read.catalogue;
    this.log.info({ path: this.path, version, modes: modes.length }, "read the catalogue's file");
  }
}
