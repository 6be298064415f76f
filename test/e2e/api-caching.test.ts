/** What caches may keep, and what clients know already. */

import { describe, expect, test } from "vitest";

import { type Answer, gamemodePath } from "../support/http.ts";
import { expectError, freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";

const shared = shareNode();

const ofClient = (method: string, path: string, json?: unknown): Promise<Answer> =>
  shared.http.request(method, path, json === undefined ? {} : { json });

test("Answers about one player, about a batch, and errors are not to be kept", async () => {
  const [player, region] = [freshPlayer(), freshRegion()];
  const report = { region, gamemode: "GM01" };
  const answers = [
    [200, await ofClient("POST", gamemodePath(player), report)],
    [200, await ofClient("GET", gamemodePath(player))],
    [204, await ofClient("PUT", `/v1/profiles/${player}/heartbeat`)],
    [204, await ofClient("DELETE", gamemodePath(player))],
    [404, await ofClient("GET", gamemodePath(player))],
    [404, await ofClient("PUT", `/v1/profiles/${player}/heartbeat`)],
    [200, await ofClient("POST", "/v1/reports", { reports: [{ ...report, profileId: player }, {}] })],
    [400, await ofClient("POST", "/v1/reports", { reports: [] })],
    [400, await ofClient("POST", gamemodePath(player), {})],
    [400, await ofClient("GET", "/v1/regions/XX/gamemode")],
    [400, await ofClient("GET", "/v1/profiles/%zz/gamemode")],
    [404, await ofClient("GET", "/v1/nothing")],
    [405, await ofClient("POST", "/v1/players")],
    [413, await ofClient("POST", gamemodePath(player), { ...report, more: "x".repeat(5000) })],
    [415, await shared.http.request("POST", gamemodePath(player), { body: "x" })],
    [200, await ofClient("GET", "/readyz")],
    [200, await ofClient("GET", "/v1/cluster")],
    [200, await ofClient("GET", "/metrics")],
  ] as const;
  for (const [status, answer] of answers) {
    expect(answer.status, answer.text).toBe(status);
    expect(answer.headers["cache-control"], answer.text).toBe("no-store");
    expect(answer.headers["etag"], answer.text).toBeUndefined();
  }
});

describe.each([
  ["/v1/regions", "public, max-age=1"],
  ["/v1/players", "public, max-age=1"],
  ["/v1/regions?of=US", "public, max-age=1"],
  ["/v1/regions?of=021", "public, max-age=1"],
  ["/v1/modes", "public, max-age=1"],
  ["/v1/places", "public, max-age=86400"],
  ["/openapi.json", "public, max-age=60"],
])("GET %s", (path, caching) => {
  test("has a weak tag, and 304 without a body for who names it", async () => {
    const first = await shared.http.get(path);
    expect(first.headers).toMatchObject({ "cache-control": caching, etag: expect.stringMatching(/^W\/"[\w-]{27}"$/) });
    const etag = String(first.headers["etag"]);
    for (const named of [etag, etag.replace("W/", ""), `"other", ${etag}`, "*"]) {
      const known = await shared.http.get(path, { headers: { "if-none-match": named } });
      expect([known.status, known.text, known.headers["etag"]], named).toEqual([304, "", etag]);
      expect(known.headers["cache-control"]).toBe(caching);
    }
    for (const named of ['"other"', etag.slice(0, -2), ""]) {
      const answer = await shared.http.get(path, { headers: { "if-none-match": named } });
      expect([answer.status, answer.headers["etag"]], named).toEqual([200, etag]);
    }
  });
});

test.each(["/v1/regions", "/v1/players"])("The tag of %s changes with what is told", async (path) => {
  const before = await shared.http.get(path);
  await shared.http.report(freshPlayer(), { region: freshRegion(), gamemode: "GM01" });
  const after = await shared.http.get(path, { headers: { "if-none-match": String(before.headers["etag"]) } });
  expect(after.status).toBe(200);
  expect(after.headers["etag"]).not.toBe(before.headers["etag"]);
});

test("A description is made once: many who ask get the same text", async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => shared.http.get("/openapi.json")));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
});

test("Metrics are collected once for all who ask at once", async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => shared.http.get("/metrics")));
  for (const { status } of answers) expect(status).toBe(200);
  expect(new Set(answers.map(({ text }) => text)).size).toBeLessThanOrEqual(2);
});

test("A JSON error says where it is, and names __proto__ only where that is the reason", async () => {
  const post = (body: string): Promise<Answer> =>
    shared.http.request("POST", gamemodePath(freshPlayer()), { body, headers: { "content-type": "application/json" } });
  expectError(
    await post('{"region":"CA",}'),
    400,
    /^body must be JSON with a field's name in double quotes at line 1, column 16, got "}"$/,
  );
  expectError(
    await post('{\n  "region": CA\n}'),
    400,
    /^body must be JSON with a value at line 2, column 13, got "CA\\n}"$/,
  );
  expectError(await post('{"region":"CA"'), 400, 'body must be JSON with "," or "}" at line 1, column 15, got nothing');
  expectError(
    await post('{"__proto__":{"region":"CA"}}'),
    400,
    /^body must be an object without a key "__proto__", got/,
  );
});
