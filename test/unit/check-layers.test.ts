import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { checkLayers } from "../../scripts/check-layers.ts";

test.each([
  ["engine/a.ts", `import type { Store } from "../cluster/store.ts";`, "may not import cluster/store.ts"],
  ["engine/deep/a.ts", `import { a } from "../../node/a.ts";`, "may not import node/a.ts"],
  ["engine/a.ts", `export * from "../node/a.ts";`, "may not import node/a.ts"],
  ["engine/a.ts", `await import("../node/a.ts");`, "may not import node/a.ts"],
  ["engine/a.ts", `type A = import("../node/a.ts").A;`, "may not import node/a.ts"],
  ["engine/a.ts", `new URL("../node/worker.ts", import.meta.url);`, "may not import node/worker.ts"],
  ["engine/a.ts", `import { readFile } from "node:fs/promises";`, "may not import node:fs/promises"],
  ["engine/a.ts", `import fs from "fs";`, "may not import fs"],
  ["engine/a.ts", `import { gzipSync } from "node:zlib";`, "may not import more of node:zlib than crc32"],
  ["engine/a.ts", `import * as zlib from "node:zlib";`, "may not import more of node:zlib than crc32"],
  ["engine/a.ts", `import fastify from "fastify";`, "may not import the package fastify"],
  ["engine/a.ts", `const nowMs = Date.now();`, "may not use Date.now, a clock"],
  ["engine/a.ts", `const now = new Date();`, "may not use Date without arguments, a clock"],
  ["engine/a.ts", `const nowMs = performance.now();`, "may not use performance, a clock"],
  ["engine/a.ts", `const dice = Math["random"]();`, "may not use Math.random, randomness"],
  ["engine/a.ts", `const id = crypto.randomUUID();`, "may not use crypto, randomness"],
  ["cluster/a.ts", `setTimeout(() => {}, 1);`, "may not use setTimeout, a timer"],
  ["cluster/a.ts", `const timers = { setInterval };`, "may not use setInterval, a timer"],
  ["cluster/a.ts", `const cores = process.env.CORES;`, "may not use process"],
  ["cluster/a.ts", `import { hash } from "node:crypto";`, "may not import node:crypto"],
  ["cluster/a.ts", `import { a } from "../node/a.ts";`, "may not import node/a.ts"],
  ["cluster/a.ts", `import pino from "pino";`, "may not import the package pino"],
  ["node/a.ts", `import { a } from "../test/support/a.ts";`, "may not import test/support/a.ts"],
  ["node/a.ts", `import { a } from "../bench/a.ts";`, "may not import bench/a.ts"],
  ["node/a.ts", `import fc from "fast-check";`, "may not import the package fast-check"],
  ["node/a.ts", `import { Gauge } from "prom-client";`, "not among the dependencies of package.json"],
  ["node/a.ts", `import { a } from "../cluster/moves/a.ts";`, "may not import cluster/moves/a.ts"],
  ["node/a.ts", `import { a } from "./redis/redis-store.ts";`, "may not import node/redis/redis-store.ts"],
  ["node/a.ts", `import { a } from "./run.ts";`, "node/ may not import node/run.ts"],
  ["node/reason.ts", `import { a } from "./a.ts";`, "node/reason.ts may not import node/a.ts"],
  ["node/store/a.ts", `import { a } from "../settings.ts";`, "node/store/ may not import node/settings.ts"],
  ["node/store/a.ts", `import { a } from "../../cluster/ports/view.ts";`, "may not import cluster/ports/view.ts"],
  ["node/store/a.ts", `import pino from "pino";`, "may not import the package pino"],
  ["node/redis/a.ts", `import { a } from "../settings.ts";`, "node/redis/ may not import node/settings.ts"],
  ["node/redis/a.ts", `import { a } from "../../cluster/a.ts";`, "may not import cluster/a.ts"],
  ["node/http/a.ts", `import { a } from "../peers/a.ts";`, "node/http/ may not import node/peers/a.ts"],
  ["node/http/routes/a.ts", `import { a } from "../../../cluster/a.ts";`, "may not import cluster/a.ts"],
  ["node/http/a.ts", `import { Redis } from "ioredis";`, "may not import the package ioredis"],
  ["node/peers/a.ts", `import { a } from "../http/routes/a.ts";`, "node/peers/ may not import node/http/routes/a.ts"],
  ["node/peers/a.ts", `import fastify from "fastify";`, "may not import the package fastify"],
  ["node/alone/a.ts", `import { a } from "../redis/a.ts";`, "node/alone/ may not import node/redis/a.ts"],
  ["node/alone/a.ts", `await import("../peers/a.ts");`, "node/alone/ may not import node/peers/a.ts"],
  ["node/clustered/a.ts", `import { a } from "../store/a.ts";`, "node/clustered/ may not import node/store/a.ts"],
  ["node/clustered/a.ts", `import { a } from "../alone/a.ts";`, "node/clustered/ may not import node/alone/a.ts"],
  ["node/clustered/a.ts", `import { a } from "../http/http.ts";`, "node/clustered/ may not import node/http/http.ts"],
  ["node/main.ts", `import { a } from "./store/sqlite-store.ts";`, "may not import node/store/sqlite-store.ts"],
  ["node/run.ts", `import { Redis } from "ioredis";`, "node/run.ts may not import the package ioredis"],
  ["cluster/members/a.ts", `import { a } from "../records/a.ts";`, "may not import cluster/records/a.ts"],
  ["cluster/ports/a.ts", `import { a } from "../cluster-node.ts";`, "may not import cluster/cluster-node.ts"],
  ["scripts/a.ts", `import { a } from "../test/a.ts";`, "may not import test/a.ts"],
  ["elsewhere/a.ts", ``, "no rule for the folder elsewhere/"],
])("checkLayers() catches a planted breach: %s with %s", (file, source, message) => {
  expect(checkLayers(projectWith({ [file]: source }))).toEqual([expect.stringContaining(message)]);
});

