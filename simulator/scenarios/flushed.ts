/**
 * Scenarios of a store that loses records under the run that all believe in (R15), so that nobody is told of it. The seed
 * chooses the variant.
 */
import { flush } from "../faults.ts";
import { take } from "../item-at.ts";
import {
  aNode,
  begin,
  doesServe,
  elsewhere,
  everybody,
  expectStored,
  playersOf,
  silencedTaker,
  told,
} from "../scenario-tools.ts";
import { expectExact } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { World } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

export const FLUSHED = {
  "the store flushed under the same run while a claim is planned": inWorld({ tagsCount: 1 }, async (world) => {
    await begin(world, 2);
    const taker = await silencedTaker(world);
    world.store.hold((node, call) => node === taker && call === "claim");
    await world.until("the taker claims what its holders did not give", () => world.store.heldCount > 0, 5000);
    world.checker.areRecordsChecked = false;
    flush(world);
    world.store.release();
    await world.run(world.random.below(300));
    world.network.mend();
    await expectKept(world);
  }),

  "one tag flushed under the same run while its partitions move": inWorld({ tagsCount: 4 }, async (world, seed) => {
    await begin(world, 3);
    await settled(world);
    const leaving = aNode(world);
    world.store.hold((node, call) => node !== leaving && call === "standing");
    world.drain(leaving);
    await world.until("the others look who holds what", () => world.store.heldCount > 0, 8000);
    world.checker.areRecordsChecked = false;
    flush(world, seed % 4);
    world.store.release();
    await expectKept(world);
  }),

  "a newcomer to a flushed tag whose holder is frozen": inWorld({ tagsCount: 4 }, async (world, seed) => {
    const { leaseMs } = world.settings.clusterKey;
    await begin(world, 1);
    await settled(world);
    const holder = aNode(world);
    const newcomer = world.start();
    world.store.hold((node, call) => node === newcomer && call === "standing");
    await world.until("the newcomer looks who holds what", () => world.store.heldCount > 0, 8000);
    world.checker.areRecordsChecked = false;
    flush(world, seed % 4);
    world.freeze(holder, "process");
    world.store.release();
    await world.run(leaseMs + 700); // it is expelled, and keeps its tables
    world.thaw(holder);
    await expectKept(world);
  }),

  "a stale holder meets a record that was flushed under the same run": inWorld(
    { tagsCount: 1 },
    async (world, seed) => {
      await begin(world, 2);
      const [stale] = take(1, world.nodes);
      const players = playersOf(world, stale);
      world.store.hold((node, call) => node === stale && (call === "append" || call === "raise"));
      const taker = await silencedTaker(world);
      const servedBy = ({ node }: SimulatedNode): number[] => node.parts?.holdings.where("serving") ?? [];
      const isTaken = (): boolean => servedBy(stale).some((partition) => servedBy(taker).includes(partition));
      await world.until("the taker serves what the stale one holds", isTaken, 5000);
      for (const player of players.filter((each) => doesServe(world, taker, each)))
        void told(world, player, elsewhere(world, player), taker);
      await world.run(100);
      const { epoch } = stale.node.view;
      world.start();
      await world.until("the stale one knows a newer view", () => stale.node.view.epoch > epoch, 5000);
      world.checker.areRecordsChecked = false;
      flush(world, seed % 2 === 0 ? undefined : 0);
      world.store.hold((node, call) => node === taker && call !== "renew"); // the stale one comes first
      await world.run(400);
      world.store.release();
      world.network.mend();
      await expectKept(world);
    },
  ),
} satisfies Record<string, Scenario>;

/** The members name nothing any more. */
async function settled(world: World): Promise<void> {
  await world.run(2 * world.settings.clusterKey.leaseMs);
  await everybody(world);
}

/** Nothing that was acknowledged is lost: not to who asks, nor to who has only the store. */
async function expectKept(world: World): Promise<void> {
  await world.run(8000);
  await expectExact(world);
  world.checker.areRecordsChecked = true;
  await expectStored(world);
}
