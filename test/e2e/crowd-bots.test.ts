/** A farm among honest players: an operator sees it, and stops it. Real processes: a node, and the crowd's command. */
import { once } from "node:events";
import { expect, test } from "vitest";
import { openFarm } from "../../crowd/farm.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { setupOf, spawnMain } from "../support/crowd.ts";
import { HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { until } from "../support/until.ts";

const [PLAYERS, BOTS] = [600, 400];
const farm = openFarm(setupOf({ players: BOTS }));

interface Push {
  readonly mode: string;
  readonly arrivals: number;
  readonly prefixes: { readonly source: string; readonly arrivals: number; readonly share: number }[];
}

test("the farm shows in usage as the largest share; a block stops a prefix of it, a quarantine what it pushes", async () => {
  const env = { ...(await adminSettings()), HEADCOUNT_TRUST_PROXY: "127.0.0.1" };
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  await using admin = new AdminClient(env);
  const args = ["--players", `${PLAYERS}`, "--bots", `${BOTS}`, "--ramp-seconds", "1", "--check"];
  const crowd = spawnMain(["--url", node.url, ...args]);
  await using _ = { [Symbol.asyncDispose]: async () => void crowd.kill("SIGKILL") };
  const closed = once(crowd, "close");
  let [said, warned] = ["", ""];
  crowd.stdout.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
  crowd.stderr.setEncoding("utf8").on("data", (chunk: string) => (warned += chunk));

  await until("all have come", async () => (await http.get("/v1/players")).json.players >= PLAYERS + BOTS);
  const pushes = async (): Promise<Push[]> => (await admin.get("/admin/usage")).json.arrivals;
  const [pushed, ...others] = await pushes();
  expect(pushed!.mode).toBe(farm.gamemode);
  expect(pushed!.prefixes.slice(0, 4).map(({ source }) => source)).toEqual(expect.arrayContaining([...farm.prefixes]));
  for (const { share } of pushed!.prefixes.slice(0, 4)) expect(share).toBeGreaterThan(0.2);
  for (const { prefixes } of others) expect(itemAt(prefixes, 0).arrivals).toBeLessThan(5);
  const share = /^headcount_arrivals_largest_share (\S+)$/m.exec((await admin.get("/metrics")).text)![1];
  expect(Number(share)).toBeGreaterThan(0.2);

  const [blocked, ...open] = farm.prefixes;
  expect((await admin.put(`/admin/blocks/${blocked}`, { reason: "a farm" })).status).toBe(200);
  const arrivalsOf = (push: Push, prefix: string): number =>
    push.prefixes.find(({ source }) => source === prefix)!.arrivals;
  await until("its reports are refused", () => /bots: .* refused: 403: \d/.test(said), { limitMs: 60_000 });
  const atBlock = itemAt(await pushes(), 0);
  const growing = await until(
    "bots go on coming from elsewhere",
    async () => {
      const push = itemAt(await pushes(), 0);
      return open.every((prefix) => arrivalsOf(push, prefix) > arrivalsOf(atBlock, prefix)) && push;
    },
    { limitMs: 60_000 },
  );
  expect(arrivalsOf(growing, blocked!)).toBe(arrivalsOf(atBlock, blocked!));

  const modesOf = async (): Promise<string[]> =>
    (await http.top(farm.region, 5)).json.gamemodes.map(({ mode }: { mode: string }) => mode);
  expect(await modesOf()).toContain(farm.gamemode);
  await admin.put(`/admin/quarantine/${farm.gamemode}`);
  expect(await modesOf()).not.toContain(farm.gamemode);

  crowd.kill("SIGINT");
  expect(await closed).toEqual([0, null]);
  expect(warned).toBe("");
  expect(said).toContain(`400 bots push ${farm.gamemode} in ${farm.region}, from ${farm.prefixes.join(", ")}.`);
  expect(said).toMatch(/^ {2}errors +none$/m);
  expect(said).toMatch(/^ {2}bots +\d+ came, .* refused: 403: \d+$/m);
  expect(said).not.toContain("DIFFERS");
  expect(said).toMatch(/: agrees \(the bots' \S+ is not on the board: is it in quarantine\?\)$/m);
});
