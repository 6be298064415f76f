/** Scenarios of R15: a store that comes back with less while tables move, are kept, or have holders that are slow to say so. */
import { itemAt } from "../item-at.ts";
import { aNode, begin, doesServe, elsewhere, expectStored, playersOf, told } from "../scenario-tools.ts";
import { expectExact } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { World } from "../world.ts";
import type { Scenario } from "./scenario.ts";

export const RETURNS = {
  async "the store back older while a table is kept that its owner has written past"(world, seed) {
    await begin(world, 1, 40);
    const former = aNode(world);
    const owner = world.start();
    world.network.loses = (from, _, lane) => from === owner && lane === "control" && hasShare(world, owner);
    await world.until("the newcomer is ready", () => owner.isReady && world.areAllServed, 8000);
    world.store.save();
    await moveAll(world, owner);
    comeBack(world, seed);
    world.store.hold((node, call) => node === owner && call === "takeBack"); // the lower table would come first
    await world.run(600);
    world.store.release();
    world.network.mend();
    await world.run(4000);
    await expectKept(world, former);
  },

  async "the store back older while a holder is frozen and its partitions move"(world, seed) {
    await begin(world, 2, 40);
    const [holder] = world.nodes as [SimulatedNode];
    const newcomer = world.start();
    const calls = ["standing", "claim"];
    world.store.hold((node, call) => node === newcomer && calls.includes(call));
    await world.until("the newcomer looks who holds what", () => world.store.heldCount > 0, 8000);
    world.store.save();
    await moveAll(world, holder);
    world.freeze(holder, "process");
    comeBack(world, seed);
    world.store.release();
    await world.run(1500 + world.random.below(500)); // it loses no lease
    world.thaw(holder);
    await world.run(6000);
    await expectKept(world, holder);
  },

  async "a claim that was sent to a store that came back older"(world, seed) {
    await begin(world, 1, 40);
    const holder = aNode(world);
    world.store.save();
    const newcomer = world.start();
    world.store.hold((node, call) => node === newcomer && call === "claim");
    await world.until("the newcomer claims", () => world.store.heldCount > 0, 8000);
    await moveAll(world, holder);
    comeBack(world, 2 * seed + 1);
    world.store.release();
    await world.run(6000);
    await expectKept(world, holder);
  },
} satisfies Record<string, Scenario>;

function hasShare({ settings }: World, { node }: SimulatedNode): boolean {
  const { partitionsServed = 0 } = node.parts?.figures ?? {};
  return partitionsServed * 4 > settings.clusterKey.partitions;
}

/** Everybody whom a node serves moves, and is acknowledged: the store has more now than its copy. */
async function moveAll(world: World, node: SimulatedNode): Promise<void> {
  const players = playersOf(world, node).filter((player) => doesServe(world, node, player));
  for (const player of players) void told(world, player, elsewhere(world, player), node);
  await world.until("they have moved", () => players.every(({ underWay }) => underWay === 0), 3000);
}

/** Under another run, with what it had when it was saved, or with nothing; everybody who knows more lives. */
function comeBack(world: World, seed: number): void {
  world.checker.areRecordsChecked = false;
  world.disturb("store back", "the store is back with less");
  world.store.restart(itemAt(["empty", "without its tail"] as const, seed % 2));
}

/** Nothing that was acknowledged is lost: not to who asks, nor to who has only the store. */
async function expectKept(world: World, node: SimulatedNode): Promise<void> {
  if (!node.isUp) world.fail(`${node.name} is not up`);
  await expectExact(world);
  world.checker.areRecordsChecked = true;
  await expectStored(world);
}
