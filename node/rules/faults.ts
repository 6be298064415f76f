/**
 * What is wrong with a value, all of it: each fault with the way to it, so that its place in a file can be told. A field's
 * `description` in the schema completes the sentence "<field> must be …".
 */
import type { TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { refusal } from "../values.ts";

/** Names of fields and indexes of lists, from the outermost. */
export type Path = readonly (string | number)[];

export interface Fault {
  readonly path: Path;
  /** It is the field's name that is wrong, not what it holds. */
  readonly isOfName: boolean;
  /** "modes[2].requires must be …, got …" */
  readonly message: string;
  /** The same without what came: it may be a secret of the studio's. */
  readonly told: string;
}

interface Shape {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
  readonly items?: TSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly description: string;
}

const validators = new WeakMap<TSchema, Validator>();
/** What the whole is called. */
const WHOLE = "the catalogue";

export class Faults {
  readonly found: Fault[] = [];
  private readonly most: number;

  constructor(most: number) {
    this.most = most;
  }

  get areEnough(): boolean {
    return this.found.length >= this.most;
  }

  /** @param value what came; `undefined`: nothing */
  add(path: Path, expectation: string, value: unknown): void {
    this.push({ path, isOfName: false }, nameOf(path), expectation, value);
  }

  /** Looks at a value and all that is in it. Of an object's fields those that the schema does not have are faults. */
  look(schema: TSchema, value: unknown, path: Path): void {
    if (this.areEnough) return;
    const shape = schema as unknown as Shape;
    if (shape.type === "object") this.lookAtObject(shape, value, path);
    else if (shape.type === "array") this.lookAtList(shape, value, path);
    else if (!validatorOf(schema).Check(value)) this.add(path, shape.description + hintFor(shape, value), value);
  }

  private lookAtObject({ properties = {}, required = [], description }: Shape, value: unknown, path: Path): void {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return this.add(path, description, value);
    const fields = value as Readonly<Record<string, unknown>>;
    for (const name of Object.keys(fields)) {
      if (Object.hasOwn(properties, name)) continue;
      const isOf = path.length === 0 ? "a field" : `a field of ${nameOf(path)}`;
      this.push({ path: [...path, name], isOfName: true }, isOf, oneOf(Object.keys(properties)), name);
      if (this.areEnough) return;
    }
    for (const [name, schema] of Object.entries(properties)) {
      const isThere = Object.hasOwn(fields, name) && fields[name] !== undefined;
      if (isThere) this.look(schema, fields[name], [...path, name]);
      else if (required.includes(name)) this.add([...path, name], (schema as unknown as Shape).description, undefined);
    }
  }

  private lookAtList({ items, minItems = 0, maxItems, description }: Shape, value: unknown, path: Path): void {
    const isList = Array.isArray(value) && value.length >= minItems && value.length <= (maxItems as number);
    if (!isList) return this.add(path, description, value);
    const seen = new Set<string>();
    for (const [at, each] of value.entries()) {
      if (this.areEnough) return;
      this.look(items as TSchema, each, [...path, at]);
      if (typeof each !== "string") continue;
      const spelling = path.at(-1) === "regions" ? each.toUpperCase() : each;
      if (seen.has(spelling)) this.add([...path, at], "named once in the list", each);
      seen.add(spelling);
    }
  }

  private push(at: Pick<Fault, "path" | "isOfName">, subject: string, expectation: string, value: unknown): void {
    if (!this.areEnough)
      this.found.push({
        ...at,
        message: refusal(subject, expectation, value),
        told: `${subject} must be ${expectation}`,
      });
  }
}

/** YAML takes what looks like a number for one. */
function hintFor({ type }: Shape, value: unknown): string {
  const isBare = type === "string" && (typeof value === "number" || typeof value === "boolean");
  return isBare ? " (in quotes it is text)" : "";
}

function oneOf(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

function validatorOf(schema: TSchema): Validator {
  let validator = validators.get(schema);
  if (validator === undefined) validators.set(schema, (validator = Compile(schema)));
  return validator;
}

/** "modes[2].requires[0]" */
function nameOf(path: Path): string {
  const name = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return name === "" ? WHOLE : name.replace(/^\./, "");
}
