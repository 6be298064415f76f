/** The client against a service that fails in every way ends with the state that was last asked for. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Headcount } from "../../client/index.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { FakeService, type HttpFault, type Place } from "../support/fake-service.ts";
import type { SocketFault } from "../support/fake-socket.ts";

const PLAYER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";
const REGIONS = ["CA", "US-CA", "fr"];
const HTTP_FAULTS: readonly HttpFault[] = [
  "refused",
  "hangs",
  "dropped after its effect",
  "hangs after its effect",
  "slow",
  "503",
  "503 with Retry-After",
  "429",
  "401",
  "202",
  "a page",
  "a page with 404",
  "half of JSON",
  "null",
];
const SOCKET_FAULTS: readonly SocketFault[] = [
  "no upgrade",
  "never opens",
  "half-open",
  "says nonsense",
  ...[1000, 1001, 1006, 1009, 1011, 4400, 4401].map((code) => ({ code, reason: "" })),
  { code: 1012, reason: "reconnect in 700" },
  { code: 1013, reason: "retry in 3000" },
];
const LONG_MS = 10 * 60_000;

const anyAction = fc.record({
  afterMs: fc.oneof(fc.constant(0), fc.nat(300), fc.nat(60_000)),
  what: fc.constantFrom(
    "play",
    "play",
    "play",
    "leave",
    "play and think again",
    "play what is refused",
    "come online",
    "lose the session",
    "the store comes back empty",
  ),
  region: fc.constantFrom(...REGIONS),
  mode: fc.constantFrom("GM01", "GM02", "GM03"),
});
const anyRun = fc.record({
  seed: fc.nat(),
  urls: fc.integer({ min: 1, max: 3 }),
  hasSessions: fc.boolean(),
  hasToken: fc.boolean(),
  faultRatio: fc.constantFrom(0, 0.3, 0.7, 1),
  actions: fc.array(anyAction, { minLength: 1, maxLength: 12 }),
});
type Run = typeof anyRun extends fc.Arbitrary<infer T> ? T : never;

async function play({ seed, urls, hasSessions, hasToken, faultRatio, actions }: Run) {
  const random = new SeededRandom(seed);
  const service = new FakeService(random);
  const events = new EventTarget();
  service.hasSessions = hasSessions;
  service.fault = () => (random.fraction() < faultRatio ? random.pick(HTTP_FAULTS) : undefined);
  service.socketFault = () => (random.fraction() < faultRatio ? random.pick(SOCKET_FAULTS) : undefined);
  if (hasToken) service.token = "0";
  const client = new Headcount({
    url: ["http://a.test", "http://b.test", "http://c.test"].slice(0, urls),
    profileId: PLAYER,
    world: { ...service.world, events },
    ...(hasToken && {
      token: () => {
        if (random.fraction() < faultRatio / 2) throw new Error("the login service is down");
        return service.token!;
      },
    }),
  });
  let acknowledged: Place | undefined;
  let pending = 0;
  const note = (promise: Promise<unknown>, place: Place | undefined): void => {
    pending++;
    promise.then(
      () => (acknowledged = place && { ...place, region: place.region.toUpperCase() }),
      () => {},
    );
    promise.finally(() => pending--).catch(() => {});
  };
  for (const { afterMs, what, region, mode } of actions) {
    await service.clock.run(afterMs);
    const place = { region, gamemode: what === "play what is refused" ? "REFUSED" : mode };
    if (what === "leave") note(client.leave(), undefined);
    else if (what === "come online") events.dispatchEvent(new Event("online"));
    else if (what === "lose the session") service.sockets.at(-1)?.end(1006);
    else if (what === "the store comes back empty") service.forgetEverybody();
    else {
      const cancel = new AbortController();
      note(client.play(region, place.gamemode, { signal: cancel.signal }), place);
      if (what !== "play and think again") continue;
      service.clock.after(random.below(3_000), () => cancel.abort());
    }
  }
  return { service, client, pending: () => pending, expected: () => acknowledged };
}

test("The client against a service that fails in every way ends with the state that was last asked for", async () => {
  await fc.assert(
    fc.asyncProperty(anyRun, async (run) => {
      const { service, client, pending, expected } = await play(run);
      service.fault = () => undefined;
      service.socketFault = () => undefined;
      for (const ms of [LONG_MS, LONG_MS]) {
        await service.clock.run(ms);
        expect(pending()).toBe(0);
        expect(service.placeOf(PLAYER)).toEqual(expected());
        expect(client.state).toBe(expected() === undefined ? "away" : "here");
        if (run.hasSessions && expected() !== undefined) expect(client.hasSession()).toBe(true);
      }
      client.close();
      await service.clock.run(60_000);
      expect(service.clock.timerCount).toBe(0);
    }),
    { numRuns: 150 },
  );
});

test("What another device said later stands, whatever fails meanwhile, until the client's own play", async () => {
  const THERE = { region: "JP", gamemode: "GM07" };
  await fc.assert(
    fc.asyncProperty(anyRun, fc.nat(120_000), async (run, quietMs) => {
      const { service, client } = await play(run);
      await service.clock.run(quietMs);
      let seq = Math.floor(service.world.now() / 1000) + 100;
      service.report(PLAYER, THERE, seq);
      for (let step = 0; step < 100; step++) {
        await service.clock.run(10_000);
        // It renews by reports, as a game server would; heartbeats of ours must not count as its own.
        if (step % 2 === 0) service.report(PLAYER, THERE, ++seq);
        expect(service.placeOf(PLAYER)).toEqual(THERE);
      }
      service.fault = () => undefined;
      service.socketFault = () => undefined;
      service.clock.nowMs += 2_000_000; // past the other device's clock
      const played = client.play("CA", "GM01");
      await service.clock.run(LONG_MS);
      expect(await played).toMatchObject({ gamemode: "GM01" });
      expect(service.placeOf(PLAYER)).toEqual({ region: "CA", gamemode: "GM01" });
      client.close();
    }),
    { numRuns: 40 },
  );
});
