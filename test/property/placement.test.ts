import fc from "fast-check";
import { expect, test } from "vitest";

import { type Placement, PLACEMENT_RULE, placementOf, REGION_OWNERS_MAX } from "../../cluster/members/placement.ts";
import { type Member, NO_VIEW, type View } from "../../cluster/ports/view.ts";
import { AREAS, COUNTRIES, countryOf, isSubdivision, PLACES } from "../../engine/places.ts";
import { itemAt, take } from "../../simulator/item-at.ts";

/** Names as people give them, and ones that ring or parser could stumble over. */
const anyId = fc.oneof(
  { weight: 5, arbitrary: fc.stringMatching(/^[a-z]{1,3}-\d{1,2}$/) },
  fc.constantFrom("[::1]:1", "10.0.0.1:8080", "1", "2", "__proto__", "1/a", "toString", "é", ""),
);
const anyMember: fc.Arbitrary<Member> = fc.record({
  incarnation: fc.uuid(),
  id: anyId,
  url: fc.constant("http://a"),
  peerUrl: fc.constant("http://b"),
  weight: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 100 })),
  isLeaving: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.boolean()),
});
const anyMembers = fc.uniqueArray(anyMember, { selector: ({ incarnation }) => incarnation, maxLength: 20 });
const anyPartitions = fc.constantFrom(16, 64, 256);

function viewOf(members: readonly Member[]): View {
  return { ...NO_VIEW, epoch: 1, members };
}

function nodes(count: number, seed = 0): Member[] {
  return Array.from({ length: count }, (_, index) => ({
    incarnation: `${seed}-${index}`,
    id: `node-${seed}-${index}`,
    url: "",
    peerUrl: "",
    weight: 1,
    isLeaving: false,
  }));
}

/** Countries, then areas. */
const WITH_BOARDS = [...PLACES.keys()].filter((place) => !isSubdivision(place));

/** Owners of all partitions, then of all countries and areas. */
function ownersOf(placement: Placement, partitions: number): (string | undefined)[] {
  return [
    ...Array.from({ length: partitions }, (_, partition) => placement.partitionOwner(partition)),
    ...WITH_BOARDS.map((place) => placement.placeOwner(place)),
  ];
}

/** Partitions whose owner is another one, and how many of them went neither to nor from the `changed` node. */
function moves(before: Placement, after: Placement, partitions: number, changed: string) {
  let [moved, aside] = [0, 0];
  for (let partition = 0; partition < partitions; partition++) {
    const [source, target] = [before.partitionOwner(partition), after.partitionOwner(partition)];
    if (source === target) continue;
    moved++;
    if (source !== changed && target !== changed) aside++;
  }
  return { moved, aside };
}

