/** Watching and asking what is popular: over a session, a stream, by polling. */
import { describe, expect, test } from "vitest";
import { Headcount, type HeadcountError, type HeadcountOptions, type Popular } from "../../client/index.ts";
import { eventReader } from "../../client/event-stream.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { FakeService } from "../support/fake-service.ts";

const PLAYER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";
const modes = (mode: string) => [{ mode, rank: 1, players: 1, share: 1 }];

function setUp(options: Partial<HeadcountOptions> = {}) {
  const service = new FakeService(new SeededRandom(1));
  const errors: HeadcountError[] = [];
  const client = new Headcount({
    url: "http://a.test",
    profileId: PLAYER,
    world: service.world,
    onError: (error) => errors.push(error),
    ...options,
  });
  const seen: string[] = [];
  const note = ({ gamemodes }: Popular): number => seen.push(gamemodes[0]?.mode ?? "none");
  return { service, client, clock: service.clock, errors, seen, note };
}

describe("watch", () => {
  test("over a stream where there is no session: resumes with the newest id, and tells nothing twice", async () => {
    const { service, client, clock, seen, note } = setUp();
    service.publish("CA", modes("GM01"));
    client.watch("ca", note, { every: 500 });
    await clock.run(1_000);
    service.publish("CA", modes("GM02"));
    await clock.run(1_000);
    service.endStreams();
    await clock.run(20_000);
    service.publish("CA", modes("GM03"));
    await clock.run(1_000);
    expect(seen).toEqual(["GM01", "GM02", "GM03"]);
    const [first, second] = service.calls;
    expect(first!.url).toBe("http://a.test/v1/regions/CA/gamemode/stream?top=5&every=500");
    expect([first!.headers.get("last-event-id"), first!.headers.get("accept")]).toEqual([null, "text/event-stream"]);
    expect(second!.headers.get("last-event-id")).toContain("GM02");
    expect(second!.atMs - first!.atMs).toBeGreaterThanOrEqual(3_000 + 2_000); // after `retry:`, and some by chance
  });

  test("bye: comes back when it is told to, elsewhere", async () => {
    const { service, client, clock, note } = setUp({ url: ["http://a.test", "http://b.test"] });
    client.watch("CA", note);
    await clock.run(1_000);
    service.endStreams('event: bye\ndata: {"reconnectInMs":4321}\n\n');
    await clock.run(4_400);
    expect(service.calls.map(({ url, atMs }) => [new URL(url).host, Math.round(atMs)])).toEqual([
      ["a.test", 0],
      ["b.test", 5_321],
    ]);
  });

  test("a stream that is silent for 45 s is dead", async () => {
    const { service, client, clock, errors, note } = setUp();
    client.watch("CA", note);
    await clock.run(60_000);
    expect(errors).toMatchObject([{ reason: "timeout" }]);
    expect(service.calls).toHaveLength(2);
    expect(service.streamCount).toBe(1);
  });

  test("by polling with the tag where there are no streams, and streams again later", async () => {
    const { service, client, clock, seen, note, errors } = setUp();
    service.hasStreams = false;
    service.publish("CA", modes("GM01"));
    client.watch("CA", note);
    await clock.run(30_000);
    service.publish("CA", modes("GM02"));
    await clock.run(10_000);
    expect([seen, errors]).toEqual([["GM01", "GM02"], []]);
    const polls = service.calls.slice(1);
    expect(polls.length).toBeGreaterThan(6);
    expect(polls.length).toBeLessThan(12);
    expect(polls[1]!.headers.get("if-none-match")).toContain("GM01");
    service.hasStreams = true;
    await clock.run(600_000);
    expect(service.streamCount).toBe(1);
  });

  test("over the session where there is one, from the first 8 places; a stream for the ninth", async () => {
    const { service, client, clock, seen, note } = setUp();
    const places = ["AR", "BE", "CA", "DE", "EE", "FR", "GR", "HU", "IT"];
    for (const place of places) service.publish(place, modes(place));
    void client.play("CA", "GM01");
    const ends = places.map((place) => client.watch(place, note));
    await clock.run(3_000);
    expect(seen.toSorted()).toEqual(places.toSorted());
    expect([service.streamCount, service.sockets[0]!.watches.size]).toEqual([1, 8]);
    ends[2]!();
    await clock.run(1_000);
    expect([service.streamCount, [...service.sockets[0]!.watches].toSorted()]).toEqual([
      0,
      places.filter((place) => place !== "CA").toSorted(),
    ]);
    service.publish("CA", modes("new"));
    service.publish("IT", modes("new"));
    await clock.run(1_000);
    expect(seen.slice(places.length)).toEqual(["new"]);
  });

  test("a session that is lost: a stream in its place unless it is back soon", async () => {
    const { service, client, clock, seen, note } = setUp();
    service.publish("CA", modes("GM01"));
    void client.play("CA", "GM01");
    client.watch("CA", note);
    await clock.run(1_000);
    service.sockets[0]!.end(1006);
    await clock.run(20_000);
    expect([service.sockets.length, service.streamCount, service.calls.length]).toEqual([2, 0, 0]);
    service.hasSessions = false;
    service.sockets[1]!.end(1006);
    await clock.run(20_000);
    service.publish("CA", modes("GM02"));
    await clock.run(1_000);
    expect([seen, service.streamCount]).toEqual([["GM01", "GM02"], 1]);
  });

  test("ends by its signal, by the function that it gives, and by close()", async () => {
    const { service, client, clock, note } = setUp();
    const cancel = new AbortController();
    client.watch("CA", note, { signal: cancel.signal });
    const end = client.watch("US", note);
    client.watch("FR", note);
    await clock.run(1_000);
    expect(service.streamCount).toBe(3);
    cancel.abort();
    end();
    await clock.run(1_000);
    expect(service.streamCount).toBe(1);
    client.close();
    await clock.run(1_000);
    expect([service.streamCount, clock.timerCount]).toEqual([0, 0]);
    expect(() => client.watch("CA", note)).toThrow("closed");
  });

  test("what a listener throws is its own matter", async () => {
    const { service, client, clock } = setUp();
    const unhandled: unknown[] = [];
    const listener = (error: unknown): number => unhandled.push(error);
    process.prependListener("unhandledRejection", listener);
    const others = process.listeners("unhandledRejection").filter((each) => each !== listener);
    for (const other of others) process.removeListener("unhandledRejection", other);
    let times = 0;
    client.watch("CA", () => {
      times++;
      throw new Error("a fault of the game");
    });
    await clock.run(1_000);
    service.publish("CA", modes("GM02"));
    await clock.run(1_000);
    process.removeListener("unhandledRejection", listener);
    for (const other of others) process.on("unhandledRejection", other);
    expect([times, unhandled.map(String), service.calls.length]).toEqual([
      2,
      ["Error: a fault of the game", "Error: a fault of the game"],
      1,
    ]);
  });
});

