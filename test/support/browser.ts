/** A real browser, headless, from the system's packages. */
import { spawnSync } from "node:child_process";
import { type Browser, chromium } from "playwright-core";

const COMMAND = "chromium-headless-shell";
const found = spawnSync("which", [COMMAND], { encoding: "utf8" });

export const hasBrowser = found.status === 0;

export function startBrowser(): Promise<Browser> {
  // Its sandbox wants rights that a container seldom gives; it visits no pages but our own.
  return chromium.launch({ executablePath: found.stdout.trim(), args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}
