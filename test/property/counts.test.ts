import fc from "fast-check";
import { expect, test } from "vitest";

import type { RegionView } from "../../cluster/counts/read-views.ts";
import { isArea, placeOf, regionOf } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { CountsCluster, PARTITIONS } from "../support/counts-cluster.ts";

const REGION_NUMBERS = ["AD", "CA", "CA-ON", "DE", "US", "US-CA", "US-TX", "ZW"].map((code) => regionOf(code));
/** Who is in the first of them wanders between the two. */
const WANDERED = [regionOf("US-TX"), regionOf("US-WY")];
/** Where players never get fewer. */
const WATCHED = [...REGION_NUMBERS, regionOf("JP"), ...["001", "150", "002", "021", "142"].map(placeOf)].filter(
  (place) => !WANDERED.includes(place),
);
const MODES = ["GM01", "GM02", "ranked:duo", "a"];
const NAMES = ["1", "2", "3", "4"];

/**
 * One step of a history. Players come and change their mode, but stay in their region: its players never get fewer. Some go
 * from one subdivision to another, which changes nothing around them.
 */
type Step =
  | { readonly kind: "come"; readonly players: number; readonly mode: string }
  | { readonly kind: "move"; readonly picks: readonly number[]; readonly mode: string }
  | { readonly kind: "wander"; readonly picks: readonly number[]; readonly to: number }
  | { readonly kind: "take"; readonly name: string; readonly partition: number; readonly isForgetful: boolean }
  | { readonly kind: "drop"; readonly name: string; readonly partition: number }
  | { readonly kind: "list"; readonly names: readonly string[]; readonly told: readonly string[] }
  | { readonly kind: "ask"; readonly name: string; readonly region: number }
  | { readonly kind: "licence"; readonly name: string; readonly isLicensed: boolean }
  | { readonly kind: "unreadable"; readonly name: string; readonly partition: number; readonly isUnreadable: boolean }
  | { readonly kind: "cut"; readonly names: readonly [string, string]; readonly isCut: boolean }
  | { readonly kind: "pass"; readonly ms: number };

const anyName = fc.constantFrom(...NAMES);
const anyPartition = fc.nat(PARTITIONS - 1);
const kind = <const K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kind("come"),
      players: fc.integer({ min: 1, max: 8 }),
      mode: fc.constantFrom(...MODES),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind("move"),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
      mode: fc.constantFrom(...MODES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind("wander"),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
      to: fc.constantFrom(...WANDERED),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kind("take"), name: anyName, partition: anyPartition, isForgetful: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind("drop"), name: anyName, partition: anyPartition }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind("list"),
      names: fc.subarray(NAMES, { minLength: 1 }),
      told: fc.subarray(NAMES, { minLength: 1 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kind("ask"), name: anyName, region: fc.constantFrom(...WATCHED) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("licence"), name: anyName, isLicensed: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind("unreadable"),
      name: anyName,
      partition: anyPartition,
      isUnreadable: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind("cut"), names: fc.tuple(anyName, anyName), isCut: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ kind: kind("pass"), ms: fc.integer({ min: 1, max: 200 }) }) },
);
const anyNetwork = fc.record({
  lossRatio: fc.constantFrom(0, 0.05, 0.3),
  repeatRatio: fc.constantFrom(0, 0.3),
  delayMaxMs: fc.constantFrom(1, 5, 60, 250),
});

const regionOfPlayer = (player: number): number => itemAt(REGION_NUMBERS, player % REGION_NUMBERS.length);

/** What every node ever showed: held against what was before, and against the players there are. */
class Witness {
  private readonly seen = new Map<string, RegionView>();
  private readonly cluster: CountsCluster;

  constructor(cluster: CountsCluster) {
    this.cluster = cluster;
  }

  readonly look = (): void => {
    for (const [name, { counts }] of this.cluster.nodes)
      for (const region of WATCHED) this.compare(`${name} of ${region}`, counts.regionView(region));
  };

  private compare(of: string, view: RegionView): void {
    const before = this.seen.get(of);
    if (before?.version === view.version && before.term === view.term && before.players === view.players) return;
    this.seen.set(of, view);
    const sum = view.top.reduce((players, each) => players + each.players, 0);
    expect(sum, `${of}: its modes add up`).toBe(view.players);
    expect(view.players, `${of}: nobody is counted twice`).toBeLessThanOrEqual(this.cluster.playersIn(view.region));
    if (before === undefined || before.term === 0) return;
    const isForward = view.term > before.term || (view.term === before.term && view.version > before.version);
    expect(isForward, `${of}: (term, version) never goes back, and names one board`).toBe(true);
    const unread = view.isComplete ? 0 : this.cluster.playersUnread(view.region);
    expect(view.players + unread, `${of}: nobody is missing who was there`).toBeGreaterThanOrEqual(before.players);
  }
}

