/** Reads a catalogue as a studio writes it, in YAML; JSON is YAML too. What is wrong is told with line and column. */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from "yaml";
import { type CatalogueText, checkCatalogue } from "./catalogue-form.ts";
import type { Fault, Path } from "./faults.ts";

export const FILE_BYTES_MAX = 1_048_576;
export const FAULTS_MAX = 20;
/** How often one piece may be used again, counting what is used within it: else a short file could mean a vast one. */
const USES_MAX = 10_000;
const LINE_LENGTH_MAX = 300;
/** What a terminal or a page would not show as it is. */
const UNSHOWN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const OPTIONS = {
  version: "1.2",
  schema: "core",
  uniqueKeys: true,
  strict: true,
  merge: false,
  prettyErrors: false,
  logLevel: "error", // to be silent it would overlook a second document
} as const;

export interface FileFault {
  /** "catalogue.yaml:7:5: modes[2].requires must be …, got …" */
  readonly message: string;
  /** The same without what came: it may be a secret of the studio's. */
  readonly told: string;
}

export type FileRead =
  | { readonly kind: "sound"; readonly catalogue: CatalogueText }
  | { readonly kind: "faulty"; readonly faults: readonly FileFault[] };

/** @param name of the file, for messages */
export function parseCatalogue(text: string, name: string): FileRead {
  const lines = new LineCounter();
  const fault = (offset: number, message: string, told: string): FileFault & { readonly offset: number } => {
    const { line, col } = offset >= 0 ? lines.linePos(offset) : { line: 1, col: 1 };
    const place = `${name}:${Math.max(1, line)}:${Math.max(1, col)}: `;
    return { offset, message: place + asPlainText(message), told: place + asPlainText(told) };
  };
  const faulty = (faults: readonly ReturnType<typeof fault>[]): FileRead => {
    const once = new Map(faults.map((each) => [each.message, each]));
    const inOrder = [...once.values()].sort((one, other) => one.offset - other.offset);
    return { kind: "faulty", faults: inOrder.slice(0, FAULTS_MAX).map(({ message, told }) => ({ message, told })) };
  };
  const document = parseDocument(text, { ...OPTIONS, lineCounter: lines });
  const errors = [...document.errors, ...document.warnings];
  const tooDeep = errors.find(({ code }) => code === "RESOURCE_EXHAUSTION"); // what is told beside it follows from it
  const wrong = tooDeep === undefined ? errors : [tooDeep];
  if (wrong.length > 0) return faulty(wrong.map((each) => fault(each.pos[0], reasonOf(each), "it is not well-formed")));
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: USES_MAX });
  } catch (error) {
    return faulty([fault(0, reasonOf(error as Error), "it uses too much by aliases")]);
  }
  const checked = checkCatalogue(value, FAULTS_MAX);
  if (checked.kind === "sound") return checked;
  return faulty(
    checked.faults.map((each) => fault(offsetOf(document.contents, each, document), each.message, each.told)),
  );
}

/** What the parser says, on one line. */
function reasonOf({ message, code }: Error & Partial<Pick<YAMLError, "code">>): string {
  if (code === "RESOURCE_EXHAUSTION") return "it is nested too deeply";
  if (code === "MULTIPLE_DOCS") return "it must be one document, and a second one begins here";
  if (message.startsWith("Excessive alias count")) return `aliases must not use a piece more than ${USES_MAX} times`;
  return message;
}

/** On one line that shows itself as it is. */
export function asPlainText(message: string): string {
  const shown = message.replace(UNSHOWN, (each) => `\\u{${(each.codePointAt(0) as number).toString(16)}}`);
  return shown.length > LINE_LENGTH_MAX ? `${shown.slice(0, LINE_LENGTH_MAX)}...` : shown;
}

type Resolving = Parameters<Alias["resolve"]>[0];

/** Where the fault is: of what is missing, where that is from which it is missing. */
function offsetOf(contents: unknown, { path, isOfName }: Fault, document: Resolving): number {
  let offset = startOf(contents) ?? 0;
  let node = resolved(contents, document);
  for (const [at, part] of path.entries()) {
    const { key, value } = childOf(node, part);
    const isNamed = isOfName && at === path.length - 1;
    const next = startOf(isNamed ? key : value) ?? startOf(key);
    if (next === undefined) return offset;
    offset = next;
    node = resolved(value, document);
  }
  return offset;
}

function childOf(node: unknown, part: Path[number]): { readonly key?: unknown; readonly value?: unknown } {
  if (isSeq(node)) return { value: node.items[Number(part)] };
  if (!isMap(node)) return {};
  return node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(part)) ?? {};
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function resolved(node: unknown, document: Resolving): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}
