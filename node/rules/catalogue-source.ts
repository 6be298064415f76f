/** The file that this node's setting names: read at the start, and again whenever it has changed. */
import type { Logger } from "pino";
import { WatchedFiles } from "../watched-files.ts";
import type { FileRead } from "./catalogue-file.ts";
import { readCatalogue } from "./read-catalogue.ts";

export interface Source {
  readonly path: string;
  /** What it holds, as it was read last; `undefined` until it has been read. */
  readonly read: FileRead | undefined;
  readonly reads: { readonly taken: number; readonly refused: number };
  /** @param onRead called each time when it has been read */
  start(onRead: () => void): void;
  close(): void;
}

export class CatalogueSource implements Source {
  readonly path: string;
  read: FileRead | undefined;
  readonly reads = { taken: 0, refused: 0 };
  private readonly watch: WatchedFiles;
  private readonly log: Pick<Logger, "info">;
  private onRead = (): void => {};
  private isReading = false;
  private isToRead = false;

  constructor(path: string, log: Pick<Logger, "info">) {
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
    this.isToRead ||= hasChanged;
    if (this.isToRead && !this.isReading) void this.readAgain();
  }

  private async readAgain(): Promise<void> {
    this.isReading = true;
    this.isToRead = false;
    const read = await readCatalogue(this.path);
    this.isReading = false;
    // What was read while it changed may be half of it. It is read again once it has settled.
    if (this.read !== undefined && !this.watch.areAsSeen) return;
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
