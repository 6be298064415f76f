/** R13: who changed since the last round of a copy, by id alone: rows move when others are removed or the table grows. */
import type { HashKey } from "./half-sip-hash.ts";
import { hashOfRow, PresenceTable } from "./presence-table.ts";

/** Players who may change between two rounds of a copy: 1.8 to 3.5 MB. A round trip brings some hundred. */
const PLAYERS_MAX = 1 << 16;

export class ChangedPlayers {
  /** Rows of which only the id is set. */
  readonly table: PresenceTable;
  private readonly key: HashKey;

  constructor(key: HashKey) {
    this.table = new PresenceTable(key);
    this.key = key;
  }

  /**
   * Notes the player whose row begins at `base`.
   * @returns false where there is no room for another
   */
  note(rows: Int32Array, base: number): boolean {
    const { table } = this;
    const [id0, id1, id2, id3] = [
      rows[base] as number,
      rows[base + 1] as number,
      rows[base + 2] as number,
      rows[base + 3] as number,
    ];
    const hash = hashOfRow(this.key, rows, base);
    if (table.find(hash, id0, id1, id2, id3) >= 0) return true;
    if (table.size === PLAYERS_MAX) return false;
    table.insert(hash, id0, id1, id2, id3);
    return true;
  }
}
