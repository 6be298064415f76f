/** The client against the contract in memory, on a virtual clock. */
import { describe, expect, test } from "vitest";
import { Headcount, type HeadcountError, type HeadcountOptions } from "../../client/index.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { FakeService } from "../support/fake-service.ts";

const PLAYER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";
const GM01 = { region: "CA", gamemode: "GM01" };
const GM02 = { region: "US", gamemode: "GM02" };

function setUp(options: Partial<HeadcountOptions> & { readonly hasSessions?: boolean } = {}) {
  const service = new FakeService(new SeededRandom(1));
  service.hasSessions = options.hasSessions ?? true;
  const errors: HeadcountError[] = [];
  const states: string[] = [];
  const client = new Headcount({
    url: "http://a.test",
    profileId: PLAYER,
    world: service.world,
    onError: (error) => errors.push(error),
    onState: (state) => states.push(state),
    ...options,
  });
  return { service, client, clock: service.clock, errors, states };
}

/** The outcome of a promise while time passes. */
async function within<T>({ clock }: FakeService, ms: number, promise: Promise<T>): Promise<T | Error | "nothing yet"> {
  let outcome: T | Error | "nothing yet" = "nothing yet";
  promise.then(
    (value) => (outcome = value),
    (error: unknown) => (outcome = error as Error),
  );
  await clock.run(ms);
  return outcome;
}

