/**
 * The law of the fast lane: for every sequence of bytes, however cut, the answers with it are the answers without it, and so is
 * what becomes of the players.
 */
import fc from "fast-check";
import { pino } from "pino";
import { expect, test } from "vitest";
import { NO_RULES } from "../../cluster/ports/rules.ts";
import { regionOf } from "../../engine/places.ts";
import { Certificate } from "../../node/tls/certificate.ts";
import { opaqueOf, weakTagOf } from "../../node/http/tags.ts";
import { hasOpenssl, makeAuthority } from "../support/certificates.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { StubRules } from "../support/stub-rules.ts";
import { answersTo, openWay } from "../support/two-ways.ts";

const RUNS = Number(process.env["HEADCOUNT_TEST_LANE_RUNS"] ?? 10_000);
const RUN_MS = 20;

const PLAYERS = ["6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21", "6F0E4B1C-94A0-4C2E-8D55-0B9F3A7C1E22"];
const anyPlayer = mostly(PLAYERS, ["6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e2x", "00000000-0000-0000-0000-000000000000"]);
const anyRegion = mostly(["CA", "us", "US-CA", "us-nv", "US-PR"], ["XX", "C", "US-ZZ", "US-", "XK", "840", "FR-IDF"]);
const anyPlace = fc.oneof(
  { weight: 6, arbitrary: anyRegion },
  mostly(["003", "001", "021"], ["150", "1", "0001", "999", "US%2DCA", "%43%41", "021x", "US-CALIF", "constructor"]),
);
const anyMode = mostly(["GM01", "GM02"], ["-no", "a\\u0041", "Müll"]);

/** One of the first, now and then one of the others. */
function mostly<Value>(usual: readonly Value[], odd: readonly Value[]): fc.Arbitrary<Value> {
  return fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...usual) }, fc.constantFrom(...odd));
}

