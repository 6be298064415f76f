/** Runs one attack on the privacy floor, perhaps with a part of it taken out, on a thread whose clocks are virtual. */
import { parentPort, workerData } from "node:worker_threads";
import { plant } from "../../simulator/patching.ts";
import type { OpenWorld } from "./floor-attacks.ts";
import type { FloorJob } from "./floor-jobs.ts";

const { patches, attack } = workerData as FloorJob;
if (patches.length > 0) plant(patches);
const world = await import("./floor-world.ts");
const { attackHoldUp, attackLinked, attackOverTime, attackTwins } = await import("./floor-attacks.ts");
world.makeClocksVirtual();

async function run(): Promise<readonly string[]> {
  if (attack.kind === "paths") return world.publicPaths();
  const { WorldAlone, WorldOfCluster } = world;
  const open: OpenWorld = (...options) =>
    attack.where === "alone" ? WorldAlone.open(...options) : WorldOfCluster.open(...options);
  if (attack.kind === "twins") return attackTwins(open, attack.seed, attack);
  return { linked: attackLinked, "over time": attackOverTime, "hold up": attackHoldUp }[attack.kind](open);
}

const found = await run();
await world.closeShared();
parentPort!.postMessage(found);
