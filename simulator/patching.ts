/** Planted faults: the source is changed as it is loaded, so that nothing in the product has to know of them. */
import { registerHooks } from "node:module";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { relative } from "node:path";

export interface Patch {
  /** From the project's folder. */
  readonly file: string;
  /** Occurs exactly once in it. */
  readonly find: string;
  readonly replace: string;
}

const ROOT = new URL("../", import.meta.url);

/** To be called before anything of `cluster/` or `engine/` is loaded. */
export function plant(patches: readonly Patch[]): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.startsWith(ROOT.href)) return loaded;
      const file = relative(fileURLToPath(ROOT), fileURLToPath(url));
      const own = patches.filter((patch) => patch.file === file);
      if (own.length === 0) return loaded;
      return { ...loaded, source: patched(readFileSync(fileURLToPath(url), "utf8"), own) };
    },
  });
}

/** @throws {Error} where what is to be replaced is not there exactly once */
export function patched(source: string, patches: readonly Patch[]): string {
  let text = source;
  for (const { file, find, replace } of patches) {
    const parts = text.split(find);
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times, not once: ${find}`);
    text = parts.join(replace);
  }
  return text;
}
