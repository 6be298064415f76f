import { expect, test } from "vitest";

import { COUNTRIES, regionOf } from "../../engine/places.ts";
import { CountsCluster, PARTITIONS, type CountsNode } from "../support/counts-cluster.ts";

const [CA, US] = [regionOf("CA"), regionOf("US")];
const FLOOR = 10;
const COUNTRY_NUMBERS = Array.from({ length: COUNTRIES }, (_, country) => country);
const NAMES = ["one", "two", "three"];
const MINUTE_MS = 60_000;

/** Three nodes with a floor, 34 players in CA and nobody else; nothing is published yet. */
async function settledCluster(names: readonly string[] = NAMES, seed = 1): Promise<CountsCluster> {
  const cluster = new CountsCluster(seed);
  cluster.floor = FLOOR;
  cluster.list(names);
  for (let partition = 0; partition < PARTITIONS; partition++)
    cluster.take(names[partition % names.length] as string, partition);
  for (let player = 0; player < 24; player++) cluster.report(player, { region: CA, mode: "GM01" });
  for (let player = 24; player < 30; player++) cluster.report(player, { region: CA, mode: "GM02" });
  for (let player = 30; player < 34; player++) cluster.report(player, { region: CA, mode: "GM03" });
  await cluster.pass(600);
  return cluster;
}

/** Sets the wall clock forward to right before the next whole minute, and lets that come. */
async function nextMinute(cluster: CountsCluster): Promise<void> {
  await cluster.pass(300); // what was reported reaches the owner
  cluster.wallAheadMs += MINUTE_MS - (cluster.wallMs % MINUTE_MS) - 100;
  await cluster.pass(800);
}

/** What a node shows of CA, as short as can be. */
function shownAt({ counts }: CountsNode): string {
  const { table, isStale } = counts.publishedView(CA);
  const modes = table?.modes.map(({ mode, players }) => `${mode} ${players}`).join(" ");
  return table === undefined ? "nothing" : `${modes}, others ${table.others}${isStale ? ", stale" : ""}`;
}
function allShown({ nodes }: CountsCluster): string[] {
  return [...new Set([...nodes.values()].map(shownAt))];
}

