/** The catalogue of a node that is alone: what clients and operators see of it, and what becomes of its file. */
import { mkdir, readFile, rename, rm, rmdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { request } from "undici";
import { expect, test } from "vitest";
import { freePort } from "../../scripts/free-port.ts";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { HttpClient } from "../support/http.ts";
import { runToExit, startNode, temporaryFolder } from "../support/node-process.ts";
import { expectError, freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const catalogueOf = (version: number, modes: readonly object[], more: object = {}): string =>
  JSON.stringify({ version, modes, ...more });

/** Markup, control characters, what turns text around, and as many bytes as there may be. */
const HOSTILE = [
  "</li><script>alert(1)</script>",
  `"'&<>\`$\{1}\\`,
  "\u202eabc\u2066\u0000\u0007\u001b[31m",
  "\u2028\u2029\ufeff\u{e0041}",
  "\u0301\u0301a",
  "🏴‍☠️ チーム",
  "\u202e".repeat(21),
];

test("clients learn the modes that are offered in a country and are not retired", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.yaml");
  const modes = [
    { mode: "GM02", name: "Ranked", lobby: 2, requires: ["pass"], from: ["GM01", "none"] },
    { mode: "GM01", regions: ["us", "CA"] },
    { mode: "GM03", retired: "2020-01-01T00:00:00Z" },
  ];
  await writeFile(path, catalogueOf(7, modes));
  await using node = await startNode({ env: { HEADCOUNT_CATALOGUE: path } });
  await using http = new HttpClient(node.url);
  expect(node.stdout).toContain("  modes 3, by version 7 of the catalogue\n");
  const [ranked, battle] = [modes[0], { mode: "GM01" }];
  const all = await http.get("/v1/modes");
  expect([all.status, all.json]).toEqual([200, { version: 7, modes: [ranked, battle] }]);
  expect((await http.get("/v1/modes?region=ca")).json).toEqual(all.json);
  expect((await http.get("/v1/modes?region=DE")).json).toEqual({ version: 7, modes: [ranked] });
  for (const region of ["XX", "", "CAN"])
    expectError(await http.get(`/v1/modes?region=${region}`), 400, /^region must be an ISO 3166-1 alpha-2 code/);
  expect(all.headers).toMatchObject({ "cache-control": "public, max-age=1", etag: expect.stringMatching(/^W\//) });
  const etag = String(all.headers["etag"]);
  const known = await http.get("/v1/modes?region=CA", { headers: { "if-none-match": etag } });
  expect([known.status, known.text, known.headers["etag"]]).toEqual([304, "", etag]);
  expect((await http.get("/v1/modes?region=DE", { headers: { "if-none-match": etag } })).status).toBe(200);
  const head = await http.request("HEAD", "/v1/modes");
  expect([head.status, head.text, head.headers["etag"]]).toEqual([200, "", etag]);
  expect((await http.request("POST", "/v1/modes")).status).toBe(405);
});

test("what is printed to try with is a mode that anybody may report", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.yaml");
  await writeFile(path, "version: 1\nmodes: [{ mode: CUP, requires: [pass] }, { mode: DUEL }]\n");
  await using node = await startNode({ env: { HEADCOUNT_CATALOGUE: path } });
  await until("all is printed", () => node.stdout.includes("version 1 of the catalogue"));
  expect(node.stdout).toContain(`-d '{"region":"CA","gamemode":"DUEL"}'`);
});

test("without a catalogue there are no modes to tell, and any may be reported", async () => {
  const env = await adminSettings();
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  await using admin = new AdminClient(env);
  expect((await http.get("/v1/modes")).json).toEqual({ version: 0, modes: [] });
  expect((await http.report(freshPlayer(), { region: "CA", gamemode: "anything" })).status).toBe(200);
  const seen = (await admin.get("/admin/catalogue")).json;
  expect(seen).toEqual({ node: expect.any(String), version: 0, store: expect.stringContaining("catalogue.json") });
  expect((await admin.get("/")).text).toContain("No catalogue of modes is in force.");
});

test("a file that changes is followed, a bad one is refused with line and reason, and what was in force outlives a restart", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.yaml");
  const env = { ...(await adminSettings()), HEADCOUNT_CATALOGUE: path };
  await writeFile(path, "version: 1\nmodes: [{ mode: GM01 }]\n");
  {
    await using node = await startNode({ env, dataDir: folder.path });
    await using http = new HttpClient(node.url);
    await using admin = new AdminClient(env);
    const versionIs = (version: number) =>
      until(`version ${version} is in force`, async () => (await http.get("/v1/modes")).json.version === version);
    await writeFile(`${path}.new`, "version: 2\nmodes: [{ mode: GM01 }, { mode: GM02 }]\n");
    await rename(`${path}.new`, path); // as editors write
    await versionIs(2);

    await writeFile(path, "version: 3\nmodes:\n  - { mode: GM01, lobby: Secret }\n");
    const reason =
      "the catalogue's file is refused (c.yaml:3:26: modes[0].lobby must be a whole number from 1 to 10000: players of one match): version 2 stays in force";
    await until("it is refused", async () => (await http.get("/readyz")).json.status === "degraded");
    expect((await http.get("/readyz")).json).toEqual({ status: "degraded", reason });
    const { file, version } = (await admin.get("/admin/catalogue")).json;
    expect([version, file]).toEqual([
      2,
      { path, state: "refused", faults: [expect.stringMatching(/^c\.yaml:3:26: .* got "Secret"$/)] },
    ]);
    const metrics = (await http.get("/metrics")).text;
    for (const line of [
      "version 2",
      "file_version 0",
      'fault{fault="file_refused"} 1',
      'file_reads_total{outcome="refused"} 1',
    ])
      expect(metrics).toContain(`headcount_catalogue_${line}\n`);
    expect(node.stderr).toMatch(/c\.yaml:3:26/);

    await writeFile(path, "version: 1\nmodes: []\n");
    await until("it is told", () => node.stderr.includes("has a lower version"));
    expect((await http.get("/readyz")).json).toEqual({ status: "ready" });
    await writeFile(path, "version: 2\nmodes: []\n");
    await until("it is degraded", async () => (await http.get("/readyz")).json.status === "degraded");
    expect((await http.get("/readyz")).json.reason).toContain("other contents under version 2");
    expect((await admin.get("/admin/catalogue")).json.file).toEqual({ path, state: "other contents", version: 2 });
    // The same again in another spelling.
    await writeFile(
      path,
      JSON.stringify({ modes: [{ mode: "GM01" }, { mode: "GM02" }], unknownModes: "refuse", version: 2 }),
    );
    await until("it is the same", async () => (await http.get("/readyz")).json.status === "ready");
    await rm(path);
    await until("it is missed", async () => String((await http.get("/readyz")).json.reason).includes("ENOENT"));
    expect(await node.stop()).toBe(0);
  }
  const { HEADCOUNT_CATALOGUE: _, ...without } = env;
  {
    await using node = await startNode({ env: without, dataDir: folder.path });
    await using http = new HttpClient(node.url);
    expect((await http.get("/v1/modes")).json.version).toBe(2);
    expect(node.stderr).toContain("HEADCOUNT_CATALOGUE is not set here");
    expect((await http.get("/readyz")).json).toEqual({ status: "ready" });
  }
  await writeFile(path, "version: [\n");
  await using node = await startNode({ env, dataDir: folder.path });
  await using http = new HttpClient(node.url);
  expect([(await http.get("/v1/modes")).json.version, (await http.get("/readyz")).json.status]).toEqual([
    2,
    "degraded",
  ]);
});

test("a catalogue that is mounted as Kubernetes does is read again when the link is turned", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  for (const version of [1, 2]) {
    await mkdir(at(`v${version}`));
    await writeFile(join(at(`v${version}`), "c.yaml"), catalogueOf(version, []));
  }
  await symlink("v1", at("..data"));
  await symlink(join("..data", "c.yaml"), at("c.yaml"));
  await using node = await startNode({ env: { HEADCOUNT_CATALOGUE: at("c.yaml") } });
  await using http = new HttpClient(node.url);
  await symlink("v2", at("..data_tmp"));
  await rename(at("..data_tmp"), at("..data"));
  await until("it is followed", async () => (await http.get("/v1/modes")).json.version === 2);
});

test("a node with a bad file and nothing stored stops with one line; so does one whose stored catalogue is damaged", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.yaml");
  await writeFile(path, "version: 0\nmodes: [{ mode: none }]\n");
  const { code, stderr } = await runToExit({ env: { HEADCOUNT_CATALOGUE: path } });
  expect([code, stderr.split("\n").filter((line) => !line.startsWith("{"))]).toEqual([
    1,
    [
      `headcount: HEADCOUNT_CATALOGUE must be a catalogue, got "${path}": c.yaml:1:10: version must be a whole number from 1 to 9007199254740991, got 0 (and 1 more: npm run check-catalogue tells all)`,
      "",
    ],
  ]);
  const data = join(folder.path, "data");
  await mkdir(data);
  await writeFile(
    join(data, "catalogue.json"),
    '1.abc\n{"catalogue":{"version":1,"modes":[],"more":1},"origin":{"node":"a","at":"2026-01-01T00:00:00Z"}}\n',
  );
  const damaged = await runToExit({ dataDir: data });
  expect(damaged.code).toBe(1);
  expect(damaged.stderr).toContain(
    `headcount: the catalogue is damaged (${join(data, "catalogue.json")}): a field must be version, unknownModes, modes or leaderboards, got "more"\n`,
  );
});

