/** A file of a catalogue, read while the loop goes on. */
import { once } from "node:events";
import { basename } from "node:path";
import { Worker } from "node:worker_threads";
import { reasonOf } from "../reason.ts";
import type { FileRead } from "./catalogue-file.ts";

/** On a busy core a large catalogue takes ten. */
const WITHIN_MS = 30_000;
const LIMITS = { maxOldGenerationSizeMb: 256 };

/** Never rejects: what went wrong is a fault. */
export async function readCatalogue(path: string): Promise<FileRead> {
  const worker = new Worker(new URL("./catalogue-worker.ts", import.meta.url), {
    workerData: path,
    resourceLimits: LIMITS,
  });
  const isLate = AbortSignal.timeout(WITHIN_MS);
  try {
    const [read] = (await once(worker, "message", { signal: isLate })) as [FileRead];
    return read;
  } catch (error) {
    const why = isLate.aborted ? `takes longer than ${WITHIN_MS / 1000} s` : `fails (${reasonOf(error)})`;
    return unread(path, `to read it ${why}`);
  } finally {
    await worker.terminate();
  }
}

function unread(path: string, what: string): FileRead {
  const message = `${basename(path)}: ${what}`;
  return { kind: "faulty", faults: [{ message, told: message }] };
}