describe("a player over a session", () => {
  test("plays, switches and leaves", async () => {
    const { service, client, states } = setUp();
    expect(await within(service, 1_000, client.play("CA", "GM01"))).toMatchObject({
      ...GM01,
      changed: true,
      remembered: true,
    });
    expect([service.placeOf(PLAYER), client.state, client.hasSession()]).toEqual([GM01, "here", true]);
    await within(service, 1_000, client.play("US", "GM02"));
    expect(service.placeOf(PLAYER)).toEqual(GM02);
    expect(service.calls).toEqual([]);
    await within(service, 1_000, client.leave());
    expect([service.placeOf(PLAYER), client.state, client.hasSession()]).toEqual([undefined, "away", false]);
    expect(states).toEqual(["asking", "here", "asking", "here", "asking", "away"]);
  });

  test("shows its token as a subprotocol, and the one that the callback gives next in band", async () => {
    let serial = 0;
    const lifeS = 120;
    const tokens: string[] = [];
    const { service, client, clock } = setUp({
      token: () => {
        const claims = { exp: Math.floor(service.world.now() / 1000) + lifeS, serial: serial++ };
        tokens.push(`e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`);
        return (service.token = tokens.at(-1)!);
      },
    });
    await within(service, 1_000, client.play("CA", "GM01"));
    await clock.run(lifeS * 3_000);
    expect(service.sockets).toHaveLength(1);
    const [socket] = service.sockets;
    expect(socket!.protocols).toEqual(["headcount.v1", `bearer.${tokens[0]}`]);
    const shown = socket!.sent.filter(({ type }) => type === "token").map(({ token }) => token);
    expect(shown).toEqual(tokens.slice(1));
    expect(shown.length).toBeGreaterThanOrEqual(3);
    expect(service.placeOf(PLAYER)).toEqual(GM01);
  });

  test("that is lost comes back within 5 s, elsewhere, and the player is never away", async () => {
    const { service, client, clock } = setUp({ url: ["http://a.test", "http://b.test/"] });
    await within(service, 1_000, client.play("CA", "GM01"));
    service.sockets[0]!.end(1006);
    for (let step = 0; step < 60; step++) {
      await clock.run(100);
      expect(service.placeOf(PLAYER)).toEqual(GM01);
    }
    expect(service.sockets.map(({ url }) => new URL(url).host)).toEqual(["a.test", "b.test"]);
    expect(client.hasSession()).toBe(true);
    expect(service.sockets[1]!.openedAtMs - service.sockets[0]!.openedAtMs).toBeLessThan(6_100);
  });

  test.each([
    ["reconnect in 1234", 1012, 1_234, 1_234],
    ["retry in 4000", 1013, 4_000, 9_000],
  ])("that is closed with %s comes back then", async (reason, code, leastMs, mostMs) => {
    const { service, client, clock } = setUp();
    await within(service, 1_000, client.play("CA", "GM01"));
    const closedMs = clock.nowMs;
    service.sockets[0]!.end(code, reason);
    await clock.run(10_000);
    const afterMs = service.sockets[1]!.openedAtMs - closedMs;
    expect(afterMs).toBeGreaterThanOrEqual(leastMs);
    expect(afterMs).toBeLessThanOrEqual(mostMs);
    expect(service.placeOf(PLAYER)).toEqual(GM01);
  });

  test("that is dead without a word is noticed, also by a play that gets no answer", async () => {
    const { service, client, clock } = setUp();
    service.socketFault = () => (service.sockets.length < 3 ? "half-open" : undefined);
    expect(await within(service, 60_000, client.play("CA", "GM01"))).toMatchObject(GM01);
    expect(service.placeOf(PLAYER)).toEqual(GM01);
    await clock.run(60_000);
    expect([client.hasSession(), service.placeOf(PLAYER)]).toEqual([true, GM01]);
  });

  test("superseded: stays open, still watches, stands again only when it plays", async () => {
    const { service, client, clock, states } = setUp();
    const seen: unknown[] = [];
    await within(service, 5_000, client.play("CA", "GM01"));
    client.watch("CA", ({ gamemodes }) => seen.push(gamemodes));
    service.report(PLAYER, GM02, service.world.now() / 1000 + 60);
    await clock.run(100_000);
    service.renew(PLAYER);
    expect([client.state, client.hasSession(), service.sockets.length]).toEqual(["superseded", true, 1]);
    service.publish("CA", [{ mode: "GM09" }]);
    await clock.run(1_000);
    expect(seen.at(-1)).toEqual([{ mode: "GM09" }]);
    expect(service.sockets[0]!.sent.filter(({ type }) => type === "play")).toHaveLength(1);
    expect(service.calls.filter(({ method }) => method !== "GET")).toEqual([]);
    service.sockets[0]!.end(1006);
    await clock.run(60_000);
    expect([client.state, service.sockets[1]!.sent.filter(({ type }) => type === "play")]).toEqual(["superseded", []]);
    await within(service, 1_000, client.play("FR", "GM03"));
    expect([service.placeOf(PLAYER), states.at(-1)]).toEqual([{ region: "FR", gamemode: "GM03" }, "here"]);
  });

  test.each([429, 503])("refused with %i over it: said again over it, later and later", async (status) => {
    const { service, client, errors } = setUp();
    service.playFault = () => (errors.length < 4 ? status : undefined);
    expect(await within(service, 60_000, client.play("CA", "GM01"))).toMatchObject(GM01);
    expect(errors).toMatchObject(Array.from({ length: 4 }, () => ({ status })));
    const plays = service.sockets[0]!.sent.filter(({ type }) => type === "play");
    expect([plays.length, service.sockets.length, service.calls]).toEqual([5, 1, []]);
  });

  test("whose place is refused for good when it is said again is not said again and again without a pause", async () => {
    const { service, client, clock, errors } = setUp();
    await within(service, 1_000, client.play("CA", "GM01"));
    service.playFault = () => 403;
    const played = within(service, 600_000, client.play("CA", "GM02"));
    expect(await played).toMatchObject({ status: 403 });
    expect(errors.length).toBeGreaterThan(10);
    expect(errors.length).toBeLessThan(60);
    service.sockets[0]!.end(1006);
    await clock.run(600_000);
    expect(errors.length).toBeLessThan(120);
    service.playFault = () => undefined;
    await clock.run(60_100);
    expect([service.placeOf(PLAYER), client.state, service.calls]).toEqual([GM01, "here", []]);
  });

  test("refused for good while a place is refused as well: each is told of its own", async () => {
    const { service, client, errors } = setUp();
    await within(service, 1_000, client.play("CA", "GM01"));
    service.watchFault = () => 403;
    service.playFault = (mode) => (mode === "GM02" ? 409 : undefined);
    client.watch("CA", () => {});
    client.watch("US", () => {});
    const played = await within(service, 1_000, client.play("CA", "GM02"));
    expect(played).toMatchObject({ status: 409 });
    expect(errors.map(({ status }) => status)).toEqual([403, 403, 409]);
    expect([service.placeOf(PLAYER), client.state]).toEqual([GM01, "here"]);
  });

  test("4401 with a callback: another token, and the session again at once", async () => {
    const tokens = ["old", "new"];
    const { service, client } = setUp({ token: () => tokens.shift()! });
    service.token = "new";
    expect(await within(service, 3_000, client.play("CA", "GM01"))).toMatchObject(GM01);
    expect([client.hasSession(), service.sockets.length]).toEqual([true, 2]);
  });
});

