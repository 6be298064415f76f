/** What may go wrong, at random: each fault begins, and ends after a while; two and three fall inside one recovery. */
import {
  fillStore,
  flushUnnoticed,
  foundMeanwhile,
  loseTag,
  resetLying,
  restartTag,
  stallStore,
  worsenStore,
} from "./faults.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { StoreCall } from "./store.ts";
import type { World } from "./world.ts";

export type Fault = (world: World) => void;

/** Nodes at the most. */
const NODES_MAX = 5;
/** After a jump of its clock a node learns anew how long messages take. */
const DELAYS_LEARNT_MS = 6000;
const WEIGHTS = [10, 10, 10, 5, 20];

export function anyNode(world: World): SimulatedNode | undefined {
  const up = world.nodes.filter((node) => node.isUp);
  return up.length === 0 ? undefined : world.random.pick(up);
}

/** A number from `least` to `most`, the small ones more often. */
function lasting(world: World, least: number, most: number): number {
  return least + world.random.fraction() ** 2 * (most - least);
}

function later(world: World, delayMs: number, what: () => void): void {
  world.time.after(delayMs, () => {
    if (world.areFaultsActive) what();
  });
}

function onNode(act: (world: World, node: SimulatedNode) => void): Fault {
  return (world) => {
    const node = anyNode(world);
    if (node !== undefined) act(world, node);
  };
}

function kill(world: World, node: SimulatedNode): void {
  world.kill(node);
  // Restarted as the same: at the same address, or at another.
  const peerUrl = world.random.fraction() < 0.5 ? node.peerUrl : undefined;
  later(world, lasting(world, 50, 6000), () => world.start(node.name, peerUrl));
}

function freeze(world: World, node: SimulatedNode): void {
  world.freeze(node, world.random.fraction() < 0.7 ? "process" : "machine");
  later(world, lasting(world, 100, 9000), () => world.thaw(node));
}

function cutNode(world: World, node: SimulatedNode): void {
  const { random } = world;
  const others = world.nodes.filter((other) => other !== node);
  const some = random.fraction() < 0.5 ? others : random.shuffled(others).slice(0, 1);
  const [isDeaf, isMute] = random.pick([
    [true, true],
    [true, false],
    [false, true],
  ]);
  for (const other of some) {
    if (isDeaf) world.cut(other.name, node.name);
    if (isMute) world.cut(node.name, other.name);
  }
  const isStoreCut = random.fraction() < 0.3;
  if (isStoreCut) cutFromStore(world, node);
  later(world, lasting(world, 200, 8000), () => {
    for (const other of some) world.network.mendBetween(other.name, node.name);
  });
}

function cutFromStore(world: World, node: SimulatedNode): void {
  world.disturb("store cut off", `${node.name} cannot reach the store`);
  world.store.cutOff.add(node.name);
  later(world, lasting(world, 200, 8000), () => world.store.cutOff.delete(node.name));
}

function badNetwork(world: World): void {
  const { random } = world;
  world.disturb("network bad", "the network loses, delays and repeats");
  world.network.weather = {
    delayMs: random.fraction() < 0.7 ? lasting(world, 5, 900) : 0,
    requestLossRatio: random.fraction() < 0.6 ? lasting(world, 0.01, 0.4) : 0,
    answerLossRatio: random.fraction() < 0.6 ? lasting(world, 0.01, 0.4) : 0,
    repeatRatio: random.fraction() < 0.5 ? lasting(world, 0.01, 0.3) : 0,
  };
  later(world, lasting(world, 300, 6000), () => world.network.clearUp());
}

/** Which calls a bad store is bad to; none: all. */
const BAD_TO: readonly (readonly StoreCall[])[] = [
  [],
  [],
  ["append"],
  ["append"],
  ["renew"],
  ["snapshot"],
  ["claim", "standing"],
  ["append", "snapshot"],
];

function badStore(world: World): void {
  const { random } = world;
  const weather = {
    delayMs: random.fraction() < 0.6 ? lasting(world, 5, 1500) : 0,
    failureRatio: random.fraction() < 0.5 ? lasting(world, 0.02, 0.4) : 0,
    answerLossRatio: random.fraction() < 0.6 ? lasting(world, 0.02, 0.4) : 0,
    hangingRatio: random.fraction() < 0.4 ? lasting(world, 0.02, 0.3) : 0,
  };
  worsenStore(world, weather, ...random.pick(BAD_TO));
  later(world, lasting(world, 300, 6000), () => world.store.clearUp());
}

/** It is well, and each call takes long. */
function slowStore(world: World): void {
  const { random, settings, store } = world;
  const weather = { takesMs: lasting(world, 50, 2000) };
  if (settings.tagsCount === 1 || random.fraction() < 0.6) worsenStore(world, weather, ...random.pick(BAD_TO));
  else {
    const tag = random.below(settings.tagsCount);
    world.disturb("tag slow", `the master of tag ${tag} takes ${weather.takesMs.toFixed(0)} ms`);
    store.tagWeather.set(tag, weather);
  }
  later(world, lasting(world, 300, 6000), () => store.clearUp());
}

function stalls(world: World): void {
  const times = world.random.pick([1, 1, 3]);
  for (let time = 0; time < times; time++)
    later(world, time * 1500, () => stallStore(world, 200 + world.random.fraction() * 800));
}

function fullStore(world: World): void {
  fillStore(world);
  later(world, lasting(world, 300, 8000), () => (world.store.isFull = false));
}

