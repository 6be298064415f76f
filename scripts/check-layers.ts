/**
 * The layer check: who may import whom, and what the pure layers may not touch. The one place where this is written down.
 * Reads the syntax tree, so a type, a re-export, `import()` and `new URL("…", import.meta.url)` count as imports too.
 */
import { globSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join, posix } from "node:path";
import { parseAst } from "vitest/node";

interface Layer {
  /** Folders and files that it may import, besides its own folder; a folder with a slash at its end: its rooms too. */
  readonly imports: readonly string[];
  /** Node's modules: all, or by module the names that may be imported. */
  readonly builtins: "all" | Readonly<Record<string, readonly string[]>>;
  /** Packages: any, or these, which must then be there in production too. */
  readonly packages: "any" | readonly string[];
  /** Pure: no clock, timers, randomness, process or I/O. They come in through arguments. */
  readonly isPure: boolean;
}

/** What a folder of `cluster/` may do, whatever it may import of the others. */
const PURE = { builtins: {}, packages: [], isPure: true } as const;
/** The rooms of `cluster/`: each imports only those above it. */
const ROOMS = ["ports", "peers", "members", "records", "moves", "rows", "counts"] as const;

/** What all of `node/` may do. */
const NODE = { builtins: "all", isPure: false } as const;
/** Files directly in `node/` that wire its rooms: the top. */
const WIRING = ["node/headcount.js", "node/main.ts", "node/run.ts"];
/** All other files directly in `node/`: its rooms share them, the two stores only the first. */
const SHARED = ["node/reason.ts", "node"];

/** By file or folder, the longest name that fits. Of `node/` each line names only those above it. */
const LAYERS: Readonly<Record<string, Layer>> = {
  engine: { imports: [], builtins: { "node:zlib": ["crc32"] }, packages: [], isPure: true },
  ...Object.fromEntries(
    ROOMS.map((room, at) => [
      `cluster/${room}`,
      {
        ...PURE,
        imports: ["engine", ...ROOMS.slice(0, at).map((above) => `cluster/${above}`)],
        packages: room === "members" ? ["hashring"] : [],
      },
    ]),
  ),
  cluster: { ...PURE, imports: ["engine", ...ROOMS.map((room) => `cluster/${room}`)] },
  "node/reason.ts": { ...NODE, imports: [], packages: [] },
  "node/store": { ...NODE, imports: ["cluster/ports/record-store.ts", "node/reason.ts"], packages: [] },
  "node/redis": { ...NODE, imports: ["cluster/ports", "node/reason.ts"], packages: ["ioredis"] },
  node: {
    ...NODE,
    // redis-url.ts: a URL is read with the other settings, before Redis' client is loaded
    imports: ["engine", "cluster/ports", "cluster/records", "cluster", "node/reason.ts", "node/redis/redis-url.ts"],
    packages: ["pino", "piscina", "prom-client", "typebox"],
  },
  "node/access": { ...NODE, imports: ["engine", ...SHARED], packages: ["jose", "pino", "piscina"] },
  "node/limits": { ...NODE, imports: ["engine", ...SHARED], packages: ["pino"] },
  "node/controls": { ...NODE, imports: ["engine", "cluster/ports", ...SHARED], packages: ["pino", "typebox"] },
  "node/rules": { ...NODE, imports: ["engine", "cluster/ports", ...SHARED], packages: ["pino", "typebox", "yaml"] },
  "node/usage": { ...NODE, imports: ["engine", ...SHARED], packages: [] },
  "node/tls": { ...NODE, imports: [...SHARED], packages: ["pino"] },
  "node/live": {
    ...NODE,
    imports: ["engine", "cluster/ports", "cluster", ...SHARED, "node/limits"],
    packages: ["typebox", "ws"],
  },
  "node/http": {
    ...NODE,
    imports: [
      "engine",
      "cluster/ports",
      "cluster/records",
      ...SHARED,
      "node/access",
      "node/limits",
      "node/controls",
      "node/rules",
      "node/usage",
      "node/tls",
      "node/live",
    ],
    packages: ["@fastify/swagger", "@fastify/swagger-ui", "fastify", "pino", "typebox"],
  },
  "node/admin": {
    ...NODE,
    imports: [
      "cluster/ports",
      ...SHARED,
      "node/access",
      "node/limits",
      "node/controls",
      "node/rules",
      "node/usage",
      "node/tls",
      "node/live",
      "node/http",
    ],
    packages: ["fastify", "typebox"],
  },
  "node/peers": {
    ...NODE,
    imports: ["engine", "cluster/ports", ...SHARED, "node/tls", "node/http/http.ts", "node/http/reasons.ts"],
    packages: [],
  },
  "node/alone": {
    ...NODE,
    imports: ["engine", "cluster/ports", "cluster/records", ...SHARED, "node/store"],
    packages: ["pino"],
  },
  "node/clustered": {
    ...NODE,
    imports: ["engine", "cluster/ports", "cluster", ...SHARED, "node/tls", "node/peers", "node/redis"],
    packages: ["pino"],
  },
  ...Object.fromEntries(
    WIRING.map((file) => [
      file,
      {
        ...NODE,
        imports: [
          "cluster/ports",
          "cluster/records",
          ...SHARED,
          "node/store/damage.ts", // errors that end the start in plain words
          "node/access",
          "node/limits",
          "node/controls",
          "node/rules",
          "node/usage",
          "node/tls",
          "node/live",
          "node/http",
          "node/admin",
          "node/alone",
          "node/clustered",
          ...WIRING,
        ],
        packages: ["pino"],
      },
    ]),
  ),
  simulator: { imports: ["engine", "cluster/"], builtins: "all", packages: "any", isPure: false },
  client: { imports: [], builtins: {}, packages: [], isPure: false }, // for browsers too: what they all have, and nothing else
  "client/examples": { imports: [], builtins: "all", packages: "any", isPure: false },
  crowd: { imports: ["client"], builtins: "all", packages: "any", isPure: false },
  docs: { imports: [], builtins: {}, packages: [], isPure: false }, // examples, as users would write them
  scripts: { imports: ["engine", "cluster/", "node/", "simulator"], builtins: "all", packages: "any", isPure: false },
  bench: {
    imports: ["engine", "cluster/", "node/", "client", "crowd", "simulator", "scripts", "test"],
    builtins: "all",
    packages: "any",
    isPure: false,
  },
  test: {
    imports: ["engine", "cluster/", "node/", "client/", "client", "crowd", "simulator", "scripts", "bench"],
    builtins: "all",
    packages: "any",
    isPure: false,
  },
};

