/** Settings come from the environment; a bad one stops the start and names itself. */

import { writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";

import { itemAt } from "../../simulator/item-at.ts";
import { HttpClient, rawRequest } from "../support/http.ts";
import { runToExit, startNode, temporaryFolder } from "../support/node-process.ts";

/** Every setting of the contract that concerns one node. */
const SETTINGS = [
  "HEADCOUNT_HOST",
  "HEADCOUNT_PORT",
  "HEADCOUNT_CLUSTER",
  "HEADCOUNT_PARTITIONS",
  "HEADCOUNT_DATA_DIR",
  "HEADCOUNT_SESSION_TTL_MS",
  "HEADCOUNT_RECOVERY_GRACE_MS",
  "HEADCOUNT_DURABILITY",
  "HEADCOUNT_SNAPSHOT_MS",
  "HEADCOUNT_LEASE_MS",
  "HEADCOUNT_REQUEST_DEADLINE_MS",
  "HEADCOUNT_LOG_LEVEL",
  "HEADCOUNT_KEEP_ALIVE_MS",
  "HEADCOUNT_CORS_ORIGINS",
] as const;

const BAD: readonly (readonly [variable: string, value: string, expected: RegExp])[] = [
  ["HEADCOUNT_HOST", "not a host", /./],
  ["HEADCOUNT_PORT", "abc", /65535/],
  ["HEADCOUNT_PORT", "65536", /65535/],
  ["HEADCOUNT_PORT", "-1", /65535/],
  ["HEADCOUNT_PORT", "80.5", /65535/],
  ["HEADCOUNT_CLUSTER", "Upper", /a-z/],
  ["HEADCOUNT_CLUSTER", "a".repeat(33), /32/],
  ["HEADCOUNT_PARTITIONS", "100", /power of two/],
  ["HEADCOUNT_PARTITIONS", "8", /16/],
  ["HEADCOUNT_PARTITIONS", "8192", /4,?096/],
  ["HEADCOUNT_DATA_DIR", "/dev/null/data", /./],
  ["HEADCOUNT_DATA_DIR", "/proc/headcount/data", /./],
  ["HEADCOUNT_SESSION_TTL_MS", "0", /./],
  ["HEADCOUNT_SESSION_TTL_MS", "90s", /./],
  ["HEADCOUNT_SESSION_TTL_MS", "1500.5", /./],
  ["HEADCOUNT_RECOVERY_GRACE_MS", "1000", /50,?000/],
  ["HEADCOUNT_RECOVERY_GRACE_MS", "long", /./],
  ["HEADCOUNT_DURABILITY", "always", /log.*snapshot.*none/],
  ["HEADCOUNT_SNAPSHOT_MS", "-1", /./],
  ["HEADCOUNT_LEASE_MS", "0", /./],
  ["HEADCOUNT_REQUEST_DEADLINE_MS", "soon", /./],
  ["HEADCOUNT_KEEP_ALIVE_MS", "999", /1000 to 86400000/],
  ["HEADCOUNT_KEEP_ALIVE_MS", "72s", /1000 to 86400000/],
  ["HEADCOUNT_LOG_LEVEL", "loud", /trace.*debug.*info.*warn.*error/],
  ["HEADCOUNT_LOG_LEVEL", "in\nfo\u001b[31m", /info/],
];

const BAD_ORIGINS = ["play.example", "https://play.example/", "https://a.example,*", ""];

describe("A bad setting stops the start in one line that names it", () => {
  test.concurrent.each([
    ...BAD,
    ...BAD_ORIGINS.map((value) => ["HEADCOUNT_CORS_ORIGINS", value, /scheme:\/\/host.*comma-separated/] as const),
  ])("%s=%j", async (variable, value, expected) => {
    const { code, stdout, stderr } = await runToExit({ env: { [variable]: value } });
    expect(code).toBeGreaterThan(0);
    expect(stdout).toBe("");
    const lines = stderr.trimEnd().split("\n");
    expect(lines, stderr).toHaveLength(1);
    expect(lines[0]).toContain(variable);
    expect(lines[0]).toMatch(expected);
    expect(lines[0]).toContain(itemAt(JSON.stringify(value).slice(1, -1).split("\\u"), 0).slice(0, 32));
    // eslint-disable-next-line no-control-regex
    expect(lines[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect(lines[0]).not.toMatch(/^\{|\bat .*:\d+:\d+/);
  });

  // A misspelled setting must not be passed over in silence. Its value is not shown: it may be a secret.
  test.concurrent.each(["HEADCOUNT_FOO", "HEADCOUNT_SESSION_TTL", "HEADCOUNT_", "HEADCOUNT_port"])(
    "%s is no setting",
    async (variable) => {
      const { code, stdout, stderr } = await runToExit({ env: { [variable]: "secret" } });
      expect(code).toBeGreaterThan(0);
      expect(stdout).toBe("");
      expect(stderr.trimEnd().split("\n")).toEqual([expect.stringContaining(variable)]);
      expect(stderr).not.toContain("secret");
    },
  );

  test.concurrent("a data folder that is a file names itself", async () => {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/file`;
    await writeFile(path, "mine");
    const { code, stderr } = await runToExit({ dataDir: path });
    expect(code).toBeGreaterThan(0);
    expect(stderr.trimEnd().split("\n")).toEqual([expect.stringContaining("HEADCOUNT_DATA_DIR")]);
    expect(stderr).toContain(path);
  });
});

describe("HEADCOUNT_KEEP_ALIVE_MS", () => {
  test.concurrent.each([
    ["72 seconds unless it is set", undefined, 72],
    ["as set", "620000", 620],
  ])("an idle connection is told how long it is kept: %s", async (_, value, seconds) => {
    await using node = await startNode({ env: { HEADCOUNT_KEEP_ALIVE_MS: value } });
    await using http = new HttpClient(node.url);
    expect((await http.get("/livez")).headers["keep-alive"]).toBe(`timeout=${seconds}`);
  });

  test.concurrent("an idle connection is closed then", async () => {
    await using node = await startNode({ env: { HEADCOUNT_KEEP_ALIVE_MS: "1000" } });
    const answer = await rawRequest(node.url, "GET /livez HTTP/1.1\r\nhost: here\r\n\r\n");
    expect(answer?.status, "and it was closed since").toBe(200);
  });
});

describe("--help", () => {
  test.concurrent("lists every setting with its default, and exits with 0", async () => {
    const { code, stdout, stderr } = await runToExit({ args: ["--help"] });
    expect([code, stderr]).toEqual([0, ""]);
    for (const setting of SETTINGS) expect(stdout).toContain(setting);
    for (const value of [
      "127.0.0.1",
      "8080",
      "default",
      "256",
      "./data",
      "90000",
      "log",
      "10000",
      "3000",
      "2000",
      "info",
      "72000",
    ])
      expect(stdout).toContain(value);
  });

  test.concurrent("helps also where a setting is bad", async () => {
    const { code } = await runToExit({ args: ["--help"], env: { HEADCOUNT_PORT: "abc" } });
    expect(code).toBe(0);
  });

  test.concurrent("an argument that is unknown stops the start in one line that names it", async () => {
    const { code, stderr } = await runToExit({ args: ["--port"] });
    expect(code).toBeGreaterThan(0);
    expect(stderr.trimEnd().split("\n")).toEqual([expect.stringContaining("--port")]);
  });
});
