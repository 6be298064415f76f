/** Scenarios of a store that fails, hangs or comes back as another, and of what lands in it late. The seed chooses the moments, and the variant where there are some. */
import { type Player, regionOfPlace } from "../crowd.ts";
import { itemAt, take } from "../item-at.ts";
import { live } from "../life.ts";
import {
  aNode,
  begin,
  elsewhere,
  everybody,
  expectFound,
  expectNobodyExpelled,
  isolate,
  ownerOf,
  playersOf,
  told,
  writeToEachPartition,
} from "../scenario-tools.ts";
import { expectExact, settle } from "../settle.ts";
import type { Scenario } from "./scenario.ts";

export const STORE = {
  async "A to B to A with an append under way"(world, seed) {
    await begin(world, 1);
    const first = aNode(world);
    world.store.hold((node, call) => node === first && call === "append");
    live(world, 300);
    await world.run(100);
    const second = world.start();
    await world.until("the second is listed", () => first.node.view.members.length === 2, 5000);
    await world.run(world.random.below(1500));
    if (seed % 2 === 0) world.kill(second);
    else world.drain(second);
    await world.run(world.random.below(3000));
    world.store.release();
    await world.run(3000);
    await settle(world);
  },

  async "what a dead owner wrote lands late"(world, seed) {
    await begin(world, 3, 12);
    const { crowd, store } = world;
    const dying = aNode(world);
    const players = playersOf(world, dying);
    const held = seed % 2 === 0 ? "append" : "snapshot";
    store.hold((node, call) => node === dying && call === held);
    const roundsBefore = held === "snapshot" ? 6 : 0;
    for (let round = 0; round < roundsBefore; round++) {
      for (const player of players) crowd.send([crowd.report(player, crowd.anyPlace())], dying);
      await world.run(1500); // past a third of a session's life a snapshot is due
    }
    for (const player of players) crowd.send([crowd.report(player, crowd.anyPlace())], dying);
    await world.run(20);
    world.kill(dying);
    const isTaken = (): boolean => players.every((player) => ownerOf(world, player) !== undefined);
    await world.until("all is taken over", isTaken, 10_000);
    for (let round = 0; round <= (held === "append" ? (seed >> 1) % 4 : 9); round++) {
      for (const player of players) void told(world, player, crowd.anyPlace());
      await world.run(held === "append" ? 2000 : 300);
    }
    store.release();
    await world.run(500);
    await settle(world);
  },

  async "a dead owner's first append lands before its taker's first"(world) {
    await begin(world, 2, 40);
    const dying = world.start();
    const isServing = (): boolean => world.areReady && world.areAllServed && playersOf(world, dying).length > 0;
    await world.until("the newcomer serves players", isServing, 10_000);
    const { crowd, store } = world;
    const players = playersOf(world, dying);
    // Lengths begin anew with a claim (R1), so both continue a log of no bytes: only the claim tells them apart.
    store.hold((node, call) => node === dying && call === "append");
    for (const player of players) crowd.send([crowd.report(player, elsewhere(world, player))], dying);
    await world.until("its appends are under way", () => store.heldCount > 0, 1000);
    world.kill(dying);
    const isTaken = (): boolean => players.every((player) => ownerOf(world, player) !== undefined);
    await world.until("all is taken over", isTaken, 10_000);
    store.release();
    await world.run(500);
    await settle(world);
  },

  async "a snapshot lands after the next one"(world) {
    await begin(world, 1);
    live(world, 200);
    const owner = aNode(world);
    let held = 0;
    world.store.hold((_, call) => call === "snapshot" && ++held <= 2);
    await world.until("two snapshots hang", () => held >= 2, 15_000);
    owner.encodingMs = 5;
    await world.run(8000 + world.random.below(8000)); // they are given up, and others are taken
    world.store.release();
    await world.run(2000);
    await settle(world);
  },

  async "a repeated report while its first append hangs, fails or landed unheard"(world, seed) {
    await begin(world, 3);
    const [, player] = take(2, world.crowd.players); // sends no numbers, so that a report that moves nothing writes nothing
    const owner = ownerOf(world, player) ?? aNode(world);
    const entry = aNode(world, (node) => node !== owner);
    const { store, crowd } = world;
    world.disturb("append fails", "the next appends hang, fail or land unheard");
    if (seed % 3 === 0) store.hold((_, call) => call === "append");
    else if (seed % 3 === 1) store.weather = { ...store.weather, failureRatio: 1 };
    else store.weather = { ...store.weather, answerLossRatio: 1 };
    const place = crowd.anyPlace();
    for (let again = 0; again < 4; again++) {
      crowd.send([crowd.report(player, place)], again % 2 === 0 ? owner : entry);
      await world.run(1 + world.random.below(40));
    }
    await world.run(world.random.below(600));
    store.clearUp();
    store.release();
    for (let again = 0; again < 4; again++) {
      crowd.send([crowd.report(player, place)], again % 2 === 0 ? owner : entry);
      await world.run(1 + world.random.below(40));
    }
    world.kill(owner);
    await world.run(5000);
    await settle(world);
  },

  async "rows that come while a snapshot heals"(world) {
    await begin(world, 2);
    const { store, crowd } = world;
    const [, player] = take(2, crowd.players); // sends no numbers, so that a report that moves nothing writes nothing
    const owner = ownerOf(world, player) ?? aNode(world);
    owner.encodingMs = 400;
    world.disturb("append fails", "appends fail");
    store.weather = { ...store.weather, failureRatio: 1 };
    crowd.send([crowd.report(player, crowd.anyPlace())], owner);
    await world.run(150);
    store.clearUp();
    for (let round = 0; round < 12; round++) {
      const place = crowd.anyPlace();
      for (let again = 0; again < 8; again++) {
        crowd.send([crowd.report(player, place)], owner);
        await world.run(10 + world.random.below(30));
      }
    }
    await settle(world);
  },

  async "an outage of the store with a death inside and its clock jumping"(world, seed) {
    await begin(world, 3);
    live(world, 700);
    const outageMs = seed % 4 === 0 ? 60_000 : world.random.below(15_000);
    world.disturb("store away", `the store is away for ${outageMs} ms`);
    world.store.isAway = true;
    await world.run(outageMs / 2);
    const victim = world.random.pick(world.nodes);
    const survivors = world.nodes.filter((node) => node !== victim);
    world.kill(victim);
    world.disturb("store clock jumps", "the store's clock jumps");
    world.store.clockJumpMs += world.random.pick([-60_000, 60_000]);
    await world.run(outageMs / 2);
    world.store.isAway = false;
    await world.run(1000);
    expectNobodyExpelled(world, survivors);
    await settle(world);
  },

  async "the store back as another, views that differ and a newcomer"(world, seed) {
    await begin(world, 3);
    live(world, 500);
    world.store.save();
    await world.run(1500);
    const lonely = aNode(world);
    isolate(world, lonely);
    world.start();
    await world.run(1500 + world.random.below(3000));
    world.store.isAway = true;
    await world.run(world.random.below(2000));
    world.restartStore(itemAt(["empty", "older", "without its tail"] as const, seed % 3), 3000);
    world.store.isAway = false;
    world.store.cutOff.clear();
    world.network.mend();
    world.start();
    await world.run(4000);
    await settle(world);
  },

  async "the store short of its tail under the same run"(world) {
    await begin(world, 3);
    world.store.save();
    await everybody(world);
    world.checker.areRecordsChecked = false;
    world.disturb("store back", "the store has less, and does not know it");
    world.store.restart("without its tail", 0, true);
    // Who writes to a partition hears of it, and the others are not to be lost.
    await writeToEachPartition(world);
    world.checker.areRecordsChecked = true;
    for (const node of world.nodes) world.kill(node);
    for (let number = 0; number < 2; number++) world.start();
    await world.run(8000);
    await expectExact(world);
    await settle(world);
  },

  async "the store back as another while all owners live"(world, seed) {
    await begin(world, 3);
    world.store.save();
    await everybody(world);
    world.checker.areRecordsChecked = false;
    world.disturb("store back", "the store is back with less");
    const newcomer = seed % 2 === 0 ? world.start() : undefined;
    if (seed % 4 === 0) {
      world.store.hold((node, call) => node === newcomer && call === "claim");
      await world.until("the newcomer claims", () => world.store.heldCount > 0, 5000);
    }
    world.store.restart(itemAt(["empty", "older", "without its tail"] as const, seed % 3), 10);
    world.store.release();
    if (seed % 4 === 1) world.drain(aNode(world)); // warm nodes take at that instant
    await world.run(6000);
    await expectExact(world);
    world.checker.areRecordsChecked = true;
    await everybody(world);
    for (const node of world.nodes) world.kill(node); // what it has now outlives them
    for (let number = 0; number < 2; number++) world.start();
    await world.run(8000);
    await expectExact(world);
    await settle(world);
  },

  async "a flush by holders that are cut off from the store"(world) {
    await begin(world, 3);
    const { checker, crowd, network, random, store } = world;
    const old = [...world.nodes];
    world.disturb("store cut off", "nobody who holds anything can reach the store");
    for (const { name } of old) store.cutOff.add(name);
    const taker = world.start();
    network.loses = (from, _, lane) => from === taker && lane !== "rows";
    for (let round = 0; round < 200; round++) {
      const place = crowd.anyPlace();
      const ask = (): void => checker.counts.askOwner(random.pick(old), regionOfPlace(place));
      const [player] = random.shuffled(playersOf(world, taker).filter(({ underWay }) => underWay === 0));
      if (player !== undefined) crowd.send([crowd.report(player, place, 0, ask)], random.pick(old));
      await world.run(15);
    }
    await settle(world);
  },

  async "a node that only the store can reach"(world) {
    await begin(world, 4);
    const lonely = aNode(world);
    const others = world.nodes.filter((node) => node !== lonely);
    for (const other of others) {
      world.cut(lonely.name, other.name);
      world.cut(other.name, lonely.name);
    }
    await world.run(10_000);
    const { crowd } = world;
    const waiting = new Set(crowd.players);
    const tell = (player: Player): void =>
      void told(world, player, crowd.anyPlace(), world.random.pick(others)).then((isTold) =>
        isTold ? waiting.delete(player) : tell(player),
      );
    for (const player of crowd.players) tell(player);
    await world.until("nobody waits any more for the node that no peer can reach", () => waiting.size === 0, 40_000);
    await settle(world);
  },

  async "two nodes that cannot hear each other"(world, seed) {
    await begin(world, 2);
    const [one, other] = take(2, world.nodes);
    world.cut(one.name, other.name);
    world.cut(other.name, one.name);
    const isStoreAway = seed % 2 === 0;
    if (isStoreAway) {
      // R7, R25: nobody is expelled in an outage, and who hears nobody ages nobody.
      world.store.isAway = true;
      await world.run(world.settings.clusterKey.sessionMs + 4000);
      expectNobodyExpelled(world, [one, other]);
      world.store.isAway = false;
    } else {
      await world.run(9000);
      const left = [one, other].filter(({ node }) => node.view.members.length === 1 && node.parts?.membership.isListed);
      if (left.length !== 1) world.fail(`${left.length} of two that cannot hear each other are left`);
    }
    world.network.mend();
    await world.run(1500);
    await expectFound(world);
    await settle(world);
  },
} satisfies Record<string, Scenario>;
