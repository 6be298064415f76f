/** Methods that a path has no call for, what a path has calls for, and who of other origins may ask. */

import { describe, expect, test } from "vitest";

import { gamemodePath, HttpClient, JSON_TYPE, rawRequest } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { countsOf, expectError, freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";

const shared = shareNode();

const READ = "GET, HEAD, OPTIONS";
const PATHS: readonly (readonly [path: string, allow: string])[] = [
  [gamemodePath(freshPlayer()), "DELETE, GET, HEAD, POST, OPTIONS"],
  [gamemodePath("no-id"), "DELETE, GET, HEAD, POST, OPTIONS"],
  [`/v1/profiles/${freshPlayer()}/heartbeat`, "PUT, OPTIONS"],
  ["/v1/profiles/lookup", "POST, OPTIONS"],
  ["/v1/reports", "POST, OPTIONS"],
  ["/v1/regions/CA/gamemode", READ],
  ["/v1/regions", READ],
  ["/v1/players", READ],
  ["/v1/modes", READ],
  ["/v1/places", READ],
  ["/v1/players?top=5", READ],
  ["/v1/%70layers", READ],
  ["http://headcount.example/v1/players?top=5", READ],
  ["/v1/players#x", READ],
  ["/v1/cluster", READ],
  ["/v1/node", READ],
  ["/livez", READ],
  ["/readyz", READ],
  ["/metrics", READ],
  ["/openapi.json", READ],
  ["/docs", READ],
];
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "SEARCH", "PURGE"];

describe("405", () => {
  test.each(PATHS)("is the answer of %s to all methods but %s", async (path, allow) => {
    for (const method of METHODS) {
      const answer = await shared.http.request(method, path);
      const isAllowed = allow.split(", ").includes(method);
      expect(answer.status === 405, `${method} ${path}`).toBe(!isAllowed);
      if (isAllowed) continue;
      expect(answer.headers["allow"]).toBe(allow);
      expect(answer.headers["cache-control"]).toBe("no-store");
      if (method === "HEAD") expect(answer.text).toBe("");
      else expectError(answer, 405, `method must be one of ${allow}, got "${method}"`);
    }
  });

  test.each(["{", "x".repeat(10_000)])("does not depend on what comes in the body", async (body) => {
    for (const type of ["application/json", "text/plain"]) {
      const options = { body, headers: { "content-type": type } };
      expectError(await shared.http.request("POST", "/v1/players", options), 405, /./);
      expectError(await shared.http.request("POST", "/v1/nothing", options), 404, /./);
    }
  });
});

describe("OPTIONS", () => {
  test.each(PATHS)("of %s is 204 and allows %s", async (path, allow) => {
    const answer = await shared.http.request("OPTIONS", path);
    expect([answer.status, answer.headers["allow"], answer.text]).toEqual([204, allow, ""]);
    expect(corsHeadersOf(answer.headers)).toEqual([]);
  });

  test("of a path that there is nothing at is 404", async () => {
    expectError(await shared.http.request("OPTIONS", "/v1/nothing"), 404, /./);
  });
});

describe("HEAD", () => {
  test("has the headers of GET, and no body, wherever there is GET", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01" });
    const gets = PATHS.filter(([, allow]) => allow.includes("GET")).map(([path]) => path);
    for (const path of [...gets, gamemodePath(player), `/v1/regions/${region}/gamemode`]) {
      const get = await shared.http.get(path);
      const raw = await rawRequest(shared.node.url, `HEAD ${path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n`);
      expect([raw?.status, raw?.body], path).toEqual([get.status, ""]);
      for (const name of ["content-type", "cache-control", "etag"])
        expect(raw?.headers[name], `${name} of ${path}`).toBe(get.headers[name]);
      expect(Number(raw?.headers["content-length"]), path).toBeGreaterThan(0);
    }
  });

  test("counts nobody", async () => {
    const before = await countsOf(shared.http);
    await shared.http.request("HEAD", gamemodePath(freshPlayer()));
    expect(await countsOf(shared.http)).toEqual(before);
  });
});

const ORIGIN = "https://play.example";
const SENT = "authorization, content-type, if-none-match, cache-control, last-event-id, traceparent";
const SEEN = "etag, as-of, renew-in-ms, retry-after, ratelimit, ratelimit-policy";

