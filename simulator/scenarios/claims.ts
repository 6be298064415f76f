/** Scenarios of claims that a record no longer bears (R1, R3, R15). The seed chooses the moments and the variant. */
import type { Player } from "../crowd.ts";
import { restartTag } from "../faults.ts";
import { itemAt, take } from "../item-at.ts";
import { live } from "../life.ts";
import {
  aNode,
  begin,
  doesServe,
  elsewhere,
  expectStored,
  killAndRestartAll,
  playersOf,
  silencedTaker,
  told,
  untilSnapshotted,
  writeToEachPartition,
} from "../scenario-tools.ts";
import { expectExact, settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { World } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

/** Far more than would be made up for by trying one number after the other. */
const NUMBERS_AHEAD = 500;

export const CLAIMS = {
  /** By hand: whoever has a table takes it back above its own term, so no run that is played here leads to it. */
  async "a record that its claimant founded anew under the same term"(world, seed) {
    await begin(world, 1, 40);
    const owner = aNode(world);
    const isMoving = seed % 2 === 0;
    if (isMoving) {
      const taker = world.start();
      world.store.hold((node, call) => node === taker && call === "claim");
      await world.until("the taker has copied something", () => world.store.heldCount > 0, 8000);
      world.loseKnowledge(() => true); // what was copied is of another founding, so the record counts
    } else world.store.hold((node, call) => node === owner && call === "raise"); // the append comes first
    world.checker.areRecordsChecked = isMoving;
    refound(world);
    world.store.release();
    await writeToEachPartition(world);
    world.checker.areRecordsChecked = true;
    await expectExact(world);
    await world.run(1500);
    await expectStored(world);
  },

  /** By hand: one copy of a partition is written at a time, so no number is refused to who goes on counting. */
  async "a record whose snapshots are numbered higher than its claimant knows"(world) {
    await begin(world, 2);
    world.disturb("snapshots numbered", "every record has a snapshot of a far higher number");
    for (const record of world.store.model.records.values()) record.snapshotNumber += NUMBERS_AHEAD;
    live(world, 200);
    await world.run(5000); // each is due for a snapshot
    const areLevel = (): boolean => world.nodes.every(({ node }) => node.parts?.figures.partitionsAhead === 0);
    await world.until("nothing is ahead", areLevel, 10_000);
    await settle(world);
  },

  "one tag's master back as another while a taker decompresses": inWorld({ tagsCount: 4 }, async (world, seed) => {
    await begin(world, 2, 40);
    await untilSnapshotted(world);
    const [taker, holder] = take(2, world.nodes);
    const tagOf = (player: Player): number => world.store.model.tagOf(world.checker.partitionOf(player));
    const held = playersOf(world, holder);
    const tag = tagOf(itemAt(held, seed % held.length));
    const players = held.filter((player) => tagOf(player) === tag);
    taker.holdWorker();
    world.kill(holder);
    const claimantOf = (player: Player): string | undefined =>
      world.store.model.records.get(world.checker.partitionOf(player))?.claim?.incarnation;
    const isClaimed = (): boolean => players.every((player) => claimantOf(player) === taker.node.incarnation);
    await world.until("the taker has claimed what the dead one had", isClaimed, 8000);
    await world.run(20); // the claims are answered, and what came with them is being read
    const isOpen = (): boolean => taker.node.parts?.guard.isTagOpen(tag) === true;
    restartTag(world, tag, "empty");
    await world.until("the taker has heard of the new run", () => !isOpen(), 5000);
    await world.until("and may write under it", isOpen, 5000);
    await world.run(world.settings.clusterKey.leaseMs / 2); // nobody answers any more who has not heard of it
    taker.unburden();
    for (let round = 0; round < 40; round++) {
      const isAsked = (one: Player): boolean => one.underWay === 0 && doesServe(world, taker, one);
      for (const player of players.filter(isAsked)) void told(world, player, player.place, taker);
      await world.run(5);
    }
    await world.run(1500);
    await expectStored(world);
  }),

  async "a table that was kept is written back to a record that another has written since"(world) {
    await begin(world, 2);
    const stale = aNode(world);
    const players = playersOf(world, stale);
    world.store.hold((node, call) => node === stale && (call === "append" || call === "raise"));
    const taker = await silencedTaker(world);
    const servedBy = ({ node }: SimulatedNode): number[] => node.parts?.holdings.where("serving") ?? [];
    const isTaken = (): boolean => servedBy(stale).some((partition) => servedBy(taker).includes(partition));
    await world.until("the taker serves what the stale one holds", isTaken, 5000);
    for (const player of players.filter((each) => doesServe(world, taker, each)))
      void told(world, player, elsewhere(world, player), taker);
    await world.run(100);
    world.kill(taker);
    world.restartStore("intact");
    world.store.release();
    world.network.mend();
    await world.run(8000);
    await expectExact(world);
    await world.run(1500);
    await expectStored(world);
  },

  async "a table that was kept for a taker that died is written back by its owner"(world, seed) {
    await begin(world, 1, 80);
    const owner = aNode(world);
    const taker = world.start();
    world.store.hold((node, call) => node === taker && call === "claim");
    const keepsSome = (): boolean => (owner.node.parts?.figures.partitionsKept ?? 0) > 0;
    await world.until("the owner has let go of something", keepsSome, 10_000);
    await world.run(world.random.below(200));
    world.kill(taker);
    live(world, 15);
    if (seed % 4 > 0) world.restartStore("intact");
    const isAlone = (): boolean => owner.node.view.members.length === 1;
    await world.until("the taker is expelled", isAlone, 8000);
    if (seed % 4 === 0) world.restartStore("intact");
    await world.run(2000);
    await world.until("everything is served", () => world.areAllServed, 3000);
    await killAndRestartAll(world);
    await settle(world);
  },
} satisfies Record<string, Scenario>;

/** Every record is founded anew: the same member, term and length, another founding, and nothing in it. */
function refound(world: World): void {
  world.disturb("records founded anew", "every record is founded anew under the same term");
  for (const record of world.store.model.records.values()) {
    if (record.claim === undefined) continue;
    record.claim = { ...record.claim, founding: world.randomId() };
    Object.assign(record, { snapshot: undefined, snapshotNumber: 0, log: [] });
  }
}
