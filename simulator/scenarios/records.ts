/** Scenarios of records in a store that loses something, is full, or is slow to be written. The seed chooses the moments. */
import { fillStore, restartTag } from "../faults.ts";
import type { Player } from "../crowd.ts";
import { itemAt, take } from "../item-at.ts";
import { live } from "../life.ts";
import { aNode, begin, everybody, expectFound, killAndRestartAll, told, untilSnapshotted } from "../scenario-tools.ts";
import { expectExact, settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { World } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

/** Nothing is ahead, and nobody says otherwise, within so long. */
const HEALED_MS = 20_000;
/** Healing takes a snapshot of each partition, and more where one was due just then, or met another fault. */
const SNAPSHOTS_A_PARTITION = 3;

export const RECORDS = {
  async "the store back empty while a taker decompresses"(world, seed) {
    await begin(world, 2, 40);
    await untilSnapshotted(world);
    const [taker, holder] = take(2, world.nodes);
    taker.holdWorker();
    const { model } = world.store;
    const claimed = (): number =>
      [...model.records.values()].filter(({ claim }) => claim?.incarnation === taker.node.incarnation).length;
    const claimedBefore = claimed();
    world.kill(holder);
    const isClaimed = (): boolean => claimed() > claimedBefore;
    await world.until("the taker has claimed something", isClaimed, 8000);
    world.network.mend();
    await world.run(world.random.below(10)); // the claim is answered, and what came with it is being read
    const runOf = (): string | undefined => taker.node.parts?.membership.run;
    const before = runOf();
    world.restartStore("empty");
    const isHeard = (): boolean => runOf() !== before;
    await world.until("the taker has heard of the new run", isHeard, 5000);
    await world.run(seed % 4 === 0 ? world.random.below(2500) : 0); // after all may write again, or while nobody may
    taker.unburden();
    await healed(world);
    await world.run(1500);
    await everybody(world, ({ place }) => place); // each says again where it is
    await killAndRestartAll(world);
    await expectFound(world);
    await settle(world);
  },

  async "the store back while a table is kept for its taker, after many snapshots"(world) {
    await begin(world, 1);
    live(world, 200);
    const owner = aNode(world);
    await world.run(60_000);
    const taker = world.start();
    world.store.hold((node, call) => node === taker && call === "claim");
    await world.until("the owner has let go of something", () => keptBy(owner) > 0, 10_000);
    let snapshots = 0;
    const { onStep } = world.store;
    world.store.onStep = (tag, call) => {
      if (call === "snapshot") snapshots++;
      onStep(tag, call);
    };
    world.restartStore("intact");
    world.store.release();
    await world.run(1000);
    await world.until("nothing is ahead", () => world.nodes.every((node) => aheadAt(node) === 0), 5000);
    const most = SNAPSHOTS_A_PARTITION * world.settings.clusterKey.partitions;
    if (snapshots > most) world.fail(`${snapshots} snapshots were sent to heal what ${most} are enough for`);
    await settle(world);
  },

  async "the store back with less, and reports that change nothing before all is written back"(world, seed) {
    await begin(world, 3, 40);
    const { checker, crowd, store } = world;
    store.save();
    await everybody(world);
    checker.areRecordsChecked = false;
    const runBefore = aNode(world).node.parts?.membership.run;
    world.disturb("store back", "the store is back with less");
    store.restart(itemAt(["empty", "older", "without its tail"] as const, seed % 3), 10);
    store.hold((_, call) => call === "takeBack");
    const isHeard = ({ node }: SimulatedNode): boolean => node.parts?.membership.run !== runBefore;
    await world.until("all have heard of the new run", () => world.nodes.every(isHeard), 5000);
    const countedBefore = world.tally.counted;
    // They need no append, so nothing but the new run tells their owner what the record may lack.
    const sayAgain = async (player: Player): Promise<void> => {
      const isAcknowledged = await told(world, player, player.place, world.random.pick(world.nodes));
      if (isAcknowledged) world.fail(`${player.ledger.name} was acknowledged, and nothing is written back`);
    };
    for (const untilMs = world.nowMs + 1500; world.nowMs < untilMs; await world.run(50))
      for (const player of crowd.players) if (player.underWay === 0) void sayAgain(player);
    const areEnded = (): boolean => crowd.players.every(({ underWay }) => underWay === 0);
    await world.until("all reports have ended", areEnded, 5000);
    if (store.heldCount === 0 || world.tally.counted === countedBefore) world.fail("nothing was held up");
    store.release();
    await healed(world);
    checker.areRecordsChecked = true;
    await everybody(world, ({ place }) => place);
    await killAndRestartAll(world);
    await expectExact(world);
    await settle(world);
  },

  async "a full store takes snapshots and no appends"(world, seed) {
    await begin(world, 1 + (seed % 3));
    live(world, 150);
    await world.run(500);
    fillStore(world);
    const mostAhead = new Map<SimulatedNode, number>();
    for (let passedMs = 0; passedMs < 6000; passedMs += 20) {
      await world.run(20);
      for (const node of world.nodes) {
        const [before, ahead] = [mostAhead.get(node) ?? 0, aheadAt(node)];
        if (ahead < before) world.fail(`${node.name} calls ${before - ahead} partitions healed: the store is full`);
        mostAhead.set(node, ahead);
      }
    }
    world.store.isFull = false;
    await healed(world, 5000);
    await settle(world);
  },

  "one tag's master back as another while all owners live": inWorld({ tagsCount: 4 }, async (world, seed) => {
    await begin(world, 3, 40);
    world.store.save();
    await everybody(world);
    world.checker.areRecordsChecked = false;
    restartTag(world, seed % 4, itemAt(["empty", "older", "without its tail", "intact"] as const, (seed >> 2) % 4), 10);
    await world.run(200);
    await healed(world);
    world.checker.areRecordsChecked = true;
    await everybody(world, ({ place }) => place);
    await killAndRestartAll(world);
    await expectExact(world);
    await settle(world);
  }),
} satisfies Record<string, Scenario>;

function keptBy({ node }: SimulatedNode): number {
  return node.parts?.figures.partitionsKept ?? 0;
}

function aheadAt({ node }: SimulatedNode): number {
  return node.parts?.figures.partitionsAhead ?? 0;
}

/** Everybody is ready, everything is served, and nobody knows more than the store. */
async function healed(world: World, withinMs = HEALED_MS): Promise<void> {
  const isWell = (one: SimulatedNode): boolean => aheadAt(one) === 0 && one.node.degradedReason === undefined;
  const isHealed = (): boolean => world.areReady && world.areAllServed && world.nodes.every(isWell);
  await world.until("all is healed", isHealed, withinMs);
}
