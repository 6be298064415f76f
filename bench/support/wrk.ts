/** Peak load with `wrk`: one thread, pinned, replaying requests that were written before. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LOAD_CORE, lineOf, spawnOn, temporaryFolder } from "./children.ts";
import { cpuMsOf, endedChildrenCpuMs } from "./usage.ts";

const SCRIPT = fileURLToPath(new URL("wrk/replay.lua", import.meta.url));

export const hasWrk = spawnSync("wrk", ["-v"]).error === undefined;

export interface WrkRun {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly requestsPath: string;
  /** Which request to begin with. */
  readonly first: number;
  /** Told when all requests are read and the load begins. */
  readonly onBegin?: () => void;
}

export interface WrkFigures {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 2xx and 3xx. */
  readonly refused: number;
  /** Connections that failed, and requests without an answer in 2 s. */
  readonly broken: number;
  /** Where another run would go on. */
  readonly next: number;
  /** CPU time of wrk itself from when the load began. */
  readonly cpuMs: number;
}

export async function runWrk({ url, connections, seconds, requestsPath, first, onBegin }: WrkRun): Promise<WrkFigures> {
  if (!hasWrk) throw new Error("Cannot make load: there is no wrk here (Debian: apt-get install wrk)");
  const load = ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", SCRIPT, url];
  const before = endedChildrenCpuMs();
  const child = spawnOn(LOAD_CORE, ["wrk", ...load, "--", requestsPath, String(first)]);
  const gone = once(child, "exit");
  await lineOf(child, /^loaded$/m);
  const startMs = cpuMsOf([child.pid ?? 0]);
  onBegin?.();
  const [line] = await lineOf(child, /^\{.*\}$/m);
  await gone; // only then the system counts it among the ended
  const figures = JSON.parse(line) as Omit<WrkFigures, "cpuMs">;
  return { ...figures, cpuMs: endedChildrenCpuMs() - before - startMs };
}

/** The same requests, `depth` of them in each write, as a gateway pipelines them; those left over at the end fall away. */
export function* pipelined(requests: Iterable<string>, depth: number): Generator<string> {
  let gathered: string[] = [];
  for (const request of requests) {
    gathered.push(request);
    if (gathered.length < depth) continue;
    yield gathered.join("");
    gathered = [];
  }
}

/** Writes requests for replay.lua; returns the file's path. */
export async function writeRequests(requests: Iterable<string>): Promise<string> {
  const path = join(temporaryFolder(), "requests");
  const file = createWriteStream(path);
  for (const request of requests) if (!file.write(`${request}\0`)) await once(file, "drain");
  file.end();
  await once(file, "close");
  return path;
}

export function httpPost(path: string, body: string): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  return `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export function httpPut(path: string): string {
  return `PUT ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}

export function httpGet(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}
