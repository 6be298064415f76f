/**
 * A client that is made from the description of a running node: it compiles, strictly, and does what a client does. The generator
 * is an ordinary one, that knows nothing of this service; `docs/clients` tells how to make a client for another language.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { PROJECT_DIR, startNode } from "../support/node-process.ts";
import { freshPlayer, refusalOf, shareNode } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";

const EXAMPLE = join(PROJECT_DIR, "docs/clients/example.ts");
/** The project's own options but one: the generator's code gives `undefined` to what may only be left out. */
const STRICT = {
  extends: join(PROJECT_DIR, "tsconfig.json"),
  compilerOptions: { exactOptionalPropertyTypes: false },
  include: ["*.ts"],
};

/** Inside of the project, so that packages are found. */
const folder = join(PROJECT_DIR, "reports", "generated-client");
const shared = shareNode();
const guarded = shareNode({ env: TOKEN_SETTINGS_GIVEN });

interface Outcome {
  readonly status: number;
  readonly data?: unknown;
  readonly headers: Headers;
}
/** The calls as this test makes them, also with what their types refuse. */
type Client = Readonly<Record<string, (...values: readonly unknown[]) => Promise<Outcome>>>;

function run(...command: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: folder, encoding: "utf8" });
  return { status, said: `${stdout}${stderr}` };
}

const compile = (project: string) => run(join(PROJECT_DIR, "node_modules/.bin/tsc"), "-p", project);

let client: Client = {};

beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const description = await shared.http.get("/openapi.json");
  writeFileSync(join(folder, "openapi.json"), description.text);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(STRICT));
  copyFileSync(EXAMPLE, join(folder, "example.ts"));
  const made = run(join(PROJECT_DIR, "node_modules/.bin/oazapfts"), "openapi.json", "headcount.ts");
  expect(made, made.said).toMatchObject({ status: 0 });
  client = (await import(join(folder, "headcount.ts"))) as Client;
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the client and the example compile, strictly", () => {
  expect(compile(".")).toEqual({ status: 0, said: "" });
});

test.each([
  ["a field that is none", "renewInMs }", "renewInMillis }"],
  ["a reason without advice", `case "draining":`, ""],
  ["a reason that is none", `case "draining":`, `case "drowning":`],
  ["a body before the status is known", "reported.status === 200 || reported.status === 202", "reported.status > 0"],
  ["a row without its mode", `region: "XX", gamemode: "GM02"`, `region: "XX"`],
])("the types say what is wrong: %s", (_, right, wrong) => {
  const other = mkdtempSync(join(folder, "wrong-"));
  const text = readFileSync(EXAMPLE, "utf8");
  expect(text).toContain(right);
  writeFileSync(join(other, "example.ts"), text.replace(right, wrong).replace("./headcount.ts", "../headcount.ts"));
  writeFileSync(join(other, "tsconfig.json"), JSON.stringify(STRICT));
  expect(compile(other)).toMatchObject({
    status: expect.not.toBeOneOf([0]),
    said: expect.stringContaining("error TS"),
  });
});

describe("the example", () => {
  const DONE = [
    "report: 200, GM01 in CA, again within a minute: true",
    "heartbeat: 204, again within a minute: true",
    "look-up: 200, seen true",
    "batch: 200, accepted 1",
    "  row 1: 400, malformed",
    "popular: 200, 2: 1 GM01, 2 GM02",
    "popular: 304, as of an instant: true",
    "regions: 200, CA",
    "players: 200, whole: true",
    "removal: 204",
    "look-up: 404, not-connected: report again",
  ];
  const example = (...values: readonly string[]): readonly string[] => {
    const { status, said } = run("example.ts", ...values);
    expect(status, said).toBe(0);
    return said.trimEnd().split("\n");
  };

  test("plays at a node", () => {
    expect(example(shared.node.url)).toEqual(DONE);
  });

  test("plays at a node that asks for tokens", () => {
    const token = signedToken({ scope: "reports:batch profiles:read" });
    expect(example(guarded.node.url, token)).toEqual(DONE);
  });

  test("is told that it needs a token", () => {
    const said = example(guarded.node.url);
    for (const call of ["report", "heartbeat", "look-up", "batch"])
      expect(said).toContain(`${call}: 401, credentials: get a token`);
  });
});

describe("a refusal comes with its reason and what belongs to it", () => {
  const PLACE = { region: "CA", gamemode: "GM01" };

  test.each([
    ["report", 400, "malformed", [freshPlayer(), { ...PLACE, region: "XX" }, {}]],
    ["report", 413, "too-large", [freshPlayer(), { ...PLACE, gamemode: "G".repeat(5_000) }, {}]],
    ["report", 415, "not-json", [freshPlayer(), PLACE, {}], { headers: { "content-type": "text/plain" } }],
    ["findPlayer", 404, "not-connected", [freshPlayer()]],
    ["renewSession", 404, "not-connected", [freshPlayer(), {}]],
    ["disconnect", 400, "malformed", ["none", {}]],
    ["reportMany", 400, "malformed", [{ reports: [] }]],
    ["popularModes", 400, "malformed", ["CA", { top: 101 }]],
  ] as const)("%s: %i %s", async (call, status, reason, values, options?: object) => {
    const answer = await client[call]!(...values, { ...options, baseUrl: shared.node.url });
    expect(answer).toMatchObject({ status, data: { ...refusalOf(status), reason } });
  });

  test("401 and 403 say what token is needed", async () => {
    const { url: baseUrl } = guarded.node;
    const headers = { authorization: `Bearer ${signedToken({ sub: freshPlayer() })}` };
    const answers = [
      await client["report"]!(freshPlayer(), PLACE, {}, { baseUrl }),
      await client["report"]!(freshPlayer(), PLACE, {}, { baseUrl, headers }),
    ];
    expect(answers).toMatchObject([
      { status: 401, data: refusalOf(401) },
      { status: 403, data: refusalOf(403) },
    ]);
    for (const { headers: told } of answers) expect(told.get("www-authenticate")).toMatch(/^Bearer error="/);
  });

  test("429 says when to come again", async () => {
    await using node = await startNode({ env: { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_RATE_TOKEN: "2/60s" } });
    const headers = { authorization: `Bearer ${signedToken({ sub: "game-server", scope: "reports:batch" })}` };
    const rows = [1, 2, 3].map(() => ({ profileId: freshPlayer(), ...PLACE }));
    const options = { baseUrl: node.url, headers };
    const taken = await client["reportMany"]!({ reports: rows.slice(0, 2) }, options);
    const refused = await client["reportMany"]!({ reports: rows.slice(2) }, options);
    expect([taken, refused]).toMatchObject([{ status: 200 }, { status: 429, data: { reason: "rate" } }]);
    for (const name of ["retry-after", "ratelimit", "ratelimit-policy"])
      expect(refused.headers.get(name), name).toBeTruthy();
  });
});
