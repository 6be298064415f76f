/** Who may ask the admin listener, and what answers there. */
import { request } from "node:http";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../scripts/free-port.ts";
import { ADMIN_TOKEN, AdminClient, adminSettings } from "../support/admin.ts";
import { gamemodePath, HttpClient } from "../support/http.ts";
import { type NodeProcess, runToExit, startNode } from "../support/node-process.ts";
import { expectError, freshPlayer } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";

const LOOK_UP = gamemodePath(freshPlayer());
const GETS = [
  "/admin/switches",
  "/admin/quarantine",
  "/admin/blocks",
  "/admin/usage",
  "/admin/catalogue",
  "/v1/regions/CA/gamemode",
  "/v1/regions",
  "/v1/players",
  "/v1/modes",
  "/v1/regions/US-CA/gamemode",
  "/v1/regions/001/gamemode",
  "/v1/regions?of=US",
  "/v1/places",
  LOOK_UP,
  "/v1/node",
  "/v1/cluster",
  "/metrics",
  "/openapi.json",
];
const OPEN = ["/", "/livez", "/readyz"];
const CHANGES = [
  ["PUT", "/admin/switches/reports"],
  ["PUT", "/admin/quarantine/GM01"],
  ["DELETE", "/admin/quarantine/GM01"],
  ["PUT", "/admin/blocks/203.0.113.0%2F24"],
  ["DELETE", "/admin/blocks/203.0.113.0%2F24"],
  ["PUT", "/admin/blocks/203.0.113.0/24"],
  ["DELETE", "/admin/blocks/203.0.113.0/24"],
] as const;

describe("the admin listener of a node on loopback", () => {
  let settings: Readonly<Record<string, string>>;
  let node: NodeProcess;
  let admin: AdminClient;
  let port: string;

  beforeAll(async () => {
    settings = { ...(await adminSettings()), HEADCOUNT_ADMIN_HOSTS: "ops.example,admin.example:9000" };
    node = await startNode({ env: settings });
    admin = new AdminClient(settings);
    port = settings["HEADCOUNT_ADMIN_PORT"] as string;
  });
  afterAll(async () => {
    await admin[Symbol.asyncDispose]();
    expect(await node.stop(), node.stderr).toBe(0);
    await node[Symbol.asyncDispose]();
  });

  test("answers nothing but its page and health without the token, and says nothing of what it was", async () => {
    for (const wrong of [null, "x", `${ADMIN_TOKEN}x`, ADMIN_TOKEN.slice(1), signedToken({ scope: "admin" })]) {
      await using stranger = new AdminClient(settings, wrong);
      for (const path of GETS) expectError(await stranger.get(path), 401, /^authorization must be the admin token/);
      for (const [method, path] of CHANGES) expect((await stranger.request(method, path)).status).toBe(401);
      for (const path of OPEN) expect((await stranger.get(path)).status).toBe(200);
    }
    const { status } = await fetch(`http://127.0.0.1:${port}/nowhere`);
    expect(status, "nor which paths there are").toBe(401);
    expect(node.stdout + node.stderr).not.toContain(ADMIN_TOKEN);
  });

  test("answers every GET of the public listener, and none of its changes", async () => {
    for (const path of [...GETS, ...OPEN]) expect([path, (await admin.get(path)).status]).not.toEqual([path, 401]);
    for (const path of [...GETS, ...OPEN])
      if (path !== LOOK_UP) expect([path, (await admin.get(path)).status]).toEqual([path, 200]);
    expect((await admin.get(LOOK_UP)).status).toBe(404);
    expect((await admin.request("POST", gamemodePath(freshPlayer()), { json: {} })).status).toBe(405);
    expect((await admin.request("POST", "/v1/reports", { json: {} })).status).toBe(404);
    for (const path of [...GETS, ...OPEN, ...CHANGES.map(([, changed]) => changed)])
      expect([path, (await admin.request("PATCH", path)).status]).toEqual([path, 405]);
    const { headers } = await admin.get("/");
    expect(headers["content-security-policy"]).toBe("default-src 'self'; frame-ancestors 'none'");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    await using http = new HttpClient(node.url);
    expect((await http.get("/admin/switches")).status, "the public listener has none of it").toBe(404);
  });

  test.each([
    ["127.0.0.1", true],
    ["127.0.0.1:PORT", true],
    ["127.0.0.1:9", true],
    ["localhost", true],
    ["LOCALHOST:PORT", true],
    ["ops.example", true],
    ["Ops.Example:1234", true],
    ["admin.example:9000", true],
    ["admin.example:9001", false],
    ["admin.example", false],
    ["evil.example", false],
    ["evil.example:PORT", false],
    ["127.0.0.1.evil.example", false],
    ["localhost.evil.example:PORT", false],
    ["evil-localhost", false],
    ["127.0.0.2", false],
    ["[::1]:PORT", false],
    ["0.0.0.0:PORT", false],
    ["2130706433", false],
  ])("Host: %s is answered: %s", async (host, isAnswered) => {
    const named = host.replace("PORT", port);
    for (const path of ["/admin/switches", "/livez", "/", "/v1/players"])
      expect([path, await statusOf(path, { host: named })]).toEqual([path, isAnswered ? 200 : 403]);
  });

  test.each([
    ["http://127.0.0.1:PORT", true],
    ["https://127.0.0.1:PORT", true],
    ["null", false],
    ["", false],
    ["http://127.0.0.1", false],
    ["http://localhost:PORT", false],
    ["http://evil.example", false],
    ["http://127.0.0.1:PORT.evil.example", false],
    ["http://evil.example http://127.0.0.1:PORT", false],
    ["file://", false],
  ])("Origin: %j is answered: %s", async (origin, isAnswered) => {
    const headers = { host: `127.0.0.1:${port}`, origin: origin.replace("PORT", port) };
    for (const path of ["/admin/switches", "/livez", "/"])
      expect([path, await statusOf(path, headers)]).toEqual([path, isAnswered ? 200 : 403]);
  });

  test("a browser's question whether a page may ask is refused", async () => {
    const headers = {
      host: `127.0.0.1:${port}`,
      origin: "http://evil.example",
      "access-control-request-method": "PUT",
    };
    expect(await statusOf("/admin/switches/reports", headers, "OPTIONS")).toBe(403);
  });

  test("every call may be refused for its host", async () => {
    for (const path of [...GETS, ...OPEN])
      expectError(
        await admin.get(path, { headers: { host: "evil.example" } }),
        403,
        /^host must be the admin listener's own/,
      );
    for (const [method, path] of CHANGES)
      expect((await admin.request(method, path, { headers: { host: "evil.example" } })).status).toBe(403);
  });

  async function statusOf(path: string, headers: Readonly<Record<string, string>>, method = "GET"): Promise<number> {
    const authorization = `Bearer ${ADMIN_TOKEN}`;
    const asked = request({ host: "127.0.0.1", port, path, method, headers: { authorization, ...headers } });
    const [answer] = await once(asked.end(), "response");
    answer.resume();
    return answer.statusCode;
  }
});

