/** Load at a steady rate on several servers; its figures are what happened since it was last asked. */
import { type AskedChild, startAsked } from "./asked-child.ts";
import type { SteadyFigures, SteadyOptions } from "./steady-child.ts";

export function startLoad(options: SteadyOptions): AskedChild<SteadyFigures> {
  return startAsked("steady-child.ts", options);
}
