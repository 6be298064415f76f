/** The description of the service (OpenAPI 3.1): made of the routes' own schemas, and completed with what all calls share. */
import fastifySwagger from "@fastify/swagger";
import type { FastifyInstance } from "fastify";
import { NoMethodAnswer } from "./answers.ts";

const ABOUT = `Which game modes people in a country are playing right now.

A game client reports its player's region and mode; any client asks for the top modes of a region. Every GET has HEAD.
OPTIONS is answered with 204 and \`Allow\`. Every error has a code, its status as text, and a message that says which field,
what was expected and what came. An answer to GET of 1 KiB or more comes packed by zstd or gzip where Accept-Encoding asks for it. Its reason says the same to programs, in a word from a closed list. Any call may be refused before it is looked at: 400 where it is no well-formed HTTP, 408
where it does not come in time, 413, 414 and 431 where it is too large, 417 where it expects what is not done here.`;

const SECURITY = {
  token: {
    type: "http" as const,
    scheme: "bearer",
    bearerFormat: "JWT",
    description:
      "Where the operator asks for tokens (HEADCOUNT_AUTH). Its `sub` is the player for whom it speaks; its `scope` allows more: reports:batch, profiles:read. The admin listener takes the admin token, or the scope admin.",
  },
};

const TAGS = [
  { name: "players", description: "Where players are: reports, heartbeats, disconnections, look-ups." },
  { name: "popular modes", description: "What anybody may ask: modes, regions, players." },
  { name: "operators", description: "How a node and its cluster are." },
];

export interface About {
  readonly text: string;
  /** Beside those that all listeners have. */
  readonly tags: readonly { readonly name: string; readonly description: string }[];
}

const PUBLIC: About = { text: ABOUT, tags: [] };

/** Registers the description; to be called before the routes. */
export async function registerDescription(app: FastifyInstance, version: string, about = PUBLIC): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Headcount",
        version,
        description: about.text,
        license: { name: "MIT", identifier: "MIT" } as { name: string },
      },
      servers: [{ url: "/", description: "The node, or the load balancer, that gave this description" }],
      tags: [...TAGS, ...about.tags],
      components: { securitySchemes: SECURITY },
    },
    transformObject: (document) => ("openapiObject" in document ? complete(document.openapiObject as Document) : {}),
  });
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };
interface Response {
  description: string;
  headers?: Record<string, JsonObject>;
  content?: Record<string, { schema: JsonObject }>;
  "x-reasons"?: Json;
}
type Responses = Record<string, Response>;
interface Operation {
  operationId?: string;
  parameters?: Json[];
  responses: Responses;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: JsonObject };
  security?: Json[];
}

function complete(document: Document): Document & JsonObject {
  const schemas: JsonObject = {};
  for (const methods of Object.values(document.paths)) for (const each of Object.values(methods)) completeOne(each);
  const paths = named(document.paths as unknown as Json, schemas);
  const sorted = Object.fromEntries(Object.entries(schemas).sort(([one], [other]) => (one < other ? -1 : 1)));
  const components = { schemas: sorted, securitySchemes: SECURITY };
  return { ...document, security: [], paths, components } as unknown as Document & JsonObject;
}

function completeOne(operation: Operation): void {
  const { responses } = operation;
  const noMethod = { ...NoMethodAnswer } as unknown as JsonObject & { description: string };
  responses["405"] = {
    description: noMethod.description,
    headers: { Allow: header("The methods that it has", { type: "string" }) },
    content: { "application/json": { schema: noMethod } },
  };
  for (const [status, response] of Object.entries(responses)) {
    const ofAll = status === "101" ? {} : NO_STORE; // what is upgraded is no answer that could be kept
    response.headers = carried({ ...ofAll, ...response.headers }, OPTIONAL_HEADERS[status]);
    moveReasons(response);
  }
  const headers = operation.operationId === "popularModes" ? [IF_NONE_MATCH, NO_CACHE] : [IF_NONE_MATCH];
  if ("304" in responses) operation.parameters = [...(operation.parameters ?? []), ...headers];
}

/** All refusals share a schema, so what tells one call's from another's belongs to the response. */
function moveReasons(response: Response): void {
  for (const { schema } of Object.values(response.content ?? {})) {
    const { "x-reasons": reasons } = schema;
    if (reasons === undefined) continue;
    response["x-reasons"] = reasons;
    response.content = { "application/json": { schema } }; // whatever the call's own answer is
    delete schema["x-reasons"];
    schema["description"] = "Why a request is refused";
  }
}

/** By status: a header that depends on what was wrong. All others are always there. */
const OPTIONAL_HEADERS: Readonly<Record<string, string>> = { 403: "WWW-Authenticate", 415: "Accept-Encoding" };

function carried(headers: Record<string, JsonObject>, optional: string | undefined): Record<string, JsonObject> {
  const entries = Object.entries(headers);
  return Object.fromEntries(entries.map(([name, each]) => [name, { ...each, required: name !== optional }]));
}

const header = (description: string, schema: JsonObject): JsonObject => ({ description, schema });
const NO_STORE = { "Cache-Control": header("Nobody may keep the answer", { type: "string", examples: ["no-store"] }) };
const IF_NONE_MATCH: JsonObject = {
  in: "header",
  name: "If-None-Match",
  required: false,
  description: "The tags of what the client knows: where one of them still stands, the answer is 304",
  schema: { type: "string", examples: ['W/"0Xpx68KC8k4tdRH3Qj67oXFzlWg"'] },
};
const NO_CACHE: JsonObject = {
  in: "header",
  name: "Cache-Control",
  required: false,
  description: "no-cache: the region's owner answers, with every report that was acknowledged before",
  schema: { type: "string", examples: ["no-cache"] },
};

/** The schema with every one that has a title replaced by a reference to it; those are put into `schemas`. */
function named(value: Json, schemas: JsonObject): Json {
  if (Array.isArray(value)) return value.map((item) => named(item, schemas));
  if (typeof value !== "object" || value === null) return value;
  const { title, ...rest } = value;
  const entries = Object.entries(typeof title === "string" ? rest : value);
  const inside = Object.fromEntries(entries.map(([name, item]) => [name, named(item, schemas)]));
  if (typeof title !== "string") return inside;
  schemas[title] ??= inside;
  return { $ref: `#/components/schemas/${title}` };
}