describe("top", () => {
  test("gives what is popular; tries again four times at most", async () => {
    const { service, client, clock } = setUp();
    service.publish("CA", modes("GM01"));
    service.fault = () => (service.calls.length < 4 ? "503" : undefined);
    const asked = client.top("CA", { top: 3, include: ["trend", "peak"] });
    await clock.run(10_000);
    expect(await asked).toMatchObject({ region: "CA", gamemodes: modes("GM01") });
    expect([service.calls.length, service.calls[0]!.url]).toEqual([
      4,
      "http://a.test/v1/regions/CA/gamemode?top=3&include=trend,peak",
    ]);
    service.fault = () => "refused";
    const failing = client.top("CA");
    failing.catch(() => {});
    await clock.run(10_000);
    await expect(failing).rejects.toMatchObject({ status: 0, reason: "unreachable" });
    expect(service.calls).toHaveLength(8);
  });

  test("ends by its signal", async () => {
    const { service, client, clock } = setUp();
    service.fault = () => "hangs";
    const cancel = new AbortController();
    const asked = client.top("CA", { signal: cancel.signal });
    asked.catch(() => {});
    await clock.run(100);
    cancel.abort(new Error("enough"));
    await expect(asked).rejects.toThrow("enough");
  });
});

describe("eventReader()", () => {
  const read = (...pieces: readonly string[]): unknown[] => {
    const events: unknown[] = [];
    const take = eventReader(
      (type, data, id) => events.push([type, data, id]),
      (ms) => events.push(ms),
    );
    for (const piece of pieces) take(piece);
    return events;
  };

  test.each([
    ["one event", ["data: a\n\n"], [["message", "a", ""]]],
    ["CR, LF and CRLF, cut anywhere", ["data: a\r", "\ndata:b\r", "data: c\n", "\n"], [["message", "a\nb\nc", ""]]],
    ["only one space goes", ["data:  a\n\n"], [["message", " a", ""]]],
    ["comments, unknown fields, a field without a colon", [":hi\nx: y\ndata\n\n"], [["message", "", ""]]],
    ["no data, no event", ["event: top\n\ndata: a\n\n"], [["message", "a", ""]]],
    [
      "the id stays, but one with NUL is none",
      ["id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n"],
      [
        ["message", "a", "1"],
        ["message", "b", "1"],
        ["message", "c", ""],
      ],
    ],
    ["retry is digits only", ["retry: 12\nretry: 1x\nretry: \n\n"], [12]],
    ["what is not ended is not told", ["data: a\n"], []],
  ] as const)("%s", (_, pieces, events) => {
    expect(read(...pieces)).toEqual(events);
  });

  test("pieces of one character each say the same", () => {
    const text = "retry: 5\r\nevent: top\r\nid: 7\r\ndata: {\r\ndata: }\r\n\r\n:c\r\n\r\ndata: x\r\n\r\n";
    expect(read(...Array.from(text))).toEqual(read(text));
    expect(read(text)).toEqual([5, ["top", "{\n}", "7"], ["message", "x", "7"]]);
  });
});
