import { expect, test } from "vitest";

import type { Inside } from "../../cluster/counts/counts-messages.ts";
import type { RegionView } from "../../cluster/counts/read-views.ts";
import { areasOf, placeOf, regionOf, WORLD } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { CountsCluster, PARTITIONS } from "../support/counts-cluster.ts";

const NAMES = ["1", "2", "3"];
const [US, CALIFORNIA, NEVADA, GB] = ["US", "US-CA", "US-NV", "GB"].map((code) => regionOf(code)) as [
  number,
  number,
  number,
  number,
];
const [AMERICA, EUROPE, ASIA] = ["021", "150", "142"].map((code) => placeOf(code)) as [number, number, number];
const REGIONS = [US, CALIFORNIA, NEVADA, GB];

/** Three nodes that have told each other all: 10 players in each of the regions. */
async function settledCluster(names: readonly string[] = NAMES): Promise<CountsCluster> {
  const cluster = new CountsCluster(1);
  cluster.list(names);
  for (let partition = 0; partition < PARTITIONS; partition++)
    cluster.take(itemAt(names, partition % names.length), partition);
  for (let player = 0; player < 40; player++)
    cluster.report(player, { region: itemAt(REGIONS, player % 4), mode: `GM0${player % 3}` });
  await cluster.pass(600);
  return cluster;
}
const viewsOf = (cluster: CountsCluster, place: number): RegionView[] =>
  [...cluster.nodes.values()].map(({ counts }) => counts.regionView(place));
const playersOf = (cluster: CountsCluster, place: number): number[] => [
  ...new Set(viewsOf(cluster, place).map(({ players }) => players)),
];

/** What who asks for a subdivision is told, within this time. */
async function asked(cluster: CountsCluster, name: string, place: number, ms = 1000): Promise<RegionView | undefined> {
  const told: (RegionView | undefined)[] = [];
  cluster.node(name).counts.askSubdivision(place, cluster.nowMs + ms, (view) => told.push(view));
  for (let left = ms + 100; told.length === 0 && left > 0; left -= 20) await cluster.pass(20);
  expect(told).toHaveLength(1);
  return told[0];
}
async function inside(cluster: CountsCluster, name: string, country: number): Promise<Inside | undefined> {
  const told: (Inside | undefined)[] = [];
  cluster.node(name).counts.askInside(country, cluster.nowMs + 1000, (each) => told.push(each));
  for (let left = 1100; told.length === 0 && left > 0; left -= 20) await cluster.pass(20);
  return told[0];
}

