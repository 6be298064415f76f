import type { World } from "../world.ts";

/** A short script over the world. */
export type Scenario = (world: World, seed: number) => Promise<void>;
