/** What the tests of the crowd share: the world it lives in, a crowd whose service answers at once, and its command. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Crowd, CrowdSetup, Message, Outcome } from "../../crowd/crowd.ts";
import { type CrowdOptions, parseOptions } from "../../crowd/options.ts";
import { loadWorld } from "../../crowd/world.ts";

export const world = loadWorld();
export const TTL_MS = 90_000;
export const HEARD: Outcome = { kind: "heard", renewInMs: TTL_MS / 3 };
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function setupOf(setup: Partial<CrowdSetup>): CrowdSetup {
  return { world, seed: 1, players: 100, rampMs: 1_000, sessionTtlMs: TTL_MS, ...setup };
}

export function takeAll(crowd: Crowd, nowMs: number): Message[] {
  const messages: Message[] = [];
  for (let message = crowd.take(nowMs); message; message = crowd.take(nowMs)) {
    messages.push(message);
    crowd.settle(message, agreeably(message), nowMs);
  }
  return messages;
}

export function agreeably({ kind }: Message): Outcome {
  return kind === "leave" ? { kind: "gone" } : HEARD;
}

export function optionsOf(args: readonly string[]): CrowdOptions {
  const parsed = parseOptions(args);
  if (parsed.kind !== "run") throw new Error(`Not options: ${JSON.stringify(parsed)}`);
  return parsed.options;
}

export function spawnMain(args: readonly string[]) {
  const main = fileURLToPath(new URL("../../crowd/main.ts", import.meta.url));
  return spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

export async function runMain(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = spawnMain(args);
  const [[code], stdout, stderr] = await Promise.all([once(main, "exit"), text(main.stdout), text(main.stderr)]);
  return { code: code as number, stdout, stderr };
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
