/**
 * A game server that reports its players: `node game-server.js http://127.0.0.1:8080 [token]`, then a line for each event:
 *
 *     join 6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21 CA GM01
 *     leave 6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21
 *
 * In a game these lines are calls of `join` and `leave`.
 */
import { createInterface } from "node:readline";
import { HeadcountServer } from "@headcount/client/server";

/** A third of the 90 s after which the service takes a silent player out. */
const RENEW_MS = 30_000;

const [url = "http://127.0.0.1:8080", token] = process.argv.slice(2);
const headcount = new HeadcountServer({
  url,
  token,
  onRefused: ({ row, error }) => console.error(`refused: ${row.profileId}: ${error.message}`),
  onError: (error) => console.error(`sent again: ${error.message}`),
});
const players = new Map();

export function join(profileId, region, gamemode) {
  const row = { profileId, region, gamemode };
  players.set(profileId, row);
  void headcount.report([row]);
}

export function leave(profileId) {
  players.delete(profileId);
  void headcount.report([{ profileId, leave: true }]);
}

const renewal = setInterval(() => void headcount.report([...players.values()]), RENEW_MS);

async function end() {
  clearInterval(renewal);
  for (const profileId of players.keys()) leave(profileId);
  await headcount.close();
  console.log("reported:", JSON.stringify(headcount.counts));
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const [event, profileId, region, gamemode] = line.split(" ");
  if (event === "join") join(profileId, region, gamemode);
  else if (event === "leave") leave(profileId);
  else console.error(`an event is "join <id> <region> <mode>" or "leave <id>", got "${line}"`);
});
lines.on("close", () => void end());
process.on("SIGTERM", () => lines.close());