test("at localhost there is one listener, with all its limits, whatever addresses that has", async () => {
  const env: Readonly<Record<string, string>> = { ...(await adminSettings()), HEADCOUNT_ADMIN_HOST: "localhost" };
  await using node = await startNode({ env });
  expect(node.stdout).toContain(`admin http://127.0.0.1:${env["HEADCOUNT_ADMIN_PORT"]}/\n`);
  await using admin = new AdminClient(env);
  expect((await admin.get("/admin/switches")).status).toBe(200);
  await expect(fetch(`http://[::1]:${env["HEADCOUNT_ADMIN_PORT"]}/livez`)).rejects.toThrow();
});

test("without a token one is made and printed, and nowhere else", async () => {
  const env = { HEADCOUNT_ADMIN_PORT: String(await freePort()) };
  await using node = await startNode({ env });
  const [, token] = /admin +http:\/\/127\.0\.0\.1:\d+\/#token=([\w-]{43})\n/.exec(node.stdout) ?? [];
  await using admin = new AdminClient(env, token);
  expect((await admin.get("/admin/switches")).status).toBe(200);
  expect(node.stderr).not.toContain(token);
});

test("where players show tokens, operators may too: with the scope admin; and what tells of the node moves there", async () => {
  const env = { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_ADMIN_PORT: String(await freePort()) };
  await using node = await startNode({ env });
  expect(node.stdout).not.toContain("#token=");
  await using operator = new AdminClient(env, signedToken({ scope: "reports:batch admin" }));
  await using player = new AdminClient(env, signedToken({ sub: freshPlayer(), scope: "reports:batch" }));
  await using late = new AdminClient(env, signedToken({ scope: "admin", exp: 1 }));
  expect((await operator.get("/metrics")).status).toBe(200);
  expect((await operator.get("/v1/cluster")).status).toBe(200);
  expect((await operator.get(gamemodePath(freshPlayer()))).status).toBe(404);
  expectError(await player.get("/admin/switches"), 403, "the token's scope must have admin");
  expect((await late.get("/admin/switches")).status).toBe(401);
  await using http = new HttpClient(node.url);
  for (const path of ["/metrics", "/v1/cluster"]) expect((await fetch(node.url + path)).status).toBe(404);
  expect((await http.get("/readyz")).status).toBe(200);
});

test.each([
  [
    { HEADCOUNT_ADMIN_PORT: "8079", HEADCOUNT_ADMIN_HOST: "0.0.0.0" },
    /^headcount: HEADCOUNT_ADMIN_HOST must be an address of loopback where/,
  ],
  [
    { HEADCOUNT_ADMIN_TOKEN: "short" },
    /^headcount: HEADCOUNT_ADMIN_TOKEN must be 16 to 256 characters of A-Z .*, got 5 characters$/m,
  ],
  [{ HEADCOUNT_ADMIN_PORT: "x" }, /^headcount: HEADCOUNT_ADMIN_PORT must be a whole number from 0 to 65535, got "x"/],
  [
    { HEADCOUNT_ADMIN_HOSTS: "a b" },
    /^headcount: HEADCOUNT_ADMIN_HOSTS must be host names, comma-separated, got "a b"/,
  ],
])("%o stops the start", async (env, words) => {
  const { code, stderr } = await runToExit({ env });
  expect([code, stderr]).toEqual([1, expect.stringMatching(words)]);
});