test.each([[NAMES], [["1"]]])(
  "Counts: a country sums its subdivisions, an area its countries, at every node of %j (R31)",
  async (names) => {
    const cluster = await settledCluster(names);
    for (const [place, players] of [
      [US, 30],
      [AMERICA, 30],
      [EUROPE, 10],
      [ASIA, 0],
      [WORLD, 40],
    ] as const)
      for (const view of viewsOf(cluster, place))
        expect(view).toMatchObject({ players, top: cluster.rankingOf(place), isComplete: true, isStale: false });
    if (names.length === 1) expect(cluster.node("1").counts.figures.messages).toBe(0);
  },
);
test("Counts: an area is at most half a second behind (R31)", async () => {
  const cluster = await settledCluster();
  for (let change = 0; change < 10; change++) {
    await cluster.pass(137);
    cluster.report(100 + change, { region: CALIFORNIA, mode: "new" });
    await cluster.pass(500);
    expect(playersOf(cluster, WORLD)).toEqual([41 + change]);
  }
});
test("Counts: who goes from one subdivision to another changes neither country nor area (R31)", async () => {
  const cluster = await settledCluster();
  const look = (): void => {
    for (const place of [US, ...areasOf(US)]) expect(playersOf(cluster, place)).toEqual([place === WORLD ? 40 : 30]);
  };
  for (let player = 0; player < 40; player += 4) {
    cluster.report(player, { region: NEVADA, mode: `GM0${player % 3}` });
    await cluster.pass(60, look);
  }
});
test("Counts: an area goes on while its countries and itself change their owners (R31)", async () => {
  const cluster = await settledCluster();
  const look = (): void => {
    for (const view of viewsOf(cluster, WORLD)) if (view.term > 0) expect(view.players).toBe(40);
  };
  for (const names of [["1", "2", "3", "4"], ["1", "2", "4"], ["2", "4", "5"], ["2"]]) {
    for (const [partition, holder] of cluster.holders)
      if (!names.some((name) => cluster.nodes.get(name) === holder)) {
        cluster.list([...names]);
        cluster.take(itemAt(names, 0), partition);
      }
    cluster.list(names);
    await cluster.pass(700, look);
    for (const name of names)
      expect(cluster.node(name).counts.regionView(WORLD)).toMatchObject({ players: 40, isStale: false });
  }
});
test("Counts: players in doubt make areas incomplete, at every node (R26, R31)", async () => {
  const cluster = await settledCluster();
  cluster.node("1").doubtful.add(itemAt([...cluster.node("1").terms.keys()], 0));
  await cluster.pass(500);
  for (const view of viewsOf(cluster, WORLD)) expect(view).toMatchObject({ players: 40, isComplete: false });
  cluster.node("1").doubtful.clear();
  await cluster.pass(500);
  for (const view of viewsOf(cluster, WORLD)) expect(view).toMatchObject({ isComplete: true, isStale: false });
});
test("Counts: an area is stale a beat or two after its countries are (R20, R31)", async () => {
  const cluster = await settledCluster();
  const owners = [cluster.ownerOf(WORLD), ...[US, GB].map((country) => cluster.ownerOf(country))];
  const holder = NAMES.find((name) => !owners.includes(name)) ?? itemAt(NAMES, 0);
  cluster.crash(holder);
  await cluster.pass(750);
  for (const view of viewsOf(cluster, WORLD)) expect(view).toMatchObject({ players: 40, isStale: true });
});
test("Counts: an area knows nothing before every country's board is whole (R22, R31)", async () => {
  const cluster = new CountsCluster(1);
  cluster.list(NAMES);
  for (let partition = 1; partition < PARTITIONS; partition++) cluster.take("1", partition);
  await cluster.pass(700);
  for (const view of viewsOf(cluster, WORLD)) expect(view).toMatchObject({ term: 0, isComplete: false, isStale: true });
});
test("Counts.askSubdivision() gives a subdivision's counts at every node, and keeps them (R31)", async () => {
  const cluster = await settledCluster();
  for (const name of NAMES) {
    const view = await asked(cluster, name, CALIFORNIA);
    expect(view).toMatchObject({ players: 10, top: cluster.rankingOf(CALIFORNIA), isComplete: true, isStale: false });
    const { messages } = cluster.node(name).counts.figures;
    for (let again = 0; again < 50; again++) expect(await asked(cluster, name, CALIFORNIA)).toEqual(view);
    expect(cluster.node(name).counts.figures.messages).toBe(messages);
  }
});
test("Counts.regionView() of a subdivision is at most a second behind while somebody wants to know (R31)", async () => {
  const cluster = await settledCluster();
  await asked(cluster, "1", NEVADA);
  for (let change = 0; change < 5; change++) {
    cluster.report(100 + change, { region: NEVADA, mode: "new" });
    await cluster.pass(1000, () => cluster.node("1").counts.regionView(NEVADA));
    const view = cluster.node("1").counts.regionView(NEVADA);
    expect(view).toMatchObject({ players: 11 + change, isComplete: true, isStale: false });
  }
  expect(cluster.node("1").counts.figures.subdivisionsAsked).toBeLessThan(20);
  await cluster.pass(4000);
  expect(cluster.node("1").counts.figures.subdivisionsKept).toBe(0);
});
test("Counts.askSubdivision(): a dead owner's last word stands, marked, until its successor's board is whole (R31)", async () => {
  const cluster = await settledCluster();
  const owner = cluster.ownerOf(CALIFORNIA);
  const name = NAMES.find((each) => each !== owner) as string;
  await asked(cluster, name, CALIFORNIA);
  const held = [...cluster.holders].filter(([, node]) => node === cluster.nodes.get(owner));
  cluster.crash(owner);
  await cluster.pass(1000, () =>
    expect(cluster.node(name).counts.regionView(CALIFORNIA)).toMatchObject({ players: 10 }),
  );
  expect(cluster.node(name).counts.regionView(CALIFORNIA).isStale).toBe(true);
  cluster.list(NAMES.filter((each) => each !== owner));
  await cluster.pass(500);
  expect(await asked(cluster, name, CALIFORNIA, 200)).toMatchObject({ players: 10, isStale: true });
  for (const [partition] of held) cluster.take(name, partition);
  await cluster.pass(600, () => cluster.node(name).counts.regionView(CALIFORNIA));
  expect(await asked(cluster, name, CALIFORNIA)).toMatchObject({ players: 10, isComplete: true, isStale: false });
});
test("Counts.askSubdivision() tells who waits that nobody answers, when the time is over (R31)", async () => {
  const cluster = await settledCluster();
  const owner = cluster.ownerOf(CALIFORNIA);
  const name = NAMES.find((each) => each !== owner) as string;
  cluster.crash(owner);
  expect(await asked(cluster, name, CALIFORNIA, 300)).toBeUndefined();
});
test.each(["expelled", "given up for another key"])("Counts.askSubdivision() of a node that is %s", async (what) => {
  const cluster = await settledCluster();
  const owner = cluster.ownerOf(CALIFORNIA);
  const name = NAMES.find((each) => each !== owner) as string;
  const { counts } = cluster.node(name);
  await asked(cluster, name, CALIFORNIA);
  cluster.crash(owner);
  await cluster.pass(2000, () => counts.regionView(CALIFORNIA));
  const told: (RegionView | undefined)[] = [];
  counts.askSubdivision(CALIFORNIA, cluster.nowMs + 60_000, (view) => told.push(view));
  counts.askSubdivision(NEVADA, cluster.nowMs + 60_000, (view) => told.push(view));
  if (what === "expelled") counts.onExpelled();
  else counts.close();
  expect(told, "at once, what it heard last").toMatchObject([{ players: 10, isStale: true }, undefined]);
});
test("Counts.askInside() names the subdivisions of a country that anybody is in, and the country's players (R31)", async () => {
  const cluster = await settledCluster();
  for (const name of NAMES) {
    const told = await inside(cluster, name, US);
    expect(told).toMatchObject({ country: US, players: 30, isComplete: true, isStale: false });
    expect(new Map(told?.subdivisions.map(({ region, players }) => [region, players]))).toEqual(
      new Map([
        [CALIFORNIA, 10],
        [NEVADA, 10],
      ]),
    );
    expect(await inside(cluster, name, GB)).toMatchObject({ players: 10, subdivisions: [] });
  }
  for (let player = 2; player < 40; player += 4) cluster.leave(player);
  await cluster.pass(1000);
  expect((await inside(cluster, "1", US))?.subdivisions).toEqual([{ region: CALIFORNIA, players: 10 }]);
});
test.each(NAMES)("Counts.askOwner() at node %s: of a subdivision all that was reported before (R24)", async (name) => {
  const cluster = await settledCluster();
  for (let player = 50; player < 55; player++) {
    cluster.report(player, { region: CALIFORNIA, mode: "new" });
    const answer = cluster.node(name).counts.askOwner(CALIFORNIA, cluster.nowMs + 1000);
    await cluster.pass(60);
    expect(await answer).toMatchObject({ players: player - 39, isComplete: true, isStale: false });
  }
});
test("Counts.askOwner(): of an area what its owner knows, without a round (R31)", async () => {
  const cluster = await settledCluster();
  const { flushRounds } = cluster.node(cluster.ownerOf(WORLD)).counts.figures;
  const answer = cluster.node("2").counts.askOwner(WORLD, cluster.nowMs + 1000);
  await cluster.pass(60);
  expect(await answer).toMatchObject({ region: WORLD, players: 40, isComplete: true, isStale: false });
  expect(cluster.node(cluster.ownerOf(WORLD)).counts.figures.flushRounds).toBe(flushRounds);
});
