import { expect, test } from "vitest";

import { decodeCounts, encodeCounts, NO_BOARDS, NO_TALLIES } from "../../cluster/counts/counts-codec.ts";
import { NOTHING_NEEDED } from "../../cluster/counts/level.ts";
import { NO_TABLES } from "../../cluster/counts/tables-codec.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { AREAS, COUNTRIES, isSubdivision, PLACES, regionOf } from "../../engine/places.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { CountsCluster, type CountsNode, incarnationOf, PARTITIONS } from "../support/counts-cluster.ts";

const NAMES = ["1", "2", "3"];
const NOTHING_TOLD = { tallies: NO_TALLIES, boards: NO_BOARDS };
const CA = regionOf("CA");

/** Three nodes, each with partitions, that have told each other all. */
async function settledCluster(names: readonly string[] = NAMES): Promise<CountsCluster> {
  const cluster = new CountsCluster(1);
  cluster.list(names);
  for (let partition = 0; partition < PARTITIONS; partition++)
    cluster.take(itemAt(names, partition % names.length), partition);
  for (let player = 0; player < 20; player++) cluster.report(player, { region: CA, mode: `GM0${player % 3}` });
  await cluster.pass(300);
  return cluster;
}
const viewsOf = (cluster: CountsCluster, region: number) =>
  [...cluster.nodes.values()].map(({ counts }) => counts.regionView(region));
const otherThan = (...names: readonly string[]): string => NAMES.find((name) => !names.includes(name)) as string;
/** Of partitions held by one of these. */
const heldBy = (cluster: CountsCluster, name: string): number[] =>
  [...cluster.holders].filter(([, node]) => node === cluster.nodes.get(name)).map(([partition]) => partition);