test.each(["on", "off"])(
  "until the stored catalogue has been read nobody is counted by it, and the node says why, the fast lane %s",
  async (lane) => {
    await using folder = await temporaryFolder();
    const inTheWay = join(folder.path, "catalogue.json");
    await mkdir(inTheWay);
    const port = await freePort();
    const env = { HEADCOUNT_PORT: `${port}`, HEADCOUNT_FAST_LANE: lane };
    const starting = startNode({ env, dataDir: folder.path });
    await using http = new HttpClient(`http://127.0.0.1:${port}`);
    const readiness = await until("it waits for the catalogue", async () => {
      const answer = await http.get("/readyz").catch(() => undefined);
      return answer?.json.reason === "reading the catalogue of modes" && answer;
    });
    expect(readiness.status).toBe(503);
    const [player, play] = [freshPlayer(), { region: "CA", gamemode: "GM01" }];
    for (const refused of [
      await http.report(player, play),
      await http.reports([{ profileId: player, ...play }]),
      await http.get("/v1/modes"),
    ]) {
      expectError(refused, 503, "the catalogue of modes has not been read yet: try again soon");
      expect([refused.json.reason, refused.headers["retry-after"]]).toEqual(["starting", "1"]);
    }
    expect((await http.top("CA")).json.players).toBe(0);
    expect((await http.heartbeat(player)).status).toBe(404);
    await rmdir(inTheWay);
    await using node = await starting;
    expect(node.port).toBe(port);
    expect((await http.report(player, play)).status).toBe(200);
  },
);

