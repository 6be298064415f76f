/** Watching over a session: what it refuses, and how it ends. */
import { describe, expect, test } from "vitest";
import { Headcount, type HeadcountError, type Popular } from "../../client/index.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { FakeService } from "../support/fake-service.ts";

const PLAYER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";
const modes = (mode: string) => [{ mode, rank: 1, players: 1, share: 1 }];

describe("watch over a session", () => {
  /** A player whose session is open. */
  async function atSession() {
    const service = new FakeService(new SeededRandom(1));
    const { clock, world } = service;
    const errors: HeadcountError[] = [];
    const onError = (error: HeadcountError): number => errors.push(error);
    const client = new Headcount({ url: "http://a.test", profileId: PLAYER, world, onError });
    const seen: string[] = [];
    const note = ({ gamemodes }: Popular): number => seen.push(gamemodes[0]?.mode ?? "none");
    void client.play("FR", "GM01");
    await clock.run(1_000);
    const socket = service.sockets[0]!;
    const asked = (): unknown[] => socket.sent.filter(({ type }) => type === "watch").map(({ place }) => place);
    return { service, client, clock, errors, seen, note, socket, asked };
  }

  test.each([429, 503])("that is refused with %i is asked again, later and later, until it is not", async (status) => {
    const { service, client, clock, errors, seen, note, asked } = await atSession();
    service.publish("CA", modes("GM01"));
    service.watchFault = () => status;
    client.watch("CA", note);
    await clock.run(600_000);
    const tries = asked().length;
    expect(tries).toBeGreaterThan(10);
    expect(tries).toBeLessThan(60); // 60 s at the most, half of that on average
    expect(errors).toEqual(Array.from({ length: tries }, () => expect.objectContaining({ status })));
    service.watchFault = () => undefined;
    await clock.run(60_100);
    service.publish("CA", modes("GM02"));
    await clock.run(1_000);
    expect([seen, asked().length, service.calls]).toEqual([["GM01", "GM02"], tries + 1, []]);
    client.close();
    await clock.run(11_000); // the service's grace
    expect(clock.timerCount).toBe(0);
  });

  test("is asked again with jitter: two that were refused at once come at other times", async () => {
    const { service, client, clock, note, asked } = await atSession();
    service.watchFault = () => 503;
    for (const place of ["CA", "US"]) client.watch(place, note);
    await clock.run(30);
    service.watchFault = () => undefined;
    let [first, second] = [0, 0];
    for (; second === 0 && clock.nowMs < 20_000; await clock.run(10)) {
      if (first === 0 && asked().length >= 3) first = clock.nowMs;
      if (asked().length === 4) second = clock.nowMs;
    }
    expect(second).toBeGreaterThan(first);
  });

  test("begins anew with short pauses once it was shown something", async () => {
    const { service, client, clock, seen, note } = await atSession();
    service.watchFault = () => 503;
    client.watch("CA", note);
    await clock.run(300_000);
    service.watchFault = () => undefined;
    await clock.run(61_000);
    expect(seen).toEqual(["none"]);
    service.watchFault = () => 503;
    service.sockets[0]!.end(1006);
    await clock.run(5_100); // it is back, and refused once
    service.watchFault = () => undefined;
    service.publish("CA", modes("GM02"));
    await clock.run(5_100);
    expect(seen).toEqual(["none", "GM02"]);
  });

  test.each([400, 403, 404])("that is refused with %i is told, once, and ends; others go on", async (status) => {
    const { service, client, clock, errors, seen, note, socket, asked } = await atSession();
    service.watchFault = (place) => (place === "US-CA" || place === "XX" ? status : undefined);
    client.watch("CA", note);
    client.watch("XX", note);
    await clock.run(600_000);
    service.publish("CA", modes("GM02"));
    service.publish("XX", modes("GM03"));
    await clock.run(1_000);
    expect(errors).toMatchObject([{ name: "HeadcountError", status, message: `refused: ${status}` }]);
    expect([seen, asked(), service.calls]).toEqual([["none", "GM02"], ["CA", "XX"], []]);
    socket.end(1006);
    await clock.run(60_000);
    expect([service.sockets.length, [...service.sockets[1]!.watches], service.calls]).toEqual([2, ["CA"], []]);
  });

  test("a place that is refused for good leaves its room to the ninth", async () => {
    const { service, client, clock, seen, note, socket } = await atSession();
    service.watchFault = (place) => (place === "XX" ? 403 : undefined);
    const places = ["AR", "BE", "CA", "DE", "EE", "FR", "GR"];
    for (const place of [...places, "XX", "IT"]) client.watch(place, note);
    await clock.run(10_000);
    expect([[...socket.watches].toSorted(), service.streamCount]).toEqual([[...places, "IT"].toSorted(), 0]);
    expect(seen).toHaveLength(8);
  });

  test("a place that waits to be asked again keeps its room: the ninth stays on its stream", async () => {
    const { service, client, clock, note, socket } = await atSession();
    const places = ["AR", "BE", "CA", "DE", "EE", "FR", "GR", "XX"];
    service.watchFault = (place) => (place === "XX" ? 503 : undefined);
    const ends = [...places, "IT"].map((place) => client.watch(place, note));
    await clock.run(10_000);
    expect([socket.watches.size, service.streamCount]).toEqual([7, 1]);
    service.watchFault = () => undefined;
    await clock.run(60_000);
    expect([[...socket.watches].toSorted(), service.streamCount]).toEqual([places.toSorted(), 1]);
    for (const end of ends) end();
    await clock.run(100);
    expect([socket.watches.size, service.streamCount]).toEqual([0, 0]);
  });

  test("a refusal that its end crosses is not that of the same place, watched again", async () => {
    const { service, client, clock, seen, note, socket, asked } = await atSession();
    service.watchFault = () => 403;
    const end = client.watch("CA", note);
    await clock.run(20); // it has reached the service; the refusal is on its way
    service.watchFault = () => undefined;
    end();
    client.watch("CA", note);
    await clock.run(60_000);
    expect([seen, asked(), [...socket.watches], service.calls]).toEqual([["none"], ["CA", "CA"], ["CA"], []]);
  });

  test("one that ends while it waits to be asked again is not asked again", async () => {
    const { service, client, clock, note, asked } = await atSession();
    service.watchFault = () => 503;
    const end = client.watch("CA", note);
    await clock.run(50);
    end();
    await clock.run(120_000);
    expect(asked()).toEqual(["CA"]);
  });

  test("one that waits to be asked again goes on over HTTP where the session is lost for long", async () => {
    const { service, client, clock, seen, note, socket, asked } = await atSession();
    service.watchFault = () => 503;
    client.watch("CA", note);
    await clock.run(50);
    service.hasSessions = false;
    socket.end(1006);
    await clock.run(20_000);
    expect([seen, asked(), service.streamCount]).toEqual([["none"], ["CA"], 1]);
  });

  test.each([1000, 1001, 1002, 1006, 1009, 1011, 1012, 1013, 4400, 4401])(
    "goes on, whatever its session is closed with (%i)",
    async (code) => {
      const { service, client, clock, seen, note, socket } = await atSession();
      client.watch("CA", note);
      await clock.run(1_000);
      socket.end(code, { 1012: "reconnect in 700", 1013: "retry in 3000" }[code]);
      await clock.run(11_000);
      service.publish("CA", modes("GM02"));
      await clock.run(1_000);
      expect(seen).toEqual(["none", "GM02"]);
      await clock.run(600_000);
      service.publish("CA", modes("GM03"));
      await clock.run(1_000);
      expect([seen, client.hasSession(), service.streamCount]).toEqual([["none", "GM02", "GM03"], true, 0]);
    },
  );

  test("goes on when the player leaves", async () => {
    const { service, client, clock, seen, note } = await atSession();
    client.watch("CA", note);
    await clock.run(1_000);
    void client.leave();
    await clock.run(11_000);
    service.publish("CA", modes("GM02"));
    await clock.run(1_000);
    expect([seen, client.hasSession(), service.streamCount]).toEqual([["none", "GM02"], false, 1]);
  });

  test("a country and a subdivision that ends with its code are not taken for one another", async () => {
    const { service, client, clock } = await atSession();
    const seen: string[] = [];
    for (const place of ["US-CA", "CA"])
      client.watch(place, ({ gamemodes }) => seen.push(`${place} ${gamemodes[0]?.mode ?? "none"}`));
    await clock.run(5_000);
    service.publish("CA", modes("GM02"));
    await clock.run(1_000);
    service.publish("US-CA", modes("GM03"));
    await clock.run(1_000);
    expect([seen.slice(0, 2).toSorted(), seen.slice(2)]).toEqual([
      ["CA none", "US-CA none"],
      ["CA GM02", "US-CA GM03"],
    ]);
    expect([[...service.sockets[0]!.watches].toSorted(), service.streamCount]).toEqual([["CA", "US-CA"], 0]);
  });

  test("a subdivision that is given back as the country that it is", async () => {
    const { service, client, clock, seen, note, socket } = await atSession();
    client.watch("NO-21", note);
    await clock.run(5_000);
    service.publish("SJ", modes("GM02"));
    await clock.run(1_000);
    expect([seen, [...socket.watches], service.streamCount]).toEqual([["none", "GM02"], ["SJ"], 0]);
  });
});
