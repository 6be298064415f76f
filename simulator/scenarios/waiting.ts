/** Scenarios of how long clients wait: with the tick of a real process. */
import { longestWait, waitsThrough } from "../longest-wait.ts";
import { aNode, begin } from "../scenario-tools.ts";
import { settle } from "../settle.ts";
import { PRODUCTION_TICK_MS } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

/** The longest that is promised after a crash, and by how much more than usual while partitions move. */
const CRASH_MS = 900;
const MOVE_MS = 50;
const PLAYERS = 300;

const REAL_TICK = { tickMs: PRODUCTION_TICK_MS };

export const WAITING = {
  "the longest wait through a crash": inWorld(REAL_TICK, async (world, seed) => {
    await begin(world, 2 + (seed % 3), PLAYERS);
    const waitedMs = await longestWait(world, () => world.kill(aNode(world)));
    if (waitedMs > CRASH_MS) world.fail(`a client waited ${waitedMs.toFixed(0)} ms through a crash`);
    await settle(world);
  }),

  "the longest wait through a join and a drain": inWorld(REAL_TICK, async (world) => {
    await begin(world, 3, PLAYERS);
    const usualMs = await longestWait(world, () => undefined, { forMs: 2000 });
    const { longestMs, refused } = await waitsThrough(world, async () => {
      world.start();
      await world.run(3000);
      world.drain(aNode(world));
    });
    if (longestMs > usualMs + MOVE_MS) world.fail(`a client waited ${longestMs.toFixed(0)} ms while partitions moved`);
    if (refused > 0) world.fail(`${refused} reports were refused while partitions moved`);
    await settle(world);
  }),
} satisfies Record<string, Scenario>;