test("hostile names are text, on the page and in JSON", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.json");
  const modes = HOSTILE.map((name, at) => ({ mode: `GM${at}`, name }));
  await writeFile(path, catalogueOf(1, modes));
  const env = { ...(await adminSettings()), HEADCOUNT_CATALOGUE: path };
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  await using admin = new AdminClient(env);
  for (const answer of [await http.get("/v1/modes"), await admin.get("/v1/modes")]) {
    expect(answer.json).toEqual({ version: 1, modes });
    expect(answer.text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  }
  const seen = await admin.get("/admin/catalogue");
  expect(seen.json.catalogue.modes).toEqual(modes);
  expect(seen.text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  const page = (await admin.get("/")).text;
  const items = page.match(/<li>.*/g) ?? [];
  expect(items).toHaveLength(HOSTILE.length);
  for (const [at, item] of items.entries())
    expect(item).toMatch(
      new RegExp(`^<li><code><bdi>GM${at}</bdi></code> <bdi>[^<>"'\\p{Cc}\\u202a-\\u202e\\u2066-\\u2069]+</bdi>$`, "u"),
    );
  expect(items[0]).toContain("&lt;/li&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(items[2]).toContain("[U+202E]abc[U+2066][U+0000][U+0007][U+001B][31m");
  expect(items[4]).toContain("<bdi>\u25cc\u0301");
  expect(items[5]).toContain("🏴‍☠️ チーム");
  expect(await readFile(path, "utf8")).toContain("script");
});

test("a long answer comes packed to whoever takes that, and reads can be switched off and guarded", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.json");
  const modes = Array.from({ length: 1024 }, (_, at) => ({ mode: `GM${at}`, name: `Mode ${at}` }));
  await writeFile(path, catalogueOf(1, modes));
  const env = { ...(await adminSettings()), HEADCOUNT_CATALOGUE: path };
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  await using admin = new AdminClient(env);
  const plain = await http.get("/v1/modes");
  expect(plain.headers["vary"]).toBe("Accept-Encoding");
  const packed = await request(`${node.url}/v1/modes`, { headers: { "accept-encoding": "gzip" } });
  expect([packed.headers["content-encoding"], packed.headers["etag"]]).toEqual(["gzip", plain.headers["etag"]]);
  expect(gunzipSync(Buffer.from(await packed.body.arrayBuffer())).toString()).toBe(plain.text);
  await admin.put("/admin/switches/queries", { enabled: false, reason: "a test" });
  expectError(await http.get("/v1/modes"), 503, "queries are switched off: a test");
  expect((await admin.get("/v1/modes")).json.modes).toHaveLength(1024);
});
