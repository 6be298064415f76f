/** Single calls to Headcount's engine for a player's number, for the measures that time or count them one by one. */
import type { Engine } from "../../engine/engine.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { emptyProfileId, type ProfileId } from "../../engine/profile-id.ts";
import { COUNTRY_CODES } from "../../engine/places.ts";
import { placeOf, randomOf, writeId } from "./traffic.ts";

const id = emptyProfileId();

/** The id of a player in an array that the next call uses again. */
export function idOf(player: number): ProfileId {
  writeId(id, 0, player);
  return id;
}

export function connectUpTo(engine: Engine, first: number, end: number): void {
  const random = randomOf(first);
  for (let player = first; player < end; player++) connectOne(engine, player, random());
}

export function connectOne(engine: Engine, player: number, draw: number): void {
  const { region, mode } = placeOf(draw);
  idOf(player);
  engine.report(engine.hash(id), id, REGION_NUMBERS.get(region) ?? 0, engine.admitMode(mode), NO_SEQ);
}

const REGION_NUMBERS = new Map(COUNTRY_CODES.map((code, number) => [code, number]));
