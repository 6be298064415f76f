/** Load at a fixed rate, from a process of its own beside the one that measures. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { end, LOAD_CORE, spawnOn } from "./children.ts";
import type { PaceFigures, PaceOptions } from "./pace-child.ts";

const CHILD = fileURLToPath(new URL("pace-child.ts", import.meta.url));

export interface Pace {
  /** What was sent and answered so far. */
  figures(): Promise<PaceFigures>;
  stop(): Promise<void>;
}

export function startPace(options: PaceOptions): Pace {
  const child = spawnOn(LOAD_CORE, [process.execPath, CHILD, JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return {
    async figures() {
      const answered = once(child, "message");
      child.send("figures");
      const [figures] = (await answered) as [PaceFigures];
      return figures;
    },
    stop: () => end(child),
  };
}
