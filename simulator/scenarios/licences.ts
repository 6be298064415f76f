/** Scenarios of R13 and R14: nodes that may go on answering although others do not hear of it. The seed chooses the moments. */
import { worsenStore } from "../faults.ts";
import { aNode, begin, doesServe, elsewhere, isolate, playersOf, told } from "../scenario-tools.ts";
import { settle } from "../settle.ts";
import type { Scenario } from "./scenario.ts";

/** Four of these are just less than half a lease. */
const SLOW_RENEWAL_MS = 370;

export const LICENCES = {
  async "one node is left alone with a master that was replaced"(world) {
    await begin(world, 3, 40);
    const lonely = aNode(world);
    const players = playersOf(world, lonely);
    const { leaseMs } = world.settings.clusterKey;
    isolate(world, lonely, "peers");
    const isAlone = (): boolean => lonely.node.parts?.membership.isAlone === true;
    await world.until("it has heard nobody for a lease", isAlone, 2 * leaseMs);
    world.disturb("master replaced", "another master takes over, and one node goes on with the former");
    world.store.replaceMaster([lonely.name]);
    world.crowd.asksAnybody = true;
    for (let passedMs = 0; passedMs < leaseMs / 2; passedMs += 50) {
      for (const player of players)
        if (player.underWay === 0) void told(world, player, elsewhere(world, player), lonely);
      await world.run(50);
    }
    await settle(world);
  },

  async "a holder whose licence is long hears nothing any more"(world) {
    await begin(world, 2, 40);
    const { crowd, store } = world;
    worsenStore(world, { takesMs: SLOW_RENEWAL_MS }, "renew");
    await world.run(3000 + world.random.below(500)); // licences keep that pace
    const taker = world.start();
    const listed = () => store.model.members.peek();
    const isIn = (): boolean => listed()?.view.members.filter(({ isJoining }) => isJoining !== true).length === 3;
    for (let passedMs = 0; passedMs < 10_000 && !isIn(); passedMs++) await world.run(1);
    await world.run(2); // whoever let it in knows that
    const others = world.nodes.filter((node) => node !== taker);
    const uninformed = others.find(({ node }) => node.view.epoch < (listed()?.view.epoch ?? 0));
    const holder = uninformed ?? aNode(world, (node) => node !== taker);
    isolate(world, holder);
    store.clearUp();
    crowd.asksAnybody = true;
    for (let round = 0; round < 150; round++) {
      const players = crowd.players.filter((one) => doesServe(world, taker, one) && one.underWay === 0);
      for (const player of players) crowd.send([crowd.report(player, elsewhere(world, player))], taker);
      await world.run(8);
      for (const player of players.filter(({ underWay }) => underWay === 0))
        crowd.send([crowd.asking(player, "find"), crowd.asking(player, "renew")], holder);
      await world.run(4);
    }
    await settle(world);
  },
} satisfies Record<string, Scenario>;
