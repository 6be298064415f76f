/** Faults of the store and of connections that take more than one line to say; the others are methods of `World`. */
import type { SimulatedNode } from "./simulated-node.ts";
import type { Return, StoreCall, StoreWeather } from "./store.ts";
import type { World } from "./world.ts";

/** So often it is noted that what is acknowledged may be lost with its owner. */
const UNNOTICED_MS = 100;

/** R10: a node's peers see a crash where there is none: their connections end, and its port refuses for a moment. */
export function resetLying(world: World, node: SimulatedNode, refusesMs: number): void {
  world.disturb("connections reset", `${node.name}'s connections end, and it refuses for ${refusesMs.toFixed(0)} ms`);
  world.network.resetLying(node, refusesMs);
  world.time.after(refusesMs, () => world.disturb("", `${node.name} can be reached again`));
}

/** Until `store.clearUp()`. `calls`: bad to these only; none: to all. */
export function worsenStore(world: World, weather: Partial<StoreWeather>, ...calls: StoreCall[]): void {
  const kind = weather.takesMs === undefined ? "store bad" : "store slow";
  world.disturb(kind, `the store is bad to ${calls.join(", ") || "every call"}: ${JSON.stringify(weather)}`);
  if (calls.length === 0) world.store.weather = { ...world.store.weather, ...weather };
  for (const call of calls) world.store.callWeather.set(call, weather);
}

/** Nothing is done for so long, and then everything that came at once. */
export function stallStore(world: World, forMs: number): void {
  world.disturb("store stalls", `the store stalls for ${forMs.toFixed(0)} ms`, forMs);
  world.store.stall(forMs);
}

/** R4: appends find no room, snapshots do. */
export function fillStore(world: World): void {
  world.disturb("store full", "the store is full");
  world.store.isFull = true;
}

/** One master of a Redis Cluster is away while the others are well. */
export function loseTag(world: World, tag: number, isSilent = false): void {
  world.disturb("tag away", `the master of tag ${tag} is away${isSilent ? " and silent" : ""}`);
  world.store.isAwaySilent = isSilent;
  world.store.awayTags.add(tag);
}

/** It comes back as another. */
export function restartTag(world: World, tag: number, how: Return, olderMs = 0): void {
  const { store } = world;
  world.disturb(`tag back ${how}`, `the master of tag ${tag} is back ${how}`);
  store.awayTags.delete(tag);
  store.restartTag(tag, how, olderMs);
  if (how !== "intact") world.loseKnowledge((partition) => store.model.tagOf(partition) === tag);
}

/** R15: all that is stored is gone, or one tag's records, under the run that all believe in. */
export function flush(world: World, tag?: number): void {
  const { store } = world;
  const what = tag === undefined ? "the store" : `tag ${tag}`;
  world.disturb(`${tag === undefined ? "store" : "tag"} flushed`, `${what} is flushed under the same run`);
  if (tag === undefined) store.restart("empty", 0, true);
  else store.restartTag(tag, "empty", 0, true);
}

/** The same among other faults: whoever owns what is gone may be lost too before anybody has noticed. */
export function flushUnnoticed(world: World, tag?: number): void {
  const { checker, settings, store } = world;
  flush(world, tag);
  for (let partition = 0; partition < settings.clusterKey.partitions; partition++)
    if (tag === undefined || store.model.tagOf(partition) === tag) checker.flushed.add(partition);
  const look = (): void => {
    if (checker.flushed.size === 0) return;
    world.loseKnowledge((partition) => checker.flushed.has(partition));
    world.time.after(UNNOTICED_MS, look);
  };
  look();
}

/** R12: the store is empty, those who know the cluster cannot reach it, and a newcomer founds one. They reach it again. */
export function foundMeanwhile(world: World, apartMs: number): void {
  const { store } = world;
  const apart = world.nodes.map(({ name }) => name);
  world.disturb("founding apart", "the members cannot reach the store, which comes back empty; a newcomer founds");
  for (const name of apart) store.cutOff.add(name);
  world.restartStore("empty");
  // Who gives its key up has what it acknowledged in its table only, and may die before it has reported that.
  world.checker.onOtherKey = () => world.loseKnowledge(() => true);
  world.start();
  world.time.after(apartMs, () => {
    for (const name of apart) store.cutOff.delete(name);
  });
}