test("placementOf() answers the same in whatever order the members come", () => {
  fc.assert(
    fc.property(
      anyMembers.chain((members) =>
        fc.tuple(fc.constant(members), fc.shuffledSubarray(members, { minLength: members.length })),
      ),
      anyPartitions,
      ([members, shuffled], partitions) => {
        const owners = ownersOf(placementOf(viewOf(members), partitions), partitions);
        expect(ownersOf(placementOf(viewOf(shuffled), partitions), partitions)).toEqual(owners);
      },
    ),
  );
});
test("placementOf() depends on members alone: not on epoch, nonce, the expelled or what was asked before", () => {
  fc.assert(
    fc.property(anyMembers, anyPartitions, fc.array(anyMembers), (members, partitions, others) => {
      const owners = ownersOf(placementOf(viewOf(members), partitions), partitions);
      for (const each of others) placementOf(viewOf(each), partitions);
      const view = { epoch: 9, nonce: "n", members, expelled: ["x"] };
      expect(ownersOf(placementOf(view, partitions), partitions)).toEqual(owners);
    }),
  );
});
test("Placement gives every partition and region one owner, a listed one, and the lists say the same", () => {
  fc.assert(
    fc.property(anyMembers, anyPartitions, (members, partitions) => {
      const placement = placementOf(viewOf(members), partitions);
      const owners = ownersOf(placement, partitions);
      const incarnations = members.map(({ incarnation }) => incarnation);
      if (members.length === 0) expect(new Set(owners)).toEqual(new Set([undefined]));
      else for (const owner of owners) expect(incarnations).toContain(owner);
      const listed: (string | undefined)[] = owners.map(() => undefined);
      for (const incarnation of incarnations) {
        for (const partition of placement.partitionsOf(incarnation)) listed[partition] = incarnation;
        for (const place of [...placement.regionsOf(incarnation), ...placement.areasOf(incarnation)])
          listed[partitions + WITH_BOARDS.indexOf(place)] = incarnation;
      }
      expect(listed).toEqual(owners);
      expect(placement.partitionsOf("nobody")).toEqual([]);
    }),
  );
});
test("placementOf() gives leaving members nothing while others are listed, and all of them shares where none stays (R11)", () => {
  fc.assert(
    fc.property(anyMembers, anyPartitions, (members, partitions) => {
      const view = viewOf(members);
      const placement = placementOf(view, partitions);
      const staying = members.filter(({ isLeaving }) => !isLeaving);
      if (staying.length === 0) {
        const asIfStaying = viewOf(members.map((member) => ({ ...member, isLeaving: false })));
        expect(ownersOf(placement, partitions)).toEqual(ownersOf(placementOf(asIfStaying, partitions), partitions));
      } else {
        expect(ownersOf(placement, partitions)).toEqual(ownersOf(placementOf(viewOf(staying), partitions), partitions));
      }
    }),
  );
});
test("placementOf() gives nobody more than its weight's share and a tenth, rounded up", () => {
  fc.assert(
    fc.property(anyMembers, anyPartitions, (members, partitions) => {
      const placement = placementOf(viewOf(members), partitions);
      const staying = members.filter(({ isLeaving }) => !isLeaving);
      const weightOf = (some: readonly Member[]): number => some.reduce((sum, { weight }) => sum + weight, 0);
      const most = (keys: number, weight: number, weights: number): number =>
        Math.ceil(((keys * weight) / weights) * 1.1 + 1e-9);
      const ownersOfRegions = staying.filter(({ incarnation }) => placement.regionsOf(incarnation).length > 0);
      for (const { incarnation, weight } of staying) {
        const [own, regions] = [placement.partitionsOf(incarnation).length, placement.regionsOf(incarnation).length];
        expect(own).toBeLessThanOrEqual(most(partitions, weight, weightOf(staying)));
        // A small weight among great ones may own no region though it is one of those that could.
        const isAll = staying.length <= REGION_OWNERS_MAX;
        const weights = isAll ? weightOf(staying) : weightOf(ownersOfRegions);
        expect(regions).toBeLessThanOrEqual(most(COUNTRIES, weight, weights));
        expect(placement.areasOf(incarnation).length).toBeLessThanOrEqual(most(AREAS.length, weight, weights));
      }
    }),
  );
});
test("placementOf() gives a restarted node its old slice", () => {
  const unique = anyMembers.map((members) =>
    members.map((member, index) => ({ ...member, id: `${member.id}/${index}` })),
  );
  fc.assert(
    fc.property(unique, fc.nat(), fc.uuid(), anyPartitions, (members, pick, incarnation, partitions) => {
      fc.pre(members.length > 0 && members.every((member) => member.incarnation !== incarnation));
      const index = pick % members.length;
      const old = itemAt(members, index);
      const before = placementOf(viewOf(members), partitions);
      const after = placementOf(viewOf(members.with(index, { ...old, incarnation })), partitions);
      expect(after.partitionsOf(incarnation)).toEqual(before.partitionsOf(old.incarnation));
      expect(after.regionsOf(incarnation)).toEqual(before.regionsOf(old.incarnation));
    }),
  );
});

/** From 20 nodes on a cluster is made with more partitions: at least some 12 a node. */
const SIZES = [3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 16, 20, 21, 27, 28, 32, 40, 48, 49, 50].map(
  (count) => [count, count <= 20 ? 256 : 1024] as const,
);

