/** The data folder, or a file in it, is removed or replaced under a running node: noticed within a second, and written anew. */

import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

import { HttpClient } from "../support/http.ts";
import { type NodeProcess, startNode, temporaryFolder } from "../support/node-process.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const PLAYERS = 40;

/** Reports players of one region; each must be answered with 200. */
async function report(http: HttpClient, region: string): Promise<void> {
  for (let count = 0; count < PLAYERS; count++)
    expect((await http.report(freshPlayer(), { region, gamemode: "GM01" })).status).toBe(200);
}

function isNoticed(node: NodeProcess): boolean {
  return node.stderr.includes("was removed or replaced while it was open");
}

async function statusOf(http: HttpClient): Promise<string> {
  return (await http.get("/readyz")).json.status;
}

const DEEDS: readonly (readonly [what: string, deed: (folder: string) => void])[] = [
  ["the folder is removed", (folder) => rmSync(folder, { recursive: true })],
  ["the folder is moved away", (folder) => renameSync(folder, `${folder}.old`)],
  [
    "everything in the folder is removed",
    (folder) => readdirSync(folder).forEach((name) => rmSync(join(folder, name))),
  ],
  ["the write-ahead log is removed", (folder) => rmSync(join(folder, "headcount.db-wal"))],
  ["the database is removed", (folder) => rmSync(join(folder, "headcount.db"))],
  ["the lock is removed", (folder) => rmSync(join(folder, "headcount.lock"))],
  [
    "the write-ahead log is replaced by a copy",
    (folder) => {
      const path = join(folder, "headcount.db-wal");
      cpSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
  ],
  [
    "the folder is replaced by a copy",
    (folder) => {
      cpSync(folder, `${folder}.copy`, { recursive: true });
      rmSync(folder, { recursive: true });
      renameSync(`${folder}.copy`, folder);
    },
  ],
  [
    "the folder is replaced by one with files of something else",
    (folder) => {
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
      for (const name of ["headcount.db", "headcount.db-wal"]) writeFileSync(join(folder, name), "something else");
    },
  ],
];

test.concurrent.each(DEEDS)("Where %s, all is written anew, also what nobody reports again", async (_, deed) => {
  await using root = await temporaryFolder();
  const dataDir = join(root.path, "data");
  {
    await using node = await startNode({ dataDir });
    await using http = new HttpClient(node.url);
    await report(http, "CA");
    deed(dataDir);
    await until("it is noticed", () => isNoticed(node), { limitMs: 5000 });
    await until("all is written anew", async () => (await statusOf(http)) === "ready");
    await report(http, "US");
    node.kill("SIGKILL");
    await node.exited;
  }
  await using again = await startNode({ dataDir });
  await using http = new HttpClient(again.url);
  expect((await http.get("/v1/players")).json).toEqual({ players: 2 * PLAYERS });
  expect(await again.stop()).toBe(0);
});

test.concurrent("Where the folder cannot be made again, reports get 202 and readyz says why, until it can", async () => {
  await using root = await temporaryFolder();
  const dataDir = join(root.path, "data");
  {
    await using node = await startNode({ dataDir });
    await using http = new HttpClient(node.url);
    await report(http, "CA");
    rmSync(dataDir, { recursive: true });
    writeFileSync(dataDir, "no folder");
    const degraded = await until("readyz says so, though nobody reports", async () => {
      const { json } = await http.get("/readyz");
      return json.status === "degraded" && json;
    });
    expect(degraded.reason).toContain("log says"); // who asks need not learn where the data lies
    expect(node.stderr).toContain(dataDir);
    expect((await http.report(freshPlayer(), { region: "US", gamemode: "GM01" })).status).toBe(202);
    rmSync(dataDir);
    await until("all is written anew", async () => (await statusOf(http)) === "ready");
    node.kill("SIGKILL");
    await node.exited;
  }
  await using again = await startNode({ dataDir });
  await using http = new HttpClient(again.url);
  expect((await http.get("/v1/players")).json).toEqual({ players: PLAYERS + 1 });
});

test.concurrent("Where another node has taken the folder, its files are left alone, and the first says why it cannot write", async () => {
  await using root = await temporaryFolder();
  const dataDir = join(root.path, "data");
  await using first = await startNode({ dataDir });
  await using http = new HttpClient(first.url);
  await report(http, "CA");
  first.kill("SIGSTOP");
  rmSync(dataDir, { recursive: true });
  {
    await using second = await startNode({ dataDir });
    await using other = new HttpClient(second.url);
    await report(other, "US");
    first.kill("SIGCONT");
    await until("the first is degraded", async () => {
      const { json } = await http.get("/readyz");
      return json.status === "degraded";
    });
    await until("the log says why", () => first.stderr.includes("in use by another process"));
    expect((await http.report(freshPlayer(), { region: "CA", gamemode: "GM01" })).status).toBe(202);
    await report(other, "US");
    expect(isNoticed(second), second.stderr).toBe(false);
    for (const node of [first, second]) {
      node.kill("SIGKILL");
      await node.exited;
    }
  }
  await using again = await startNode({ dataDir });
  await using later = new HttpClient(again.url);
  expect((await later.get("/v1/regions")).json.regions).toEqual([{ region: "US", players: 2 * PLAYERS }]);
});
