/** The description of the service: complete, true to what the service answers, and right in its own examples. */

import { describe, expect, test } from "vitest";
import { Check } from "typebox/schema";

import { itemAt, take } from "../../simulator/item-at.ts";
import { type Answer, JSON_TYPE, NO_CACHE } from "../support/http.ts";
import { freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";

const shared = shareNode();

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

/** Every call of the contract; those for operators too. */
const ROUTES: readonly (readonly [method: string, path: string, success: string])[] = [
  ["post", "/v1/profiles/{profileId}/gamemode", "200"],
  ["get", "/v1/profiles/{profileId}/gamemode", "200"],
  ["delete", "/v1/profiles/{profileId}/gamemode", "204"],
  ["put", "/v1/profiles/{profileId}/heartbeat", "204"],
  ["post", "/v1/profiles/lookup", "200"],
  ["post", "/v1/reports", "200"],
  ["get", "/v1/regions/{region}/gamemode", "200"],
  ["get", "/v1/regions/{region}/gamemode/stream", "200"],
  ["get", "/v1/session", "101"],
  ["get", "/v1/regions", "200"],
  ["get", "/v1/players", "200"],
  ["get", "/v1/modes", "200"],
  ["get", "/v1/places", "200"],
  ["get", "/v1/cluster", "200"],
  ["get", "/v1/node", "200"],
  ["get", "/livez", "200"],
  ["get", "/readyz", "200"],
  ["get", "/metrics", "200"],
];

/** What HTTP and fastify do not add by themselves. */
const OWN_HEADERS = new Set(["renew-in-ms", "cache-control", "etag", "as-of", "retry-after"]);

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

async function document(): Promise<JsonObject> {
  const answer = await shared.http.get("/openapi.json");
  expect([answer.status, answer.headers["content-type"]]).toEqual([200, JSON_TYPE]);
  return resolved(answer.json, answer.json) as JsonObject;
}

/** The document with every reference into itself replaced by what it points to. */
function resolved(value: Json, root: Json): Json {
  if (Array.isArray(value)) return value.map((item) => resolved(item, root));
  if (!isObject(value)) return value;
  const { $ref } = value;
  if (typeof $ref === "string") return resolved(pointed($ref, root), root);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolved(item, root)]));
}

function pointed(ref: string, root: Json): Json {
  expect(ref).toMatch(/^#\//);
  return ref
    .slice(2)
    .split("/")
    .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<Json>((at, part) => {
      expect(isObject(at) && part in at, `${ref} points to nothing`).toBe(true);
      return (at as JsonObject)[part]!;
    }, root);
}

function operation(doc: JsonObject, path: string, method: string): JsonObject {
  const found = (doc as { paths: Record<string, JsonObject> }).paths[path]?.[method];
  expect(isObject(found), `${method} ${path}`).toBe(true);
  return found as JsonObject;
}

/** The schema that the document gives for an answer's body. */
function bodySchema(doc: JsonObject, path: string, method: string, status: string | number): JsonObject {
  const { responses } = operation(doc, path, method) as {
    responses: Record<string, { content?: Record<string, { schema: JsonObject }> }>;
  };
  const response = responses[status] ?? responses[`${String(status)[0]}XX`] ?? responses["default"];
  const [content] = take(1, Object.values(response?.content ?? {}));
  expect(isObject(content?.schema), `body of ${status} of ${method} ${path}`).toBe(true);
  return content.schema;
}

/** A schema and a value that claims to fit it, with where they stand. */
function* examples(value: Json, at: string): Generator<{ at: string; schema: JsonObject; example: Json }> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* examples(item, `${at}/${index}`);
  } else if (isObject(value)) {
    // A media type or a parameter has its example beside `schema`, a schema has them within itself.
    const schema = isObject(value["schema"])
      ? value["schema"]
      : "type" in value || "anyOf" in value || "properties" in value
        ? value
        : undefined;
    if (schema !== undefined) {
      if ("example" in value) yield { at, schema, example: value["example"]! };
      if (Array.isArray(value["examples"])) for (const example of value["examples"]) yield { at, schema, example };
      else if (isObject(value["examples"])) {
        for (const example of Object.values(value["examples"]))
          if (isObject(example) && "value" in example) yield { at, schema, example: example["value"]! };
      }
    }
    for (const [name, item] of Object.entries(value))
      if (name !== "example" && name !== "examples") yield* examples(item, `${at}/${name}`);
  }
}

