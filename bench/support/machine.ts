/** What the figures were measured on. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, release, totalmem, type } from "node:os";
import type { Machine } from "../results.ts";
import { canPin } from "./children.ts";

export function describeMachine(): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${distribution()} (${type()} ${release()})`,
    isPinned: canPin,
    versions: {
      Headcount: versionOf("../../package.json"),
      Node: process.version.slice(1),
      Fastify: versionOf("fastify/package.json"),
      ioredis: versionOf("ioredis/package.json"),
      Redis: firstMatch("redis-server", ["--version"], /v=(\S+)/),
      wrk: firstMatch("wrk", ["-v"], /wrk (\S+)/),
    },
  };
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown system";
  } catch {
    return "unknown system";
  }
}

function versionOf(packageFile: string): string {
  const { version } = createRequire(import.meta.url)(packageFile) as { version: string };
  return version;
}

function firstMatch(command: string, args: readonly string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return pattern.exec(`${stdout ?? ""}${stderr ?? ""}`)?.[1] ?? "absent";
}