test.each(SIZES)(
  "placementOf() is balanced: %i nodes, %i partitions: the largest has at most 1.2 shares",
  (count, partitions) => {
    for (let seed = 0; seed < 3; seed++) {
      const members = nodes(count, seed);
      const placement = placementOf(viewOf(members), partitions);
      const largest = Math.max(...members.map(({ incarnation }) => placement.partitionsOf(incarnation).length));
      expect(largest / (partitions / count)).toBeLessThanOrEqual(1.2);
    }
  },
);
test.each(SIZES)(
  "placementOf() moves little: a join to and a leave from %i nodes, %i partitions",
  (count, partitions) => {
    const SEEDS = 5;
    let [moved, aside] = [0, 0];
    for (let seed = 0; seed < SEEDS; seed++) {
      const members = nodes(count + 1, seed);
      const { incarnation } = itemAt(members, count);
      const without = placementOf(viewOf(members.slice(0, count)), partitions);
      const joined = placementOf(viewOf(members), partitions);
      const leaving = placementOf(
        viewOf(members.with(count, { ...itemAt(members, count), isLeaving: true })),
        partitions,
      );
      // A leave is a join backwards: what it moves is the same.
      expect(ownersOf(leaving, partitions)).toEqual(ownersOf(without, partitions));
      const step = moves(without, joined, partitions, incarnation);
      moved += step.moved;
      aside += step.aside;
    }
    const share = partitions / (count + 1);
    // What a join moves beyond the newcomer's share: the others' room shrinks, and those without room push each other on.
    expect(moved / SEEDS).toBeLessThanOrEqual(1.8 * share + 2);
    expect(aside / SEEDS).toBeLessThanOrEqual(0.8 * share + 2);
  },
);
test("placementOf() puts regions on 16 members at most, on all of them where they are fewer, in even shares", () => {
  for (const count of [1, 3, 10, 15, 16, 17, 20, 50, 100]) {
    const members = nodes(count, count);
    const placement = placementOf(viewOf(members), 1024);
    const owned = members.map(({ incarnation }) => placement.regionsOf(incarnation).length);
    const owners = owned.filter((regions) => regions > 0);
    expect(owners.length).toBe(Math.min(count, REGION_OWNERS_MAX));
    expect(Math.max(...owned)).toBeLessThanOrEqual(Math.ceil((COUNTRIES / owners.length) * 1.1));
    expect(owned.reduce((sum, regions) => sum + regions, 0)).toBe(COUNTRIES);
    for (const { incarnation } of members) expect(placement.partitionsOf(incarnation).length).toBeGreaterThan(0);
  }
});
test("placementOf() moves no region by the join of a member that owns none, and few by another's", () => {
  let [joins, silent] = [0, 0];
  for (let count = 16; count < 50; count++) {
    const members = nodes(count + 1, 7);
    const { incarnation } = itemAt(members, count);
    const [without, joined] = take(
      2,
      [members.slice(0, count), members].map((some) => placementOf(viewOf(some), 16)),
    );
    const moved = PLACES.filter(
      (_, place) => !isSubdivision(place) && without.placeOwner(place) !== joined.placeOwner(place),
    ).length;
    joins++;
    if (joined.regionsOf(incarnation).length === 0) {
      silent++;
      expect(moved).toBe(0);
    }
    // The newcomer's share, that of the owner in whose place it comes, and what those without room push on.
    expect(moved).toBeLessThanOrEqual(3 * ((COUNTRIES + AREAS.length) / REGION_OWNERS_MAX));
  }
  expect(silent / joins, "many joins beyond 16 are such").toBeGreaterThan(0.3);
});
test("placementOf() follows the weights: a node of twice the weight owns about twice as much", () => {
  for (const [index, heavy] of [2, 4, 10].entries()) {
    const members = nodes(6, index).map((member, at) => ({ ...member, weight: at === 0 ? heavy : 1 }));
    const placement = placementOf(viewOf(members), 1024);
    const share = (1024 * heavy) / (heavy + 5);
    const owned = placement.partitionsOf(itemAt(members, 0).incarnation).length;
    expect(Math.abs(owned / share - 1)).toBeLessThanOrEqual(0.25);
  }
});
test("placementOf() gives the heir of a dead incarnation the slice of their id once the dead one lapses, and some before", () => {
  const members = nodes(5);
  const heir = { ...itemAt(members, 2), incarnation: "9-heir" };
  const both = placementOf(viewOf([...members, heir]), 256);
  const after = placementOf(viewOf([...members.toSpliced(2, 1), heir]), 256);
  expect(after.partitionsOf(heir.incarnation)).toEqual(
    placementOf(viewOf(members), 256).partitionsOf(itemAt(members, 2).incarnation),
  );
  expect(both.partitionsOf(heir.incarnation).length).toBeGreaterThan(0);
});
test("Placement gives each subdivision to its country's owner", () => {
  const placement = placementOf(viewOf(nodes(7)), 16);
  for (const place of PLACES.keys())
    if (isSubdivision(place)) expect(placement.placeOwner(place)).toBe(placement.placeOwner(countryOf(place)));
});
test("placementOf() answers as its rule's number promises: nodes of one cluster must place alike", () => {
  const members = nodes(3).map((member, index) => ({ ...member, weight: index + 1 }));
  const owners = ownersOf(placementOf(viewOf(members), 64), 64).map((owner) => owner!.slice(2));
  const sum = owners.reduce((hash, owner) => (hash * 31 + Number(owner)) % 1_000_003, 7);
  expect({ rule: PLACEMENT_RULE, sum }).toEqual({ rule: 3, sum: 526_641 });
  const many = placementOf(viewOf(nodes(40)), 64);
  const regions = WITH_BOARDS.map((place) => Number(many.placeOwner(place)!.slice(2)));
  const sumOfMany = regions.reduce((hash, owner) => (hash * 31 + owner) % 1_000_003, 7);
  expect({ rule: PLACEMENT_RULE, sumOfMany }).toEqual({ rule: 3, sumOfMany: 485_331 });
});
