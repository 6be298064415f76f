/**
 * Who should own what: a function of the view alone, so that nodes that know the same view agree without a word.
 *
 * Partitions, countries and areas lie on one consistent-hash ring with bounded loads: in a fixed order each goes clockwise to the
 * first node that has room, where room is its weight's share plus a tenth. Source: Mirrokni, Thorup, Zadimoghaddam,
 * Consistent Hashing with Bounded Loads, 2016.
 *
 * Every member owns partitions. Countries and areas lie on some of them only, so that messages about counts grow with the members
 * and not with their square.
 *
 * A member's points come from its id, not from its incarnation: a node that restarts gets its old slice back. Where
 * several incarnations of one id are listed (the dead one's lease still runs), they are numbered in the order of their
 * incarnations and the number belongs to the name.
 */
import HashRing from "hashring";
import { AREAS, COUNTRIES, countryOf, isArea, PLACES, REGION_COUNT } from "../../engine/places.ts";
import type { Member, View } from "../ports/view.ts";

/** To be raised with every change of the answers: nodes of one cluster must place alike (R12, what must agree). */
export const PLACEMENT_RULE = 3;

/**
 * At most so many members own regions: those whose names' hashes lie next to one point of the ring, so that a join moves
 * few regions, and most joins none.
 */
export const REGION_OWNERS_MAX = 16;

/**
 * Hashes per heaviest node; each gives four points. With bounds the points no longer decide the balance, and what a join
 * moves is the same with 64 as with 256: 1.2 times a fair share at 10 nodes, 1.4 at 20 and 50, 1.6 at 100.
 */
const HASHES_MAX = 64;
/** Not hashring's own md5, which a Node in FIPS mode refuses. */
const ALGORITHM = "sha256";
/** Room is a share plus a tenth, in whole numbers so that rounding is the same everywhere. */
const [ROOM_NUMERATOR, ROOM_DENOMINATOR] = [11, 10];
/** Owners are looked for among so many nodes clockwise, then among more: nearly always one of the first has room. */
const REACHES = [4, 32];
/** Views come back (who restarts takes its old place), and in the simulator every node asks for the same ones. */
const REMEMBERED_MAX = 64;

interface Place {
  /** On the ring. */
  readonly name: string;
  readonly weight: number;
  readonly incarnation: string;
}

/** Per partition, country and area the owner's index in the list of places. */
interface Slices {
  readonly partitions: Int32Array;
  readonly regions: Int32Array;
  readonly areas: Int32Array;
}

const remembered = new Map<string, Slices>();

/** What every node should own. Incarnations are the owners' names. */
export class Placement {
  private readonly places: readonly Place[];
  private readonly slices: Slices;

  constructor(places: readonly Place[], slices: Slices) {
    this.places = places;
    this.slices = slices;
  }

  /** @returns `undefined` where nobody is listed */
  partitionOwner(partition: number): string | undefined {
    return this.places[this.slices.partitions[partition] as number]?.incarnation;
  }

  /** A country's owner has its subdivisions too. @param place its number (`PLACES`) */
  placeOwner(place: number): string | undefined {
    const { regions, areas } = this.slices;
    const owner = isArea(place) ? areas[place - REGION_COUNT] : regions[countryOf(place)];
    return this.places[owner as number]?.incarnation;
  }

  /** Ascending. */
  partitionsOf(incarnation: string): number[] {
    return this.keysOf(this.slices.partitions, incarnation);
  }

  /** Ascending numbers of countries. */
  regionsOf(incarnation: string): number[] {
    return this.keysOf(this.slices.regions, incarnation);
  }

  /** Ascending numbers of areas. */
  areasOf(incarnation: string): number[] {
    return this.keysOf(this.slices.areas, incarnation).map((area) => REGION_COUNT + area);
  }

  private keysOf(owners: Int32Array, incarnation: string): number[] {
    const place = this.places.findIndex((each) => each.incarnation === incarnation);
    const keys: number[] = [];
    if (place >= 0) owners.forEach((owner, key) => owner === place && keys.push(key));
    return keys;
  }
}

/**
 * Cost: 40 ms for 100 nodes and 4096 partitions, 5 ms for 10 nodes and 256; next to nothing for members placed lately.
 * @param view its members in any order
 * @param partitions how many the cluster has
 */
