/** A player's client that is started anew, as by the reload of a page: what it says is the last word, though its earlier life ran ahead of the clock. */
import { expect, test } from "vitest";
import { Headcount, type HeadcountError, type HeadcountOptions } from "../../client/index.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { FakeService } from "../support/fake-service.ts";

const PLAYER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";
const GM01 = { region: "CA", gamemode: "GM01" };

function setUp(hasSessions: boolean) {
  const service = new FakeService(new SeededRandom(1));
  service.hasSessions = hasSessions;
  const start = (options: Partial<HeadcountOptions> = {}): Headcount =>
    new Headcount({ url: "http://a.test", profileId: PLAYER, world: service.world, sessions: hasSessions, ...options });
  return { service, clock: service.clock, start };
}
const told = ({ calls, sockets }: FakeService): number =>
  calls.filter(({ method }) => method === "POST").length +
  sockets.reduce((sum, { sent }) => sum + sent.filter(({ type }) => type === "play").length, 0);

for (const [over, hasSessions] of [
  ["sessions", true],
  ["HTTP", false],
] as const) {
  test.each([
    [1, 50],
    [1, 1000],
    [5, 50],
    [9, 900],
  ])(`over ${over}, after %i plays and a goodbye, %i ms later`, async (plays, laterMs) => {
    const { service, clock, start } = setUp(hasSessions);
    const first = start();
    for (let count = 0; count < plays; count++) {
      void first.play("US", `GM0${count}`);
      await clock.run(40);
    }
    const left = first.leave();
    await clock.run(40);
    await left;
    first.close();
    await clock.run(laterMs);
    const states: string[] = [];
    const second = start({ onState: (state) => states.push(state) });
    const played = second.play("CA", "GM01");
    await clock.run(500);
    expect(await played).toMatchObject(GM01);
    expect([service.placeOf(PLAYER), states]).toEqual([GM01, ["asking", "here"]]);
  });

  test(`over ${over}, another device whose clock is far ahead keeps the player, and is not fought with`, async () => {
    const { service, clock, start } = setUp(hasSessions);
    service.report(PLAYER, { region: "US", gamemode: "GM02" }, service.world.now() / 1000 + 60);
    const client = start();
    const played = client.play("CA", "GM01").catch((error: unknown) => (error as HeadcountError).reason);
    await clock.run(100_000);
    expect([await played, client.state, told(service)]).toEqual(["superseded", "superseded", 6]);
  });
}

test("what waited for the network is no last word: another device has played meanwhile", async () => {
  const { service, clock, start } = setUp(false);
  const client = start();
  service.fault = () => "refused";
  const played = client.play("CA", "GM01").catch((error: unknown) => (error as HeadcountError).reason);
  await clock.run(3_000);
  service.report(PLAYER, { region: "US", gamemode: "GM02" }, service.world.now() / 1000);
  service.fault = () => undefined;
  await clock.run(60_000);
  expect([await played, client.state, service.placeOf(PLAYER)?.gamemode]).toEqual(["superseded", "superseded", "GM02"]);
});

test("whoever is told that the player is there finds it there", async () => {
  const { clock, start } = setUp(false);
  const client = start();
  const state = client.play("CA", "GM01").then(() => client.state);
  await clock.run(100);
  expect(await state).toBe("here");
});

test("close() lets a goodbye that is under way come through", async () => {
  const { service, clock, start } = setUp(false);
  const client = start();
  void client.play("CA", "GM01");
  await clock.run(100);
  void client.leave();
  client.close();
  await clock.run(100);
  expect([service.placeOf(PLAYER), client.state]).toEqual([undefined, "closed"]);
});
