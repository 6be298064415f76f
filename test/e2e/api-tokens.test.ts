/** Who may ask what, where the operator asks for tokens. */
import { execFile } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { describe, expect, test } from "vitest";

import { freePort } from "../../scripts/free-port.ts";
import { hasOpenssl, makeAuthority } from "../support/certificates.ts";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { startCluster } from "../support/cluster-processes.ts";
import { type Answer, gamemodePath, HttpClient } from "../support/http.ts";
import { PROJECT_DIR, runToExit, startNode, temporaryFolder } from "../support/node-process.ts";
import { hasRedis } from "../support/redis-server.ts";
import { errorsLogged, expectError, freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";
import { AUDIENCE, ISSUER, SECRET, signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { answersTo } from "../support/two-ways.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const PLAY = { region: "CA", gamemode: "GM01" };

type Ask = (http: HttpClient, player: string, headers: Readonly<Record<string, string>>) => Promise<Answer>;
/** The calls about a player, and what they are answered with for whoever may. */
const ofPlayer: readonly (readonly [call: string, status: number, ask: Ask])[] = [
  ["report", 200, (http, player, headers) => http.request("POST", gamemodePath(player), { headers, json: PLAY })],
  ["heartbeat", 204, (http, player, headers) => http.request("PUT", `/v1/profiles/${player}/heartbeat`, { headers })],
  ["look-up", 200, (http, player, headers) => http.get(gamemodePath(player), { headers })],
  ["disconnection", 204, (http, player, headers) => http.request("DELETE", gamemodePath(player), { headers })],
];

describe("a node that asks for tokens", () => {
  const shared = shareNode({ env: { ...TOKEN_SETTINGS_GIVEN, ...ADMIN } });
  const allOf = async (player: string, headers: Readonly<Record<string, string>>): Promise<number[]> => {
    const statuses: number[] = [];
    for (const [, , ask] of ofPlayer) statuses.push((await ask(shared.http, player, headers)).status);
    return statuses;
  };

  test("lets a player's token speak for the player, however its sub is written, and for nobody else", async () => {
    const [player, other] = [freshPlayer(), freshPlayer()];
    for (const sub of [player, player.toUpperCase()])
      expect(await allOf(player, bearer(signedToken({ sub })))).toEqual(ofPlayer.map(([, status]) => status));
    expect(await allOf(other, bearer(signedToken({ sub: player })))).toEqual([403, 403, 403, 403]);
  });

  test("lets a scope do what it says, and nothing else", async () => {
    const player = freshPlayer();
    const of = (scope: string) => bearer(signedToken({ scope }));
    expect(await allOf(player, of("reports:batch"))).toEqual([200, 204, 403, 204]);
    expect(await allOf(player, of("profiles:read admin scores:write"))).toEqual([403, 403, 404, 403]);
    expect(await allOf(player, of("x reports:batch profiles:read"))).toEqual([200, 204, 200, 204]);
    expect(await allOf(player, of("reports:batchx"))).toEqual([403, 403, 403, 403]);
  });

  test("takes batches of whom their scope allows, and reads nobody else's", async () => {
    const { http } = shared;
    const rows = [{ profileId: freshPlayer(), ...PLAY }];
    const send = (headers: Readonly<Record<string, string>>) =>
      http.request("POST", "/v1/reports", { headers, json: { reports: rows } });
    expect((await send(bearer(signedToken({ scope: "reports:batch" })))).json).toMatchObject({ accepted: 1 });
    expectError(await send(bearer(signedToken({ sub: rows[0]!.profileId }))), 403, /scope must have reports:batch/);
    const large = { headers: { "content-type": "application/json" }, body: "x".repeat(1_000_000) };
    expectError(await http.request("POST", "/v1/reports", large), 401, /^authorization must be/);
  });

  test.each([
    ["none", {}, "nothing"],
    ["another scheme", { authorization: "Basic YTpi" }, "no bearer token"],
    ["no JWT", bearer("abc"), "one that is no signed JWT, or has a crit that is not known here"],
    ["one that has expired", bearer(signedToken({ exp: 1 })), "one that has expired"],
    ["one without end", bearer(signedToken({ exp: undefined })), "one without exp"],
    ["one of another issuer", bearer(signedToken({ iss: "x" })), "one whose iss is not the one that is taken here"],
    ["one for somebody else", bearer(signedToken({ aud: ["x"] })), "one whose aud is not the one that is taken here"],
    ["one with another's signature", bearer(signedToken({}, {}, "x".repeat(40))), "one whose signature is wrong"],
    ["one without a signature", bearer(signedToken({}, { alg: "none" })), "one whose alg is none of HS256"],
    ["one that asks for more", bearer(signedToken({}, { crit: ["x"], x: 1 })), /^one that/],
    ["one that is too long", bearer("x".repeat(9000)), "one that is longer than 8192 characters"],
  ])("answers 401 and says why: %s", async (_, headers, why) => {
    const got = typeof why === "string" ? why.replaceAll(".", String.raw`\.`) : why.source.slice(1);
    for (const [, , ask] of ofPlayer) {
      const answer = await ask(shared.http, freshPlayer(), headers);
      expectError(answer, 401, new RegExp(`^authorization must be a signed token that is valid now .*, got ${got}`));
      expect(answer.json.reason).toBe("credentials");
      const told = String(answer.headers["www-authenticate"]);
      expect(told).toBe(`Bearer error="invalid_token", error_description="${answer.json.message}"`);
    }
  });

  test("looks at the form first: what is malformed is 400, whoever asks", async () => {
    const answer = await shared.http.request("POST", gamemodePath(freshPlayer()), { json: { region: "XX" } });
    expectError(answer, 400, /^region must be/);
  });

  test("answers everybody about modes, regions and players, and itself", async () => {
    for (const path of [
      "/v1/regions/CA/gamemode",
      "/v1/regions",
      "/v1/players",
      "/v1/modes",
      "/v1/places",
      "/v1/regions?of=US",
      "/livez",
      "/readyz",
      "/openapi.json",
    ]) {
      const answer = await shared.http.get(path);
      expect([path, answer.status]).toEqual([path, 200]);
      expect(String(answer.headers["cache-control"])).not.toContain("private");
    }
  });

  test("lets pipelined requests take effect in their order, also while a token is verified", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const lines = (token: string) => `host: a\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n`;
    const report = (token: string, mode: string, last = ""): string => {
      const body = JSON.stringify({ region, gamemode: mode });
      return `POST ${gamemodePath(player)} HTTP/1.1\r\n${lines(token)}${last}content-length: ${body.length}\r\n\r\n${body}`;
    };
    const [known, unknown] = [signedToken({ sub: player }), signedToken({ sub: player, jti: "2" })];
    await shared.http.request("POST", gamemodePath(player), {
      headers: bearer(known),
      json: { region, gamemode: "GM0" },
    });
    const all = report(unknown, "GM1") + report(known, "GM2", "connection: close\r\n");
    const answers = await answersTo(shared.node.port, [Buffer.from(all)]);
    expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
    expect((await shared.http.top(region)).json.gamemodes).toEqual([expect.objectContaining({ mode: "GM2" })]);
  });

  test("never writes a token or the secret into its log or its metrics", async () => {
    await using admin = new AdminClient(ADMIN);
    const told = shared.node.stderr + shared.node.stdout + (await admin.get("/metrics")).text;
    expect(told).not.toContain("eyJ");
    expect(told).not.toContain(SECRET);
  });
});

test("HEADCOUNT_AUTH_READS=jwt: whoever reads shows any good token, and caches between keep nothing", async () => {
  await using node = await startNode({ env: { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_AUTH_READS: "jwt" } });
  await using http = new HttpClient(node.url);
  for (const path of [
    "/v1/regions/CA/gamemode",
    "/v1/regions/CA/gamemode?top=3",
    "/v1/regions",
    "/v1/players",
    "/v1/modes",
    "/v1/places",
    "/v1/regions?of=US",
  ]) {
    expectError(await http.get(path), 401, /^authorization must be/);
    for (let count = 0; count < 2; count++) {
      const answer = await http.get(path, { headers: bearer(signedToken({})) });
      const ageS = path === "/v1/places" ? 86_400 : 1;
      expect([answer.status, answer.headers["cache-control"]]).toEqual([200, `private, max-age=${ageS}`]);
    }
  }
  for (const path of ["/livez", "/readyz", "/openapi.json"]) expect((await http.get(path)).status).toBe(200);
});

/** Someone who signs tokens with keys of their own. */
class Signer {
  readonly keys: { kid: string; shown: JWK; sign: (claims: object) => Promise<string> }[] = [];

  async add(kid: string, algorithm: string): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const sign = (claims: object): Promise<string> =>
      new SignJWT({ iss: ISSUER, aud: AUDIENCE, ...claims })
        .setProtectedHeader({ alg: algorithm, kid })
        .setExpirationTime("1h")
        .sign(privateKey);
    this.keys.push({ kid, shown: { ...(await exportJWK(publicKey)), kid, alg: algorithm }, sign });
  }

  get set(): string {
    return JSON.stringify({ keys: this.keys.map(({ shown }) => shown) });
  }
}

