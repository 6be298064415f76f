/** Runs jobs in processes of their own, as many at once as there are workers. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Job, Result } from "./jobs.ts";
import type { FromWorker } from "./worker.ts";

const WORKER = new URL("./worker.ts", import.meta.url);
/** What workers compile is kept for later ones: half of what a start costs, and each planted fault needs one. */
const COMPILED = fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url));
/** There is a worker for each core, so threads that collect garbage beside it would only take turns with the others. */
const WORKER_FLAGS = ["--single-threaded-gc", "--max-semi-space-size=32"];
/** A run takes some tenths of a second of CPU, the longest four seconds; at the lowest priority it gets a small part of a core. */
const HANGING_MS = 240_000;

interface PoolOptions {
  readonly workers: number;
  readonly fault?: string | undefined;
  /** Told of each result. False: no further job is begun. */
  readonly onResult: (result: Result) => boolean;
}

/** Runs the jobs in their order, several at once. */
export async function runPool(jobs: Iterable<Job>, { workers, fault, onResult }: PoolOptions): Promise<void> {
  const left = jobs[Symbol.iterator]();
  let isStopped = false;
  const work = async (): Promise<void> => {
    const child = fork(WORKER, fault === undefined ? [] : [fault], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      execArgv: WORKER_FLAGS,
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
    });
    try {
      for (let next = left.next(); !isStopped && next.done !== true; next = left.next()) {
        if (!onResult(await resultOf(child, next.value))) isStopped = true;
      }
    } finally {
      child.kill();
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
}

function resultOf(child: ChildProcess, job: Job): Promise<Result> {
  return new Promise((resolve, reject) => {
    const what = job.scenario ?? `seed ${job.seed}`;
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      end(() => reject(new Error(`${what} hangs: not done after ${HANGING_MS} ms`)));
    }, HANGING_MS);
    const onMessage = ({ result }: FromWorker): void => end(() => resolve(result));
    const onExit = (code: number | null): void =>
      end(() => reject(new Error(`The worker ended with ${code} in ${what}`)));
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      child.off("message", onMessage);
      child.off("exit", onExit);
      settle();
    };
    child.on("message", onMessage);
    child.on("exit", onExit);
    child.send(job);
  });
}
