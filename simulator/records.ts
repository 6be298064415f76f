/** What the store's records say, read with the engine's codec: snapshot and log replayed, player by player. */
import { decodeRows } from "../engine/codec.ts";
import { hashKeyOf, halfSipHash } from "../engine/half-sip-hash.ts";
import { ROW_WORDS } from "../engine/presence-table.ts";
import type { ProfileId } from "../engine/profile-id.ts";
import type { RecordModel } from "./redis/record-model.ts";
import { NOWHERE } from "./ledger.ts";
import { placeOf } from "./crowd.ts";

/** By a player's first id word, which tells our players apart. */
type Places = Map<number, number>;

interface Read {
  readonly snapshot: Uint8Array | undefined;
  readonly first: Uint8Array | undefined;
  readonly count: number;
  readonly places: Places;
}

export class Records {
  private readonly read: (Read | undefined)[] = [];

  /** Whether a record is as it was when it was last read. */
  isKnown(partition: number, record: RecordModel | undefined): boolean {
    const known = this.read[partition];
    const isSame = known?.snapshot === record?.snapshot && known?.first === record?.log.at(0)?.bytes;
    return known !== undefined && isSame && known.count === record?.log.length;
  }

  /** Where everybody is, by this record. */
  placesOf(partition: number, record: RecordModel): Places {
    const known = this.read[partition];
    const first = record.log.at(0)?.bytes;
    const isGrown =
      known !== undefined &&
      known.snapshot === record.snapshot &&
      known.first === first &&
      known.count <= record.log.length;
    const places: Places = isGrown ? known.places : new Map<number, number>();
    if (!isGrown && record.snapshot !== undefined) replay(places, "snapshot", record.snapshot);
    for (const { bytes } of record.log.slice(isGrown ? known.count : 0)) replay(places, "log", bytes);
    this.read[partition] = { snapshot: record.snapshot, first, count: record.log.length, places };
    return places;
  }
}

function replay(places: Places, kind: "snapshot" | "log", bytes: Uint8Array): void {
  const { words, regions, modes } = decodeRows(kind, bytes);
  for (let base = 0; base < words.length; base += ROW_WORDS) {
    const place = words[base + 4] as number;
    places.set(
      words[base] as number,
      place === -1 ? NOWHERE : placeOf(regions[place & 0xffff] as number, modes[place >>> 16] as string),
    );
  }
}

export function partitionOf(hashKey: Uint8Array, partitions: number): (id: ProfileId) => number {
  const key = hashKeyOf(hashKey);
  const shift = 32 - Math.log2(partitions);
  return (id) => halfSipHash(key, id[0], id[1], id[2], id[3]) >>> shift;
}
