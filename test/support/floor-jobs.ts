/** Attacks on the privacy floor, each on a thread of its own: they make clocks virtual, and take parts of the product out. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { TwinOptions } from "./floor-attacks.ts";
import type { Patch } from "../../simulator/patching.ts";

export type Where = "alone" | "cluster";
export type Attack =
  | { readonly kind: "paths" }
  | { readonly kind: "linked" | "over time" | "hold up"; readonly where: Where }
  | ({
      readonly kind: "twins";
      readonly where: Where;
      readonly seed: number;
    } & TwinOptions);

export interface FloorJob {
  readonly patches: readonly Patch[];
  readonly attack: Attack;
}

/** @returns what the attacker found out */
export async function runFloorJob(attack: Attack, patches: readonly Patch[] = []): Promise<readonly string[]> {
  const job: FloorJob = { attack, patches };
  const worker = new Worker(new URL("./floor-worker.ts", import.meta.url), { workerData: job });
  try {
    const [found] = (await once(worker, "message")) as [readonly string[]];
    return found;
  } finally {
    await worker.terminate();
  }
}
