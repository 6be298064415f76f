/**
 * Which `Host` and which `Origin` may ask, of every kind of call. The public listener answers under any name, by design. What keeps a page in
 * a browser on the node's own machine from reporting there: `node/http/strange-pages.ts`, and that JSON needs a preflight.
 */
import { describe, expect, test } from "vitest";

import { gamemodePath, HttpClient, rawRequest } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { countsOf, expectError, freshPlayer, shareNode } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";

const PAGE = "https://game.example";
const STRANGER = "http://rebound.example:8080";
const shared = shareNode();
const sharing = shareNode({ env: { HEADCOUNT_CORS_ORIGINS: `${PAGE},capacitor://localhost` } });

const REPORT = JSON.stringify({ region: "CA", gamemode: "GM01" });
/** One of each kind: fast lane or not, with a body or not, of no path. */
const CALLS: readonly (readonly [line: string, status: number, body: string])[] = [
  ["GET /v1/regions/CA/gamemode", 200, ""],
  ["GET /v1/regions", 200, ""],
  ["GET /metrics", 200, ""],
  ["GET /openapi.json", 200, ""],
  ["GET /docs", 200, ""],
  ["GET /v1/nothing", 404, ""],
  ["PATCH /v1/players", 405, ""],
  ["OPTIONS /v1/players", 204, ""],
  [`POST ${gamemodePath(freshPlayer())}`, 200, REPORT],
  ["POST /v1/reports", 200, `{"reports":[{"profileId":"${freshPlayer()}","region":"CA","gamemode":"GM01"}]}`],
  [`DELETE ${gamemodePath(freshPlayer())}`, 204, ""],
];
const HOSTS: readonly (readonly [name: string, headers: string, isGood: boolean])[] = [
  ["its own address", "host: 127.0.0.1:8080", true],
  ["another name", "host: rebound.example:8080", true],
  ["another address", "host: 10.1.2.3", true],
  ["an IPv6 address", "host: [::1]:8080", true],
  ["upper case", "HOST: EXAMPLE.COM", true],
  ["a port that is none of its own", "host: a:99999", true],
  ["nothing in it", "host:", true],
  ["none", "x: y", false],
  ["two", "host: a\r\nhost: b", false],
  ["the same one twice", "host: a\r\nHost: a", false],
  ["a list", "host: a, b", false],
  ["a user", "host: me@a", false],
  ["a path", "host: a/b", false],
  ["a port without digits", "host: a:http", false],
  ["half an IPv6 address", "host: [::1", false],
];

