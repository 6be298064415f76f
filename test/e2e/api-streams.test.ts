/** What is popular, pushed: server-sent events of one node, as a process of its own. */
import { describe, expect, test } from "vitest";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { type WatchPlaceOptions, type PlaceStream, watchPlace } from "../support/event-stream.ts";
import { HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { expectError, freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { until } from "../support/until.ts";

const streamOf = (region: string, query = "?every=250"): string => `/v1/regions/${region}/gamemode/stream${query}`;
const last = ({ events }: PlaceStream) => events.at(-1)?.json;

describe.each(["on", "off"])("a stream, the fast lane %s", (lane) => {
  const ORIGIN = "https://game.example";
  const shared = shareNode({ env: { HEADCOUNT_FAST_LANE: lane, HEADCOUNT_CORS_ORIGINS: ORIGIN } });
  const watch = (path: string, options?: WatchPlaceOptions): Promise<PlaceStream> =>
    watchPlace(shared.node.port, path, options);
  const play = async (region: string, gamemode: string): Promise<void> => {
    expect((await shared.http.report(freshPlayer(), { region, gamemode })).status).toBe(200);
  };

  test("is the answer of the GET, at once and whenever it changes, under its tag", async () => {
    const region = freshRegion();
    await using stream = await watch(streamOf(region, "?top=2&every=250"), { headers: { origin: ORIGIN } });
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "access-control-allow-origin": ORIGIN,
      connection: "close",
    });
    await stream.until("the first event", ({ events }) => events.length === 1);
    expect(stream.parser.retryMs).toBeGreaterThanOrEqual(1000);
    expect(stream.parser.retryMs).toBeLessThanOrEqual(5000);
    expect(last(stream)).toMatchObject({ region, players: 0, gamemodes: [] });
    for (const mode of ["GM01", "GM02", "GM03", "GM01"]) await play(region, mode);
    await stream.until("all players", () => last(stream).players === 4);
    const answer = await shared.http.get(`/v1/regions/${region}/gamemode?top=2`);
    const event = stream.events.at(-1);
    expect(event?.type).toBe("top");
    expect(event?.lastEventId).toBe(answer.headers["etag"]);
    const { asOf, ...stands } = answer.json;
    expect(Object.keys(event?.json)).toEqual(Object.keys(answer.json));
    expect(event?.json).toEqual({ ...stands, asOf: expect.any(String) });
    expect(Date.parse(event?.json.asOf)).toBeLessThanOrEqual(Date.parse(asOf));
  });

  test("what is known is left out, and what changed since is not", async () => {
    const region = freshRegion();
    await play(region, "GM01");
    const { etag } = (await shared.http.get(`/v1/regions/${region}/gamemode`)).headers;
    await using resumed = await watch(streamOf(region), { headers: { "last-event-id": String(etag) } });
    await using behind = await watch(streamOf(region), { headers: { "last-event-id": 'W/"another"' } });
    await behind.until("an event", ({ events }) => events.length === 1);
    expect([resumed.events, last(behind).players]).toEqual([[], 1]);
    await play(region, "GM02");
    await resumed.until("the change", ({ events }) => events.length === 1);
    expect(last(resumed).players).toBe(2);
  });

  test("comes at most once every so many milliseconds, and then with the latest", async () => {
    const region = freshRegion();
    await using stream = await watch(streamOf(region, "?every=1000"));
    let players = 0;
    while (stream.events.length < 4) {
      await play(region, "GM01");
      players++;
    }
    await stream.until("all of them", () => last(stream).players === players);
    const counts = stream.events.map(({ json }) => json.players);
    expect(counts).toEqual(counts.toSorted((one, other) => one - other));
    expect(players).toBeGreaterThan(stream.events.length); // some were left out
    const gaps = stream.events
      .slice(1)
      .map(({ json }, at) => Date.parse(json.asOf) - Date.parse(stream.events[at]?.json.asOf));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(900); // the instants are of when frames were made, a moment before they were sent
  });

  test.each([
    ["?every=249", /^every must be a whole number from 250 to 60000, got "249"/],
    ["?every=60001", /^every must be/],
    ["?every=2s", /^every must be/],
    ["?every=250&every=250", /^every must be .*, got an array of 2/],
    ["?top=0", /^top must be a whole number from 1 to 100, got "0"/],
    ["?include=trend", /^include must be left out.*, got "trend"/],
    ["?include=a&include=b", /^include must be left out.*, got an array of 2/],
  ])("%s is refused", async (query, message) => {
    expectError(await shared.http.get(streamOf("CA", query)), 400, message);
  });

  test("a region that is none is refused; HEAD is not for streams; no other method is", async () => {
    expectError(await shared.http.get(streamOf("XX")), 400, /^region must be/);
    const head = await shared.http.request("HEAD", streamOf("CA"));
    expect([head.status, head.headers["allow"]]).toEqual([405, "GET, OPTIONS"]);
    expectError(await shared.http.request("POST", streamOf("CA")), 405, /^method must be one of GET, OPTIONS/);
  });

  test("include is refused of the plain answer too", async () => {
    expectError(await shared.http.get("/v1/regions/CA/gamemode?include=peak"), 400, /^include must be left out/);
  });

  test("HTTP/1.0, and what is pipelined behind it or before it", async () => {
    const region = freshRegion();
    await using old = await watch(streamOf(region), { version: "1.0" });
    await old.until("an event", ({ events }) => events.length === 1);
    const node = "GET /v1/node HTTP/1.1\r\nhost: a\r\n\r\n";
    await using stream = await watch(streamOf(region), { behind: node.repeat(3) });
    await stream.until("an event", ({ events }) => events.length === 1);
    await play(region, "GM01");
    await stream.until("the change", () => last(stream).players === 1);
    await old.until("the change", () => last(old).players === 1);
    expect(stream.body).not.toContain("HTTP/1.1"); // what stood behind it is not answered
    await using after = await watch("/v1/node", { behind: `GET ${streamOf(region)} HTTP/1.1\r\nhost: a\r\n\r\n` });
    await until("both answers", () => after.body.includes("event: top"));
    expect(after.body).toMatch(/^\{"id":[^\r]*\}HTTP\/1.1 200 OK\r\n/);
  });

  test("who has ended its side gets what stands, and the end", async () => {
    await using stream = await watch(streamOf(freshRegion()), { isHalfClosed: true });
    await stream.until("the end", ({ isEnded }) => isEnded);
    expect(stream.events).toHaveLength(1);
  });

  test("is counted while it is open, and its place is given back", async () => {
    const region = freshRegion();
    const metric = async (name: string): Promise<number> => {
      const { text } = await shared.http.get("/metrics");
      return Number(new RegExp(`^headcount_${name} (\\d+)$`, "m").exec(text)?.[1]);
    };
    await until("no stream", async () => (await metric("streams")) === 0);
    {
      await using stream = await watch(streamOf(region));
      await stream.until("an event", ({ events }) => events.length === 1);
      await until("one stream", async () => (await metric("streams")) === 1);
      expect(await metric("watchers")).toBe(1);
    }
    await until("no stream again", async () => (await metric("streams")) === 0);
    expect(await metric("watchers")).toBe(0);
    expect(await metric("stream_bytes_total")).toBeGreaterThan(100);
    const { text } = await shared.http.get("/metrics");
    expect(text).toMatch(
      /^headcount_http_requests_total\{route="GET \/v1\/regions\/\{region\}\/gamemode\/stream",status="200"\} \d/m,
    );
  });
});