test("Counts.regionView() is the same at every node, whoever holds the players (R23)", async () => {
  const cluster = await settledCluster();
  const expected = { players: 20, top: cluster.rankingOf(CA), isComplete: true, isStale: false };
  for (const view of viewsOf(cluster, CA)) expect(view).toMatchObject(expected);
});
test("Counts.regionView() of a region that nobody is in is empty and complete", async () => {
  const cluster = await settledCluster();
  for (const view of viewsOf(cluster, regionOf("JP")))
    expect(view).toMatchObject({ players: 0, top: [], isComplete: true, isStale: false });
});
test("Counts works in a cluster of one", async () => {
  const cluster = await settledCluster(["1"]);
  expect(cluster.node("1").counts.regionView(CA)).toMatchObject({ players: 20, isComplete: true, isStale: false });
  expect(await cluster.node("1").counts.askOwner(CA, cluster.nowMs + 100)).toMatchObject({
    players: 20,
    isComplete: true,
  });
  expect(cluster.node("1").counts.figures).toMatchObject({ messages: 0, staleRegions: 0, flushRounds: 1 });
});
test("Counts.knowsAllPlaces once every place's owner has pushed its board (R23)", async () => {
  const cluster = new CountsCluster(1);
  cluster.list(NAMES);
  for (let partition = 1; partition < PARTITIONS; partition++) cluster.take("1", partition);
  await cluster.pass(500);
  for (const { counts } of cluster.nodes.values()) expect(counts.knowsAllPlaces).toBe(false);
  cluster.take("2", 0);
  await cluster.pass(200);
  for (const { counts } of cluster.nodes.values()) expect(counts.knowsAllCountries).toBe(true);
  await cluster.pass(200);
  for (const { counts } of cluster.nodes.values()) expect(counts.knowsAllPlaces).toBe(true);
});
test("Counts.regionView() is at most 200 ms behind (R23)", async () => {
  const cluster = await settledCluster();
  for (let change = 0; change < 10; change++) {
    await cluster.pass(37);
    cluster.report(100 + change, { region: CA, mode: "new" });
    await cluster.pass(200);
    for (const view of viewsOf(cluster, CA)) expect(view.players).toBe(21 + change);
  }
});
test("Counts marks boards stale when a partition's holder was not heard of for 300 ms (R20)", async () => {
  const cluster = await settledCluster();
  cluster.crash(otherThan(cluster.ownerOf(CA)));
  await cluster.pass(250);
  for (const view of viewsOf(cluster, CA)) expect(view.isStale).toBe(false);
  await cluster.pass(350);
  for (const view of viewsOf(cluster, CA)) expect(view).toMatchObject({ players: 20, isComplete: true, isStale: true });
  expect(viewsOf(cluster, CA)).toHaveLength(2);
});
test("Counts marks regions stale whose owner was not heard of for 300 ms (R23)", async () => {
  const cluster = await settledCluster();
  cluster.crash(cluster.ownerOf(CA));
  await cluster.pass(500);
  for (const view of viewsOf(cluster, CA)) expect(view).toMatchObject({ players: 20, isStale: true });
});
test("Counts says a beat again at once that met another epoch: nothing grows stale while the list changes often (R20)", async () => {
  const cluster = await settledCluster();
  for (let change = 0; change < 6; change++) {
    cluster.list(NAMES, (name) => name === "1");
    await cluster.pass(100, () => {
      for (const view of viewsOf(cluster, CA)) expect(view).toMatchObject({ players: 20, isStale: false });
    });
  }
});
test("Counts takes a beat that was long under way for as old as it is (R20)", async () => {
  const cluster = await settledCluster(["1", "2"]);
  cluster.network.delayMinMs = 350;
  cluster.network.delayMaxMs = 360;
  await cluster.pass(1500);
  for (const view of viewsOf(cluster, CA)) expect(view.isStale).toBe(true);
});
test("Counts: without a licence counts go on, and are marked stale (R14)", async () => {
  const cluster = await settledCluster();
  const [player] = take(1, [...cluster.players.keys()]);
  for (const node of cluster.nodes.values()) node.isLicensed = false;
  cluster.report(player, { region: CA, mode: "moved" });
  await cluster.pass(600);
  for (const view of viewsOf(cluster, CA))
    expect(view).toMatchObject({ players: 20, top: cluster.rankingOf(CA), isStale: true });
});
test("Counts: players in doubt make a board incomplete, at every node (R26)", async () => {
  const cluster = await settledCluster();
  cluster.node("1").doubtful.add(itemAt(heldBy(cluster, "1"), 0));
  await cluster.pass(300);
  for (const view of viewsOf(cluster, CA))
    expect(view).toMatchObject({ players: 20, isComplete: false, isStale: false });
});
test("Counts: a region's new owner says nothing until all have spoken; what was known stands, marked (R22)", async () => {
  const cluster = await settledCluster();
  const [owner, holder] = [cluster.ownerOf(CA), otherThan(cluster.ownerOf(CA))];
  const lost = heldBy(cluster, holder);
  cluster.crash(owner);
  cluster.crash(holder);
  const [left] = take(1, [...cluster.nodes.keys()]);
  cluster.list([left]);
  await cluster.pass(1000);
  expect(cluster.node(left).counts.regionView(CA)).toMatchObject({ players: 20, isComplete: true, isStale: true });
  for (const partition of [...lost, ...heldBy(cluster, left), 0, 1, 2, 3]) cluster.take(left, partition);
  await cluster.pass(200);
  expect(cluster.node(left).counts.regionView(CA)).toMatchObject({ players: 20, isStale: false, term: cluster.epoch });
});
test("Counts: an owner that skipped an epoch takes its regions anew, so that its boards are newer than others' (R22)", async () => {
  const cluster = await settledCluster();
  const owner = cluster.ownerOf(CA);
  const others = NAMES.filter((name) => name !== owner);
  for (const name of others) for (const to of [`${incarnationOf(name)} ${incarnationOf(owner)}`]) cluster.cut.add(to);
  for (const name of others) cluster.cut.add(`${incarnationOf(owner)} ${incarnationOf(name)}`);
  cluster.list(others, (name) => name !== owner);
  for (const partition of heldBy(cluster, owner)) cluster.take(itemAt(others, 0), partition);
  await cluster.pass(300);
  const term = cluster.epoch;
  expect(cluster.node(itemAt(others, 0)).counts.regionView(CA)).toMatchObject({ term, isStale: false });
  cluster.cut.clear();
  cluster.list(NAMES);
  cluster.report(50, { region: CA, mode: "late" });
  await cluster.pass(400);
  for (const view of viewsOf(cluster, CA)) expect(view).toMatchObject({ players: 21, isStale: false, term: term + 1 });
});
test("Counts.receive() takes in nothing that was sent under another epoch, and says so (R20)", async () => {
  const cluster = await settledCluster();
  const owner = cluster.node(cluster.ownerOf(CA));
  const marks = { isAllCells: true, isDoubtful: false, isUnsure: false, isUnreadable: false };
  const tally = { source: 0, term: 99, version: 1, ...marks, cells: [CA, 0, 500] };
  const tallies = { ...NO_TALLIES, modes: ["x"], items: [tally] };
  const send = async (node: CountsNode, epoch: number, message: Parameters<typeof encodeCounts>[0]) =>
    decodeCounts(await node.counts.receive(incarnationOf("9"), epoch, 0, encodeCounts(message)), PARTITIONS);
  const countries = { tallies, boards: NO_BOARDS };
  const tell = { kind: "tell", countries, areas: NOTHING_TOLD, tables: NO_TABLES } as const;
  const told = await send(owner, cluster.epoch + 1, tell);
  expect(told).toEqual({ kind: "told", isOtherEpoch: true, countries: NOTHING_NEEDED, areas: NOTHING_NEEDED });
  const flush = { kind: "flush", statement: 0, partitions: [] } as const;
  expect(await send(owner, cluster.epoch - 1, flush)).toMatchObject({ isOtherEpoch: true });
  await cluster.pass(200);
  expect(owner.counts.regionView(CA).players).toBe(20);
});
test("Counts.receive() takes a region's board from its owner alone (R23)", async () => {
  const cluster = await settledCluster();
  const [owner, reader] = [cluster.ownerOf(CA), cluster.node(otherThan(cluster.ownerOf(CA)))];
  const counts = { players: 7, top: [{ mode: "x", players: 7 }] };
  const board = { region: CA, term: 99, version: 1, isComplete: true, isHeldBack: false, counts };
  const boards = { ...NO_BOARDS, items: [board] };
  const countries = { tallies: NO_TALLIES, boards };
  const message = encodeCounts({ kind: "tell", countries, areas: NOTHING_TOLD, tables: NO_TABLES });
  await reader.counts.receive(incarnationOf(otherThan(owner)), cluster.epoch, 0, message);
  expect(reader.counts.regionView(CA).players).toBe(20);
  await reader.counts.receive(incarnationOf(owner), cluster.epoch, 0, message);
  expect(reader.counts.regionView(CA)).toMatchObject(counts);
});
test("Counts.receive() refuses what is no message, and answers that nobody asked for", async () => {
  const { counts } = (await settledCluster()).node("1");
  await expect(counts.receive(incarnationOf("2"), 1, 0, new Uint8Array(9))).rejects.toThrow(MalformedMessageError);
  const told = encodeCounts({
    kind: "told",
    isOtherEpoch: false,
    countries: NOTHING_NEEDED,
    areas: NOTHING_NEEDED,
  });
  await expect(counts.receive(incarnationOf("2"), 1, 0, told)).rejects.toThrow("a request, not told");
});
test.each(NAMES)("Counts.askOwner() at node %s includes all that was reported before (R24)", async (name) => {
  const cluster = await settledCluster();
  const ask = async (players: number): Promise<void> => {
    const view = await cluster.node(name).counts.askOwner(CA, cluster.nowMs + 1000);
    expect(view?.players).toBeGreaterThanOrEqual(players);
    expect(view).toMatchObject({ isComplete: true, isStale: false });
  };
  const asked: Promise<void>[] = [];
  for (let player = 20; player < 30; player++) {
    cluster.report(player, { region: CA, mode: "new" });
    asked.push(ask(player + 1));
    await cluster.pass(1);
  }
  await cluster.pass(100);
  await Promise.all(asked);
  expect(cluster.node(cluster.ownerOf(CA)).counts.figures.flushRounds, "one round serves many").toBeLessThan(10);
});
test("Counts.askOwner() is incomplete where nobody speaks for a partition (R24)", async () => {
  const cluster = await settledCluster();
  cluster.crash(otherThan(cluster.ownerOf(CA)));
  const asked = cluster.node(cluster.ownerOf(CA)).counts.askOwner(CA, cluster.nowMs + 1000);
  await cluster.pass(400);
  expect(await asked).toMatchObject({ players: 20, isComplete: false });
  const { flushRoundsIncomplete, staleRegions } = cluster.node(cluster.ownerOf(CA)).counts.figures;
  expect(flushRoundsIncomplete).toBe(1);
  expect(staleRegions).toBeGreaterThan(0);
});
test("Counts.askOwner(): who may not speak has not spoken, however much it says (R14, R24)", async () => {
  const cluster = await settledCluster();
  const [owner, holder] = [cluster.ownerOf(CA), otherThan(cluster.ownerOf(CA))];
  cluster.node(holder).isLicensed = false;
  const asked = cluster.node(owner).counts.askOwner(CA, cluster.nowMs + 1000);
  await cluster.pass(400);
  expect(await asked).toMatchObject({ players: 20, isComplete: false });
});
test("Counts.askOwner() counts no answer that was given under an epoch of before (R24)", async () => {
  const cluster = await settledCluster();
  const owner = cluster.ownerOf(CA);
  Object.assign(cluster.network, { delayMinMs: 5, delayMaxMs: 6 });
  const asked = cluster.node(owner).counts.askOwner(CA, cluster.nowMs + 1000);
  await cluster.pass(7);
  cluster.list(NAMES, (name) => name === owner);
  await cluster.pass(60);
  expect(cluster.node(owner).counts.figures.flushRounds).toBe(0);
  await cluster.pass(100);
  expect(await asked).toMatchObject({ players: 20, isComplete: true });
});
test("Counts.askOwner() answers from what stood before where the board is not whole: no dip (R22, R24)", async () => {
  const cluster = await settledCluster();
  const owner = cluster.ownerOf(CA);
  cluster.crash(owner);
  const left = NAMES.filter((name) => name !== owner);
  cluster.list(left);
  const asked = cluster.node(itemAt(left, 0)).counts.askOwner(CA, cluster.nowMs + 1000);
  await cluster.pass(600);
  expect(await asked).toMatchObject({ players: 20, isComplete: false, isStale: true });
});
test("Counts.askOwner() finds the owner that a new view names, in time", async () => {
  const cluster = await settledCluster();
  const owner = cluster.ownerOf(CA);
  const asker = otherThan(owner);
  cluster.crash(owner);
  const asked = cluster.node(asker).counts.askOwner(CA, cluster.nowMs + 3000);
  await cluster.pass(100);
  const left = NAMES.filter((name) => name !== owner);
  cluster.list(left);
  for (let partition = 0; partition < PARTITIONS; partition++) cluster.take(itemAt(left, 0), partition);
  await cluster.pass(2000);
  expect(await asked).toMatchObject({ players: 20, isComplete: true });
});
test("Counts.askOwner() gives up when its time is over", async () => {
  const cluster = await settledCluster();
  const owner = cluster.ownerOf(CA);
  cluster.crash(owner);
  const asked = cluster.node(otherThan(owner)).counts.askOwner(CA, cluster.nowMs + 300);
  await cluster.pass(400);
  expect(await asked).toBeUndefined();
});
test("Counts: messages that fail are tried again with each beat, and counted", async () => {
  const cluster = await settledCluster(["1", "2"]);
  const before = cluster.node("1").counts.figures;
  cluster.crash("2");
  cluster.report(0, { region: CA, mode: "moved" });
  await cluster.pass(1000);
  const { messages, messagesFailed } = cluster.node("1").counts.figures;
  expect(messages - before.messages).toBeLessThanOrEqual(12);
  expect(messagesFailed).toBeGreaterThan(3);
});
test("Counts.publish() gets each board that is whole, from its owner alone (R23)", async () => {
  const cluster = await settledCluster();
  await cluster.pass(500);
  for (const [name, { published }] of cluster.nodes)
    for (const place of PLACES.keys())
      if (!isSubdivision(place))
        expect(published.some((each) => each.region === place)).toBe(cluster.ownerOf(place) === name);
  const { published, counts } = cluster.node(cluster.ownerOf(CA));
  const { term, version } = published.findLast(({ region }) => region === CA)!;
  expect({ term, version }).toMatchObject({ term: counts.regionView(CA).term });
  expect(version).toBe(counts.regionView(CA).version);
});
test("Counts publishes nothing while something is ahead (R16)", async () => {
  const cluster = new CountsCluster(1);
  cluster.list(["1"]);
  cluster.node("1").mayPublish = false;
  for (let partition = 0; partition < PARTITIONS; partition++) cluster.take("1", partition);
  await cluster.pass(500);
  expect(cluster.node("1").published).toEqual([]);
  cluster.node("1").mayPublish = true;
  await cluster.pass(200);
  expect(cluster.node("1").published).toHaveLength(COUNTRIES + AREAS.length);
});
test("Counts: where nothing changes a beat is one number, whatever is held and owned (R20)", async () => {
  const cluster = await settledCluster();
  await cluster.pass(300);
  const before = cluster.node("1").counts.figures;
  await cluster.pass(2000);
  const { messages, messageBytes } = cluster.node("1").counts.figures;
  expect(messages - before.messages).toBeLessThanOrEqual(2 * 21);
  expect((messageBytes - before.messageBytes) / (messages - before.messages)).toBeLessThan(24);
});
test("Counts: messages grow with the nodes, not with their square: who owns and holds nothing hardly speaks (R20)", async () => {
  const names = Array.from({ length: 18 }, (_, index) => `${index + 1}`);
  const cluster = await settledCluster(names);
  for (const view of viewsOf(cluster, CA))
    expect(view).toMatchObject({ players: 20, isStale: false, isComplete: true });
  const owners = new Set([...PLACES.keys()].map((place) => cluster.ownerOf(place)));
  expect(owners.size).toBe(16);
  const silent = names.find((name) => !owners.has(name) && heldBy(cluster, name).length === 0) as string;
  const before = cluster.node(silent).counts.figures.messages;
  await cluster.pass(1600);
  const words = (cluster.node(silent).counts.figures.messages - before) / (names.length - 1);
  expect(words, "a word now and then: the others must hear that it lives (R10)").toBeGreaterThanOrEqual(1);
  expect(words).toBeLessThanOrEqual(3);
});
test("Counts: a change reaches every node within three ticks, where the region was quiet (R23)", async () => {
  const cluster = await settledCluster();
  for (let change = 0; change < 10; change++) {
    await cluster.pass(137);
    cluster.report(100 + change, { region: CA, mode: "new" });
    await cluster.pass(66);
    for (const view of viewsOf(cluster, CA)) expect(view.players).toBe(21 + change);
  }
});
test("Counts: a record that cannot be read leaves all boards whole and incomplete, so that nobody waits (R21, R23)", async () => {
  const cluster = new CountsCluster(1);
  cluster.list(NAMES);
  for (let partition = 1; partition < PARTITIONS; partition++) cluster.take("1", partition);
  cluster.node("2").unreadable.add(0);
  await cluster.pass(300);
  for (const { counts } of cluster.nodes.values()) expect(counts.knowsAllPlaces).toBe(true);
  for (const view of viewsOf(cluster, CA)) expect(view).toMatchObject({ isComplete: false, isStale: false });
  const asked = cluster.node("3").counts.askOwner(CA, cluster.nowMs + 1000);
  await cluster.pass(60);
  expect(await asked, "no round waits for it").toMatchObject({ isComplete: false, isStale: false });
  cluster.node("2").unreadable.clear();
  cluster.take("2", 0);
  await cluster.pass(300);
  for (const view of viewsOf(cluster, CA)) expect(view).toMatchObject({ isComplete: true, isStale: false });
});
test("Counts: an expelled node knows nothing of its former life, and all is said to it again (R8)", async () => {
  const cluster = await settledCluster();
  const { counts } = cluster.node("1");
  for (const partition of heldBy(cluster, "1")) cluster.take("2", partition);
  counts.onExpelled();
  expect([counts.knowsAllPlaces, counts.regionView(CA)]).toMatchObject([false, { players: 0, isStale: true, term: 0 }]);
  cluster.list(["2", "3"]);
  await cluster.pass(100);
  cluster.list(NAMES);
  await cluster.pass(500);
  expect(counts.knowsAllPlaces).toBe(true);
  for (const view of viewsOf(cluster, CA))
    expect(view).toMatchObject({ players: 20, isStale: false, isComplete: true });
});
test("Counts says nothing once it is not listed", async () => {
  const cluster = await settledCluster();
  cluster.list(["2", "3"]);
  await cluster.pass(200);
  const { counts } = cluster.node("1");
  const { messages } = counts.figures;
  await cluster.pass(500);
  expect(counts.figures.messages).toBe(messages);
  expect(counts.regionView(CA)).toMatchObject({ players: 20, isStale: true });
});
test("Counts keeps the engine from giving a mode's number away that it has yet to tell", async () => {
  const cluster = await settledCluster();
  const { engine } = cluster.node("1");
  const before = [...engine.modesHeld()].length;
  cluster.network.lossRatio = 1;
  for (let player = 0; player < 20; player++) cluster.report(player, { region: CA, mode: "new" });
  expect([before, new Set(engine.modesHeld()).size]).toEqual([0, engine.modes.count]);
});
