/** The Lua scripts, read once: their files name them, `<what>-<count of KEYS>.lua`. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

export interface Script {
  readonly name: string;
  readonly keysCount: number;
  /** With the shared parts it names in its line `-- with …`, behind the first line, which holds the flags. */
  readonly source: string;
  readonly sha: string;
}

const FOLDER = join(import.meta.dirname, "lua");
const FILE = /^(?<name>[a-z-]+)-(?<keys>\d)\.lua$/;
const WITH = /^-- with (?<parts>.+)$/m;

const scripts = new Map(
  readdirSync(FOLDER).flatMap((file) => {
    const groups = FILE.exec(file)?.groups;
    return groups === undefined
      ? []
      : [[groups["name"], load(file, groups["name"] as string, Number(groups["keys"]))] as const];
  }),
);

/** @throws {RangeError} where there is no such script */
export function scriptNamed(name: string): Script {
  const script = scripts.get(name);
  if (script === undefined) throw new RangeError(`Cannot find a Lua script: no file is named ${name}-<keys>.lua`);
  return script;
}

/**
 * The command that a script calls in the line which an error of Redis names (`@user_script:24`): where the user may not
 * run it, Redis 7.0 says the line only.
 */
export function commandNamedIn({ source }: Script, message: string): string | undefined {
  const line = /@user_script:\s*(?<line>\d+)/.exec(message)?.groups?.["line"];
  const text = line === undefined ? "" : (source.split("\n")[Number(line) - 1] ?? "");
  return /redis\.p?call\(['"](?<command>\w+)/.exec(text)?.groups?.["command"]?.toLowerCase();
}

function load(file: string, name: string, keysCount: number): Script {
  const text = readFileSync(join(FOLDER, file), "utf8");
  const shared = WITH.exec(text)?.groups?.["parts"]?.split(" ") ?? [];
  const parts = shared.map((part) => readFileSync(join(FOLDER, `${part}.lua`), "utf8"));
  const [flags, ...rest] = text.split("\n");
  const source = [flags, ...parts, ...rest].join("\n");
  return { name, keysCount, source, sha: createHash("sha1").update(source).digest("hex") };
}