describe("GET /openapi.json", () => {
  test("is OpenAPI 3.1 with a title and this version", async () => {
    const { json: node } = await shared.http.get("/v1/node");
    expect(await document()).toMatchObject({
      openapi: expect.stringMatching(/^3\.1\.\d+$/),
      info: { title: expect.stringMatching(/Headcount/), version: node.version },
    });
  });

  test("has every call of the contract, each with a summary, and no other under /v1", async () => {
    const doc = await document();
    for (const [method, path, success] of ROUTES) {
      const { summary, description, responses } = operation(doc, path, method) as Record<string, Json>;
      expect(summary ?? description, `${method} ${path}`).toEqual(expect.any(String));
      expect(Object.keys(responses as JsonObject), `${method} ${path}`).toContain(success);
    }
    const paths = (doc as { paths: Record<string, JsonObject> }).paths;
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    const known = new Set(ROUTES.map(([method, path]) => `${method} ${path}`));
    expect(described.filter((call) => call.includes(" /v1/") && !known.has(call))).toEqual([]);
  });

  test("says 400 of every call that takes a value, and 413 and 415 of those that take a body", async () => {
    const doc = await document();
    for (const [method, path] of ROUTES) {
      const statuses = Object.keys(operation(doc, path, method)["responses"] as JsonObject);
      if (path.includes("{") || method === "post") expect(statuses, `${method} ${path}`).toContain("400");
      if (method === "post") expect(statuses, `${method} ${path}`).toEqual(expect.arrayContaining(["413", "415"]));
    }
  });

  test("has examples, and all of them fit their schemas", async () => {
    const found = [...examples(await document(), "")];
    expect(found.length).toBeGreaterThan(0);
    expect(
      found.filter(({ schema, example }) => !Check(schema, example)).map(({ at, example }) => ({ at, example })),
    ).toEqual([]);
  });

  test("describes what the service answers", async () => {
    const doc = await document();
    const [player, region] = [freshPlayer(), freshRegion()];
    const expectDescribed = (answer: Answer, method: string, path: string) => {
      const schema = bodySchema(doc, path, method, answer.status);
      expect(
        Check(schema, answer.json),
        `${answer.status} of ${method} ${path}: ${answer.text} against ${JSON.stringify(schema)}`,
      ).toBe(true);
    };
    const [gamemode, heartbeat, popular] = [
      "/v1/profiles/{profileId}/gamemode",
      "/v1/profiles/{profileId}/heartbeat",
      "/v1/regions/{region}/gamemode",
    ];
    expectDescribed(await shared.http.report(player, { region, gamemode: "GM01", seq: 1 }), "post", gamemode);
    expectDescribed(await shared.http.report(player, { region: "XX", gamemode: "GM01" }), "post", gamemode);
    expectDescribed(await shared.http.profile(player), "get", gamemode);
    expectDescribed(await shared.http.profile(freshPlayer()), "get", gamemode);
    expectDescribed(await shared.http.heartbeat(freshPlayer()), "put", heartbeat);
    expectDescribed(
      await shared.http.reports([{ profileId: player, region, gamemode: "GM02" }, {}]),
      "post",
      "/v1/reports",
    );
    expectDescribed(await shared.http.reports([]), "post", "/v1/reports");
    expectDescribed(await shared.http.get(`/v1/regions/${region}/gamemode`, NO_CACHE), "get", popular);
    expectDescribed(await shared.http.get(`/v1/regions/${region}/gamemode?top=0`), "get", popular);
    for (const path of ["/v1/regions", "/v1/players", "/v1/cluster", "/v1/node", "/readyz"])
      expectDescribed(await shared.http.get(path), "get", path);
    await shared.http.remove(player);
    expectDescribed(await shared.http.report(player, { region, gamemode: "GM01", seq: 1 }), "post", gamemode);
  });

  test("describes the headers that answers carry", async () => {
    const doc = await document();
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01" });
    const popular = await shared.http.get(`/v1/regions/${region}/gamemode`);
    const known = { headers: { "if-none-match": String(popular.headers["etag"]) } };
    const answers: readonly (readonly [answer: Answer, method: string, path: string])[] = [
      [await shared.http.heartbeat(player), "put", "/v1/profiles/{profileId}/heartbeat"],
      [popular, "get", "/v1/regions/{region}/gamemode"],
      [await shared.http.get(`/v1/regions/${region}/gamemode`, known), "get", "/v1/regions/{region}/gamemode"],
    ];
    expect(answers.map(([{ status }]) => status)).toEqual([204, 200, 304]);
    for (const [{ status, headers }, method, path] of answers) {
      const { responses } = operation(doc, path, method) as { responses: Record<string, JsonObject> };
      const described = Object.keys((responses[status]?.["headers"] ?? {}) as JsonObject).map((name) =>
        name.toLowerCase(),
      );
      const carried = Object.keys(headers).filter((name) => OWN_HEADERS.has(name));
      expect(described.toSorted(), `${status} of ${method} ${path}`).toEqual(carried.toSorted());
    }
  });

  test("says Retry-After of every 503", async () => {
    const { paths } = (await document()) as { paths: Record<string, Record<string, { responses: JsonObject }>> };
    for (const [path, methods] of Object.entries(paths))
      for (const [method, { responses }] of Object.entries(methods))
        if ("503" in responses)
          expect(responses["503"], `${method} ${path}`).toHaveProperty(["headers", "Retry-After"]);
  });

  test("describes a report as the service takes it", async () => {
    const doc = await document();
    const { requestBody } = operation(doc, "/v1/profiles/{profileId}/gamemode", "post") as {
      requestBody: { content: Record<string, { schema: JsonObject }> };
    };
    const schema = itemAt(requestBody.content, "application/json").schema;
    expect(Check(schema, { region: "CA", gamemode: "GM01" })).toBe(true);
    expect(Check(schema, { region: "ca", gamemode: "GM01", seq: 4294967295 })).toBe(true);
    for (const bad of [
      {},
      { region: "CA" },
      { region: "CA", gamemode: "-" },
      { region: "CA", gamemode: "GM01", seq: -1 },
      { region: "CAN", gamemode: "GM01" },
    ]) {
      expect(Check(schema, bad), JSON.stringify(bad)).toBe(false);
    }
  });
});
