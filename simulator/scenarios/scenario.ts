import type { World, WorldSettings } from "../world.ts";

/** A short script over the world. */
export interface Scenario {
  (world: World, seed: number): Promise<void>;
  /** In what its world differs from the usual one. */
  readonly settings?: Partial<WorldSettings>;
}

/** A scenario in a world of its own: of another size, over a Redis Cluster, with the tick of a real process. */
export function inWorld(settings: Partial<WorldSettings>, play: Scenario): Scenario {
  return Object.assign((world: World, seed: number) => play(world, seed), { settings });
}