/** What a pure layer may not name, and why. `Date` is fine as a calendar: `new Date(ms)`, `Date.parse()`. */
const IMPURE_GLOBALS: Readonly<Record<string, string>> = {
  performance: "a clock: time comes in as a number",
  setTimeout: "a timer: time comes in as a number",
  setInterval: "a timer: time comes in as a number",
  setImmediate: "a timer: time comes in as a number",
  process: "the world outside: what is needed comes in as an argument",
  globalThis: "the world outside: what is needed comes in as an argument",
  crypto: "randomness: it comes in as an argument",
  console: "I/O: give it back as a value",
  fetch: "I/O: it comes in through a port",
};
const IMPURE_MEMBERS: Readonly<Record<string, string>> = {
  "Date.now": "a clock: time comes in as a number",
  "Math.random": "randomness: it comes in as an argument",
};

/** A node of the tree as far as it is read here. */
interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

/** The breaches in a project's folder, one line each: `file:line:column: who may not do what`. */
export function checkLayers(root: string): string[] {
  const productionPackages = Object.keys(
    (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { dependencies?: object }).dependencies ?? {},
  );
  const files = globSync("**/*.{ts,js}", {
    cwd: root,
    exclude: ["**/node_modules", "{.*,reports,dist,coverage,data}"],
  });
  return files.sort().flatMap((file) => {
    if (!file.includes("/")) return []; // configuration of tools, in the project's root
    const layerName = layerOf(file);
    if (layerName === undefined)
      return [`${file}:1:1: no rule for the folder ${file.split("/")[0]}/: add it to scripts/check-layers.ts`];
    return checkFile(file, layerName, readFileSync(join(root, file), "utf8"), productionPackages);
  });
}

/** Whose rules hold for a file: `cluster/moves` for `cluster/moves/a.ts`, `cluster` for `cluster/a.ts`, a file's own. */
function layerOf(file: string): string | undefined {
  const parts = file.split("/");
  for (let length = parts.length; length > 0; length--) {
    const name = parts.slice(0, length).join("/");
    if (name in LAYERS) return name;
  }
  return undefined;
}

function checkFile(file: string, layerName: string, source: string, productionPackages: readonly string[]): string[] {
  const layer = LAYERS[layerName] as Layer;
  const subject = shown(layerName);
  const breaches = new Set<string>();
  const report = (at: SyntaxNode, message: string) => {
    const before = source.slice(0, at.start).split("\n");
    breaches.add(`${file}:${before.length}:${before.at(-1)!.length + 1}: ${message}`);
  };

  visit(parseAst(source, { lang: file.endsWith(".ts") ? "ts" : "js" }) as unknown as SyntaxNode, (node, parent) => {
    const specifier = importedBy(node);
    if (specifier !== undefined) {
      const problem = checkImport(file, specifier, namesImported(node), layer, productionPackages);
      if (problem !== undefined) report(node, `${subject} may not import ${problem}`);
    }
    if (!layer.isPure) return;
    if (node.type === "MemberExpression") {
      const member = memberName(node);
      const reason = IMPURE_MEMBERS[member];
      if (reason !== undefined) report(node, `${subject} may not use ${member}, ${reason}`);
    } else if (isNowAsDate(node)) {
      report(node, `${subject} may not use Date without arguments, ${IMPURE_MEMBERS["Date.now"]}`);
    } else if (node.type === "Identifier" && isReference(node, parent)) {
      const name = node["name"] as string;
      if (Object.hasOwn(IMPURE_GLOBALS, name)) report(node, `${subject} may not use ${name}, ${IMPURE_GLOBALS[name]}`);
    }
  });
  return [...breaches];
}

