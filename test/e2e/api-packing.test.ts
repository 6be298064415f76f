/** Answers that come packed, to whom, and what stays as it is. */
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";

import { REGIONS } from "../support/corpora.ts";
import { HttpClient, NO_CACHE } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { until } from "../support/until.ts";
import { freshPlayer, shareNode } from "../support/shared-node.ts";
import { Pool } from "undici";

const shared = shareNode();
const REGION = "CA";
const TOP = `/v1/regions/${REGION}/gamemode?top=100`;
/** Long answers, and how they are kept from changing between two requests. */
const LONG = [TOP, "/v1/regions", "/openapi.json", "/docs/json", "/docs/static/swagger-ui.css", "/metrics"];
const CHANGING = new Set(["/metrics"]);

interface Packed {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
}

async function get(
  path: string,
  headers: Record<string, string> = {},
  method: "GET" | "HEAD" = "GET",
): Promise<Packed> {
  await using pool = asDisposable(new Pool(shared.node.url));
  const answer = await pool.request({ method, path, headers });
  return { status: answer.statusCode, headers: answer.headers, bytes: Buffer.from(await answer.body.arrayBuffer()) };
}

function asDisposable(pool: Pool): Pool & AsyncDisposable {
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.destroy() });
}

const unpacked = ({ headers, bytes }: Packed): string => {
  const coding = headers["content-encoding"];
  if (coding === "gzip") return gunzipSync(bytes).toString();
  return (coding === "zstd" ? zstdDecompressSync(bytes) : bytes).toString();
};
const withoutInstant = (text: string): string => text.replace(/"asOf":"[^"]+"/, "");

const manyModes = (): readonly object[] =>
  Array.from({ length: 60 }, (_, at) => ({ profileId: freshPlayer(), region: REGION, gamemode: `GM${at}` }));

beforeAll(async () => {
  const rows = REGIONS.slice(0, 60).flatMap((region) =>
    Array.from({ length: region === REGION ? 60 : 1 }, (_, at) => ({
      profileId: freshPlayer(),
      region,
      gamemode: `GM${at}`,
    })),
  );
  expect((await shared.http.reports(rows)).status).toBe(200);
});

describe.each(LONG)("GET %s", (path) => {
  test.each(["gzip", "zstd"])("comes packed by %s, and is what it would be otherwise", async (coding) => {
    const [plain, packed] = [await get(path), await get(path, { "accept-encoding": coding })];
    expect([plain.status, packed.status]).toEqual([200, 200]);
    expect([plain.headers["content-encoding"], packed.headers["content-encoding"]]).toEqual([undefined, coding]);
    for (const { headers, bytes } of [plain, packed]) {
      expect(headers["vary"]).toBe("Accept-Encoding");
      expect(headers["content-length"]).toBe(String(bytes.length));
    }
    expect(packed.headers["etag"]).toBe(plain.headers["etag"]);
    expect(packed.headers["content-type"]).toBe(plain.headers["content-type"]);
    expect(packed.bytes.length).toBeLessThan(plain.bytes.length / 2);
    if (!CHANGING.has(path)) expect(withoutInstant(unpacked(packed))).toBe(withoutInstant(unpacked(plain)));
    const again = await get(path, { "accept-encoding": coding });
    if (!CHANGING.has(path)) expect(withoutInstant(unpacked(again))).toBe(withoutInstant(unpacked(plain)));
  });

  test("comes as it is to who takes no packing known here", async () => {
    for (const codings of ["br", "gzip;q=0, zstd;q=0", "identity", "identity;q=0"]) {
      const { status, headers } = await get(path, { "accept-encoding": codings });
      expect([status, headers["content-encoding"], headers["vary"]]).toEqual([200, undefined, "Accept-Encoding"]);
    }
  });

  test.skipIf(path.startsWith("/docs/static"))("says with HEAD what GET has", async () => {
    const [head, whole] = [
      await get(path, { "accept-encoding": "gzip" }, "HEAD"),
      await get(path, { "accept-encoding": "gzip" }),
    ];
    expect([head.status, head.bytes.length, head.headers["content-encoding"]]).toEqual([200, 0, "gzip"]);
    if (!CHANGING.has(path) && path !== TOP)
      expect(head.headers["content-length"]).toBe(whole.headers["content-length"]);
  });

  test("304 names the same tag and Vary, and has no body", async () => {
    const { headers } = await get(path, { "accept-encoding": "gzip" });
    if (headers["etag"] === undefined) return;
    const known = await get(path, { "accept-encoding": "gzip", "if-none-match": String(headers["etag"]) });
    expect([known.status, known.bytes.length]).toEqual([304, 0]);
    expect(known.headers).toMatchObject({ etag: headers["etag"], vary: headers["vary"] });
    expect(known.headers["content-encoding"]).toBeUndefined();
  });
});

