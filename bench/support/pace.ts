/** Load at a fixed rate; its figures are what was sent and answered so far. */
import { type AskedChild, startAsked } from "./asked-child.ts";
import type { PaceFigures, PaceOptions } from "./pace-child.ts";

export function startPace(options: PaceOptions): AskedChild<PaceFigures> {
  return startAsked("pace-child.ts", options);
}
