/** What a taker does where the store or the holder does not tell it all (R13, R15), over a simulated store and network. */
import { expect, test } from "vitest";
import { ClusterNode } from "../../cluster/cluster-node.ts";
import { take } from "../../simulator/item-at.ts";
import { begin, everybody } from "../../simulator/scenario-tools.ts";
import { expectExact, settle } from "../../simulator/settle.ts";
import type { SimulatedNode } from "../../simulator/simulated-node.ts";
import { PRODUCTION_TICK_MS, World } from "../../simulator/world.ts";

/** A newcomer to two nodes, as soon as they have called it back. */
async function withNewcomer(seed: number, storeDelayMs = 0): Promise<{ world: World; newcomer: SimulatedNode }> {
  const world = new World(seed, ClusterNode, false);
  await begin(world, 2);
  if (storeDelayMs > 0) {
    world.store.weather = { ...world.store.weather, delayMs: storeDelayMs };
    await world.run(4000);
    world.store.clearUp();
  }
  const newcomer = world.start();
  const isIn = (): boolean => {
    const { membership } = newcomer.node.parts ?? {};
    return membership !== undefined && membership.isListed && !membership.listing.isAwaitingCalls;
  };
  await world.until("the newcomer is in", isIn, 8000);
  return { world, newcomer };
}

function served({ node }: SimulatedNode): number {
  return node.parts?.figures.partitionsServed ?? 0;
}

test.each([0, 5000])(
  "R13, R14: a taker whose claim landed unheard waits for the licence of the holder, half a lease here, also where its wall clock steps by %i ms",
  async (stepMs) => {
    const { world, newcomer } = await withNewcomer(1, 900);
    const viewedMs = world.nowMs - 20;
    const { counts, membership } = newcomer.node.parts ?? {};
    const licencesMs = membership?.list?.listed.map(({ licenceMs }) => licenceMs) ?? [];
    const licenceMs = Math.min(...licencesMs.filter((_, index) => membership?.list?.listed[index]?.member.id !== "n3"));
    expect(licenceMs, "the store was slow").toBeGreaterThan(1000);
    for (const { name } of world.nodes) world.cut(newcomer.name, name);
    Object.defineProperty(counts, "knowsAllCountries", { value: true }); // else it does not ask for some time
    let hasClaimed = false;
    const { onStep } = world.store;
    world.store.onStep = (tag, call) => {
      onStep(tag, call);
      if (call !== "claim" || hasClaimed) return;
      hasClaimed = true;
      world.store.weather.answerLossRatio = 1;
      world.time.after(1, () => world.store.clearUp());
    };
    await world.until("the newcomer settles", () => newcomer.node.parts?.holdings.where("settling").length !== 0, 5000);
    newcomer.wallSkewMs += stepMs;
    await world.until("the newcomer serves", () => served(newcomer) > 0, 10_000);
    expect(world.nowMs - viewedMs).toBeGreaterThanOrEqual(licenceMs + 100);
    expect(world.nowMs - viewedMs).toBeLessThanOrEqual(licenceMs + 400);
  },
);
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
test("R1: a taker that is refused waits before it asks again, also while it has not learned the epoch above", async () => {
  const world = new World(7, ClusterNode, false);
  await begin(world, 2);
  const [survivor, other] = take(2, world.nodes);
  const others = other.node.parts?.holdings.where("serving") ?? [];
  world.checker.areRecordsChecked = false;
  for (const partition of others) Object.assign(world.store.model.records.get(partition) ?? {}, { raisedTo: 1000 });
  let claims = 0;
  const { onStep } = world.store;
  world.store.onStep = (tag, call) => {
    onStep(tag, call);
    claims += Number(call === "claim");
    if (claims === 1) world.store.hold((node, held) => node === survivor && held === "renew");
  };
  world.kill(other);
  await world.until("the survivor is refused", () => claims > 0, 8000);
  const before = claims;
  await world.run(300);
  expect(claims - before, "batches in 300 ms").toBeLessThanOrEqual((4 * others.length) / 16 + 4);
  world.store.release();
  await world.until("it serves all", () => served(survivor) === world.settings.clusterKey.partitions, 8000);
});
test("R1, R10: what a killed node held is read while its licence runs out, and served one call after its expulsion", async () => {
  const world = new World(3, ClusterNode, false);
  world.settings = { ...world.settings, tickMs: PRODUCTION_TICK_MS };
  await begin(world, 3);
  const takesMs = 60;
  world.store.callWeather.set("claim", { takesMs });
  world.store.callWeather.set("standing", { takesMs: 1000 }); // nobody needs to look who holds what was read
  const [victim, ...heirs] = take(3, world.nodes);
  const { incarnation } = victim.node;
  world.kill(victim);
  const isExpelled = ({ node }: SimulatedNode): boolean => node.view.expelled.includes(incarnation);
  await world.until("it is expelled", () => heirs.every(isExpelled), 800);
  const expelledAtMs = world.nowMs;
  const isHeld = (partition: number): boolean =>
    heirs.some(({ node }) => node.parts?.holdings.get(partition).kind === "serving");
  const { partitions } = world.settings.clusterKey;
  const orphans = Array.from({ length: partitions }, (_, partition) => partition).filter((each) => !isHeld(each));
  expect(orphans.length).toBeGreaterThan(0);
  const readAhead = orphans.filter((each) => heirs.some(({ node }) => node.parts?.readAhead.of(each) !== undefined));
  await world.until("what was read is served", () => readAhead.every(isHeld), 2 * takesMs);
  expect(readAhead.length).toBe(orphans.length);
  expect(world.nowMs - expelledAtMs).toBeGreaterThanOrEqual(takesMs / 2);
  world.store.callWeather.clear();
  await settle(world);
});