/** What is wrong with an import, or undefined. */
function checkImport(
  file: string,
  specifier: string,
  names: readonly string[] | "all",
  layer: Layer,
  productionPackages: readonly string[],
): string | undefined {
  if (specifier.startsWith(".")) {
    const target = posix.normalize(posix.join(posix.dirname(file), specifier));
    const targetLayer = layerOf(target);
    if (targetLayer === undefined && !layer.isPure) return undefined; // the project's root: package.json and the like
    const isOpen = (open: string): boolean =>
      open.endsWith("/") ? target.startsWith(open) : open === targetLayer || open === target;
    if (targetLayer === layerOf(file) || layer.imports.some(isOpen)) return undefined;
    return `${target} (it may import ${listOr(layer.imports.map(shown), "no other folder")})`;
  }
  if (isBuiltin(specifier)) {
    if (layer.builtins === "all") return undefined;
    const allowed = layer.builtins[specifier];
    if (allowed === undefined) {
      const others = Object.entries(layer.builtins).map(([module, exports]) => `${exports.join(", ")} of ${module}`);
      return `${specifier} (of Node's modules it may import ${listOr(others, "none")})`;
    }
    if (names !== "all" && names.every((name) => allowed.includes(name))) return undefined;
    return `more of ${specifier} than ${allowed.join(", ")}`;
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  if (layer.packages === "any") return undefined;
  if (!layer.packages.includes(name))
    return `the package ${name} (of packages it may import ${listOr(layer.packages, "none")})`;
  if (!productionPackages.includes(name))
    return `the package ${name}, which is not among the dependencies of package.json`;
  return undefined;
}

/** The module that a node imports, or undefined. */
function importedBy(node: SyntaxNode): string | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
    case "TSExternalModuleReference":
      return literal(node["source"]) ?? literal(node["expression"]);
    case "NewExpression": {
      const [first, second] = node["arguments"] as SyntaxNode[];
      const isUrl = (node["callee"] as SyntaxNode)["name"] === "URL" && second !== undefined;
      const text = literal(first);
      return isUrl && text?.startsWith(".") ? text : undefined;
    }
    default:
      return undefined;
  }
}

/** The names that an import takes by name, else "all". */
function namesImported(node: SyntaxNode): readonly string[] | "all" {
  if (node.type !== "ImportDeclaration" && node.type !== "ExportNamedDeclaration") return "all";
  const specifiers = node["specifiers"] as SyntaxNode[];
  const names = specifiers.map((each) => (each["imported"] ?? each["local"]) as SyntaxNode | undefined);
  if (specifiers.some((each) => each.type !== "ImportSpecifier" && each.type !== "ExportSpecifier")) return "all";
  return names.map((name) => (name?.["name"] ?? name?.["value"]) as string);
}

/** "Date.now" for `Date.now` and `Date["now"]`. */
function memberName(node: SyntaxNode): string {
  const property = node["property"] as SyntaxNode;
  const name = node["computed"] === true ? literal(property) : property["name"];
  return `${String((node["object"] as SyntaxNode)["name"])}.${String(name)}`;
}

/** `new Date()` and `Date()` are the clock; `new Date(ms)` is not. */
function isNowAsDate(node: SyntaxNode): boolean {
  const isDate = (node["callee"] as SyntaxNode | undefined)?.["name"] === "Date";
  return isDate && (node.type === "CallExpression" || (node["arguments"] as unknown[]).length === 0);
}

/** False where an identifier is only the name of a member: `clock.setTimeout`, `{ process: 1 }`. */
function isReference(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  if (parent === undefined || parent["computed"] === true) return true;
  if (parent.type === "Property" && parent["shorthand"] === true) return true;
  return parent["property"] !== node && parent["key"] !== node;
}

function visit(
  node: SyntaxNode,
  see: (node: SyntaxNode, parent: SyntaxNode | undefined) => void,
  parent?: SyntaxNode,
): void {
  see(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof (child as SyntaxNode | null)?.type === "string") visit(child as SyntaxNode, see, node);
    }
  }
}

function literal(node: unknown): string | undefined {
  const value = (node as SyntaxNode | null | undefined)?.["value"];
  return typeof value === "string" ? value : undefined;
}

/** A layer as messages name it: folders end with a slash. */
function shown(name: string): string {
  return name.endsWith("/") || /\.\w+$/.test(name) ? name : `${name}/`;
}

function listOr(names: readonly string[], none: string): string {
  return names.length > 0 ? names.join(", ") : none;
}

if (import.meta.main) {
  const breaches = checkLayers(join(import.meta.dirname, ".."));
  for (const breach of breaches) console.error(breach);
  if (breaches.length > 0) process.exitCode = 1;
}