const SET_SETTINGS = {
  HEADCOUNT_AUTH: "jwt",
  HEADCOUNT_JWT_ISSUER: ISSUER,
  HEADCOUNT_JWT_AUDIENCE: AUDIENCE,
};

async function statusWith(http: HttpClient, token: string, player: string): Promise<number> {
  return (await http.request("POST", gamemodePath(player), { headers: bearer(token), json: PLAY })).status;
}

test("keys in a file: the set is read again when it is replaced, and tokens of a key that is gone are refused", async () => {
  await using folder = await temporaryFolder();
  const [path, player] = [join(folder.path, "keys.json"), freshPlayer()];
  const signer = new Signer();
  for (const algorithm of ["EdDSA", "ES256", "RS256"]) await signer.add(algorithm, algorithm);
  writeFileSync(path, signer.set);
  await using node = await startNode({
    env: { ...SET_SETTINGS, HEADCOUNT_JWT_JWKS: path, HEADCOUNT_RATE_PROFILE: "0" },
  });
  await using http = new HttpClient(node.url);
  const tokens = await Promise.all(signer.keys.map(({ sign }) => sign({ sub: player })));
  const statuses = async (): Promise<number[]> => Promise.all(tokens.map((token) => statusWith(http, token, player)));
  expect(await statuses()).toEqual([200, 200, 200]);
  signer.keys.shift();
  await signer.add("new", "EdDSA");
  tokens.push(await signer.keys[2]!.sign({ sub: player }));
  writeFileSync(`${path}.new`, signer.set);
  renameSync(`${path}.new`, path);
  await until("the new set is taken", async () => (await statuses()).join() === "401,200,200,200");
  writeFileSync(path, "{");
  await until("the bad set is told", () =>
    errorsLogged(node).some((line) => line.includes("the last good ones stand")),
  );
  expect(await statuses()).toEqual([401, 200, 200, 200]);
});

