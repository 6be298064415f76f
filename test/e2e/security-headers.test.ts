/** Headers that tell a browser what it must not do with an answer, on the fast lane, past it, and where there is no request. */
import { describe, expect, test } from "vitest";

import { HttpClient, rawRequest } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { freshPlayer, shareNode } from "../support/shared-node.ts";

const shared = shareNode();

const PLAYER = freshPlayer();
const REPORT = JSON.stringify({ region: "CA", gamemode: "GM01" });
/** With a body in the answer, and without one. */
const CALLS: readonly (readonly [method: string, path: string, body: string, status: number])[] = [
  ["POST", `/v1/profiles/${PLAYER}/gamemode`, REPORT, 200],
  ["POST", `/v1/profiles/${PLAYER}/gamemode`, "<script>", 400],
  ["POST", "/v1/reports", `{"reports":[{}]}`, 200],
  ["PUT", `/v1/profiles/${PLAYER}/heartbeat`, "", 204],
  ["GET", `/v1/profiles/${PLAYER}/gamemode`, "", 200],
  ["GET", "/v1/regions/CA/gamemode", "", 200],
  ["GET", "/v1/regions/<b>/gamemode", "", 400],
  ["GET", "/v1/regions", "", 200],
  ["GET", "/v1/%zz", "", 400],
  ["GET", "/v1/<script>", "", 404],
  ["PATCH", "/v1/players", "", 405],
  ["OPTIONS", "/v1/players", "", 204],
  ["GET", "/metrics", "", 200],
  ["GET", "/openapi.json", "", 200],
  ["GET", "/docs", "", 200],
  ["GET", "/docs/static/swagger-ui.css", "", 200],
  ["DELETE", `/v1/profiles/${PLAYER}/gamemode`, "", 204],
];

test.each(["on", "off"])("every body is taken for what its type says, with the fast lane %s", async (lane) => {
  await using node = await startNode({ env: { HEADCOUNT_FAST_LANE: lane } });
  await using http = new HttpClient(node.url);
  for (const [method, path, body, status] of CALLS) {
    const headers: Record<string, string> = body === "" ? {} : { "content-type": "application/json" };
    const answer = await http.request(method, path, body === "" ? { headers } : { headers, body });
    expect(answer.status, `${method} ${path}`).toBe(status);
    expect(answer.headers["x-content-type-options"], `${method} ${path}`).toBe(
      answer.text === "" ? undefined : "nosniff",
    );
  }
});

test.each([
  ["no HTTP", "<html>\r\n\r\n", 400],
  ["no host", "GET /livez HTTP/1.1\r\n\r\n", 400],
  ["a version that is none", "GET /livez\r\n\r\n", 400],
  ["too long a target", `GET /${"x".repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 414],
  ["what is not done here", "GET /livez HTTP/1.1\r\nhost: x\r\nexpect: more\r\n\r\n", 417],
])("so is the body of an answer to %s", async (_, bytes, status) => {
  const answer = await rawRequest(shared.node.url, bytes);
  expect(answer).toMatchObject({ status, headers: { "x-content-type-options": "nosniff" } });
});

describe("the page of the description", () => {
  const policyOf = (value: unknown): Map<string, string> =>
    new Map(
      String(value)
        .split("; ")
        .map((directive) => directive.split(/ (.*)/, 2) as [string, string]),
    );

  test.each(["/docs", "/docs/static/swagger-ui.css", "/docs/static/swagger-ui-bundle.js", "/docs/json"])(
    "%s runs its own scripts only, asks its node only, and stands in no frame",
    async (path) => {
      const { status, headers } = await shared.http.get(path);
      expect(status).toBe(200);
      const policy = policyOf(headers["content-security-policy"]);
      expect(Object.fromEntries(policy)).toMatchObject({
        "default-src": "'none'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
      });
      expect(policy.has("upgrade-insecure-requests"), "a node need not speak TLS").toBe(false);
      expect(headers).toMatchObject({
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
      });
    },
  );

  test("needs nothing that its policy refuses", async () => {
    const { text } = await shared.http.get("/docs");
    expect(text).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:/i);
    const linked = Array.from(text.matchAll(/\s(?:src|href)="([^"]*)"/g), ([, target]) => target as string);
    expect(linked.length).toBeGreaterThan(3);
    for (const target of linked) {
      expect(target).toMatch(/^\/docs\//);
      expect((await shared.http.get(target)).status, target).toBe(200);
    }
  });
});

test("what only a page needs does not go with other answers, and no answer promises TLS", async () => {
  for (const path of ["/v1/regions", "/v1/regions/CA/gamemode", "/openapi.json", "/metrics", "/v1/nothing"]) {
    const { headers } = await shared.http.get(path);
    const names = Object.keys(headers).filter((name) =>
      /^(?:content-security|cross-origin|x-frame|referrer)/.test(name),
    );
    expect(names, path).toEqual([]);
    expect(headers["strict-transport-security"]).toBeUndefined();
  }
});
