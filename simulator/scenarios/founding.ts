/** Scenarios of founding and of two keys (R9, R12). The seed chooses the moments, and the variant where there are some. */
import type { Player } from "../crowd.ts";
import { flush } from "../faults.ts";
import { itemAt, nonEmpty, take } from "../item-at.ts";
import { aNode, begin, elsewhere, everybody, expectFound, playersOf, told } from "../scenario-tools.ts";
import { expectExact, settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { World } from "../world.ts";
import type { Scenario } from "./scenario.ts";

const BEAT_MS = 3000;

export const FOUNDING = {
  /**
   * Cut off for less than a founder waits, or for longer; then all return at once, or one after the other. Perhaps the founder
   * has claims under higher terms than theirs by then.
   */
  async "the store back empty while its members cannot reach it, and a founder there first"(world, seed) {
    await begin(world, 3);
    const old = [...world.nodes];
    const { leaseMs } = world.settings.clusterKey;
    const players = [...world.crowd.players];
    const pass = (ms: number): Promise<void> => beating(world, ms, players, old);
    loseStore(world, old);
    const founder = world.start();
    const isLong = seed % 3 !== 0;
    await pass(isLong ? 7000 + world.random.below(4000) : world.random.below(2 * leaseMs - 500));
    const isFounded = founder.node.status.kind === "ready";
    if (isFounded) for (const player of newcomers(world, 6)) void told(world, player, world.crowd.anyPlace(), founder);
    if (isFounded && seed % 4 === 1) {
      const guest = world.start(); // its coming and going raises the epoch above the terms that the old members have
      await pass(2500);
      world.drain(guest);
      await pass(2500);
    }
    await pass(1500);
    // One alone changes nothing for so long; but once the list stands, who does not renew it within a lease is expelled.
    let gapMs = isFounded ? 3 * leaseMs : leaseMs / 2;
    for (const { name } of world.random.shuffled(old)) {
      world.disturb("", `${name} reaches the store again`);
      world.store.cutOff.delete(name);
      if (seed % 2 === 0) await pass(world.random.below(gapMs));
      gapMs = leaseMs / 2;
    }
    await untilOneKey(world);
    await expectNothingLost(world, old.length);
  },

  /** It knows a higher epoch than those who have founded anew meanwhile, and may not erase what they have. */
  async "one suspended node comes back to a living cluster of another key"(world, seed) {
    await begin(world, 3);
    const [suspended, ...others] = nonEmpty(world.random.shuffled(world.nodes));
    world.freeze(suspended, seed % 2 === 0 ? "process" : "machine");
    for (const node of others) world.kill(node);
    world.checker.areRecordsChecked = false;
    world.restartStore("empty");
    for (let number = 0; number < 2; number++) world.start();
    const living = world.nodes.filter((node) => node !== suspended);
    const areReady = (): boolean => living.every(({ node }) => node.status.kind === "ready");
    await world.until("those who founded anew are ready", areReady, 30_000);
    const { key } = world.store.model;
    await Promise.all([
      ...world.crowd.players.map((player) => told(world, player, world.crowd.anyPlace(), itemAt(living, 0))),
      world.run(3000),
    ]);
    world.thaw(suspended);
    for (let second = 0; second < 12; second++) {
      await beating(world, 1000, world.crowd.players, living);
      if (world.store.model.key?.hashKey.join() !== key?.hashKey.join())
        world.fail("the key of a living cluster was replaced because one node asked for it");
    }
    await untilOneKey(world);
    await expectNothingLost(world, 3);
  },

  /** The one who founded may die before all records are made: the other goes on. */
  async "two founders at once"(world, seed) {
    const { store } = world;
    world.start();
    world.start();
    store.hold((_, call) => call === "found");
    await world.until("both found", () => store.heldCount === 2, 20_000);
    store.release();
    if (seed % 2 === 0) await killWhoFounded(world);
    world.start();
    await world.until("all are ready", () => world.areReady && world.areAllServed, 30_000);
    const lost = world.nodes.filter(({ node }) => (node.parts?.figures.partitionsLost ?? 0) > 0);
    if (lost.length > 0) world.fail(`${itemAt(lost, 0).name} took records that were never made for lost ones`);
    newcomers(world, 24);
    await everybody(world);
    await expectNothingLost(world, 2);
  },

  /** Who founds anew finds the key beside the records, and so can read them. */
  async "the list lost while the records stay, and everybody restarted"(world) {
    await begin(world, 3);
    const count = world.nodes.length;
    for (const node of world.nodes) world.kill(node);
    world.disturb("list lost", "the list is lost");
    world.store.model.forgetList();
    for (let number = 0; number < count; number++) world.start();
    await world.until("all are ready", () => world.areReady && world.areAllServed, 30_000);
    await expectFound(world);
    await settle(world);
  },

  /**
   * As after a FLUSHALL: nothing but the history of the list tells that the records are gone. Perhaps only a member that has
   * handed all its tables over sees the list gone, so that nobody else would hear of it.
   */
  async "the list lost under the same run"(world, seed) {
    const { checker, store } = world;
    await begin(world, 3);
    checker.areRecordsChecked = false;
    if (seed % 3 === 0) await loseListBefore(world, await withoutTables(world));
    else {
      store.restart("empty", 0, true);
      if (seed % 2 === 0) world.start();
      await world.run(4000);
    }
    await expectNothingLost(world, 2);
  },

  /** The key is back with the list: a newcomer finds it, also where the members that wrote it back die at once. */
  async "the list written back, and whoever wrote it dies"(world) {
    await begin(world, 2);
    const old = [...world.nodes];
    world.checker.areRecordsChecked = false;
    world.restartStore("empty");
    await world.until("the list is back", () => world.store.model.members.peek() !== undefined, 10_000);
    for (const node of old) world.kill(node);
    if (world.store.model.key === undefined) world.fail("the list was written back without the key");
    world.start();
    await world.until("the newcomer is ready", () => world.areReady && world.areAllServed, 30_000);
    await everybody(world);
    await expectNothingLost(world, 1);
  },

  /** Flushed under the same run, so that only the key tells the two clusters apart. */
  async "a claim that was sent to a store in which another cluster was founded since"(world) {
    await begin(world, 2, 40);
    const { crowd, store } = world;
    const [dying, former] = take(2, world.nodes);
    const players = playersOf(world, dying);
    store.hold((node, call) => node === former && call === "claim");
    world.kill(dying);
    await world.until("the other claims what it had", () => store.heldCount > 0, 8000);
    const cutOff: readonly string[] = ["claim", "renew", "append", "raise", "takeBack", "beginRun", "restore"];
    store.hold((node, call) => node === former && cutOff.includes(call));
    flush(world);
    world.loseKnowledge(() => true);
    world.checker.onOtherKey = () => world.loseKnowledge(() => true);
    const founder = world.start();
    const isFounded = (): boolean => (founder.node.parts?.figures.partitionsServed ?? 0) > 0;
    await world.until("another cluster is founded", isFounded, 12_000);
    store.hold((node, call) => node === former && call === "renew"); // it goes on, and learns of nothing
    crowd.asksAnybody = true;
    for (let round = 0; round < 20; round++) {
      for (const player of players)
        if (player.underWay === 0) void told(world, player, elsewhere(world, player), former);
      await world.run(50);
    }
    store.release();
    await world.run(3000);
    await settle(world);
  },
} satisfies Record<string, Scenario>;

/** After it has written the key and before it has made the records. */
async function killWhoFounded(world: World): Promise<void> {
  let founder: SimulatedNode | undefined;
  world.store.hold((node, call) => {
    if (call === "found") founder ??= node;
    return call === "found";
  });
  await world.until("the founder makes records", () => founder !== undefined, 5000);
  if (founder !== undefined) world.kill(founder);
  world.store.release();
}

/** The store comes back empty, and these nodes cannot reach it: what was acknowledged is in their tables only. */
function loseStore(world: World, nodes: readonly SimulatedNode[]): void {
  world.checker.areRecordsChecked = false;
  world.disturb("store cut off", "the members cannot reach the store, which comes back empty");
  for (const { name } of nodes) world.store.cutOff.add(name);
  world.store.restart("empty");
}

/** A member that has handed everything over, and is still listed. */
async function withoutTables(world: World): Promise<SimulatedNode> {
  const member = aNode(world);
  world.store.hold((node, call) => node === member && call === "leave");
  world.drain(member);
  await world.until("it leaves", () => world.store.heldCount > 0, 10_000);
  return member;
}

/** The list and all records are gone, and this member is the first to renew then. */
async function loseListBefore(world: World, first: SimulatedNode): Promise<void> {
  const { store } = world;
  store.hold((node, call) => call === (node === first ? "leave" : "renew"));
  await world.run(10); // what was under way has ended
  store.restart("empty", 0, true);
  await world.until("the list is back", () => store.model.members.peek() !== undefined, 5000);
  store.hold((node, call) => node === first && call === "leave");
  await world.run(500);
}

/** Time passes, and these players stay connected through these nodes. */
async function beating(
  world: World,
  ms: number,
  players: readonly Player[],
  nodes: readonly SimulatedNode[],
): Promise<void> {
  for (const untilMs = world.nowMs + ms; world.nowMs < untilMs;) {
    for (const player of players) world.crowd.send([world.crowd.asking(player, "renew")], world.random.pick(nodes));
    await world.run(Math.min(BEAT_MS, untilMs - world.nowMs));
  }
}

function newcomers(world: World, count: number): Player[] {
  return Array.from({ length: count }, (_, number) => world.crowd.add(number % 3 === 0));
}

/** Everybody lives under one key, and nobody has players to report from another. */
async function untilOneKey(world: World): Promise<void> {
  const haveOne = (): boolean => {
    const keys = world.nodes.map(({ node }) => node.parts?.key.hashKey.join());
    return keys.every((key) => key === world.store.model.key?.hashKey.join());
  };
  const isDone = (): boolean => world.areReady && world.areAllServed && haveOne();
  await world.until("one key stands, and all are ready", isDone, 60_000);
  await world.run(4000);
}

/** All that was acknowledged is there, and outlives everybody. */
async function expectNothingLost(world: World, count: number): Promise<void> {
  await world.run(1500); // until everybody's view shows it
  await expectFound(world);
  await expectExact(world);
  world.checker.areRecordsChecked = true;
  for (const node of world.nodes) world.kill(node);
  for (let number = 0; number < count; number++) world.start();
  await world.until("all are ready after the restart", () => world.areReady && world.areAllServed, 30_000);
  await expectFound(world);
  await expectExact(world);
  await settle(world);
}
