/**
 * `npm run build:client`: compiles client/ to client/dist, ready for `npm publish client/`. With `--check` (`npm test`) it builds
 * into a folder of its own and looks at what came out: what package.json promises is there and can be loaded, nothing but the
 * platform is needed, and the core is no larger than promised.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

/** 5 kB, bundled, minified and packed. */
export const CORE_BYTES_MAX = 5_000;

const root = join(import.meta.dirname, "..");
const client = join(root, "client");

interface Package {
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly [field: string]: unknown;
}

/** Compiles with the types of a browser only. @returns what the compiler complains about, nothing where all is well */
export function buildClient(folder: string): string {
  const tsc = join(root, "node_modules/.bin/tsc");
  const { status, stdout, stderr, error } = spawnSync(tsc, ["-p", client, "--outDir", folder], { encoding: "utf8" });
  if (status !== 0) return `${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}` || `tsc ended with ${status}`;
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  return "";
}

/** Bytes of an entry with all that it imports, as a game would ship it. */
export async function packedBytes(entry: string): Promise<number> {
  await using bundle = await rolldown({ input: join(client, entry) });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  return gzipSync(output[0].code, { level: 9 }).length;
}

/** What is wrong with the package as it was built, one line each. */
async function faultsOf(folder: string): Promise<string[]> {
  const [its, ours] = [client, root].map((at) => JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as Package);
  const faults: string[] = [];
  for (const field of ["version", "license"])
    if (its![field] !== ours![field])
      faults.push(`client/package.json: ${field} must be ${String(ours![field])}, as in package.json`);
  for (const field of ["dependencies", "peerDependencies", "optionalDependencies"])
    if (field in its!) faults.push(`client/package.json: the client has no ${field}`);
  for (const [name, targets] of Object.entries(its!.exports)) {
    if (typeof targets === "string") continue;
    for (const target of Object.values(targets)) {
      const file = join(folder, target.replace("./dist/", ""));
      try {
        if (target.endsWith(".js")) await import(pathToFileURL(file).href);
        else readFileSync(file);
      } catch (error) {
        faults.push(`client/package.json: "${name}" leads to ${target}, which cannot be loaded: ${String(error)}`);
      }
    }
  }
  const bytes = await packedBytes("index.ts");
  if (bytes > CORE_BYTES_MAX) faults.push(`client/index.ts: ${bytes} bytes packed, ${CORE_BYTES_MAX} at the most`);
  return faults;
}

if (import.meta.main) {
  const isCheck = process.argv.includes("--check");
  const folder = isCheck ? mkdtempSync(join(tmpdir(), "headcount-client-")) : join(client, "dist");
  try {
    if (!isCheck) rmSync(folder, { recursive: true, force: true });
    const complaints = buildClient(folder);
    const faults = complaints === "" ? await faultsOf(folder) : [complaints];
    for (const fault of faults) console.error(fault);
    if (faults.length > 0) process.exitCode = 1;
    else console.log(`index ${await packedBytes("index.ts")} bytes packed, server ${await packedBytes("server.ts")}`);
  } finally {
    if (isCheck) rmSync(folder, { recursive: true, force: true });
  }
}
