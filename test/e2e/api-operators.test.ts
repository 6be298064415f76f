/** What operators read: cluster, node, liveness, readiness, metrics, and the description of the service itself. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { gamemodePath, HttpClient, JSON_TYPE, rawRequest } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const shared = shareNode();

const ICON = expect.stringMatching(/^<svg [^]*<\/svg>$/);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

test("The line at the start names the version and the address", () => {
  expect(shared.node.version).toBe(version);
  expect(shared.node.stdout).toContain(`Headcount ${version} listens on ${shared.node.url}`);
});

test("The log is one JSON object a line", () => {
  for (const line of shared.node.stderr.split("\n").filter((text) => text !== "")) {
    expect(JSON.parse(line)).toMatchObject({
      level: expect.any(Number),
      time: expect.anything(),
      msg: expect.any(String),
    });
  }
});

test("GET /v1/node says which node answered", async () => {
  const first = await shared.http.get("/v1/node");
  expect([first.status, first.headers["content-type"]]).toEqual([200, JSON_TYPE]);
  expect(first.json).toEqual({
    id: expect.stringMatching(/./),
    incarnation: expect.stringMatching(UUID),
    version,
    uptimeSeconds: expect.any(Number),
  });
  expect(first.json.uptimeSeconds).toBeGreaterThanOrEqual(0);
  const later = await until("uptime has risen", async () => {
    const { json } = await shared.http.get("/v1/node");
    return json.uptimeSeconds > first.json.uptimeSeconds && json;
  });
  expect(later).toEqual({ ...first.json, uptimeSeconds: later.uptimeSeconds });
});

test("GET /v1/cluster shows one node that owns everything", async () => {
  const { json: node } = await shared.http.get("/v1/node");
  const answer = await shared.http.get("/v1/cluster");
  expect([answer.status, answer.headers["content-type"]]).toEqual([200, JSON_TYPE]);
  expect(answer.json).toEqual({
    cluster: "default",
    epoch: expect.any(Number),
    members: [
      {
        id: node.id,
        incarnation: node.incarnation,
        url: expect.stringMatching(/^https?:\/\//),
        partitions: 256,
        regions: 250,
        state: expect.stringMatching(/./),
      },
    ],
  });
});

test("HEADCOUNT_CLUSTER and HEADCOUNT_PARTITIONS show in the view", async () => {
  await using node = await startNode({ env: { HEADCOUNT_CLUSTER: "blue-2", HEADCOUNT_PARTITIONS: "16" } });
  await using http = new HttpClient(node.url);
  expect((await http.get("/v1/cluster")).json).toMatchObject({ cluster: "blue-2", members: [{ partitions: 16 }] });
});

test("GET /livez answers 200", async () => {
  expect((await shared.http.get("/livez")).status).toBe(200);
});

test("GET /readyz answers ready", async () => {
  const answer = await shared.http.get("/readyz");
  expect([answer.status, answer.headers["content-type"], answer.json]).toEqual([200, JSON_TYPE, { status: "ready" }]);
});

describe("GET /metrics", () => {
  const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
  const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
  const SAMPLE = new RegExp(
    `^(${NAME})(\\{(?:${LABEL}(?:,${LABEL})*,?)?\\})? (NaN|[+-]?Inf|[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)( -?[0-9]+)?$`,
  );
  const read = async () => {
    const answer = await shared.http.get("/metrics");
    expect(answer.status).toBe(200);
    const lines = answer.text.split("\n").filter((line) => line !== "");
    return {
      answer,
      comments: lines.filter((line) => line.startsWith("#")),
      samples: lines.filter((line) => !line.startsWith("#")),
    };
  };

  test("is Prometheus text: every line parses, every name begins with headcount_ and has help and type", async () => {
    const { answer, comments, samples } = await read();
    expect(answer.headers["content-type"]).toMatch(/^text\/plain; ?version=0\.0\.4\b/);
    expect(answer.text.endsWith("\n")).toBe(true);
    expect(samples.length).toBeGreaterThan(10);
    const types = new Map(
      comments
        .map((line) => line.split(" "))
        .filter(([, kind]) => kind === "TYPE")
        .map(([, , name, type]) => [name, type]),
    );
    const helps = new Set(
      comments
        .map((line) => line.split(" "))
        .filter(([, kind, , text]) => kind === "HELP" && text)
        .map(([, , name]) => name),
    );
    const series = new Set<string>();
    for (const line of samples) {
      const [, name = "", labels = ""] = SAMPLE.exec(line) ?? [];
      expect(name, line).toMatch(/^headcount_[a-z0-9_]+$/);
      expect(series.has(name + labels), `twice: ${line}`).toBe(false);
      series.add(name + labels);
      const family = types.has(name) ? name : name.replace(/_(bucket|sum|count|total)$/, "");
      expect(types.get(family), `type of ${line}`).toMatch(/^(counter|gauge|histogram|summary)$/);
      expect(helps.has(family), `help of ${line}`).toBe(true);
    }
  });

  test("counts every answer under one label of its call, and times every call", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const gamemode = gamemodePath(player);
    const report = { region, gamemode: "GM01" };
    await shared.http.report(player, report);
    await shared.http.report(player, { ...report, region: "XX" });
    await shared.http.report(player, { ...report, gamemode: "x".repeat(5000) });
    await shared.http.request("POST", gamemode, { body: "x" });
    await shared.http.request("HEAD", gamemode);
    await shared.http.request("PATCH", gamemode);
    await shared.http.request("OPTIONS", gamemode);
    await shared.http.heartbeat(player);
    await shared.http.heartbeat("no-id");
    await shared.http.get("/v1/nothing");
    await shared.http.get("/docs");
    const head = `POST ${gamemode} HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\nconnection: close\r\nexpect: the best`;
    expect((await rawRequest(shared.node.url, `${head}\r\n\r\n{}`))?.status).toBe(417);
    await shared.http.remove(player); // the next test counts players
    const [path, heartbeat] = ["/v1/profiles/{profileId}/gamemode", "/v1/profiles/{profileId}/heartbeat"];
    const counted = [
      ...[200, 400, 413, 415].map((status) => [`POST ${path}`, status] as const),
      [`GET ${path}`, 200],
      [`* ${path}`, 405],
      [`OPTIONS ${path}`, 204],
      [`PUT ${heartbeat}`, 204],
      [`PUT ${heartbeat}`, 400],
      ["none", 404],
      ["GET /docs", 200],
      ["GET /metrics", 200],
      ["malformed", 417],
    ] as const;
    const { samples } = await until("all are counted", async () => {
      const seen = await read();
      const areAll = counted.every(([route, status]) => {
        const name = `headcount_http_requests_total{route="${route}",status="${status}"} `;
        return seen.samples.some((line) => line.startsWith(name) && Number(line.slice(name.length)) > 0);
      });
      return areAll && seen;
    });
    const routes = new Set(
      samples.map((line) => /route="([^"]*)"/.exec(line)?.[1]).filter((route) => route !== undefined),
    );
    for (const route of routes) expect(route).toMatch(/^(?:none|malformed|(?:[A-Z]+|\*) \/[\w/{}.-]*)$/);
    for (const route of [`POST ${path}`, `GET ${path}`, `PUT ${heartbeat}`, "GET /metrics", "GET /readyz"])
      expect(
        samples.some((line) => line.startsWith(`headcount_request_duration_seconds_count{route="${route}"} `)),
      ).toBe(true);
  });

  test("shows what happened: players connected, and more requests than before", async () => {
    const values = async () => {
      const { samples } = await read();
      return new Map(
        samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
      );
    };
    const before = await values();
    const region = freshRegion();
    const rows = Array.from({ length: 137 }, () => ({ profileId: freshPlayer(), region, gamemode: "GM01" }));
    await shared.http.reports(rows);
    const { json } = await shared.http.get("/v1/players");
    expect(json.players).toBe(137);
    await until("a metric about players is 137", async () => {
      const after = await values();
      return [...after].some(([name, value]) => /players/.test(name) && value === 137 && before.get(name) === 0);
    });
    for (const [name, value] of await values()) {
      if (/_(total|count|bucket)\b/.test(name)) expect(value, name).toBeGreaterThanOrEqual(before.get(name) ?? 0);
    }
  });
});

test.each(["/docs", "/docs/"])("GET %s is a page of documentation that loads", async (path) => {
  let answer = await shared.http.get(path);
  for (let redirects = 0; answer.status >= 300 && answer.status < 400 && redirects < 3; redirects++) {
    path = new URL(String(answer.headers["location"]), new URL(path, shared.node.url)).pathname;
    answer = await shared.http.get(path);
  }
  expect([answer.status, answer.headers["content-type"]]).toEqual([200, expect.stringMatching(/^text\/html/)]);
  expect(answer.text).toMatch(/<html/i);
  expect(answer.text).toContain("<title>Headcount</title>");
  const assets = Array.from(
    answer.text.matchAll(/(?:src|href)="([^"#]+)"/g),
    ([, target = ""]) => new URL(target, new URL(path, shared.node.url)),
  );
  expect(assets.length).toBeGreaterThan(0);
  for (const asset of assets) {
    expect(asset.origin, "offline: nothing from elsewhere").toBe(shared.node.url);
    const { status, headers, text } = await shared.http.get(asset.pathname);
    expect(status, asset.pathname).toBe(200);
    if (asset.pathname.endsWith(".svg")) expect([headers["content-type"], text]).toEqual(["image/svg+xml", ICON]);
    if (!asset.pathname.endsWith("swagger-initializer.js")) continue;
    const [, logo = ""] = /data:image\/svg\+xml;base64,([\w+/=]+)/.exec(text) ?? [];
    expect(Buffer.from(logo, "base64").toString(), "a logo of our own").toMatch(/^<svg .*>Headcount<\/text><\/svg>$/s);
  }
});

test("The examples of the description can be tried, and tried again", async () => {
  const { paths } = (await shared.http.get("/openapi.json")).json;
  for (const [path, { post }] of Object.entries<{ post?: Operation }>(paths)) {
    if (post === undefined) continue;
    const { example, examples } = post.requestBody.content["application/json"];
    const json = example ?? Object.values(examples ?? {})[0]?.value;
    expect(json, path).toBeTypeOf("object");
    const filled = path.replace("{profileId}", freshPlayer());
    const answers = [
      await shared.http.request("POST", filled, { json }),
      await shared.http.request("POST", filled, { json }),
      await shared.http.request("POST", filled, { json: JSON.parse(JSON.stringify(json).replace("GM01", "GM02")) }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const rows = (json as { reports?: unknown[] }).reports?.length ?? 0;
    for (const { json: told } of answers) expect(told.accepted ?? 0).toBe(rows);
    if (path.includes("{")) expect(answers.map(({ json: told }) => told.changed)).toEqual([true, false, true]);
  }
});

interface Operation {
  readonly requestBody: {
    readonly content: {
      readonly "application/json": { readonly example?: object; readonly examples?: Record<string, { value: object }> };
    };
  };
}
