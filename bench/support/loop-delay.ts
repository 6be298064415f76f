/**
 * Loaded into a node before its own code (`node --import`): watches the delay of the event loop from inside, whatever the
 * node itself says about it. A timer is to fire every millisecond; what is measured is from one firing to the next.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
}

if (isMainThread && process.send !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  process.on("message", () => {
    process.send?.({ p99Ms: delay.percentile(99) / 1e6, maxMs: delay.max / 1e6 } satisfies LoopDelay);
    delay.reset();
  });
  process.channel?.unref(); // watching keeps nobody alive
}