/** R24: asks, and holds the answer against who was there when it was asked, and who is when it comes. */
async function ask(cluster: CountsCluster, name: string, region: number): Promise<void> {
  const least = cluster.playersIn(region);
  const view = await cluster.nodes.get(name)?.counts.askOwner(region, cluster.nowMs + 1000);
  if (view === undefined) return;
  expect(view.players, "R24: nobody is counted twice").toBeLessThanOrEqual(cluster.playersIn(region));
  if (view.isComplete && !isArea(region))
    expect(view.players, "R24: who was there is in it").toBeGreaterThanOrEqual(least);
}

function run(cluster: CountsCluster, step: Exclude<Step, { kind: "pass" | "ask" }>): void {
  switch (step.kind) {
    case "come":
      for (let player = cluster.players.size, left = step.players; left > 0; left--, player++)
        cluster.report(player, { region: regionOfPlayer(player), mode: step.mode });
      return;
    case "move":
      for (const pick of step.picks) {
        const player = pick % Math.max(1, cluster.players.size);
        const region = cluster.players.get(player)?.region ?? regionOfPlayer(player);
        cluster.report(player, { region, mode: step.mode });
      }
      return;
    case "wander":
      for (const pick of step.picks) {
        const wanderers = [...cluster.players].filter(([, { region }]) => WANDERED.includes(region));
        const [player, { mode }] = wanderers[pick % Math.max(1, wanderers.length)] ?? [-1, { mode: "" }];
        if (player >= 0) cluster.report(player, { region: step.to, mode });
      }
      return;
    case "take": {
      if (!cluster.nodes.has(step.name)) return;
      const before = [...cluster.nodes].find(([, node]) => node === cluster.holders.get(step.partition));
      cluster.take(step.name, step.partition);
      if (!step.isForgetful && before !== undefined && before[0] !== step.name) cluster.drop(before[0], step.partition);
      return;
    }
    case "drop":
      if (cluster.nodes.has(step.name) && cluster.holders.get(step.partition) !== cluster.node(step.name))
        cluster.drop(step.name, step.partition);
      return;
    case "list":
      return cluster.list(step.names, (name) => step.told.includes(name));
    case "licence":
      if (cluster.nodes.has(step.name)) cluster.node(step.name).isLicensed = step.isLicensed;
      return;
    case "unreadable":
      return cluster.setUnreadable(step.name, step.partition, step.isUnreadable);
    case "cut": {
      const [from, to] = step.names.map((name) => cluster.nodes.get(name)?.incarnation);
      if (step.isCut) cluster.cut.add(`${from} ${to}`);
      else cluster.cut.delete(`${from} ${to}`);
    }
  }
}

/** The faults end, and everything is where the view wants it. */
async function heal(cluster: CountsCluster, witness: Witness): Promise<void> {
  Object.assign(cluster.network, { lossRatio: 0, repeatRatio: 0, delayMaxMs: 2 });
  cluster.cut.clear();
  cluster.list(NAMES);
  for (const [name, node] of cluster.nodes) {
    node.isLicensed = true;
    node.unreadable.clear();
    for (const partition of node.terms.keys())
      if (cluster.holders.get(partition) !== node) cluster.drop(name, partition);
  }
  await cluster.pass(500, witness.look);
}

test("Counts shows neither dips nor doubles, never goes back, and settles on the exact sums (R20 to R24, R31)", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyStep, { maxLength: 60, size: "max" }),
      anyNetwork,
      fc.nat(),
      async (steps, network, seed) => {
        const cluster = new CountsCluster(seed);
        cluster.list(NAMES.slice(0, 3));
        for (let partition = 0; partition < PARTITIONS; partition++)
          cluster.take(itemAt(NAMES, partition % 3), partition);
        Object.assign(cluster.network, network);
        const witness = new Witness(cluster);
        const asked: Promise<void>[] = [];
        for (const step of steps) {
          if (step.kind === "pass") await cluster.pass(step.ms, witness.look);
          else if (step.kind === "ask") asked.push(ask(cluster, step.name, step.region));
          else run(cluster, step);
        }
        await heal(cluster, witness);
        const look = (): void => {
          witness.look();
          for (const { counts } of cluster.nodes.values()) for (const region of WANDERED) counts.regionView(region);
        };
        await Promise.all([cluster.pass(900, look), ...asked]);
        for (const { counts } of cluster.nodes.values()) {
          expect(counts.knowsAllPlaces).toBe(true);
          for (const region of [...WATCHED, ...WANDERED]) {
            const view = counts.regionView(region);
            const players = cluster.playersIn(region);
            expect(view).toMatchObject({ players, top: cluster.rankingOf(region), isComplete: true, isStale: false });
          }
        }
      },
    ),
    { numRuns: 150 },
  );
});
