/** What operators decided, in Redis: one hash, changed by compare-and-set. */
import type { Connection } from "./connection.ts";
import { scriptNamed } from "./scripts.ts";

/** As `node/controls/decisions.ts` has it. */
interface Kept {
  readonly mark: string;
  readonly text: string;
}

const SCRIPTS = { read: scriptNamed("read-controls"), write: scriptNamed("write-controls") };

export class RedisControls {
  private readonly connection: Connection;
  private readonly key: string;

  constructor(connection: Connection, key: string) {
    this.connection = connection;
    this.key = key;
  }

  async read(known: string): Promise<Kept | undefined> {
    const answer = await this.connection.call("read the controls", SCRIPTS.read, [this.key], [known]);
    if (answer === null) return undefined;
    const [mark, text] = answer as [Buffer, Buffer];
    return { mark: mark.toString(), text: text.toString() };
  }

  async write(known: string, { mark, text }: Kept): Promise<boolean> {
    return (
      Number(await this.connection.call("write the controls", SCRIPTS.write, [this.key], [known, mark, text])) === 1
    );
  }
}
