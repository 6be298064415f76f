#!/usr/bin/env node
// Starts a node. Plain JavaScript, so that a Node too old for the rest can say so.
import { readFileSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";

const needed = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).engines.node.replace(
  ">=",
  "",
);
const [major, minor] = process.versions.node.split(".").map(Number);
const [majorNeeded, minorNeeded] = needed.split(".").map(Number);

if (major < majorNeeded || (major === majorNeeded && minor < minorNeeded)) {
  stop(
    `Headcount needs Node ${needed} or newer, and this is ${process.versions.node}. Use \`npm start\`, which brings the right one.`,
  );
}
// What was compiled is kept for later starts, which then take about a third less CPU: beside the packages, where only who
// installs them may write. Where nothing can be written there, nothing is kept. Threads are told by the environment.
const folder = fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url));
const { status } = module.enableCompileCache(folder);
if (status === module.constants.compileCacheStatus.ENABLED) process.env.NODE_COMPILE_CACHE = folder;
try {
  await import("./main.ts");
} catch (error) {
  if (error?.code !== "ERR_MODULE_NOT_FOUND" || !error.message.startsWith("Cannot find package")) throw error;
  stop(`Dependencies are missing. Use \`npm start\`, which installs them. (${error.message})`);
}

function stop(message) {
  console.error(message);
  process.exit(1);
}
