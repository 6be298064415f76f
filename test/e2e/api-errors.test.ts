/** Statuses and bodies of what cannot be answered: unknown calls, wrong types and sizes, broken JSON, broken HTTP. */

import { connect } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";

import { checkDescribed } from "../support/described.ts";
import { gamemodePath, JSON_TYPE, percentEncoded, rawRequest } from "../support/http.ts";
import { countsOf, expectError, freshPlayer, freshRegion, refusalOf, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const shared = shareNode();

const REPORT = JSON.stringify({ region: "CA", gamemode: "GM01" });
const SINGLE_BYTES_MAX = 4096;
const post = (
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string> = { "content-type": "application/json" },
) => shared.http.request("POST", path, { headers, body });

/** Every error of this file must leave the node alive. */
afterEach(async () => {
  expect((await shared.http.get("/livez")).status).toBe(200);
});

describe("404", () => {
  const player = freshPlayer();
  test.each([
    ["GET", "/"],
    ["GET", "/v1"],
    ["GET", "/v1/"],
    ["GET", "/v2/players"],
    ["GET", "/v1/profiles"],
    ["GET", `/v1/profiles/${player}`],
    ["GET", `/v1/profiles/${player}/region`],
    ["GET", "/v1/regions/CA"],
    ["GET", "/V1/players"],
    ["GET", "/../../etc/passwd"],
    ["GET", "/docs/../../package.json"],
    ["GET", "/docs/static/..%2f..%2f..%2fpackage.json"],
    ["POST", "/v1/nothing"],
    ["PROPFIND", "/v1/nothing"],
    ["DELETE", `/v1/profiles/${player}/region`],
    ["OPTIONS", "/v1/nothing"],
  ])("%s %s is no call of this service", async (method, path) => {
    expectError(await shared.http.request(method, path), 404, /./);
  });

  test("does not repeat what came unescaped or at length", async () => {
    const answer = await shared.http.get(`/${percentEncoded("<script>\u0000\n")}${"a".repeat(2000)}`);
    expectError(answer, 404, /./);
    expect(answer.json.message.length).toBeLessThan(300);
    // eslint-disable-next-line no-control-regex
    expect(answer.json.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});

describe("413", () => {
  test("a report may have 4 KiB and no byte more", async () => {
    expect((await post(gamemodePath(freshPlayer()), REPORT.padEnd(SINGLE_BYTES_MAX))).status).toBe(200);
    expectError(await post(gamemodePath(freshPlayer()), REPORT.padEnd(SINGLE_BYTES_MAX + 1)), 413, /./);
  });

  test("also where no length is announced", async () => {
    const player = freshPlayer();
    const chunk = " ".repeat(1000);
    const chunks = [REPORT, ...Array.from({ length: 5 }, () => chunk)]
      .map((text) => `${text.length.toString(16)}\r\n${text}\r\n`)
      .join("");
    const answer = await rawRequest(
      shared.node.url,
      `POST ${gamemodePath(player)} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n${chunks}0\r\n\r\n`,
    );
    expect(answer).toMatchObject({ status: 413, headers: { "content-type": JSON_TYPE } });
    expect(JSON.parse(answer!.body)).toMatchObject({ code: "413" });
    expect((await shared.http.profile(player)).status).toBe(404);
  });

  test("a chunked body within the limit is a body like any other", async () => {
    const answer = await rawRequest(
      shared.node.url,
      `POST ${gamemodePath(freshPlayer())} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n` +
        `${REPORT.length.toString(16)}\r\n${REPORT}\r\n0\r\n\r\n`,
    );
    expect(answer?.status).toBe(200);
  });

  test("an announced length beyond the limit is refused before the body comes", async () => {
    const answer = await rawRequest(
      shared.node.url,
      "POST /v1/reports HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n{",
    );
    expect(answer?.status).toBe(413);
    checkDescribed("POST", "/v1/reports", { ...answer!, text: answer!.body });
  });
});

describe("415", () => {
  const types = [
    "text/plain",
    "text/html",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
  ];
  const unlike = ["application/jsonp", "application/xml", "json", "x", "*/*", ";;;"];
  test.each([...types, ...unlike])("a body of type %s is not JSON", async (type) => {
    const player = freshPlayer();
    expectError(await post(gamemodePath(player), REPORT, { "content-type": type }), 415, /./);
    expectError(await post("/v1/reports", `{"reports":[]}`, { "content-type": type }), 415, /./);
    expect((await shared.http.profile(player)).status).toBe(404);
  });

  test("a body of no type is not JSON", async () => {
    expectError(await post(gamemodePath(freshPlayer()), REPORT, {}), 415, /./);
    expectError(await post("/v1/reports", `{"reports":[]}`, {}), 415, /./);
  });

  test("no body and no type: there is no report", async () => {
    for (const path of [gamemodePath(freshPlayer()), "/v1/reports"]) {
      const answer = await shared.http.request("POST", path);
      expect([400, 415]).toContain(answer.status);
      expectError(answer, answer.status, /./);
      if (answer.status === 400) expectError(answer, 400, /^body must be a JSON object, got nothing$/);
    }
  });

  test.each([
    ["gzip", gzipSync(REPORT)],
    ["GZIP", gzipSync(REPORT)],
    ["gzip, identity", gzipSync(REPORT)],
    ["br", brotliCompressSync(REPORT)],
    ["deflate", deflateSync(REPORT)],
    ["x", REPORT],
    ["", REPORT],
  ])("a body of the coding %j is not unpacked", async (coding, body) => {
    for (const path of [gamemodePath(freshPlayer()), "/v1/reports"]) {
      const answer = await post(path, body, { "content-type": "application/json", "content-encoding": coding });
      expectError(answer, 415, /^content-encoding must be identity or left out, since bodies are not unpacked, got "/);
      expect(answer.headers["accept-encoding"]).toBe("identity");
    }
  });

  test("a body that says that it has no coding is as any other", async () => {
    const headers = { "content-type": "application/json", "content-encoding": "identity" };
    expect((await post(gamemodePath(freshPlayer()), REPORT, headers)).status).toBe(200);
  });

  test("a type and no body: there is no report", async () => {
    for (const path of [gamemodePath(freshPlayer()), "/v1/reports"]) {
      expectError(await post(path, ""), 400, /^body must be a JSON object, got nothing$/);
      expectError(await post(path, "null"), 400, /^body must be a JSON object, got null$/);
    }
  });
});

describe("a call without a body", () => {
  const bodies = ["", "x", "{", "{}", "null", "a=b", '{"__proto__":1}', "\u0000", "x".repeat(1024)];
  const types = [
    "application/json",
    "application/json; charset=utf-8",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "text/plain; charset=utf-8",
    "*/*",
    // Malformed ones too: there is nothing to be read by them.
    "",
    "json",
    ";;;",
    'a/b/c; x="',
    "application/\u00e9",
    undefined,
  ];
  test.each(types)("takes what comes as %s, and ignores it", async (type) => {
    for (const body of bodies) {
      const player = freshPlayer();
      const options = { body, headers: type === undefined ? {} : { "content-type": type } };
      expect((await post(gamemodePath(player), REPORT)).status).toBe(200);
      const heartbeat = await shared.http.request("PUT", `/v1/profiles/${player}/heartbeat`, options);
      expect(heartbeat.status, body).toBe(204);
      expect((await shared.http.request("DELETE", gamemodePath(player), options)).status, body).toBe(204);
    }
  });

  test.each([
    "content-length: 0\r\n\r\n",
    "content-type: json\r\n\r\n",
    "content-type: \r\ncontent-length: 0\r\n\r\n",
    "content-type: a/b\r\ncontent-type: c/d\r\ncontent-length: 2\r\n\r\n{}",
    "content-encoding: gzip\r\ncontent-length: 0\r\n\r\n",
    "content-encoding: gzip\r\ncontent-type: json\r\ncontent-length: 2\r\n\r\n{}",
    "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "content-type: json\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "content-type: json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
  ])("takes %j", async (rest) => {
    const player = freshPlayer();
    expect((await post(gamemodePath(player), REPORT)).status).toBe(200);
    for (const call of [`PUT /v1/profiles/${player}/heartbeat`, `DELETE ${gamemodePath(player)}`]) {
      const head = `${call} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n`;
      expect((await rawRequest(shared.node.url, head + rest))?.status, call).toBe(204);
    }
  });

  test("takes no large one", async () => {
    const player = freshPlayer();
    const options = { body: "x".repeat(1025), headers: { "content-type": "text/plain" } };
    for (const [method, path] of [
      ["PUT", `/v1/profiles/${player}/heartbeat`],
      ["DELETE", gamemodePath(player)],
    ] as const)
      expectError(await shared.http.request(method, path, options), 413, /1024/);
  });
});

describe("400", () => {
  const broken = [
    "",
    " ",
    "{",
    "}",
    '{"region":"CA"',
    '{"region":"CA","gamemode":}',
    "{'region':'CA'}",
    `${REPORT}x`,
    `${REPORT}${REPORT}`,
    "undefined",
    "NaN",
    "\ufeff",
  ];
  test.each([...broken, '{"region":"CA","gamemode":"GM01",}', '{"region":"CA\n","gamemode":"GM01"}'])(
    "is the answer to broken JSON: %j",
    async (body) => {
      const player = freshPlayer();
      expectError(await post(gamemodePath(player), body), 400, /./);
      expectError(await post("/v1/reports", body), 400, /./);
      expect((await shared.http.profile(player)).status).toBe(404);
    },
  );

  test("is the answer to bytes that are no text", async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"region":"CA","gamemode":"GM'),
      Buffer.from([0xff, 0xfe, 0xc0, 0x80]),
      Buffer.from('"}'),
    ]);
    expectError(await post(gamemodePath(freshPlayer()), bytes), 400, /^gamemode must be/);
    expectError(await post(gamemodePath(freshPlayer()), Buffer.from([0xff, 0x00, 0x80])), 400, /./);
    expectError(await post(gamemodePath(freshPlayer()), Buffer.from(REPORT, "utf16le")), 400, /./);
  });

  const badEscapes = ["%", "%z", "%zz", "%1", "%c0%af", "%ff", "%ed%a0%80", "%u0041", "a%", "%%", "%f0%9f%91"];
  test.each(badEscapes)("is the answer to a bad escape in a path: %s", async (escape) => {
    expectError(await shared.http.get(`/v1/profiles/${escape}/gamemode`), 400, /./);
    expectError(await shared.http.request("DELETE", `/v1/profiles/${escape}/gamemode`), 400, /./);
    expectError(await shared.http.get(`/v1/regions/${escape}/gamemode`), 400, /./);
    expect((await shared.http.get(`/v1/regions/CA/gamemode?top=${escape}`)).status).toBe(400);
  });

  test.each(["%00", "%0a", "%2f", "%2F..%2F", "%25", "%20", "%3f", "..%2f..", "%E2%80%AE"])(
    "is the answer to an escape of something else: %s",
    async (escape) => {
      expectError(await shared.http.get(`/v1/profiles/${escape}/gamemode`), 400, /^profileId must be/);
      expectError(await shared.http.get(`/v1/regions/${escape}/gamemode`), 400, /^region must be/);
    },
  );
});

describe("malformed HTTP", () => {
  const headers = (line: string) => `GET /v1/players HTTP/1.1\r\nhost: h\r\nconnection: close\r\n${line}\r\n\r\n`;
  const cases: readonly (readonly [what: string, bytes: string])[] = [
    ["no HTTP at all", "hello\r\n\r\n"],
    ["an empty line and rubbish", "\r\n\r\n\u0000\u0001\u0002\r\n\r\n"],
    ["TLS", "\u0016\u0003\u0001\u0000\u00a5\u0001\u0000\u0000\u00a1\u0003\u0003"],
    ["a method of its own", "COUNT / HTTP/1.1\r\nhost: h\r\n\r\n"],
    ["an unknown version", "GET /v1/players HTTP/9.9\r\nhost: h\r\n\r\n"],
    ["a space in the path", "GET /v1/pla yers HTTP/1.1\r\nhost: h\r\n\r\n"],
    ["a header without a colon", headers("nonsense")],
    ["a header name with a space", headers("bad name: x")],
    ["a bad length", headers("content-length: abc")],
    ["a negative length", headers("content-length: -1")],
    ["two lengths", headers("content-length: 1\r\ncontent-length: 2")],
    ["a length and chunks", headers("content-length: 5\r\ntransfer-encoding: chunked")],
    [
      "an unknown transfer encoding",
      "POST /v1/reports HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ntransfer-encoding: rot13\r\n\r\n{}",
    ],
    [
      "a broken chunk",
      `POST /v1/reports HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n`,
    ],
    ["a NUL in a header", headers("x: \u0000")],
    ["too many bytes of headers", headers(`x: ${"a".repeat(200_000)}`)],
    ["a path without end", `GET /${"a".repeat(200_000)} HTTP/1.1\r\nhost: h\r\n\r\n`],
  ];
  test.each(cases)("is refused and closes only its own connection: %s", async (_what, bytes) => {
    const answer = await rawRequest(shared.node.url, Buffer.from(bytes, "latin1"));
    // A node may close without a word on what is no HTTP; what it does say is an error like any other.
    if (answer === undefined) return;
    expect(answer.status).toSatisfy((status: number) => status >= 400 && status < 500);
    expect(answer.headers["content-type"]).toBe(JSON_TYPE);
    expect(JSON.parse(answer.body)).toEqual(refusalOf(answer.status, expect.stringMatching(/./)));
    expect(Number(answer.headers["content-length"])).toBe(Buffer.byteLength(answer.body));
  });

  test("has an answer where it can be told", async () => {
    expect(await rawRequest(shared.node.url, "hello\r\n\r\n")).toMatchObject({
      status: 400,
      headers: { "content-type": JSON_TYPE },
    });
  });

  test("a client that goes away in the middle changes nothing", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    for (const bytes of [
      "P",
      "POST /v1",
      `POST ${gamemodePath(player)} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"region":"${region}"`,
    ]) {
      await new Promise<void>((resolve, reject) => {
        const socket = connect(shared.node.port, "127.0.0.1", () =>
          socket.write(bytes, () => socket.resetAndDestroy()),
        );
        socket.on("close", () => resolve()).on("error", reject);
      });
    }
    expect((await shared.http.profile(player)).status).toBe(404);
  });

  test("two requests in one packet have two answers, in order", async () => {
    const answer = await rawRequest(
      shared.node.url,
      "GET /v1/regions/XX/gamemode HTTP/1.1\r\nhost: h\r\n\r\nGET /v1/players HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
    );
    expect(answer?.status).toBe(400);
    expect(answer?.body).toMatch(/^\{"code":"400".*HTTP\/1\.1 200 OK/s);
  });
});

test("Errors count nobody", async () => {
  // Only the reports that were answered with 200 stand: two at the limits of the body, one that says its coding.
  await until("three are counted", async () => (await countsOf(shared.http)).players === 3);
});