/** A file of each part of `node/`; none may import one below it. */
const PARTS_OF_NODE = [
  "node/reason.ts",
  "node/store/a.ts",
  "node/redis/a.ts",
  "node/a.ts",
  "node/http/a.ts",
  "node/peers/a.ts",
  "node/alone/a.ts",
  "node/clustered/a.ts",
  "node/main.ts",
];

test("checkLayers() lets no part of node/ import one below it, so that there are no circles", () => {
  for (const [at, file] of PARTS_OF_NODE.entries()) {
    const below = PARTS_OF_NODE.slice(at + 1);
    const source = below.map((other) => `import "./${posix.relative(dirname(file), other)}";`);
    expect(checkLayers(projectWith({ [file]: source.join("\n") }))).toHaveLength(below.length);
  }
});

test("checkLayers() says the file, the line and the column", () => {
  const root = projectWith({ "engine/a.ts": `// first line\nexport const nowMs = Date.now();\n` });
  expect(checkLayers(root)).toEqual([
    "engine/a.ts:2:22: engine/ may not use Date.now, a clock: time comes in as a number",
  ]);
});

test("checkLayers() has nothing against what each layer may do", () => {
  const root = projectWith({
    "engine/a.ts": `import { crc32 } from "node:zlib"; import { b } from "./deep/b.ts"; new Date(5).toISOString(); clock.setTimeout(b);`,
    "engine/deep/b.ts": `import { crc } from "../a.ts"; export const b = { process: 1 };`,
    "cluster/a.ts": `import { a } from "../engine/a.ts"; import { b } from "./moves/b.ts";`,
    "cluster/members/a.ts": `import { a } from "../ports/a.ts"; import HashRing from "hashring";`,
    "cluster/moves/b.ts": `import { a } from "../members/a.ts"; import { c } from "./c.ts";`,
    "simulator/a.ts": `import { a } from "../cluster/moves/b.ts"; import { b } from "../cluster/a.ts";`,
    "node/a.ts": `import { a } from "../cluster/a.ts"; import { c } from "../cluster/ports/c.ts"; import { readFileSync } from "node:fs"; import pino from "pino"; Date.now();`,
    "node/store/a.ts": `import { a } from "../../cluster/ports/record-store.ts"; import { b } from "../reason.ts";`,
    "node/redis/a.ts": `import { a } from "../../cluster/ports/a.ts"; import { b } from "../reason.ts";`,
    "node/settings.ts": `import { a } from "./redis/redis-url.ts"; import { b } from "./a.ts";`,
    "node/http/routes/a.ts": `import { a } from "../a.ts"; import { b } from "../../settings.ts"; import { c } from "../../../engine/a.ts";`,
    "node/peers/a.ts": `import { a } from "../http/http.ts"; import { b } from "../settings.ts";`,
    "node/alone/a.ts": `import { a } from "../store/a.ts"; import { b } from "../../cluster/records/b.ts";`,
    "node/clustered/a.ts": `import { a } from "../redis/a.ts"; import { b } from "../peers/a.ts"; import { c } from "../../cluster/a.ts";`,
    "node/run.ts": `import { a } from "./http/a.ts"; await import("./alone/a.ts"); await import("./clustered/a.ts");`,
    "node/main.ts": `import { a } from "./store/damage.ts"; await import("./run.ts");`,
    "test/unit/a.test.ts": `import { a } from "../../node/a.ts"; import { c } from "../../node/http/a.ts"; import { b } from "../../bench/b.ts"; import fc from "fast-check";`,
    "bench/b.ts": `import { a } from "../engine/a.ts"; setTimeout(() => {}, Math.random());`,
    "tool.config.ts": `import { defineConfig } from "vitest/config";`,
    "node_modules/pino/a.js": `import "../../engine/a.ts";`,
  });
  expect(checkLayers(root)).toEqual([]);
});

function projectWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "headcount-layers-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const all = {
    "package.json": `{ "dependencies": { "hashring": "1", "pino": "1" }, "devDependencies": { "fast-check": "1" } }`,
    ...files,
  };
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  return root;
}
