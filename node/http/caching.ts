/** How long what everybody may know is the same for everybody. */
import type { Context } from "./http.ts";

const SHARED = "public, max-age=1";
/** The same where not everybody may ask. */
const PRIVATE = "private, max-age=1";

export function cachingOf({ access }: Context): string {
  return access?.areReadsGuarded === true ? PRIVATE : SHARED;
}
