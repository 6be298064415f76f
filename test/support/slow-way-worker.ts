/** A balancer on a thread of its own: a test that is busy must not make slower what is slow on purpose. */
import { parentPort, workerData } from "node:worker_threads";

import { startBalancer } from "./balancer.ts";

const balancer = await startBalancer((workerData as { readonly target: number }).target);
parentPort!.on("message", (delayMs: number) => {
  balancer.delayMs = delayMs;
  parentPort!.postMessage(delayMs);
});
parentPort!.postMessage(balancer.port);
