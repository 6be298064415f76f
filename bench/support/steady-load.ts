/** Load at a steady rate on several servers, from a process of its own on the load's core. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { end, LOAD_CORE, spawnOn } from "./children.ts";
import type { SteadyFigures, SteadyOptions } from "./steady-child.ts";

const CHILD = fileURLToPath(new URL("steady-child.ts", import.meta.url));

export interface SteadyLoad {
  /** What happened since this was last asked. */
  figures(): Promise<SteadyFigures>;
  stop(): Promise<void>;
}

export function startLoad(options: SteadyOptions): SteadyLoad {
  const child = spawnOn(LOAD_CORE, [process.execPath, CHILD, JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return {
    async figures() {
      const answered = once(child, "message");
      child.send("figures");
      const [figures] = (await answered) as [SteadyFigures];
      return figures;
    },
    stop: () => end(child),
  };
}