const anyMember = fc.oneof(
  { weight: 4, arbitrary: anyRegion.map((region) => `"region":"${region}"`) },
  { weight: 4, arbitrary: anyMode.map((mode) => `"gamemode":"${mode}"`) },
  { weight: 2, arbitrary: fc.integer({ min: -1, max: 5 }).map((seq) => `"seq":${seq}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('"more":[1]', '"__proto__":{}', '"constructor":1', '"seq":1.5', '"seq":1e1'),
  },
);
/** A field that a whole report may have besides, and that two readers of JSON could take differently. */
const anyOddField = fc.constantFrom(
  '"__proto__":{}',
  String.raw`"\u005f_proto__":{}`,
  '"constructor":{"prototype":1}',
  String.raw`"more":"\ud800"`,
  '"more":"Müll"',
  String.raw`"gamem\u006fde":"GM02"`,
  '"gamemode":"GM02"',
);
const anyReport = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(anyRegion, anyMode, anyOddField)
      .map(([region, mode, odd]) => `{"region":"${region}","gamemode":"${mode}",${odd}}`),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(anyRegion, anyMode).map(([region, mode]) => `{"region":"${region}","gamemode":"${mode}"}`),
  },
  { weight: 4, arbitrary: fc.array(anyMember, { maxLength: 4 }).map((members) => `{ ${members.join(" ,\n")} }`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", "[]", "null", "7", "{", '{"region":"CA","gamemode":"GM01"}x', "\ufeff{}"),
  },
);
const anyBatch = fc
  .array(fc.tuple(anyPlayer, anyRegion, anyMode), { maxLength: 3 })
  .map((rows) =>
    JSON.stringify({ reports: rows.map(([profileId, region, gamemode]) => ({ profileId, region, gamemode })) }),
  );

const anyTop = mostly(
  ["", "", "?top=1", "?top=100"],
  ["?top=0", "?top=101", "?top=05", "?top=", "?", "?top=1&top=2", "?x=1"],
);
/** What stands in CA with one player in GM01, the only ones that most sequences have, and other tags. */
const STANDS = opaqueOf(
  weakTagOf('{"region":"CA","players":1,"asOf":"","gamemodes":[{"mode":"GM01","rank":1,"players":1,"share":1}]}'),
);
const anyKnown = mostly(
  [
    "",
    `&known=${STANDS}`,
    `&known=W/%22${STANDS}%22`,
    `&known=W%2F%22${STANDS}%22`,
    `&known=%22${STANDS}%22`,
    "&known=x",
  ],
  [
    `&known="${STANDS}"`,
    `&known=W/${STANDS}`,
    "&known=",
    "&known=%zz",
    "&known=a+b",
    "&known=a&known=b",
    `&known=${"x".repeat(129)}`,
  ],
);

/** A request line and its body. */
const anyCall = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(anyPlayer, anyReport, anyTop)
      .map(([id, body, query]) => [`POST /v1/profiles/${id}/gamemode${query}`, body]),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(anyPlayer, anyTop, anyKnown)
      .map(([id, query, known]) => [`PUT /v1/profiles/${id}/heartbeat${query}${query === "" ? "" : known}`, ""]),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        anyPlace,
        mostly(["", "?top=1", "?top=100"], ["?top=0", "?top=05", "?top=x", "?top=2&x=1", "?", "?top=1&top=2"]),
      )
      .map(([region, query]) => [`GET /v1/regions/${region}/gamemode${query}`, ""]),
  },
  { weight: 2, arbitrary: anyPlayer.map((id) => [`GET /v1/profiles/${id}/gamemode`, ""]) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(anyPlayer, mostly(["", "?seq=3"], ["?seq=", "?seq=-1"]))
      .map(([id, query]) => [`DELETE /v1/profiles/${id}/gamemode${query}`, ""]),
  },
  { weight: 2, arbitrary: anyBatch.map((body) => ["POST /v1/reports", body]) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(
        "GET /v1/regions",
        "GET /v1/regions?of=US",
        "HEAD /v1/regions?of=003",
        "GET /v1/regions?of=US-CA",
        "HEAD /v1/places",
        "GET /livez",
        "HEAD /v1/players",
        "GET /no%2Fthing",
        "POST /v1/players",
        "OPTIONS *",
        "get /livez",
        "BREW /",
        "GET livez",
      )
      .map((line) => [line, ""]),
  },
) as fc.Arbitrary<[line: string, body: string]>;

const anyVersion = mostly(["HTTP/1.1"], ["HTTP/1.0", "HTTP/1.2", "http/1.1", "HTTP/2.0"]);
const anyType = mostly(
  ["Content-Type: application/json", "content-type: Application/JSON; charset=utf-8"],
  [
    "content-type: text/plain",
    "content-type: application/json;q=1",
    "content-type:",
    "content-type: application/json\r\ncontent-type: text/plain",
  ],
);
const anyHost = mostly(
  ["Host: a", "HOST:localhost:8080 ", "host: 127.0.0.1:80"],
  ["", "host: a\r\nhost: b", "host: a b", "host:", "host: a/b", "host: [::1]:80", "host: a:b", "host: :80", "host: a:"],
);
const anyOther = mostly(
  [
    "accept: */*",
    "User-Agent:\tgame/1.0 (x)",
    "Connection: Keep-Alive",
    "if-none-match: *",
    'If-None-Match: W/"x", "y"',
    "x-empty:",
    "accept-encoding: gzip, deflate, br, zstd",
    "Accept-Encoding: gzip",
  ],
  [
    "accept-encoding: identity;q=0, gzip;q=0.5",
    "accept-encoding: br\r\nAccept-Encoding: gzip",
    "accept-encoding:",
    "connection: close",
    "Connection: upgrade",
    "cache-control: no-cache",
    "expect: 100-continue",
    "expect: 200-ok",
    "te: trailers",
    "content-encoding: gzip",
    "upgrade: websocket",
    "transfer-encoding: identity",
    "origin: http://a",
    "x y: z",
    "x: a\r\n b",
    "x: \u0001",
    "x: é",
    "proxy-connection: keep-alive",
    "trailer: x",
    "content-length: 0",
    "content-length: +1",
    "Content-Length: 99999999999",
  ],
);
const anyFraming = mostly(["length"], ["chunked", "bad chunk", "none", "longer", "shorter"]);

const requestsWith = (anyToken: fc.Arbitrary<string>) =>
  fc
    .record({
      token: anyToken,
      call: anyCall,
      version: anyVersion,
      type: anyType,
      host: anyHost,
      others: fc.array(anyOther, { maxLength: 2 }),
      framing: anyFraming,
      before: mostly([""], ["\r\n", "\n\r\r\n"]),
    })
    .map(({ token, call: [line, body], version, type, host, others, framing, before }) => {
      const size = Buffer.byteLength(body);
      const headers = [host, token, ...others, ...(body === "" ? [] : [type])].filter((header) => header !== "");
      const [framed, text] = framedAs(framing, size, body);
      return [`${before}${line} ${version}`, ...headers, ...framed, "", text].join("\r\n");
    });

function framedAs(framing: string, size: number, body: string): [headers: string[], body: string] {
  if (body === "") return [framing === "chunked" ? ["content-length: 0"] : [], ""];
  switch (framing) {
    case "chunked":
      return [["transfer-encoding: chunked"], `${size.toString(16)}\r\n${body}\r\n0\r\n\r\n`];
    case "bad chunk":
      return [["transfer-encoding: chunked"], `zz\r\n${body}\r\n`];
    case "none":
      return [[], body];
    case "longer":
      return [[`content-length: ${size + 3}`], body];
    case "shorter":
      return [[`content-length: ${Math.max(0, size - 2)}`], body];
    default:
      return [[`Content-Length: ${size}`], body];
  }
}

const anyDamage = fc.record({ at: fc.nat(), kind: fc.constantFrom("drop", "double", "flip"), bit: fc.nat(7) });
const sequencesWith = (anyToken: fc.Arbitrary<string>) =>
  fc.record({
    requests: fc.array(requestsWith(anyToken), { minLength: 1, maxLength: 6 }),
    damages: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(anyDamage, { minLength: 1, maxLength: 2 })),
    cuts: fc.array(fc.nat(), { maxLength: 4 }),
  });
type Sequence = ReturnType<typeof sequencesWith> extends fc.Arbitrary<infer Value> ? Value : never;

function piecesOf({ requests, damages, cuts }: Sequence): Buffer[] {
  let bytes = Buffer.from(requests.join(""), "utf8");
  for (const { at, kind, bit } of damages) bytes = damaged(bytes, at % bytes.length, kind, bit);
  const places = [0, ...cuts.map((cut) => cut % bytes.length).toSorted((one, other) => one - other), bytes.length];
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place));
}

function damaged(bytes: Buffer, at: number, kind: string, bit: number): Buffer<ArrayBuffer> {
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)];
  const byte = bytes[at] as number;
  if (kind === "drop") return Buffer.concat([before, after]);
  if (kind === "double") return Buffer.concat([before, Buffer.from([byte, byte]), after]);
  return Buffer.concat([before, Buffer.from([byte ^ (1 << bit)]), after]);
}

/** So many modes that long answers about them are packed. */
const CROWD = Buffer.from(
  requestOf(
    JSON.stringify({
      reports: Array.from({ length: 60 }, (_, at) => ({
        profileId: `6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c${1000 + at}`,
        region: at % 2 === 0 ? "CA" : "US",
        gamemode: `MODE${at >> 1}`,
      })),
    }),
  ),
);

function requestOf(body: string): string {
  const token = `authorization: Bearer ${signedToken({ scope: "reports:batch" })}`;
  return `POST /v1/reports HTTP/1.1\r\nhost: a\r\n${token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

/** What is known of the players, and one more answer. */
const LOOKING = `host: a\r\nauthorization: Bearer ${signedToken({ scope: "profiles:read" })}\r\n`;
const LOOK = [
  Buffer.from(PLAYERS.map((id) => `GET /v1/profiles/${id}/gamemode HTTP/1.1\r\n${LOOKING}\r\n`).join("")),
  Buffer.from(`GET /v1/regions/CA/gamemode?top=100 HTTP/1.1\r\n${LOOKING}accept-encoding: gzip\r\n\r\n`),
  Buffer.from(`GET /v1/regions/CA/gamemode HTTP/1.1\r\n${LOOKING}connection: close\r\n\r\n`),
];

const TOKENS = [
  ...PLAYERS.map((sub) => signedToken({ sub })),
  signedToken({ sub: PLAYERS[0], entitlements: ["season-pass"] }),
  signedToken({ scope: "reports:batch profiles:read" }),
  signedToken({ sub: PLAYERS[0], exp: 1 }),
  signedToken({ sub: PLAYERS[0] }, {}, "another secret, as long as the good one is"),
];
const anyToken = mostly(
  [...TOKENS.slice(0, 4), ...TOKENS].map((token) => `authorization: Bearer ${token}`),
  [
    "",
    "Authorization:",
    "authorization: Bearer",
    "authorization: Basic YTpi",
    `Authorization:bearer ${TOKENS[2]}`,
    `authorization: Bearer  ${TOKENS[2]} `,
    `authorization: Bearer ${TOKENS[2]}x`,
    `authorization: Bearer ${TOKENS[2]} x`,
    `authorization: Bearer ${TOKENS[2]}\r\nauthorization: Bearer ${TOKENS[0]}`,
    `authorization: Bearer ${"x".repeat(5000)}`,
  ],
);

const RULES = new StubRules().set([
  { mode: "GM01", regions: [regionOf("US"), regionOf("CA")], from: ["none", "GM02"] },
  { mode: "GM02", requires: ["season-pass"] },
]);
const RULES_OF_STRANGERS = new StubRules().set([
  { mode: "GM01", regions: [regionOf("CA")] },
  { mode: "GM02", from: ["GM01"], retiredMs: 1 },
]);

/** `log`: answers come later, and not all at once. */
test.each([
  ["", fc.constant(""), RUNS, {}, NO_RULES],
  [", with a log", fc.constant(""), RUNS / 10, { HEADCOUNT_DURABILITY: "log" }, NO_RULES],
  [", with rules of modes", fc.constant(""), RUNS / 10, {}, RULES_OF_STRANGERS],
  [", with tokens and rules", anyToken, RUNS / 10, { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_AUTH_READS: "jwt" }, RULES],
] as const)(
  "the answers with the fast lane are the answers without it%s",
  { timeout: 60_000 + RUNS * RUN_MS },
  async (_, token, runs, settings, rules) => {
    await using laned = await openWay("on", settings, undefined, {}, rules);
    await using plain = await openWay("off", settings, undefined, {}, rules);
    for (const { port } of [laned, plain]) expect(await answersTo(port, [CROWD])).toContain('"accepted":60');
    await fc.assert(
      fc.asyncProperty(sequencesWith(token), async (sequence) => {
        const pieces = piecesOf(sequence);
        const [one, other] = await Promise.all([answersTo(laned.port, pieces), answersTo(plain.port, pieces)]);
        expect(one, "answers").toBe(other);
        const [known, alsoKnown] = await Promise.all([answersTo(laned.port, LOOK), answersTo(plain.port, LOOK)]);
        expect(known, "effects").toBe(alsoKnown);
      }),
      { numRuns: runs },
    );
    const { lane, detour, "handed over": handedOver } = laned.connections.ways;
    for (const requests of [lane, detour, handedOver]) expect(requests).toBeGreaterThan(runs / 4);
  },
);

test.skipIf(!hasOpenssl)(
  `the answers over TLS are those without it${hasOpenssl ? "" : " (skipped: there is no openssl here)"}`,
  { timeout: 60_000 + RUNS * RUN_MS },
  async () => {
    await using authority = await makeAuthority();
    const { cert, key } = authority.issue("IP:127.0.0.1");
    const files = { cert: { name: "CERT", path: cert }, key: { name: "KEY", path: key }, ca: undefined };
    const certificate = new Certificate(files, { log: pino({ level: "silent" }), nowMs: Date.now });
    await using secure = await openWay("on", {}, certificate);
    await using plain = await openWay("off");
    const runs = RUNS / 10;
    await fc.assert(
      fc.asyncProperty(sequencesWith(fc.constant("")), async (sequence) => {
        for (const pieces of [piecesOf(sequence), LOOK]) {
          const answers = [answersTo(secure.port, pieces, authority.text), answersTo(plain.port, pieces)];
          const [one, other] = await Promise.all(answers);
          expect(one).toBe(other);
        }
      }),
      { numRuns: runs },
    );
    expect(secure.connections.ways.lane).toBeGreaterThan(runs / 4);
    certificate.close();
  },
);