describe("a player without sessions", () => {
  test("falls back to heartbeats at once, and does not look for sessions at every call", async () => {
    const { service, client, clock } = setUp({ hasSessions: false });
    expect(await within(service, 100, client.play("CA", "GM01"))).toMatchObject(GM01);
    for (let switches = 0; switches < 10; switches++) await within(service, 1_000, client.play("CA", `GM1${switches}`));
    await clock.run(200_000);
    expect(service.placeOf(PLAYER)).toEqual({ region: "CA", gamemode: "GM19" });
    expect(service.sockets.length).toBeLessThanOrEqual(5);
    const renewals = service.calls.filter(({ method }) => method === "PUT");
    expect(renewals.map(({ atMs }, index) => index > 0 && atMs - renewals[index - 1]!.atMs).slice(1)).toEqual(
      renewals.slice(1).map(() => 30_020),
    );
  });

  test("without WebSocket, or with sessions: false, never asks for one", async () => {
    const { service, client } = setUp({ sessions: false });
    await within(service, 100, client.play("CA", "GM01"));
    expect([service.placeOf(PLAYER), service.sockets]).toEqual([GM01, []]);
  });

  test("a connection that never opens holds nobody up for more than 2 s", async () => {
    const { service, client } = setUp();
    service.socketFault = () => "never opens";
    expect(await within(service, 2_100, client.play("CA", "GM01"))).toMatchObject(GM01);
  });

  test("404 to a heartbeat: reports again, with a newer seq", async () => {
    const { service, client, clock } = setUp({ hasSessions: false });
    await within(service, 100, client.play("CA", "GM01"));
    service.forgetEverybody();
    await clock.run(31_000);
    expect(service.placeOf(PLAYER)).toEqual(GM01);
    const seqs = service.calls
      .filter(({ method }) => method === "POST")
      .map(({ body }) => JSON.parse(body).seq as number);
    expect(seqs).toEqual([seqs[0], seqs[0]! + 1]);
  });

  test("202: told so, and reported again until it is remembered", async () => {
    const { service, client, clock } = setUp({ hasSessions: false });
    let times = 3;
    service.fault = () => (times-- > 0 ? "202" : undefined);
    expect(await within(service, 100, client.play("CA", "GM01"))).toMatchObject({ remembered: false });
    await clock.run(20_000);
    expect(service.calls.filter(({ method }) => method === "POST")).toHaveLength(4);
    expect(service.calls.filter(({ method }) => method === "PUT")).toHaveLength(0);
  });

  test("a second device that played later wins over a retry, and over a report again", async () => {
    const { service, client, clock, states } = setUp({ hasSessions: false });
    service.fault = () => "503";
    const playing = client.play("CA", "GM01");
    await clock.run(5_000);
    service.report(PLAYER, GM02, Math.floor(service.world.now() / 1000));
    service.fault = () => undefined;
    expect(await within(service, 60_000, playing)).toMatchObject({ reason: "superseded" });
    expect([service.placeOf(PLAYER), states.at(-1)]).toEqual([GM02, "superseded"]);
  });

  test("seq rises with the clock, and by one within a second", async () => {
    const { service, client, clock } = setUp({ hasSessions: false });
    for (const mode of ["A", "B", "C"]) await within(service, 100, client.play("CA", mode));
    await clock.run(10_000);
    await within(service, 100, client.leave());
    const start = 1_767_225_600;
    expect(service.calls.map(({ url, body }) => new URL(url).searchParams.get("seq") ?? JSON.parse(body).seq)).toEqual([
      start,
      start + 1,
      start + 2,
      `${start + 10}`,
    ]);
  });
});