test("Published: every node shows the table of the owner, from the next whole minute on, until the next", async () => {
  const cluster = await settledCluster();
  expect(allShown(cluster)).toEqual(["nothing"]);
  expect([...cluster.nodes.values()].every(({ counts }) => counts.knowsAllPlaces)).toBe(true);
  await nextMinute(cluster);
  expect(allShown(cluster)).toEqual(["GM01 20, others 10"]);
  for (let player = 100; player < 150; player++) cluster.report(player, { region: CA, mode: "GM03" });
  await cluster.pass(2000);
  expect(allShown(cluster)).toEqual(["GM01 20, others 10"]);
  await nextMinute(cluster);
  expect(allShown(cluster)).toEqual(["GM03 50 GM01 20, others 0"]);
});
test("Published: exact numbers are at every node within 300 ms", async () => {
  const cluster = await settledCluster();
  for (let player = 1000; player < 2100; player++) cluster.report(player, { region: CA, mode: "big" });
  await nextMinute(cluster);
  expect(allShown(cluster)).toEqual(["big 1100 GM01 20, others 10"]);
  for (let player = 3000; player < 3007; player++) cluster.report(player, { region: CA, mode: "big" });
  await cluster.pass(300);
  expect(allShown(cluster)).toEqual(["big 1107 GM01 20, others 10"]);
});
test("Published: after its owner's death in the midst of a minute a region shows neither more nor less", async () => {
  const cluster = await settledCluster();
  await nextMinute(cluster);
  for (let player = 100; player < 150; player++) cluster.report(player, { region: CA, mode: "GM03" });
  const owner = cluster.ownerOf(CA);
  const left = NAMES.filter((name) => name !== owner);
  cluster.crash(owner);
  const seen = new Set<string>();
  const look = (): void => allShown(cluster).forEach((shown) => seen.add(shown.replace(", stale", "")));
  await cluster.pass(500, look);
  expect(allShown(cluster)).toEqual(["GM01 20, others 10, stale"]);
  cluster.list(left);
  for (let partition = 0; partition < PARTITIONS; partition++)
    if (NAMES[partition % NAMES.length] === owner) cluster.take(left[0] as string, partition);
  await cluster.pass(1000, look);
  expect([...seen]).toEqual(["GM01 20, others 10"]);
  expect(allShown(cluster)).toEqual(["GM01 20, others 10"]);
  await nextMinute(cluster);
  expect(allShown(cluster)).toEqual(["GM03 50 GM01 20, others 0"]);
});
test("Published: a node that joins shows what stands as soon as it is ready", async () => {
  const cluster = await settledCluster();
  await nextMinute(cluster);
  cluster.list([...NAMES, "four"]);
  const joiner = cluster.node("four");
  await cluster.pass(1500, () => {
    if (joiner.counts.knowsAllPlaces) expect(shownAt(joiner)).toBe("GM01 20, others 10");
  });
  expect(joiner.counts.knowsAllPlaces).toBe(true);
});
test("Published: a node that joins and owns regions at once goes on with what was published of them", async () => {
  const cluster = await settledCluster(["one", "two"]);
  for (const region of COUNTRY_NUMBERS)
    for (let player = 0; player < 10; player++) cluster.report(10_000 + region * 10 + player, { region, mode: "all" });
  await nextMinute(cluster);
  for (const region of COUNTRY_NUMBERS) cluster.report(50_000 + region, { region, mode: "GM09" });
  const shown = (): Set<string> => {
    const ready = [...cluster.nodes.values()].filter(({ counts }) => counts.knowsAllPlaces);
    const all = ready.flatMap(({ counts }) => COUNTRY_NUMBERS.map((region) => counts.publishedView(region).table));
    return new Set(
      all.map((table) => table?.modes.map(({ mode, players }) => `${mode} ${players}`).join(" ") ?? "nothing"),
    );
  };
  const before = shown();
  expect([...before].toSorted()).toEqual(["GM01 20 all 10", "all 10"]);
  cluster.list(["one", "two", "three"]);
  await cluster.pass(1500, () => expect(shown()).toEqual(before));
  const joiner = cluster.node("three");
  expect(joiner.counts.knowsAllPlaces).toBe(true);
  expect(COUNTRY_NUMBERS.filter((country) => cluster.ownerOf(country) === "three").length).toBeGreaterThan(30);
  cluster.list(["one", "two"]); // and leaves again
  await cluster.pass(1500, () => expect(shown()).toEqual(before));
});
test("Published: an expelled node forgets what was published, and learns it again", async () => {
  const cluster = await settledCluster();
  await nextMinute(cluster);
  const owner = cluster.ownerOf(CA);
  const node = cluster.node(NAMES.find((name) => name !== owner) as string);
  node.counts.onExpelled();
  expect(shownAt(node)).toBe("nothing");
});
test("Published: messages that are lost, doubled, late and out of order bring everybody the newest table in the end", async () => {
  for (const seed of [1, 2, 3, 4]) {
    const cluster = await settledCluster(NAMES, seed);
    for (let player = 1000; player < 2010; player++) cluster.report(player, { region: CA, mode: "big" });
    await cluster.pass(300);
    Object.assign(cluster.network, { lossRatio: 0.3, repeatRatio: 0.3, delayMinMs: 1, delayMaxMs: 250 });
    await nextMinute(cluster);
    for (let player = 2010; player < 2050; player += 4) {
      cluster.report(player, { region: CA, mode: "big" });
      await cluster.pass(60);
    }
    Object.assign(cluster.network, { lossRatio: 0, repeatRatio: 0, delayMinMs: 0, delayMaxMs: 2 });
    await cluster.pass(1500);
    expect(allShown(cluster)).toEqual(["big 1020 GM01 20, others 10"]);
  }
});
test("Published: a table with a lower floor than a node's own is not shown there; one with a higher is", async () => {
  const cluster = new CountsCluster(1);
  for (const [name, floor] of [
    ["one", 5],
    ["two", 10],
  ] as const) {
    cluster.floor = floor;
    cluster.list(name === "one" ? ["one"] : ["one", "two"]);
  }
  for (let partition = 0; partition < PARTITIONS; partition++) cluster.take("one", partition);
  const regionOfOwner = (name: string): number =>
    [CA, US, ...Array(200).keys()].find((region) => cluster.ownerOf(region) === name) as number;
  const [ofLower, ofHigher] = [regionOfOwner("one"), regionOfOwner("two")];
  for (let player = 0; player < 40; player++)
    cluster.report(player, { region: player % 2 ? ofLower : ofHigher, mode: "GM01" });
  await cluster.pass(600);
  await nextMinute(cluster);
  const playersAt = (name: string, region: number) => cluster.node(name).counts.publishedView(region).table?.players;
  expect([playersAt("one", ofLower), playersAt("two", ofLower)]).toEqual([20, undefined]);
  expect([playersAt("one", ofHigher), playersAt("two", ofHigher)]).toEqual([20, 20]);
  expect(cluster.node("two").counts.figures.unpublishedRegions).toBeGreaterThan(50);
  expect(cluster.node("one").counts.figures.regionsOfOtherFloor).toBeGreaterThan(50);
});
test("Published: a node without a floor is ready beside nodes that have one, and they beside it", async () => {
  const cluster = new CountsCluster(1);
  cluster.list(["one"]);
  cluster.floor = FLOOR;
  cluster.list(["one", "two"]);
  for (let partition = 0; partition < PARTITIONS; partition++) cluster.take("two", partition);
  await cluster.pass(1000);
  for (const { counts } of cluster.nodes.values()) expect(counts.knowsAllPlaces).toBe(true);
});
test("Published: what a region showed is marked once its owner has no floor and publishes nothing", async () => {
  const cluster = await settledCluster();
  await nextMinute(cluster);
  cluster.floor = 0;
  for (let name = 4; NAMES.includes(cluster.ownerOf(CA)) && name < 60; name++) cluster.list([...NAMES, `n${name}`]);
  await cluster.pass(1500);
  const shown = NAMES.map((name) => shownAt(cluster.node(name)));
  expect(new Set(shown)).toEqual(new Set(["GM01 20, others 10, stale"]));
});
test("Published: the sorted sets hold what is published, and nothing before", async () => {
  const cluster = await settledCluster();
  await cluster.pass(3000);
  const owner = cluster.node(cluster.ownerOf(CA));
  const setsOf = () => owner.sets.filter(({ region }) => region === CA).map(({ board }) => board);
  expect(setsOf().every(({ players }) => players.length === 0)).toBe(true);
  await nextMinute(cluster);
  await cluster.pass(2000);
  expect(setsOf().at(-1)).toMatchObject({ modes: 1, players: [{ mode: "GM01", players: 20 }] });
  const written = setsOf().length;
  for (let player = 100; player < 105; player++) {
    cluster.report(player, { region: CA, mode: "GM02" });
    await cluster.pass(1100);
  }
  expect(setsOf().length).toBe(written);
  expect(setsOf().at(-1)?.version).toBe(2);
});
test("Published: exact counts still stand beside, for operators", async () => {
  const cluster = await settledCluster();
  await nextMinute(cluster);
  for (const { counts } of cluster.nodes.values()) expect(counts.regionView(CA).players).toBe(34);
});
