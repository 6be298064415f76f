/** The file that this node's setting names: read at the start, and again whenever it has changed. */
import type { Logger } from "pino";
import { WatchedFiles } from "../watched-files.ts";
import type { FileRead } from "./catalogue-file.ts";
import type { CatalogueText } from "./catalogue-form.ts";
import { readCatalogue } from "./read-catalogue.ts";

export interface SourcePorts {
  readonly log: Pick<Logger, "info">;
  /** Called each time when it has been read. */
  readonly onRead: () => void;
}

export class CatalogueSource {
  readonly path: string;
  /** What it holds, as it was read last; `undefined` until it has been read. */
  read: FileRead | undefined;
  readonly reads = { taken: 0, refused: 0 };
  private readonly watch: WatchedFiles;
  private readonly ports: SourcePorts;
  private isReading = false;
  private isToRead = false;

  constructor(path: string, ports: SourcePorts) {
    this.path = path;
    this.ports = ports;
    // A file that is cut off may be a catalogue too, of fewer modes: so whoever writes it must have come to the end.
    this.watch = new WatchedFiles([path], { onLook: (haveChanged) => this.look(haveChanged), isSettled: true });
  }

  /** `undefined` where it holds none, or none that can be followed. */
  get catalogue(): CatalogueText | undefined {
    return this.read?.kind === "sound" ? this.read.catalogue : undefined;
  }

  start(): void {
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
    this.ports.onRead();
  }

  private tell(read: FileRead): void {
    const { path, ports } = this;
    if (read.kind === "sound") {
      this.reads.taken++;
      const { version, modes } = read.catalogue;
      ports.log.info({ path, version, modes: modes.length }, "read the catalogue's file");
      return;
    }
    this.reads.refused++; // whoever follows it says so: a start may end by it
  }
}
