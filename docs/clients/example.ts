/**
 * What a game client does, with a client made from the description: `node example.ts http://127.0.0.1:8080 [token]`.
 * `npm test` makes that client, compiles this against it and runs it (test/e2e/generated-client.test.ts).
 */
import {
  countPlayers,
  defaults,
  disconnect,
  findPlayer,
  listRegions,
  popularModes,
  type Refusal,
  renewSession,
  report,
  reportMany,
} from "./headcount.ts";

const [url = "http://127.0.0.1:8080", token] = process.argv.slice(2);
defaults.baseUrl = url;
if (token !== undefined) defaults.headers = { authorization: `Bearer ${token}` };

const PLAYER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";
/** Asked of the region's owner, so what was just reported is in the answer. */
const NOW = { top: 3, cacheControl: "no-cache" };

/** What to do about a refusal. A reason that is new in the description does not compile without advice. */
function adviceFor({
  reason,
}: Refusal): "mend the request" | "report again" | "get a token" | "play another mode" | "give up" | "wait" {
  switch (reason) {
    case "malformed":
    case "no-such-path":
    case "no-such-method":
    case "too-large":
    case "not-json":
      return "mend the request";
    case "not-connected":
      return "report again";
    case "credentials":
    case "forbidden":
      return "get a token";
    case "unknown-mode":
    case "not-entitled":
    case "not-offered":
    case "retired":
    case "switch-forbidden":
      return "play another mode";
    case "blocked":
      return "give up";
    case "rate":
    case "switched-off":
    case "no-room":
    case "overloaded":
    case "no-owner":
    case "starting":
    case "draining":
      return "wait";
  }
}

const reported = await report(PLAYER, { region: "CA", gamemode: "GM01", seq: 4_294_967_295 });
if (reported.status === 200 || reported.status === 202) {
  const { region, gamemode, renewInMs } = reported.data;
  console.log(`report: ${reported.status}, ${gamemode} in ${region}, again within a minute: ${renewInMs < 60_000}`);
} else {
  console.log(`report: ${reported.status}, ${reported.data.reason}: ${adviceFor(reported.data)}`);
}

const renewed = await renewSession(PLAYER);
if (renewed.status === 204) {
  console.log(
    `heartbeat: ${renewed.status}, again within a minute: ${Number(renewed.headers.get("renew-in-ms")) < 60_000}`,
  );
} else if (renewed.status === 200) {
  console.log(`heartbeat: ${renewed.status}, players here: ${renewed.data.popular.players}`); // where `top` is asked for
} else {
  console.log(`heartbeat: ${renewed.status}, ${renewed.data.reason}: ${adviceFor(renewed.data)}`);
}

const found = await findPlayer(PLAYER);
if (found.status === 200)
  console.log(`look-up: ${found.status}, seen ${new Date(found.data.lastSeen).getUTCFullYear() > 2025}`);
else console.log(`look-up: ${found.status}, ${found.data.reason}: ${adviceFor(found.data)}`);

const rows = [
  { profileId: "0b6d5a52-3f0c-4a35-9f11-6d1f1a0c7b01", region: "CA", gamemode: "GM02" },
  { profileId: "0b6d5a52-3f0c-4a35-9f11-6d1f1a0c7b02", region: "XX", gamemode: "GM02" },
];
const batch = await reportMany({ reports: rows });
if (batch.status === 200 || batch.status === 202) {
  console.log(`batch: ${batch.status}, accepted ${batch.data.accepted}`);
  for (const { index, code, reason } of batch.data.rejected) console.log(`  row ${index}: ${code}, ${reason}`);
} else console.log(`batch: ${batch.status}, ${batch.data.reason}: ${adviceFor(batch.data)}`);

const first = await popularModes("CA", NOW);
if (first.status === 200) {
  const { players, gamemodes } = first.data;
  console.log(
    `popular: ${first.status}, ${players}: ${gamemodes.map(({ mode, rank }) => `${rank} ${mode}`).join(", ")}`,
  );
  const second = await popularModes("CA", { ...NOW, ifNoneMatch: first.headers.get("etag") ?? "" });
  console.log(`popular: ${second.status}, as of an instant: ${Date.parse(second.headers.get("as-of") ?? "") > 0}`);
}

const regions = await listRegions();
if (regions.status === 200)
  console.log(`regions: ${regions.status}, ${regions.data.regions.map(({ region }) => region)}`);
const players = await countPlayers();
if (players.status === 200) console.log(`players: ${players.status}, whole: ${players.data.complete ?? true}`);

const gone = await disconnect(PLAYER);
console.log(`removal: ${gone.status}`);
const lost = await findPlayer(PLAYER);
if (lost.status !== 200) console.log(`look-up: ${lost.status}, ${lost.data.reason}: ${adviceFor(lost.data)}`);
