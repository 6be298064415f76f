/**
 * A way to Redis that can be made slow.
 *
 *     await using slow = await startSlowWay(redis.port);
 *     await slow.delay(350);
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";

export interface SlowWay extends AsyncDisposable {
  readonly port: number;
  /** Each call takes so much longer from now on. */
  delay(delayMs: number): Promise<void>;
}

/** @param target the port it leads to */
export async function startSlowWay(target: number): Promise<SlowWay> {
  const worker = new Worker(new URL("./slow-way-worker.ts", import.meta.url), { workerData: { target } });
  const [port] = (await once(worker, "message")) as [number];
  return {
    port,
    delay: async (delayMs) => {
      worker.postMessage(delayMs);
      await once(worker, "message");
    },
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}
