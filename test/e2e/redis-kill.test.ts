/**
 * Redis killed while players move between nodes (R13, R15): nothing that was acknowledged is lost.
 * `HEADCOUNT_TEST_REDIS_KILL_ROUNDS` gives the number of deaths, `HEADCOUNT_TEST_SEED` replays a run's choices.
 */
import { test } from "vitest";

import { shareScene } from "../support/cluster-scene.ts";
import { redisKillRounds, startDurableCluster } from "../support/redis-kill-rounds.ts";
import { hasRedis } from "../support/redis-server.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const GIVEN = process.env["HEADCOUNT_TEST_REDIS_KILL_ROUNDS"];
const ROUNDS = Number(GIVEN ?? 2);
const ROUND_LIMIT_MS = 90_000;

const scene = hasRedis
  ? shareScene({
      start: startDurableCluster,
      expectedErrors: /Redis fails or refuses calls|could not reach Redis/,
    })
  : undefined!;

test.runIf(hasRedis)(
  `kill -9 of Redis while a node joins and leaves, ${ROUNDS} times, seed ${scene?.random.seed}${WHY}`,
  { timeout: ROUNDS * ROUND_LIMIT_MS },
  async () => {
    await redisKillRounds(scene, ROUNDS, (round) => {
      if (GIVEN !== undefined) console.log(round);
    });
  },
);