const requestOf = (line: string, headers: string, body = ""): string => {
  const typed = body === "" ? "" : `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
  return `${line} HTTP/1.1\r\n${headers}\r\nconnection: close\r\n${typed}\r\n${body}`;
};

describe.each(HOSTS)("Host: %s", (_, headers, isGood) => {
  test.each(CALLS)("%s", async (line, status, body) => {
    const answer = await rawRequest(shared.node.url, requestOf(line, headers, body));
    expect(answer?.status).toBe(isGood ? status : 400);
    if (!isGood) expect(answer?.body).toMatch(/"message":"host must be /);
  });
});

test("a target with a host of its own counts for its path, whatever Host says, as RFC 9112, 3.2.2 has it", async () => {
  for (const host of ["127.0.0.1", "other.example"]) {
    const answer = await rawRequest(shared.node.url, requestOf("GET http://third.example/v1/players", `host: ${host}`));
    expect(answer?.status).toBe(200);
  }
});

const ORIGINS: readonly (readonly [origin: string, isOfThisMachine: boolean])[] = [
  ["http://127.0.0.1:8080", true],
  ["http://localhost:3000", true],
  ["http://[::1]:8080", true],
  ["http://localhost.rebound.example", false],
  ["http://127.0.0.1.rebound.example", false],
  ["http://user@localhost@rebound.example", false],
  [STRANGER, false],
  ["https://GAME.example", false],
  ["null", false],
  [`${PAGE}, ${PAGE}`, false],
  ["no origin", false],
  ["", false],
];

describe.each(ORIGINS)("Origin: %s", (origin, isOfThisMachine) => {
  test.each(CALLS)("%s", async (line, status, body) => {
    const answer = await rawRequest(shared.node.url, requestOf(line, `host: a\r\norigin: ${origin}`, body));
    const isRefused = !isOfThisMachine && /^(?:POST|DELETE)/.test(line);
    expect(answer?.status).toBe(isRefused ? 403 : status);
    const granted = Object.keys(answer?.headers ?? {}).filter((name) => name.startsWith("access-control-"));
    expect(granted, "no page of another origin may read it").toEqual([]);
  });

  test("a page may not ask whether it may ask", async () => {
    const asked = `host: a\r\norigin: ${origin}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: content-type`;
    const answer = await rawRequest(sharing.node.url, requestOf(`OPTIONS ${gamemodePath(freshPlayer())}`, asked));
    expect(answer?.status).toBe(204);
    expect(answer?.headers["access-control-allow-headers"]).toBeUndefined();
  });
});

test.each([PAGE, "capacitor://localhost"])("pages of %s may ask where they are named", async (origin) => {
  for (const [line, status, body] of CALLS) {
    const answer = await rawRequest(sharing.node.url, requestOf(line, `host: a\r\norigin: ${origin}`, body));
    expect([answer?.status, answer?.headers["access-control-allow-origin"]], line).toEqual([status, origin]);
  }
});

describe("a page in a browser on the node's machine", () => {
  const SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", undefined];

  test.each(SIMPLE)("cannot report by a body that needs no preflight: %s", async (type) => {
    const before = await countsOf(sharing.http);
    for (const origin of [PAGE, STRANGER, undefined])
      for (const path of [gamemodePath(freshPlayer()), "/v1/reports"]) {
        const headers = {
          ...(origin === undefined ? {} : { origin }),
          ...(type === undefined ? {} : { "content-type": type }),
        };
        const answer = await sharing.http.request("POST", path, { headers, body: REPORT });
        expectError(answer, origin === STRANGER ? 403 : 415, /./);
      }
    expect(await countsOf(sharing.http)).toEqual(before);
  });

  test("whose name was made to lead here cannot report, renew, or remove, and is told why", async () => {
    const player = freshPlayer();
    await shared.http.report(player, { region: "DE", gamemode: "GM01" });
    const before = await countsOf(shared.http);
    const headers = { host: new URL(STRANGER).host, origin: STRANGER, "content-type": "application/json" };
    for (const [method, path, body] of [
      ["POST", gamemodePath(player), REPORT],
      ["POST", "/v1/reports", `{"reports":[{"profileId":"${player}","region":"CA","gamemode":"GM01"}]}`],
      ["PUT", `/v1/profiles/${player}/heartbeat`, ""],
      ["DELETE", gamemodePath(player), ""],
    ] as const) {
      const answer = await shared.http.request(method, path, { headers, body });
      expectError(
        answer,
        403,
        /^origin must be one of this machine's, or one of HEADCOUNT_CORS_ORIGINS, .* got "http:/,
      );
      expect(answer.json.reason).toBe("forbidden");
    }
    expect(await countsOf(shared.http)).toEqual(before);
  });

  test.each([
    ["with tokens", { ...TOKEN_SETTINGS_GIVEN }],
    ["beyond loopback", { HEADCOUNT_HOST: "0.0.0.0" }],
    ["that is for pages of all origins", { HEADCOUNT_CORS_ORIGINS: "*" }],
  ])("may report at a node %s, where that is not what decides", async (_, env) => {
    await using node = await startNode({ env });
    await using http = new HttpClient(node.url.replace("0.0.0.0", "127.0.0.1"));
    const player = freshPlayer();
    const headers = { origin: STRANGER, authorization: `Bearer ${signedToken({ sub: player })}` };
    const json = { region: "CA", gamemode: "GM01" };
    expect((await http.request("POST", gamemodePath(player), { headers, json })).status).toBe(200);
  });
});
