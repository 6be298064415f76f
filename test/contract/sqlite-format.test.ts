/** The embedded store on a file of format 1, whose log has a whole message for each partition of a commit. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Claim, RecordStore } from "../../cluster/ports/record-store.ts";
import { recoverAll } from "../../cluster/records/recovery.ts";
import { Engine } from "../../engine/engine.ts";
import { LogEncoder } from "../../engine/log-codec.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { REGIONS, regionOf } from "../../engine/places.ts";
import { decompressSnapshot } from "../../node/encoder.ts";
import { DamagedStoreError } from "../../node/store/damage.ts";
import { playerId } from "../../simulator/players.ts";
import { FileStore } from "../support/file-store.ts";

const OLD = new URL("../data/store-format-1.db", import.meta.url).pathname;
const FOUNDING = { partitions: 16, hashKey: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
const PARTITIONS = Array.from({ length: 16 }, (_, partition) => partition);
const PLAYERS = Array.from({ length: 40 }, (_, index) => index + 1);
const WRITTEN_MS = 1_700_000_000_000;

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headcount-store-"));
  path = join(folder, "headcount.db");
  copyFileSync(OLD, path);
});
afterEach(() => rmSync(folder, { recursive: true }));

const claimOf = (term: number): Claim => ({ term, incarnation: `incarnation-${term}` });

/** An engine with everybody whom the store has. */
async function recovered(store: RecordStore, term: number): Promise<Engine> {
  const session = { sessionMs: 90_000, removalMs: 4000, graceMs: 50_000 };
  const engine = new Engine({ ...FOUNDING, ...session, isLogged: true }, 0);
  expect(await store.found({ partitions: 32, hashKey: new Uint8Array(8) })).toEqual(FOUNDING);
  await recoverAll(engine, claimOf(term), { store, decompress: decompressSnapshot, wallMs: () => WRITTEN_MS + 32_000 });
  engine.assertSound();
  return engine;
}

/** Where a player is, as `CA GM01 7`, region, mode and seq. */
function placesOf(engine: Engine): string[] {
  const players = PARTITIONS.flatMap((partition) => [...engine.players(partition)]);
  return PLAYERS.map((player) => {
    const known = players.find(({ id }) => String(id) === String(playerId(player)));
    if (known === undefined) return "unknown";
    return known.region < 0 ? "left" : `${REGIONS[known.region]} ${known.mode} ${known.seq}`;
  });
}

const told = (player: number): string => {
  if (player === 40) return "left";
  return player <= 10 ? "US ranked:duo 7" : `CA GM0${player % 5} ${NO_SEQ}`;
};

test("a file of format 1 is read, and written on in format 2: both lie in its log", async () => {
  let store = new FileStore(folder);
  const engine = await recovered(store, 2);
  expect(placesOf(engine)).toEqual(PLAYERS.map(told));
  for (const player of [5, 6, 40]) {
    const id = playerId(player);
    engine.report(engine.hash(id), id, regionOf("ZW"), engine.admitMode("GM09"), 9);
  }
  const encoder = new LogEncoder();
  const { headBytes, partBytes, bytes } = engine.drainLog(PARTITIONS, WRITTEN_MS + 32_000, (parts, context) =>
    encoder.together(parts, context),
  );
  const appends = PARTITIONS.map((partition) => ({
    partition,
    claim: claimOf(2),
    from: 0,
    bytes: partBytes[partition]!,
  }));
  expect(new Set(await store.append({ appends, headBytes, content: bytes }))).toEqual(new Set(["landed"]));
  await store.close();
  for (const [term, rewrite] of [
    [3, false],
    [4, true],
  ] as const) {
    store = new FileStore(folder, { rewrite });
    const places = placesOf(await recovered(store, term));
    expect(places).toEqual(PLAYERS.map((player) => ([5, 6, 40].includes(player) ? "ZW GM09 9" : told(player))));
    await store.close();
  }
});

test("a file of format 1 says that it is of format 2 once it was opened, so that no older release misreads it", async () => {
  const formatOf = (): unknown => {
    const database = new DatabaseSync(path, { readOnly: true });
    const row = database.prepare("SELECT format FROM meta").get();
    database.close();
    return row?.["format"];
  };
  expect(formatOf()).toBe(1);
  await new FileStore(folder).close();
  expect(formatOf()).toBe(2);
  await new FileStore(folder).close();
});

test("damage in a file of format 1 is found and told, and a repair keeps the rest", async () => {
  const database = readFileSync(OLD);
  const place = database.indexOf("ranked:duo");
  (database[place] as number) ^= 1;
  writeFileSync(path, database);
  expect(() => new FileStore(folder)).toThrow(DamagedStoreError);
  expect(readFileSync(path)).toEqual(database);
  const store = new FileStore(folder, { repair: true });
  expect(store.loss).toMatchObject({ founding: false, records: [], snapshots: [], commits: [[2, 2]] });
  const places = placesOf(await recovered(store, 2));
  expect(places).toEqual(PLAYERS.map((player) => (player <= 10 ? `CA GM0${player % 5} ${NO_SEQ}` : told(player))));
  await store.close();
});

test("a file of a format to come is refused, and not changed", async () => {
  const database = new DatabaseSync(path);
  const checksum = crc32(FOUNDING.hashKey, crc32(JSON.stringify(["meta", 1, 3, 16])));
  database.prepare("UPDATE meta SET format = 3, crc = ?").run(checksum);
  database.close();
  const before = readFileSync(path);
  expect(() => new FileStore(folder)).toThrow(
    "The store's format is 3, this release knows 1 to 2: start the release that wrote it",
  );
  expect(readFileSync(path)).toEqual(before);
});
