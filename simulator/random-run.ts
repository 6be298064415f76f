/** One seed: a cluster founded, players, faults, an end to all faults; then everybody must serve, and every count fit. */
import { live } from "./life.ts";
import { drawFaults, mayStoreLose, planFaults } from "./random-faults.ts";
import { settle } from "./settle.ts";
import type { NodeClass } from "./simulated-node.ts";
import { USUAL, World } from "./world.ts";

const DISTURBED_MS = 14_000;
/** One run in so many waits at its end until the silent must be gone. */
const SILENCE_EVERY = 8;

/** In one run in so many there are rules of modes, which change. */
const RULES_EVERY = 5;
const RULES_PAUSE_MS = 1500;

export function makeRandomWorld(seed: number, nodeClass: NodeClass, isTraced: boolean): World {
  const tagsCount = seed % 3 === 0 ? 4 : 1;
  const tickMs = 60 + (seed % 4) * 20;
  return new World(seed, nodeClass, isTraced, { ...USUAL, tagsCount, tickMs, hasRules: seed % RULES_EVERY === 2 });
}

export async function runRandom(world: World, seed: number): Promise<void> {
  const { random, crowd, time } = world;
  const faults = drawFaults(world);
  const playersCount = 16 + random.below(30);
  for (let number = 0; number < playersCount; number++) crowd.add(random.fraction() < 0.4);
  const nodesCount = random.pick([2, 3, 3, 3, 4, 5]);
  for (let number = 0; number < nodesCount; number++)
    time.after(random.fraction() * (random.fraction() < 0.8 ? 300 : 9000), () => world.start());
  const saveStore = (): void => {
    world.store.save();
    if (world.areFaultsActive) time.after(3000, saveStore);
  };
  if (mayStoreLose(faults)) time.after(5000, saveStore);
  await world.until("the first nodes are ready", () => world.areReady, 20_000);
  live(world, 600 + random.below(1200));
  if (random.fraction() < 0.3) await world.run(5000); // else faults fall into the first steps
  if (world.settings.hasRules) world.studio.publishEvery(RULES_PAUSE_MS);
  planFaults(world, faults, DISTURBED_MS);
  await world.run(DISTURBED_MS * (0.4 + 0.6 * random.fraction()));
  await settle(world, seed % SILENCE_EVERY === 0);
}
