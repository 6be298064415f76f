/** A process that runs what it is sent, with a fault planted or without, and tells what came of it. */
import { flushCompileCache } from "node:module";
import type { Job, Result } from "./jobs.ts";
import { plant } from "./patching.ts";
import { faultNamed } from "./planted-faults.ts";

/** `result: undefined`: all is done. */
export interface FromWorker {
  readonly result: Result;
}

const [fault] = process.argv.slice(2);
if (fault !== undefined) plant(faultNamed(fault).patches);
const { runJob, watchRejections } = await import("./jobs.ts");
const { ClusterNode } = await import("../cluster/cluster-node.ts");

// Only without a fault: what is patched is of use to nobody else.
if (fault === undefined) flushCompileCache();

watchRejections();
process.on("message", (job: Job) => {
  void runJob(job, ClusterNode, false).then((result) => process.send?.({ result } satisfies FromWorker));
});
process.on("SIGINT", () => undefined); // whoever started it decides
process.on("disconnect", () => process.exit(0));
