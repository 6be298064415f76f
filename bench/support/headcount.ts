/** Headcount as a contestant: a process that is started as `npm start` starts it, of today's tree or of another revision. */
import type { ChildProcess, StdioOptions } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { lineOf, SERVER_CORE, spawnOn, temporaryFolder } from "./children.ts";
import { type Server, serverOf, urlOf } from "./servers.ts";

/** A tree of files whose node takes part. */
export interface Revision {
  /** What its contestants are called. */
  readonly name: string;
  readonly root: string;
}

export interface HeadcountOptions {
  readonly durability: "log" | "snapshot" | "none";
  readonly folder?: string;
  /** More settings, by the names of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its event loop is watched from inside, see loop-delay.ts. */
  readonly isWatched?: boolean;
  readonly revision?: Revision;
}

export const TODAY: Revision = { name: "headcount", root: fileURLToPath(new URL("../..", import.meta.url)) };

/** Nobody falls silent while others have their turns, or while millions are connected. */
export const LONG_SESSION = { HEADCOUNT_SESSION_TTL_MS: "3600000" };

/** What operators show here: where tokens are asked for, only their listener tells metrics. */
const ADMIN_TOKEN = "known-to-this-benchmark-alone";

const LOOP_DELAY = new URL("loop-delay.ts", import.meta.url).href;

/** A node as it is, with an embedded store in `folder` or a fresh one. */
export async function startHeadcount(options: HeadcountOptions): Promise<Server> {
  const revision = options.revision ?? TODAY;
  const env = {
    ...process.env,
    PATH: [join(revision.root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter),
    HEADCOUNT_PORT: "0",
    HEADCOUNT_DATA_DIR: options.folder ?? temporaryFolder(),
    HEADCOUNT_DURABILITY: options.durability,
    HEADCOUNT_LOG_LEVEL: "warn",
    HEADCOUNT_ADMIN_TOKEN: ADMIN_TOKEN,
    ...(options.isWatched ? { NODE_OPTIONS: `--import ${LOOP_DELAY}` } : {}),
    ...options.env,
  };
  const stdio: StdioOptions = ["ignore", "pipe", "inherit", ...(options.isWatched ? ["ipc" as const] : [])];
  const child = spawnOn(SERVER_CORE, ["sh", "-c", startScriptOf(revision)], { env, stdio, cwd: revision.root });
  const { url, metricsUrl } = await urlsOf(child, revision);
  const server = { ...serverOf(child, url), metricsUrl };
  return {
    ...server,
    answersUnstored: async () =>
      sumOf(await metricsOf(server), /^headcount_http_requests_total\{.*status="202".*\} (\d+)/gm) ?? 0,
    requestsInLane: async () => {
      const count = sumOf(await metricsOf(server), /^headcount_requests_by_way_total\{way="lane"\} (\d+)/gm);
      if (count === undefined && revision === TODAY)
        throw new Error("Cannot tell the ways of requests: /metrics has no headcount_requests_by_way_total");
      return count;
    },
  };
}

/** Another revision may have no listener for operators. */
async function urlsOf(child: ChildProcess, revision: Revision): Promise<{ url: string; metricsUrl: string }> {
  if (revision !== TODAY) {
    const url = await urlOf(child);
    return { url, metricsUrl: `${url}/metrics` };
  }
  const [, url = "", admin] = await lineOf(child, / listens on (http:\S+)[^]* {2}admin (http:\S+)\n/);
  return { url, metricsUrl: `${admin}metrics` };
}

export async function metricsOf({ metricsUrl }: Server): Promise<string> {
  if (metricsUrl === undefined) throw new Error("Cannot read metrics: this contestant has none");
  const answer = await fetch(metricsUrl, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  if (!answer.ok) throw new Error(`Cannot read metrics: ${metricsUrl} answered ${answer.status}`);
  return answer.text();
}

/** What `npm start` runs. It must become the node, not start it, for its process is what is measured. */
function startScriptOf({ root }: Revision): string {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly scripts: { readonly start: string };
  };
  if (/\bexec (env (\S+=\S+ )+)?node\b/.test(scripts.start)) return scripts.start;
  throw new Error(
    `Cannot start the node of ${root}: its start script must say "exec node" or "exec env …=… node", got "${scripts.start}"`,
  );
}

/** The sum of what the pattern finds, `undefined` where it finds nothing. */
function sumOf(metrics: string, pattern: RegExp): number | undefined {
  const found = Array.from(metrics.matchAll(pattern));
  return found.length === 0 ? undefined : found.reduce((sum, [, value]) => sum + Number(value), 0);
}
