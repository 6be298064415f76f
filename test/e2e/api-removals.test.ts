/** Several devices of one player: a goodbye with `seq` does not remove what another device said later. */

import { expect, test } from "vitest";

import { expectError, freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";

const shared = shareNode();

const modesOf = async (region: string): Promise<Record<string, number>> => {
  const { json } = await shared.http.top(region, 100);
  return Object.fromEntries(json.gamemodes.map((row: { mode: string; players: number }) => [row.mode, row.players]));
};

test("DELETE with seq leaves a player of whom a newer one was seen: another device spoke later", async () => {
  const [player, region] = [freshPlayer(), freshRegion()];
  await shared.http.report(player, { region, gamemode: "GM01", seq: 5 });
  for (const seq of [4, 0]) expect(await shared.http.remove(player, seq)).toMatchObject({ status: 204, text: "" });
  expect(await modesOf(region)).toEqual({ GM01: 1 });
  expect((await shared.http.remove(player, 5)).status).toBe(204);
  expect((await shared.http.profile(player)).status).toBe(404);
  expect(await modesOf(region)).toEqual({});
});

test.each([0, 1, 4294967295])("DELETE with seq %i removes a player who never had one", async (seq) => {
  const [player, region] = [freshPlayer(), freshRegion()];
  await shared.http.report(player, { region, gamemode: "GM01" });
  expect((await shared.http.remove(player, seq)).status).toBe(204);
  expect((await shared.http.profile(player)).status).toBe(404);
});

test("DELETE with seq keeps out reports up to it that come late, also where nobody was connected", async () => {
  for (const isConnected of [true, false]) {
    const [player, region] = [freshPlayer(), freshRegion()];
    if (isConnected) await shared.http.report(player, { region, gamemode: "GM01", seq: 5 });
    expect((await shared.http.remove(player, 9)).status).toBe(204);
    for (const seq of [6, 9])
      expect((await shared.http.report(player, { region, gamemode: "GM02", seq })).json).toMatchObject({
        changed: false,
        region: null,
      });
    expect((await shared.http.report(player, { region, gamemode: "GM02", seq: 10 })).json).toMatchObject({
      changed: true,
      region,
    });
  }
});

test.each(["", "-1", "1.5", "4294967296", "10000000000", "01", "1e3", "x", "1&seq=1"])(
  "DELETE with ?seq=%s is refused, and nobody goes",
  async (seq) => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01" });
    expectError(await shared.http.remove(player, seq), 400, /^seq must be a whole number from 0 to 4294967295, got /);
    expect(await modesOf(region)).toEqual({ GM01: 1 });
  },
);

test("DELETE takes other parameters, and ignores them", async () => {
  const player = freshPlayer();
  await shared.http.report(player, { region: freshRegion(), gamemode: "GM01" });
  expect((await shared.http.remove(player, "7&because=x")).status).toBe(204);
  expect((await shared.http.profile(player)).status).toBe(404);
});
