/**
 * A Colyseus room whose players are counted in its mode. `HEADCOUNT_URL` and `HEADCOUNT_TOKEN` say where, and as whom.
 *
 *     gameServer.define("team-battle", HeadcountRoom, { gamemode: "GM01" });
 *
 * Your `onAuth` should give `{ profileId, region }`: what a client says of itself in its options is only for trying this out.
 */
import { HeadcountServer } from "@headcount/client/server";
import { Room } from "colyseus";

/** A third of the 90 s after which the service takes a silent player out. */
const RENEW_MS = 30_000;

/** One for all rooms of the process, so that their rows go together. Call its `close()` when the process ends. */
export const headcount = new HeadcountServer({
  url: process.env.HEADCOUNT_URL ?? "http://127.0.0.1:8080",
  token: process.env.HEADCOUNT_TOKEN,
  onError: (error) => console.error(`headcount, sent again: ${error.message}`),
  onRefused: ({ row, error }) => console.error(`headcount refused ${row.profileId}: ${error.message}`),
});

export class HeadcountRoom extends Room {
  /** By session of Colyseus. */
  #rows = new Map();

  onCreate({ gamemode }) {
    this.gamemode = gamemode;
    this.clock.setInterval(() => void headcount.report([...this.#rows.values()]), RENEW_MS);
  }

  onJoin(client, options, auth) {
    const { profileId, region } = auth?.profileId ? auth : options;
    const row = { profileId, region, gamemode: this.gamemode };
    this.#rows.set(client.sessionId, row);
    void headcount.report([row]);
  }

  onLeave(client) {
    const row = this.#rows.get(client.sessionId);
    if (row === undefined) return;
    this.#rows.delete(client.sessionId);
    void headcount.report([{ profileId: row.profileId, leave: true }]);
  }
}