test("changed counts come packed at once", async () => {
  const packed = { "accept-encoding": "gzip" };
  const before = JSON.parse(unpacked(await get(TOP, packed))) as { readonly players: number };
  for (let more = 1; more <= 3; more++) {
    await shared.http.report(freshPlayer(), { region: REGION, gamemode: "GM1" });
    for (const headers of [packed, { ...packed, ...NO_CACHE.headers }])
      expect(JSON.parse(unpacked(await get(TOP, headers)))).toMatchObject({ players: before.players + more });
  }
});

test("short answers, reports, heartbeats and refusals stay as they are", async () => {
  const headers = { "accept-encoding": "gzip, zstd" };
  const player = freshPlayer();
  const rows = Array.from({ length: 100 }, () => ({}));
  const answers = [
    await shared.http.request("POST", `/v1/profiles/${player}/gamemode`, {
      headers,
      json: { region: "US", gamemode: "GM1" },
    }),
    await shared.http.request("PUT", `/v1/profiles/${player}/heartbeat`, { headers }),
    await shared.http.request("POST", "/v1/reports", { headers, json: { reports: rows } }),
    await shared.http.get(`/v1/regions/${REGION}/gamemode?top=3`, { headers }),
    await shared.http.get("/v1/players", { headers }),
    await shared.http.get(`/v1/${"x".repeat(2000)}`, { headers }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 204, 200, 200, 200, 404]);
  for (const answer of answers) {
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(answer.headers["vary"]).toBeUndefined();
  }
});

test("who takes nothing that is not packed gets a short answer packed too", async () => {
  const answer = await get("/v1/players", { "accept-encoding": "gzip, identity;q=0" });
  expect(answer.headers).toMatchObject({ "content-encoding": "gzip", vary: "Accept-Encoding" });
  expect(JSON.parse(unpacked(answer))).toMatchObject({ players: expect.any(Number) });
});

test("packed popular modes stay in the fast lane", async () => {
  await using node = await startNode();
  await using http = new HttpClient(node.url, 1, () => undefined);
  expect((await http.reports(manyModes())).status).toBe(200);
  for (let at = 0; at < 10; at++) {
    const { headers } = await http.get(TOP, { headers: { "accept-encoding": "gzip, deflate, br" } });
    expect(headers["content-encoding"]).toBe("gzip");
  }
  await until("ten requests took the lane", async () => {
    const { text } = await http.get("/metrics"); // which are kept for a moment
    return text.includes('requests_by_way_total{way="lane"} 10\n');
  });
});

test("a range of a file is of the file as it is", async () => {
  const { status, headers, bytes } = await get("/docs/static/swagger-ui.css", {
    "accept-encoding": "gzip",
    range: "bytes=0-99",
  });
  expect([status, bytes.length, headers["content-encoding"]]).toEqual([206, 100, undefined]);
});

test("where pages of some origins may ask, an answer says that it depends on that too", async () => {
  await using node = await startNode({ env: { HEADCOUNT_CORS_ORIGINS: "https://game.example" } });
  await using http = new HttpClient(node.url, 1, () => undefined);
  expect((await http.reports(manyModes())).status).toBe(200);
  const both = "Origin, Accept-Encoding";
  for (const [path, vary] of [
    [TOP, both],
    ["/openapi.json", both],
    [`/v1/regions/${REGION}/gamemode`, "Origin"],
    ["/v1/players", "Origin"],
  ]) {
    for (const headers of [{}, { "accept-encoding": "gzip" }, { origin: "https://game.example" }]) {
      const answer = await http.get(path as string, { headers: { ...headers, "if-none-match": '"x"' } });
      expect(answer.headers["vary"], path).toBe(vary);
    }
  }
});
