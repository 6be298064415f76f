/** A text that is followed, beside the embedded store: a file that is replaced whole; and the same for nodes that store nothing. */
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { reasonOf } from "../reason.ts";
import { type Kept, NOTHING_KEPT, type TextStore } from "../text-store.ts";

export class TextInMemory implements TextStore {
  readonly place: string = "memory";
  protected kept = NOTHING_KEPT;

  async read(known: string): Promise<Kept | undefined> {
    return this.kept.mark === known ? undefined : this.kept;
  }

  async write(known: string, kept: Kept): Promise<boolean> {
    if (this.kept.mark !== known) return false;
    this.kept = kept;
    return true;
  }
}

/** Read once: nobody else writes to the folder. */
export class TextFile extends TextInMemory {
  override readonly place: string;
  private readonly folder: string;
  private readonly file: string;
  private isRead = false;
  private writing: Promise<unknown> = Promise.resolve();

  /** @param name of the text */
  constructor(folder: string, name: string) {
    super();
    this.folder = folder;
    this.file = `${name}.json`;
    this.place = join(folder, this.file);
  }

  override async read(known: string): Promise<Kept | undefined> {
    if (!this.isRead) this.kept = await this.readFile();
    this.isRead = true;
    return super.read(known);
  }

  /** One after the other: each is a compare-and-set. */
  override write(known: string, kept: Kept): Promise<boolean> {
    const done = this.writing.then(() => this.replace(known, kept));
    this.writing = done.catch(() => {});
    return done;
  }

  private async replace(known: string, kept: Kept): Promise<boolean> {
    if (this.kept.mark !== known) return false;
    try {
      await replaceFile(this.folder, this.file, `${kept.mark}\n${kept.text}\n`);
    } catch (error) {
      throw new StoreUnavailableError(
        `Cannot write ${this.place}: ${reasonOf(error)}`,
        "the data folder cannot be written",
      );
    }
    return super.write(known, kept);
  }

  private async readFile(): Promise<Kept> {
    try {
      const [mark = "", ...text] = (await readFile(this.place, "utf8")).split("\n");
      return { mark, text: text.length === 0 ? "no second line" : text.join("\n") };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return NOTHING_KEPT; // what is wrong with the folder the store says
      throw new StoreUnavailableError(
        `Cannot read ${this.place}: ${reasonOf(error)}`,
        "the data folder cannot be read",
      );
    }
  }
}

/** What was there stands until all of the new one is on the disk. */
async function replaceFile(folder: string, name: string, text: string): Promise<void> {
  const next = join(folder, `${name}.next`);
  const file = await open(next, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, join(folder, name));
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