describe("CORS", () => {
  test("is off by default: no page of another origin may ask or see", async () => {
    const headers = { origin: ORIGIN, "access-control-request-method": "POST" };
    for (const answer of [
      await shared.http.get("/v1/players", { headers }),
      await shared.http.request("OPTIONS", gamemodePath(freshPlayer()), { headers }),
    ]) {
      expect(corsHeadersOf(answer.headers)).toEqual([]);
      expect(answer.headers["vary"]).toBeUndefined();
    }
  });

  test("lets the origins that are named see every answer, and no others", async () => {
    await using node = await startNode({
      env: { HEADCOUNT_CORS_ORIGINS: `${ORIGIN},http://localhost:3000, capacitor://localhost` },
    });
    await using http = new HttpClient(node.url);
    const player = freshPlayer();
    const json = { region: "CA", gamemode: "GM01" };
    for (const origin of [ORIGIN, "http://localhost:3000", "capacitor://localhost"]) {
      const headers = { origin };
      const preflight = await http.request("OPTIONS", gamemodePath(player), {
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
      });
      expect([preflight.status, preflight.headers]).toMatchObject([
        204,
        {
          "access-control-allow-origin": origin,
          "access-control-allow-methods": "DELETE, GET, HEAD, POST, OPTIONS",
          "access-control-allow-headers": SENT,
          allow: "DELETE, GET, HEAD, POST, OPTIONS",
        },
      ]);
      const answers = [
        [200, await http.request("POST", gamemodePath(player), { headers, json })],
        [200, await http.get(gamemodePath(player), { headers })],
        [204, await http.request("PUT", `/v1/profiles/${player}/heartbeat`, { headers })],
        [200, await http.get("/v1/regions/CA/gamemode", { headers })],
        [200, await http.get("/v1/players", { headers })],
        [400, await http.request("POST", gamemodePath(player), { headers, json: {} })],
        [400, await http.get("/v1/profiles/%zz/gamemode", { headers })],
        [404, await http.get("/v1/nothing", { headers })],
        [405, await http.request("POST", "/v1/players", { headers })],
        [415, await http.request("POST", gamemodePath(player), { headers, body: "x" })],
      ] as const;
      for (const [status, answer] of answers) {
        expect(answer.status, answer.text).toBe(status);
        expect(answer.headers, answer.text).toMatchObject({
          "access-control-allow-origin": origin,
          "access-control-expose-headers": SEEN,
        });
      }
    }
    for (const [status, request] of unroutedRequests(ORIGIN)) {
      const answer = await rawRequest(node.url, request);
      expect(answer?.status, request).toBe(status);
      expect(answer?.headers, request).toMatchObject({
        "access-control-allow-origin": ORIGIN,
        "access-control-expose-headers": SEEN,
      });
    }
    for (const [status, request] of unroutedRequests("https://other.example")) {
      const answer = await rawRequest(node.url, request);
      const isReport = request.startsWith("POST /v1/reports"); // which a strange page may not send, whatever is in it
      expect([answer?.status, corsHeadersOf(answer?.headers ?? {})], request).toEqual([isReport ? 403 : status, []]);
    }
    for (const origin of ["https://play.example.evil", "http://play.example", "null", "HTTPS://PLAY.EXAMPLE", ""]) {
      const headers = { origin, "access-control-request-method": "POST" };
      for (const method of ["GET", "OPTIONS"])
        expect(corsHeadersOf((await http.request(method, "/v1/players", { headers })).headers), origin).toEqual([]);
    }
  });

  test("tells caches that what they keep is for who asked", async () => {
    await using node = await startNode({ env: { HEADCOUNT_CORS_ORIGINS: ORIGIN } });
    await using http = new HttpClient(node.url);
    for (const path of ["/v1/players", "/v1/regions", "/v1/regions/CA/gamemode", "/openapi.json"])
      for (const headers of [{ origin: ORIGIN }, {}]) {
        const { headers: carried } = await http.get(path, { headers });
        const vary = path === "/openapi.json" ? "Origin, Accept-Encoding" : "Origin"; // a long answer may come packed
        expect(carried["vary"], path).toBe(vary);
        const known = await http.get(path, { headers: { ...headers, "if-none-match": String(carried["etag"]) } });
        expect([known.status, known.headers["vary"]], path).toEqual([304, vary]);
      }
  });

  test("with * lets every origin see, from caches too", async () => {
    await using node = await startNode({ env: { HEADCOUNT_CORS_ORIGINS: "*" } });
    await using http = new HttpClient(node.url);
    const asked = await http.request("POST", "/v1/reports", { headers: { origin: "null" }, json: { reports: [] } });
    expect(asked.headers).toMatchObject({ "access-control-allow-origin": "*", "content-type": JSON_TYPE });
    for (const [status, request] of [
      ...unroutedRequests("null"),
      [400, "no HTTP\r\n\r\n"],
      [431, `GET / HTTP/1.1\r\nhost: a\r\nx: ${"x".repeat(17_000)}\r\n\r\n`],
    ] as const) {
      const answer = await rawRequest(node.url, request);
      expect(answer, request).toMatchObject({ status, headers: { "access-control-allow-origin": "*" } });
    }
    const cached = await http.get("/v1/players");
    expect(cached.headers).toMatchObject({ "access-control-allow-origin": "*", "access-control-expose-headers": SEEN });
    expect(cached.headers["vary"]).toBeUndefined();
  });
});

/** Requests that are refused before anybody looks for a route; the last one breaks in the middle of its body. */
function unroutedRequests(origin: string): readonly (readonly [status: number, request: string])[] {
  const chunked = "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
  return [
    [417, `GET /livez HTTP/1.1\r\nhost: a\r\nexpect: miracles\r\norigin: ${origin}\r\n\r\n`],
    [400, `GET /livez HTTP/1.1\r\norigin: ${origin}\r\n\r\n`],
    [400, `POST /v1/reports HTTP/1.1\r\nhost: a\r\norigin: ${origin}\r\n${chunked}`],
  ];
}

function corsHeadersOf(headers: object): string[] {
  return Object.keys(headers).filter((name) => name.startsWith("access-control-"));
}