export function placementOf(view: View, partitions: number): Placement {
  const places = placesOf(view.members);
  const key = JSON.stringify([partitions, places.map(({ name, weight }) => [name, weight])]);
  const slices = remembered.get(key) ?? slicesOf(places, partitions);
  remembered.delete(key); // to the end: the first is the one longest unused
  remembered.set(key, slices);
  if (remembered.size > REMEMBERED_MAX) remembered.delete(remembered.keys().next().value!);
  return new Placement(places, slices);
}

/**
 * The members on the ring, by name. Who joins is not on it before the others have called it back; R11: who leaves is not
 * on it while anybody else is.
 */
function placesOf(members: readonly Member[]): Place[] {
  const inside = members.filter(({ isJoining }) => isJoining !== true);
  const staying = inside.filter(({ isLeaving }) => !isLeaving);
  const owners = (staying.length > 0 ? staying : inside).sort((one, other) =>
    compare(one.incarnation, other.incarnation),
  );
  const sameIds = new Map<string, number>();
  const places = owners.map(({ id, weight, incarnation }) => {
    const number = (sameIds.get(id) ?? 0) + 1;
    sameIds.set(id, number);
    return { name: `${number}/${id}`, weight, incarnation };
  });
  return places.sort((one, other) => compare(one.name, other.name));
}

function slicesOf(places: readonly Place[], partitions: number): Slices {
  const ring = ringOf(places);
  const keys = Array.from({ length: partitions }, (_, partition) => `partition ${partition}`);
  return { partitions: distribute(ring, places, keys), ...boardSlices(ring, places) };
}

function boardSlices(ring: HashRing, places: readonly Place[]): Pick<Slices, "regions" | "areas"> {
  const regions = PLACES.slice(0, COUNTRIES).map(({ code }) => `region ${code}`);
  const areas = PLACES.slice(REGION_COUNT, REGION_COUNT + AREAS.length).map(({ code }) => `area ${code}`);
  if (places.length <= REGION_OWNERS_MAX)
    return { regions: distribute(ring, places, regions), areas: distribute(ring, places, areas) };
  const names = new Set(ring.range("owners of regions", REGION_OWNERS_MAX));
  const owners = places.filter(({ name }) => names.has(name));
  const indexes = owners.map((owner) => places.indexOf(owner));
  const among = ringOf(owners);
  const slice = (keys: readonly string[]): Int32Array =>
    distribute(among, owners, keys).map((owner) => indexes[owner] as number);
  return { regions: slice(regions), areas: slice(areas) };
}

/** Places must come sorted: two points may coincide, and then the first that was added wins. */
function ringOf(places: readonly Place[]): HashRing {
  const heaviest = Math.max(1, ...places.map(({ weight }) => weight));
  const servers = Object.fromEntries(
    places.map(({ name, weight }) => [name, { vnodes: Math.max(1, Math.round((HASHES_MAX * weight) / heaviest)) }]),
  );
  // A count of its own per server, never the default's: hashring computes shares of that one, and loses points by rounding.
  return new HashRing(servers, ALGORITHM, { "vnode count": 0, "max cache size": 1 });
}

/** @returns per key the index of its owner, or -1 where there is none */
function distribute(ring: HashRing, places: readonly Place[], keys: readonly string[]): Int32Array {
  const owners = new Int32Array(keys.length).fill(-1);
  if (places.length === 0) return owners;
  const weights = places.reduce((sum, { weight }) => sum + weight, 0);
  const room = places.map(({ weight }) =>
    Math.ceil((keys.length * weight * ROOM_NUMERATOR) / (weights * ROOM_DENOMINATOR)),
  );
  const indexOf = new Map(places.map(({ name }, index) => [name, index]));
  for (const [number, key] of keys.entries()) {
    const owner = firstWithRoom(ring, key, indexOf, room);
    (room[owner] as number) -= 1;
    owners[number] = owner;
  }
  return owners;
}

/** There always is one: the rooms add up to more than the keys. */
function firstWithRoom(
  ring: HashRing,
  key: string,
  indexOf: ReadonlyMap<string, number>,
  room: readonly number[],
): number {
  for (const reach of [...REACHES, indexOf.size]) {
    for (const name of ring.range(key, reach)) {
      const index = indexOf.get(name)!;
      if ((room[index] as number) > 0) return index;
    }
  }
  throw new RangeError(`Cannot place ${key}: no node has room for it`);
}

/** By code units: the same on every machine, whatever its language. */
function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