test("streams that are switched off are refused, and those that are open are ended", async () => {
  const env = await adminSettings();
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  await using admin = new AdminClient(env);
  await using stream = await watchPlace(node.port, streamOf("CA"));
  const off = await admin.put("/admin/switches/streams", { enabled: false, reason: "too many" });
  expect(off.status).toBe(200);
  await stream.until("the end", ({ isEnded }) => isEnded);
  expect(stream.of("bye")).toHaveLength(1);
  expectError(await http.get(streamOf("CA")), 503, "streams are switched off: too many");
  expect((await http.top("CA")).status).toBe(200);
  await admin.put("/admin/switches/streams", { enabled: true });
  await using again = await watchPlace(node.port, streamOf("CA"));
  expect(again.status).toBe(200);
  const { hours } = (await admin.get("/admin/usage")).json;
  expect(hours.reduce((sum: number, hour: { streams: number }) => sum + hour.streams, 0)).toBe(2);
});

test("a node that drains says goodbye to all, spread, with when to come again, and ends in good order", async () => {
  await using node = await startNode();
  const streams = await Promise.all(Array.from({ length: 20 }, () => watchPlace(node.port, streamOf("CA"))));
  expect(await node.stop()).toBe(0);
  const waits = new Set<number>();
  const byes: number[] = [];
  for (const stream of streams) {
    await stream.until("the end", ({ isEnded }) => isEnded);
    const [bye] = stream.of("bye");
    expect(bye?.json).toEqual({ reconnectInMs: stream.parser.retryMs });
    expect(bye?.json.reconnectInMs).toBeGreaterThanOrEqual(1000);
    expect(bye?.json.reconnectInMs).toBeLessThanOrEqual(5000);
    expect(stream.events.at(-1)).toBe(bye);
    waits.add(bye?.json.reconnectInMs);
    byes.push(bye?.atMs as number);
    await stream[Symbol.asyncDispose]();
  }
  expect(waits.size).toBeGreaterThan(5);
  expect(Math.max(...byes) - Math.min(...byes)).toBeGreaterThan(100);
});

test("a full node refuses with 503, a full address with 429, and a place is free again when a stream ends", async () => {
  const env = { HEADCOUNT_STREAMS_MAX: "3", HEADCOUNT_STREAMS_ADDRESS: "1", HEADCOUNT_TRUST_PROXY: "127.0.0.1" };
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
  const one = await watchPlace(node.port, streamOf("CA"), from("198.51.100.1"));
  const full = await http.get(streamOf("CA"), from("198.51.100.1"));
  expectError(full, 429, /^streams from one address must be at most 1, and there are so many/);
  expect(full.headers).toMatchObject({ "retry-after": "5", ratelimit: '"streams";r=0;t=5' });
  // Nobody is named: such a stream has only the limit of all.
  await using two = await watchPlace(node.port, streamOf("CA"));
  await using three = await watchPlace(node.port, streamOf("CA"), from("127.0.0.1"));
  expect([one.status, two.status, three.status]).toEqual([200, 200, 200]);
  const over = await http.get(streamOf("CA"), from("198.51.100.2"));
  expectError(over, 503, /^streams of this node must be at most 3, and there are so many/);
  expect(over.headers["retry-after"]).toBe("5");
  await one[Symbol.asyncDispose]();
  await until("a place is free", async () => {
    await using again = await watchPlace(node.port, streamOf("CA"), from("198.51.100.1"));
    return again.status === 200;
  });
});

test("where reads are guarded a stream needs a token", async () => {
  await using node = await startNode({ env: { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_AUTH_READS: "jwt" } });
  await using http = new HttpClient(node.url);
  expectError(await http.get(streamOf("CA")), 401, /^authorization must be/);
  const authorization = `Bearer ${signedToken({ sub: freshPlayer() })}`;
  await using stream = await watchPlace(node.port, streamOf("CA"), { headers: { authorization } });
  await stream.until("an event", ({ events }) => events.length === 1);
});
