/** A process of its own beside the one that measures, on the load's core, which tells what it saw whenever it is asked. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { end, LOAD_CORE, spawnOn } from "./children.ts";

export interface AskedChild<Figures> {
  figures(): Promise<Figures>;
  stop(): Promise<void>;
}

/** @param file in this folder; it answers the message "figures" with one of its own */
export function startAsked<Figures>(file: string, options: object): AskedChild<Figures> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawnOn(LOAD_CORE, [process.execPath, path, JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return {
    async figures() {
      const answered = once(child, "message");
      child.send("figures");
      const [figures] = (await answered) as [Figures];
      return figures;
    },
    stop: () => end(child),
  };
}
