/** What a node tells Prometheus, as the owner of players, of whose sessions stand for them (R30). */
import type { PlayerStandings } from "../cluster/records/player-standings.ts";
import type { Metrics } from "./metrics.ts";

/** @param standings `undefined` until players can be here */
export function registerStandings(metrics: Metrics, standings: () => PlayerStandings | undefined): void {
  metrics.gauge(
    "standings",
    "Players here of whom it is known whose session stands, or that none does any more",
    () => standings()?.size ?? 0,
  );
  metrics.counter(
    "players_removed_after_grace_total",
    "Players removed since their session had ended without a word, and nobody was heard",
    () => standings()?.figures.removed ?? 0,
  );
}