test.skipIf(!hasOpenssl)(
  "keys on the web: fetched over https, also later where they are away at the start",
  async () => {
    await using authority = await makeAuthority();
    const files = authority.certify("DNS:localhost");
    const [signer, player] = [new Signer(), freshPlayer()];
    await signer.add("one", "ES256");
    let fetches = 0;
    let isAway = true;
    const server = createServer(
      { key: readFileSync(files["tls-key-file"]!), cert: readFileSync(files["tls-cert-file"]!) },
      (_request, response) => {
        fetches++;
        if (isAway) response.writeHead(503).end();
        else response.end(signer.set);
      },
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `https://localhost:${(server.address() as AddressInfo).port}/keys.json`;
    const port = await freePort();
    const env = {
      ...SET_SETTINGS,
      HEADCOUNT_JWT_JWKS: url,
      NODE_EXTRA_CA_CERTS: authority.path,
      HEADCOUNT_PORT: `${port}`,
    };
    const starting = startNode({ env });
    await using http = new HttpClient(`http://127.0.0.1:${port}`);
    const token = await signer.keys[0]!.sign({ sub: player });
    await until("it serves, without keys", async () => (await statusWith(http, token, player)) === 503);
    expect((await http.get("/readyz")).json).toMatchObject({ reason: "the keys of tokens are not known yet" });
    isAway = false;
    await using node = await starting;
    expect(await statusWith(http, token, player)).toBe(200);
    expect(errorsLogged(node).join()).toContain("tokens cannot be verified");

    const before = fetches;
    await signer.add("two", "ES256");
    const strangers = await Promise.all(Array.from({ length: 20 }, () => signer.keys[1]!.sign({ sub: player })));
    expect(await Promise.all(strangers.map((each) => statusWith(http, each, player)))).toEqual(
      strangers.map(() => 401),
    );
    expect(fetches, "not sooner than 30 s after the last one").toBe(before);
    server.closeAllConnections();
    server.close();
  },
);

test.skipIf(!hasRedis)("in a cluster a token is asked for wherever the player is", async () => {
  await using cluster = await startCluster({ ids: ["a", "b"], env: TOKEN_SETTINGS_GIVEN });
  for (let count = 0; count < 8; count++) {
    const player = freshPlayer();
    for (const url of cluster.urls) {
      await using http = new HttpClient(url);
      expect(await statusWith(http, signedToken({ sub: player }), player)).toBe(200);
      expect(await statusWith(http, signedToken({ sub: freshPlayer() }), player)).toBe(403);
    }
  }
});

test("npm run token: makes a key at first, and tokens that a node with that key takes", async () => {
  await using folder = await temporaryFolder();
  const keys = join(folder.path, "keys");
  const player = freshPlayer();
  const script = join(PROJECT_DIR, "scripts/token.ts");
  const make = async (...args: string[]) => run(process.execPath, [script, "--folder", keys, ...args]);
  const [first, second] = [await make("--sub", player), await make("--scope", "reports:batch", "--hours=-1")];
  expect(first.stderr).toContain("HEADCOUNT_AUTH=jwt");
  const env = { ...SET_SETTINGS, HEADCOUNT_JWT_ISSUER: "headcount-try", HEADCOUNT_JWT_JWKS: join(keys, "keys.json") };
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  expect(await statusWith(http, first.stdout.trim(), player)).toBe(200);
  expect(await statusWith(http, second.stdout.trim(), player)).toBe(401);
  await expect(make("--scope", "everything")).rejects.toThrow("--scope must be of");
  const { stdout } = await make("--sub", player, "--entitlements", "season-pass  beta");
  const claims = JSON.parse(Buffer.from(stdout.split(".")[1] ?? "", "base64url").toString()) as object;
  expect(claims).toMatchObject({ sub: player, entitlements: ["season-pass", "beta"] });
  await expect(make("--entitlements", "no/form")).rejects.toThrow("--entitlements must be of");
});

test("a node beyond loopback without tokens says so, and one with bad settings does not start", async () => {
  await using open = await startNode({ env: { HEADCOUNT_HOST: "0.0.0.0" } });
  expect(open.stderr).toContain("HEADCOUNT_AUTH is off");
  expect(open.stdout).toContain("open  to anybody who reaches it");
  const ended = await runToExit({ env: { ...SET_SETTINGS, HEADCOUNT_JWT_JWKS: "/nowhere/keys.json" } });
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/HEADCOUNT_JWT_JWKS must be a file or an https URL with a set of keys: .*no such file/);
});

const ADMIN = await adminSettings();
