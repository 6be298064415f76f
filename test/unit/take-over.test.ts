/** What a taker does where the store or the holder leaves it in doubt (R13, R15), over a simulated store and network. */
import { expect, test } from "vitest";
import { ClusterNode } from "../../cluster/cluster-node.ts";
import { begin, everybody } from "../../simulator/scenario-tools.ts";
import { expectExact } from "../../simulator/settle.ts";
import type { SimulatedNode } from "../../simulator/simulated-node.ts";
import { USUAL, World } from "../../simulator/world.ts";

const HALF_LEASE_MS = USUAL.clusterKey.leaseMs / 2;

/** A newcomer to two nodes, as soon as it is listed. */
async function withNewcomer(seed: number): Promise<{ world: World; newcomer: SimulatedNode }> {
  const world = new World(seed, ClusterNode, false);
  await begin(world, 2);
  const newcomer = world.start();
  const isListed = (): boolean => newcomer.node.parts?.membership.isListed ?? false;
  await world.until("the newcomer is listed", isListed, 8000);
  return { world, newcomer };
}

function served({ node }: SimulatedNode): number {
  return node.parts?.figures.partitionsServed ?? 0;
}

test("R13: a taker whose claim landed unheard waits half a lease, as the holder that it could not ask may still answer", async () => {
  const { world, newcomer } = await withNewcomer(1);
  for (const { name } of world.nodes) world.cut(newcomer.name, name);
  const counts = newcomer.node.parts?.counts ?? {};
  Object.defineProperty(counts, "isWhole", { value: true }); // else it is expelled before it dares to ask
  let claimedMs: number | undefined;
  const { onStep } = world.store;
  world.store.onStep = (tag, call) => {
    onStep(tag, call);
    if (call !== "take" || claimedMs !== undefined) return;
    claimedMs = world.nowMs;
    world.store.weather.answerLossRatio = 1;
    world.time.after(1, () => world.store.clearUp());
  };
  await world.until("the newcomer serves", () => served(newcomer) > 0, 10_000);
  expect(world.nowMs - (claimedMs ?? Infinity)).toBeGreaterThanOrEqual(HALF_LEASE_MS);
});
test("R15: a taker waits for who has a newer table than a store that came back empty", async () => {
  for (const seed of [3, 6, 35, 36]) {
    const { world, newcomer } = await withNewcomer(seed);
    world.checker.areRecordsChecked = false;
    await world.run(world.random.below(60));
    world.disturb("store back", "the store is back empty");
    world.store.restart("empty");
    await world.run(6000);
    expect(served(newcomer), "the newcomer has its share").toBeGreaterThan(0);
    await expectExact(world);
    world.checker.areRecordsChecked = true;
    await everybody(world);
  }
});
test("R2, R9: a store that was emptied under the same run is written back by all who hold something", async () => {
  const world = new World(5, ClusterNode, false);
  await begin(world, 3);
  world.checker.areRecordsChecked = false;
  world.disturb("store emptied", "the store forgets everything");
  world.store.model.forgetAll();
  await world.run(5000);
  for (const node of world.nodes) world.kill(node); // what it has now outlives them
  for (let number = 0; number < 2; number++) world.start();
  await world.run(8000);
  await expectExact(world);
});
