/**
 * Holds every answer that a test of a real node sees to the description of the service: status, headers, body. Notes what
 * was seen, so that `npm test` can tell which documented statuses no test has seen. `test/support/write-description.ts`
 * writes the description before the first test.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { Compile, type Validator } from "typebox/schema";

import { ADMIN_DESCRIPTION_FILE, DESCRIPTION_FILE, SEEN_FILE } from "../../scripts/answers-seen.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

interface Response {
  readonly headers?: Readonly<Record<string, { readonly required?: boolean }>>;
  readonly content?: Readonly<Record<string, { readonly schema: JsonObject }>>;
  /** Of a refusal. */
  readonly "x-reasons"?: readonly string[];
}
interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, Response>>;
}
interface Path {
  readonly pattern: RegExp;
  readonly operations: Readonly<Record<string, Operation>>;
}

interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** What may be said of any request before its call is known. */
const ANYWHERE = new Set([400, 408, 413, 414, 417, 429, 431]);
/** What the service says on purpose; the others come with HTTP. */
const OWN_HEADERS = [
  "allow",
  "ratelimit",
  "ratelimit-policy",
  "www-authenticate",
  "accept-encoding",
  "as-of",
  "cache-control",
  "etag",
  "renew-in-ms",
  "retry-after",
];

const described: { service?: readonly Path[]; admin?: readonly Path[] } = {};
const validators = new Map<JsonObject, Validator>();
const noted = new Set<string>();

/** @throws {Error} where the answer is not as described */
export function checkDescribed(method: string, path: string, answer: Seen): void {
  check((described.service ??= readDescription(DESCRIPTION_FILE)), method, path, answer);
}

/** The same of the admin listener. */
export function checkAdminDescribed(method: string, path: string, answer: Seen): void {
  check((described.admin ??= readDescription(ADMIN_DESCRIPTION_FILE)), method, path, answer);
}

function check(paths: readonly Path[], method: string, path: string, answer: Seen): void {
  const pathname = decoded(path.replace(/^https?:\/\/[^/?#]*/i, "").split(/[?#]/, 1)[0] as string);
  if (pathname.startsWith("/docs")) return;
  const found = paths.find(({ pattern }) => pattern.test(pathname));
  const fault =
    found === undefined ? faultOfNoCall(answer) : method === "OPTIONS" ? undefined : faultOf(found, method, answer);
  if (fault === undefined) return;
  throw new Error(
    `Not as described: ${method} ${path}: ${fault}; it was ${answer.status} ${answer.text.slice(0, 500)}`,
  );
}

function decoded(pathname: string): string {
  try {
    return decodeURI(pathname);
  } catch {
    return pathname; // the service refuses it too
  }
}

function faultOfNoCall({ status }: Seen): string | undefined {
  return status === 404 || ANYWHERE.has(status) ? undefined : "no such path is described";
}

function faultOf({ operations }: Path, method: string, answer: Seen): string | undefined {
  const { status } = answer;
  const asked = operations[method === "HEAD" ? "get" : method.toLowerCase()];
  const all = Object.values(operations);
  if (asked === undefined && status !== 405) return "no such method is described";
  for (const { operationId } of asked === undefined ? all : [asked]) note(`${operationId} ${status}`);
  const response = (asked ?? all[0])?.responses[status];
  if (response === undefined) return ANYWHERE.has(status) ? undefined : "no such status is described";
  return (
    faultOfHeaders(response, answer) ??
    (method === "HEAD" ? undefined : (faultOfBody(response, answer) ?? faultOfReason(response, answer)))
  );
}

function faultOfHeaders({ headers = {} }: Response, answer: Seen): string | undefined {
  const names = new Map(Object.entries(headers).map(([name, header]) => [name.toLowerCase(), header]));
  for (const [name, { required }] of names)
    if (required === true && answer.headers[name] === undefined) return `the header ${name} is missing`;
  const more = OWN_HEADERS.find((name) => answer.headers[name] !== undefined && !names.has(name));
  return more === undefined ? undefined : `the header ${more} is not described`;
}

function faultOfBody({ content }: Response, { headers, text }: Seen): string | undefined {
  if (content === undefined) return text === "" ? undefined : "no body is described";
  const [[type, { schema }]] = Object.entries(content) as [[string, { schema: JsonObject }]];
  const start = type === "text/event-stream" ? type : `${type};`;
  if (!String(headers["content-type"]).startsWith(start)) return `its type is ${String(headers["content-type"])}`;
  let validator = validators.get(schema);
  if (validator === undefined) validators.set(schema, (validator = Compile(schema)));
  if (validator.Check(type === "application/json" ? JSON.parse(text) : text)) return undefined;
  return `the body does not fit ${JSON.stringify(schema)}`;
}

function faultOfReason({ "x-reasons": reasons }: Response, { text }: Seen): string | undefined {
  if (reasons === undefined) return undefined;
  const { reason } = JSON.parse(text) as { readonly reason: string };
  return reasons.includes(reason) ? undefined : `its reason is none of ${reasons.join(", ")}`;
}

function note(what: string): void {
  if (noted.has(what)) return;
  noted.add(what);
  appendFileSync(SEEN_FILE, `${what}\n`);
}

function readDescription(file: string): Path[] {
  const document = JSON.parse(readFileSync(file, "utf8")) as {
    readonly paths: Json;
    readonly components: { readonly schemas: Readonly<Record<string, Json>> };
  };
  const paths = closed(document.paths, document.components.schemas) as unknown as Record<string, Path["operations"]>;
  return Object.entries(paths).map(([path, operations]) => ({
    pattern: new RegExp(`^${path.replaceAll(/[.]/g, String.raw`\.`).replaceAll(/\{\w+\}/g, "[^/]*")}$`),
    operations,
  }));
}

/** With references replaced by what they name, and objects that have no other fields than are described. */
function closed(value: Json, schemas: Readonly<Record<string, Json>>): Json {
  if (Array.isArray(value)) return value.map((item) => closed(item, schemas));
  if (typeof value !== "object" || value === null) return value;
  const { $ref, type, properties } = value;
  if (typeof $ref === "string") return closed(schemas[$ref.slice($ref.lastIndexOf("/") + 1)] as Json, schemas);
  const inside = Object.fromEntries(Object.entries(value).map(([name, item]) => [name, closed(item, schemas)]));
  const isFilled = type === "object" && typeof properties === "object" && Object.keys(properties as object).length > 0;
  return isFilled ? { ...inside, additionalProperties: false } : inside;
}