/** One master is away while the others are well, and comes back, perhaps as another; with a single one it is the store. */
function tagAway(world: World): void {
  const { random, settings, store } = world;
  if (settings.tagsCount === 1) return random.fraction() < 0.5 ? storeAway(world) : storeReturns(world);
  const tag = random.below(settings.tagsCount);
  const how = random.pick(["same", "same", "same", "intact", "without its tail", "older", "empty"] as const);
  loseTag(world, tag, random.fraction() < 0.5);
  later(world, lasting(world, 100, 9000), () => {
    store.awayTags.delete(tag);
    if (how !== "same") restartTag(world, tag, how, how === "older" ? lasting(world, 1000, 15_000) : 0);
  });
}

function reset(world: World, node: SimulatedNode): void {
  resetLying(world, node, lasting(world, 5, 900));
}

function foundApart(world: World): void {
  if (world.nodes.length < NODES_MAX) foundMeanwhile(world, lasting(world, 500, 12_000));
}

function storeAway(world: World): void {
  world.disturb("store away", "the store is away");
  world.store.isAway = true;
  const awayMs = world.random.fraction() < 0.05 ? 60_000 : lasting(world, 100, 9000);
  later(world, awayMs, () => {
    world.store.isAway = false;
    world.trace("fault", "the store is back");
  });
}

function storeReturns(world: World): void {
  const { random } = world;
  const how = random.pick(["intact", "intact", "without its tail", "older", "empty"] as const);
  const come = (): void => {
    world.store.isAway = false;
    world.restartStore(how, how === "older" ? lasting(world, 1000, 15_000) : 0);
  };
  if (random.fraction() < 0.3) return come();
  world.disturb("store away", "the store is away");
  world.store.isAway = true;
  later(world, lasting(world, 100, 5000), come);
}

/** Nobody is told: neither the master nor the list says that anything is gone. */
function flushed(world: World): void {
  const { random, settings } = world;
  flushUnnoticed(world, random.fraction() < 0.5 ? undefined : random.below(settings.tagsCount));
}

function clockJump(world: World): void {
  const jumpMs = world.random.pick([-60_000, -5000, 5000, 60_000]);
  world.disturb("store clock jumps", `the store's clock jumps by ${jumpMs} ms`);
  world.store.clockJumpMs += jumpMs;
}

function wallJump(world: World, node: SimulatedNode): void {
  const jumpMs = world.random.pick([-60_000, -5000, 5000, 60_000]);
  world.disturb("wall clock jumps", `${node.name}'s wall clock jumps by ${jumpMs} ms`, DELAYS_LEARNT_MS);
  node.wallSkewMs += jumpMs;
}

function slowWorker(world: World, node: SimulatedNode): void {
  const { random } = world;
  world.disturb("worker slow", `${node.name}'s snapshots and tables wait for its worker`);
  const isSlow = random.pick([
    [true, true],
    [true, false],
    [false, true],
  ]);
  if (isSlow[0]) node.encodingMs = lasting(world, 200, 5000);
  if (isSlow[1]) node.decompressingMs = lasting(world, 20, 3000);
  if (random.fraction() < 0.3) node.msAKib = lasting(world, 10, 1000);
  later(world, lasting(world, 500, 6000), () => node.unburden());
}

function join(world: World): void {
  if (world.nodes.length < NODES_MAX) world.start(undefined, undefined, world.random.pick(WEIGHTS));
}

function drain(world: World, node: SimulatedNode): void {
  world.drain(node);
  if (world.random.fraction() < 0.6) later(world, lasting(world, 500, 6000), () => join(world));
}

function killAll(world: World): void {
  for (const node of world.nodes) kill(world, node);
}

/** Weights are shares of the hundred or so that they add up to. */
const FAULTS: readonly (readonly [weight: number, fault: Fault])[] = [
  [12, onNode(kill)],
  [12, onNode(freeze)],
  [8, join],
  [8, onNode(drain)],
  [10, onNode(cutNode)],
  [6, onNode(cutFromStore)],
  [10, badNetwork],
  [8, badStore],
  [5, slowStore],
  [4, stalls],
  [2, fullStore],
  [6, storeAway],
  [6, storeReturns],
  [5, tagAway],
  [2, clockJump],
  [2, onNode(wallJump)],
  [6, onNode(slowWorker)],
  [4, onNode(reset)],
  [1, foundApart],
  [2, killAll],
  [3, flushed],
];
/** After these the store may have less than before, so copies of it are kept. */
const LOSING: ReadonlySet<Fault> = new Set([storeReturns, tagAway]);

/** The faults of a run; about one run in twenty has none. */
export function drawFaults(world: World): Fault[] {
  const { random } = world;
  const count = random.fraction() < 0.05 ? 0 : 1 + random.below(6);
  return Array.from({ length: count }, () => anyFault(world));
}

export function mayStoreLose(faults: readonly Fault[]): boolean {
  return faults.some((fault) => LOSING.has(fault));
}

/** Plans faults from now on, for `forMs`: close together or apart. */
export function planFaults(world: World, faults: readonly Fault[], forMs: number): void {
  const { random } = world;
  const endMs = world.nowMs + forMs;
  let atMs = world.nowMs + random.fraction() * 3000;
  for (const fault of faults) {
    if (atMs >= endMs) return;
    world.time.at(atMs, () => {
      if (world.areFaultsActive) fault(world);
    });
    atMs += random.fraction() < 0.45 ? random.fraction() * 700 : 500 + random.fraction() * 5000;
  }
}

const WEIGHTS_SUM = FAULTS.reduce((sum, [weight]) => sum + weight, 0);

function anyFault({ random }: World): Fault {
  let chance = random.below(WEIGHTS_SUM);
  for (const [weight, fault] of FAULTS) {
    if (chance < weight) return fault;
    chance -= weight;
  }
  throw new Error("The weights do not add up");
}
