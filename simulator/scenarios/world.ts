/** Scenarios of what the world does: tags apart, stalls, clocks, resets that lie, lives that end. The seed chooses the moments. */
import { codeOf, type Player } from "../crowd.ts";
import { loseTag, resetLying, stallStore } from "../faults.ts";
import { live } from "../life.ts";
import {
  aNode,
  begin,
  doesServe,
  elsewhere,
  expectNobodyExpelled,
  isolate,
  ownerOf,
  playersOf,
  told,
} from "../scenario-tools.ts";
import { settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { World } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

/** A report to a healthy master waits no longer, whatever another master does. */
const HEALTHY_MS = 250;
const OUTAGE_MS = 10_000;

export const WORLD = {
  "one tag's master away": inWorld({ tagsCount: 4, tickMs: 20 }, async (world, seed) => {
    await begin(world, 3, 40);
    const lost = seed % 4;
    loseTag(world, lost, seed % 2 === 0);
    const { crowd, checker, store } = world;
    const isHealthy = (one: Player): boolean => store.model.tagOf(checker.partitionOf(one)) !== lost;
    const report = async (player: Player, owner: SimulatedNode): Promise<void> => {
      const sentMs = world.nowMs;
      const isTold = await told(world, player, crowd.anyPlace(), owner);
      const tookMs = world.nowMs - sentMs;
      if (isHealthy(player) && !(isTold && tookMs <= HEALTHY_MS))
        world.fail(`a report to a healthy tag ${isTold ? "was" : "was not"} stored after ${tookMs.toFixed(0)} ms`);
    };
    for (let passedMs = 0; passedMs < OUTAGE_MS; passedMs += 100) {
      for (const player of crowd.players) {
        const owner = ownerOf(world, player);
        if (player.underWay === 0 && owner !== undefined) void report(player, owner);
      }
      await world.run(100);
    }
    store.awayTags.clear();
    await world.run(3000);
    await settle(world);
  }),

  async "a wall clock steps forward while a taker waits for the holder's licence to end"(world) {
    await begin(world, 1, 40);
    const holder = aNode(world);
    const taker = world.start();
    while (taker.node.view.members.length < 2) await world.run(1);
    isolate(world, holder); // it has renewed a moment ago, and learns of nothing
    const served = (): number => taker.node.parts?.figures.partitionsServed ?? 0;
    const isSettling = (): boolean => (taker.node.parts?.holdings.where("settling").length ?? 0) > 0;
    await world.until("the taker has claimed something", () => isSettling() || served() > 0, 8000);
    await world.run(40);
    world.disturb("wall clock jumps", "the taker's wall clock steps forward by two seconds");
    taker.wallSkewMs += 2000;
    const { crowd } = world;
    crowd.asksAnybody = true;
    for (let round = 0; round < 100; round++) {
      for (const player of crowd.players.filter((one) => doesServe(world, taker, one)))
        if (player.underWay === 0) crowd.send([crowd.report(player, elsewhere(world, player))], taker);
      await world.run(15);
      for (const player of crowd.players.filter((one) => doesServe(world, taker, one)))
        if (player.underWay === 0) crowd.send([crowd.asking(player, "find"), crowd.asking(player, "renew")], holder);
      await world.run(5);
    }
    await settle(world);
  },

  async "a store that stalls"(world) {
    await begin(world, 3);
    live(world, 200);
    for (let round = 0; round < 6; round++) {
      stallStore(world, 200 + world.random.below(800));
      await world.run(1500 + world.random.below(1000));
    }
    expectNobodyExpelled(world, world.nodes);
    await settle(world);
  },

  async "connections that end, and ports that refuse, of nodes that live"(world, seed) {
    await begin(world, 2 + (seed % 3));
    live(world, 300);
    for (let round = 0; round < 10; round++) {
      resetLying(world, world.random.pick(world.nodes), 5 + world.random.below(900));
      await world.run(300 + world.random.below(900));
    }
    expectNobodyExpelled(world, world.nodes);
    await settle(world);
  },

  async "read views do not outlive an expulsion"(world) {
    await begin(world, 3);
    const lonely = aNode(world);
    isolate(world, lonely);
    live(world, 300);
    const others = world.nodes.filter((node) => node !== lonely);
    await world.until("it is expelled", () => others.every(({ node }) => node.view.members.length === 2), 10_000);
    await world.run(world.random.below(2000));
    const before = lonely.node.incarnation;
    world.store.cutOff.delete(lonely.name);
    await world.until("it learns that", () => lonely.node.incarnation !== before, 5000);
    expectNothingKnown(world, lonely);
    world.network.mend();
    while (lonely.node.status.kind !== "ready") await world.run(1); // its views are checked as soon as it is
    world.checker.counts.readViews(lonely);
    await world.run(2000);
    await settle(world);
  },

  async "a node expelled by accusation"(world) {
    await begin(world, 4, 40);
    const { crowd } = world;
    const lonely = aNode(world);
    const others = world.nodes.filter((node) => node !== lonely);
    const players = playersOf(world, lonely);
    isolate(world, lonely, "peers");
    const isExpelled = (): boolean => others.every(({ node }) => node.view.members.length === 3);
    for (let passedMs = 0; passedMs < 20_000 && !isExpelled(); passedMs += 5) await world.run(5);
    crowd.asksAnybody = true;
    for (let round = 0; round < 60; round++) {
      for (const player of players.filter(({ underWay }) => underWay === 0)) {
        const owner = others.find((node) => doesServe(world, node, player));
        if (owner !== undefined) crowd.send([crowd.report(player, elsewhere(world, player))], owner);
        await world.run(5);
        if (player.underWay === 0) crowd.send([crowd.asking(player, "find"), crowd.asking(player, "renew")], lonely);
      }
      await world.run(5);
    }
    await settle(world);
  },

  async "the last one leaves while another comes"(world) {
    await begin(world, 1);
    live(world, 300);
    await world.run(1000);
    world.drain(aNode(world));
    await world.run(world.random.below(1500));
    await settle(world); // somebody must be there to serve: the world starts a node where all that are left leave
  },

  async "everybody moves while the store is slow to append and tables are slow to be read"(world, seed) {
    await begin(world, 2, 40);
    live(world, 250);
    world.disturb("store slow", "appends are slow");
    world.store.callWeather.set("append", { takesMs: 50 + world.random.below(950) });
    for (const node of world.nodes) node.decompressingMs = 100 + world.random.below(900);
    const newcomer = world.start();
    newcomer.decompressingMs = 100 + world.random.below(900);
    await world.run(2000 + world.random.below(2000));
    if (seed % 2 === 0) world.kill(newcomer);
    else world.drain(aNode(world));
    await world.run(3000);
    await settle(world);
  },
} satisfies Record<string, Scenario>;

/** R8: what it knew, it knew in another life. */
function expectNothingKnown(world: World, { node, name }: SimulatedNode): void {
  for (const region of world.crowd.places) {
    const { players, term, version } = node.regionView(region);
    if (term > 0 || players > 0)
      world.fail(`${name} was expelled, and still shows ${players} players of ${codeOf(region)} (${term}.${version})`);
  }
}