describe("what a caller is told", () => {
  test("a refusal for good: status, reason, message; what stood before stands, and is renewed", async () => {
    const { service, client, clock, errors } = setUp({ hasSessions: false });
    await within(service, 100, client.play("CA", "GM01"));
    const refused = await within(service, 100, client.play("CA", "REFUSED"));
    expect(refused).toMatchObject({
      name: "HeadcountError",
      status: 403,
      reason: "not-entitled",
      message: "refused: not-entitled",
    });
    await clock.run(200_000);
    expect([service.placeOf(PLAYER), client.state, errors]).toEqual([GM01, "here", [refused]]);
  });

  test("Retry-After is waited for, and more by chance", async () => {
    const { service, client, clock, errors } = setUp({ hasSessions: false });
    service.fault = () => (service.calls.length < 3 ? "503 with Retry-After" : undefined);
    await within(service, 60_000, client.play("CA", "GM01"));
    const [first, second, third] = service.calls.map(({ atMs }) => atMs);
    expect(errors.map(({ retryAfterMs }) => retryAfterMs)).toEqual([7_000, 7_000]);
    for (const pauseMs of [second! - first!, third! - second!]) {
      expect(pauseMs).toBeGreaterThan(7_000);
      expect(pauseMs).toBeLessThan(9_100);
    }
    expect(clock.nowMs).toBeGreaterThan(0);
  });

  test("401 without a callback is for good; with one the request goes again with another token", async () => {
    const fixed = setUp({ hasSessions: false, token: "old" });
    fixed.service.token = "new";
    expect(await within(fixed.service, 1_000, fixed.client.play("CA", "GM01"))).toMatchObject({
      status: 401,
      reason: "credentials",
    });
    const tokens = ["old", "new"];
    const renewing = setUp({ hasSessions: false, token: async () => tokens.shift()! });
    renewing.service.token = "new";
    expect(await within(renewing.service, 1_000, renewing.client.play("CA", "GM01"))).toMatchObject(GM01);
    expect(renewing.service.calls).toHaveLength(2);
  });

  test("a token callback that fails or hangs is an error, and asked again", async () => {
    let times = 0;
    const { service, client, errors } = setUp({
      hasSessions: false,
      token: () => {
        times++;
        if (times === 1) throw new Error("login is down");
        return times === 2 ? new Promise<string>(() => {}) : "good";
      },
    });
    service.token = "good";
    expect(await within(service, 60_000, client.play("CA", "GM01"))).toMatchObject(GM01);
    expect(errors[0]).toMatchObject({ status: 0, reason: "token", message: "token(): Error: login is down" });
  });

  test("several URLs: one is kept until it fails", async () => {
    const { service, client, clock } = setUp({ url: ["http://a.test", "http://b.test"], hasSessions: false });
    await within(service, 100, client.play("CA", "GM01"));
    await clock.run(100_000);
    service.fault = (url) => (url.startsWith("http://a") ? "refused" : undefined);
    await within(service, 3_000, client.play("CA", "GM02"));
    service.fault = () => undefined;
    await clock.run(100_000);
    const hosts = service.calls.map(({ url }) => new URL(url).host);
    expect([...new Set(hosts.slice(0, hosts.indexOf("b.test")))]).toEqual(["a.test"]);
    expect([...new Set(hosts.slice(hosts.indexOf("b.test")))]).toEqual(["b.test"]);
  });

  test.each([
    "a page",
    "a page with 404",
    "half of JSON",
    "null",
    "503",
    "429",
    "refused",
    "hangs",
    "dropped after its effect",
  ] as const)("%s is no answer: tried again until there is one", async (fault) => {
    const { service, client, errors } = setUp({ hasSessions: false });
    service.fault = () => (service.calls.length < 3 ? fault : undefined);
    expect(await within(service, 60_000, client.play("CA", "GM01"))).toMatchObject(GM01);
    expect([service.placeOf(PLAYER), errors.length]).toEqual([GM01, 2]);
  });

  test("an AbortSignal takes a play back: the player is where it was, also where the report had come through", async () => {
    for (const fault of ["hangs", "hangs after its effect"] as const) {
      const { service, client, clock } = setUp({ hasSessions: false });
      await within(service, 100, client.play("CA", "GM01"));
      service.fault = () => fault;
      const cancel = new AbortController();
      const playing = client.play("US", "GM02", { signal: cancel.signal });
      await clock.run(1_000);
      service.fault = () => undefined;
      cancel.abort(new Error("the menu was closed"));
      expect(await within(service, 5_000, playing)).toEqual(new Error("the menu was closed"));
      expect([service.placeOf(PLAYER), client.state]).toEqual([GM01, "here"]);
    }
  });

  test("a signal's reason is what a play is rejected with, also where it is no Error", async () => {
    const { service, client } = setUp({ hasSessions: false });
    service.fault = () => "hangs";
    const cancel = new AbortController();
    const playing = client.play("CA", "GM01", { signal: cancel.signal });
    cancel.abort("thought again");
    await expect(playing).rejects.toBe("thought again");
  });

  test("a play that another replaces says so; close() too, and nothing goes on after it", async () => {
    const { service, client, clock, states } = setUp({ hasSessions: false });
    service.fault = () => "hangs";
    const [first, second] = [client.play("CA", "GM01"), client.play("CA", "GM02")];
    expect(await within(service, 10, first)).toMatchObject({ reason: "replaced" });
    client.close();
    expect(await within(service, 10, second)).toMatchObject({ reason: "closed" });
    expect(await within(service, 10, client.play("CA", "GM01"))).toMatchObject({ reason: "closed" });
    expect(await within(service, 10, client.top("CA"))).toMatchObject({ reason: "closed" });
    const calls = service.calls.length;
    await clock.run(600_000);
    expect([service.calls.length, clock.timerCount, states.at(-1)]).toEqual([calls, 0, "closed"]);
  });

  test("the network comes back: what waits goes soon", async () => {
    const events = new EventTarget();
    const service = new FakeService(new SeededRandom(1));
    service.hasSessions = false;
    const client = new Headcount({ url: "http://a.test", profileId: PLAYER, world: { ...service.world, events } });
    service.fault = () => "refused";
    const playing = client.play("CA", "GM01");
    await service.clock.run(300_000);
    service.fault = () => undefined;
    events.dispatchEvent(new Event("online"));
    expect(await within(service, 1_100, playing)).toMatchObject(GM01);
  });

  test("a URL that is none is a TypeError", () => {
    expect(() => new Headcount({ url: "ftp://a" })).toThrow(TypeError);
  });
});
