/**
 * Grows one engine through the sizes asked for and prints, as JSON, what a player costs at each: rows and indexes as the
 * engine counts them, and everything it holds as measured from outside. Run with --expose-gc.
 */
import { newEngine } from "../contestants/headcount-engine.ts";
import type { MemorySample } from "../results.ts";
import { connectUpTo } from "./engine-players.ts";

const CHUNKS = 64; // looks at the tables between two sizes, for the worst

const sizes = JSON.parse(process.argv[2] as string) as number[];
const before = heldBytes();
const engine = newEngine(false);
const samples: MemorySample[] = [];
let connected = 0;
for (const size of sizes.toSorted((a, b) => a - b)) {
  let worst = 0;
  const from = connected;
  for (let chunk = 1; chunk <= CHUNKS; chunk++) {
    const upTo = Math.round(from + ((size - from) * chunk) / CHUNKS);
    connectUpTo(engine, connected, upTo);
    connected = upTo;
    if (from > 0 || chunk === CHUNKS) worst = Math.max(worst, engine.tableBytes / connected);
  }
  const allBytes = (heldBytes() - before) / size;
  samples.push({ players: size, tableBytes: engine.tableBytes / size, worstTableBytes: worst, allBytes });
}
console.log(JSON.stringify(samples));

function heldBytes(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
