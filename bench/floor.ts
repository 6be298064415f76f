/** Part 13: what the privacy floor costs a read of top modes, while nothing else happens and while reports arrive. */
import type { FloorResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { fillByBatches } from "./support/fill.ts";
import { LONG_SESSION, startHeadcount } from "./support/headcount.ts";
import { startPace } from "./support/pace.ts";
import { topRequests } from "./support/reads.ts";
import { bearer, Signer } from "./support/signer.ts";
import {
  inTurns,
  type LoadFigures,
  measureSeries,
  pooled,
  runSpell,
  seriesOf,
  startAll,
  stopAll,
  twice,
} from "./support/turns.ts";
import { writeRequests } from "./support/wrk.ts";

const MIN_PLAYERS = 10;

/** Both ask for tokens, as a floor demands; reads show none. */
export async function measureFloor({ rounds, floor }: Settings): Promise<Omit<FloorResult, "date" | "isQuick">> {
  const { players, connections, reportsPerSecond } = floor;
  const signer = new Signer();
  const headers = bearer(signer.token({ scope: "reports:batch" }));
  const running = await startAll(
    twice(
      [
        { name: "no floor", env: {} },
        { name: "floor", env: { HEADCOUNT_MIN_PLAYERS: String(MIN_PLAYERS) } },
      ].map(({ name, env }) => ({
        name,
        start: () => startHeadcount({ durability: "log", env: { ...LONG_SESSION, ...signer.settings, ...env } }),
        fill: (server) => fillByBatches(server, players, headers),
      })),
    ),
  );
  const spell = { ...floor, requestsPath: await writeRequests(topRequests()), isForLane: true };
  const quiet = await measureSeries(running, rounds, spell);
  const figures = await inTurns(running, rounds, async (contestant) => {
    const pace = startPace({ ...floor, url: contestant.server.url, path: "", churnPerSecond: 0, headers });
    const figuresOfReads = await runSpell(contestant, spell);
    await pace.stop();
    return figuresOfReads;
  });
  const busy = [];
  for (const [at, contestant] of running.entries()) busy.push(await seriesOf(contestant, figures[at] as LoadFigures[]));
  await stopAll(running);
  return {
    players,
    connections,
    reportsPerSecond,
    minPlayers: MIN_PLAYERS,
    quiet: pooled(quiet),
    busy: pooled(busy),
  };
}
