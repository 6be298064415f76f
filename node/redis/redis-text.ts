/** A text that all nodes follow, in Redis: one hash, changed by compare-and-set. */
import type { Connection } from "./connection.ts";
import { scriptNamed } from "./scripts.ts";

/** As `node/text-store.ts` has it. */
interface Kept {
  readonly mark: string;
  readonly text: string;
}

const SCRIPTS = { read: scriptNamed("read-text"), write: scriptNamed("write-text") };

export class RedisText {
  readonly place: string;
  private readonly connection: Connection;
  private readonly key: string;

  constructor(connection: Connection, key: string) {
    this.place = `the key ${key} in Redis`;
    this.connection = connection;
    this.key = key;
  }

  async read(known: string): Promise<Kept | undefined> {
    const answer = await this.connection.call(`read ${this.key}`, SCRIPTS.read, [this.key], [known]);
    if (answer === null) return undefined;
    const [mark, text] = answer as [Buffer, Buffer];
    return { mark: mark.toString(), text: text.toString() };
  }

  async write(known: string, { mark, text }: Kept): Promise<boolean> {
    return (
      Number(await this.connection.call(`write ${this.key}`, SCRIPTS.write, [this.key], [known, mark, text])) === 1
    );
  }
}
