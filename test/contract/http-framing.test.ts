/**
 * Requests that are framed wrongly, or so that two readers could understand them differently, sent to a node with the fast lane
 * and to one without: each is refused alike, and what stands behind it is not taken for a request.
 *
 * The kinds of cases are those of llhttp's tests of requests (github.com/nodejs/llhttp, test/request, MIT) and of h1spec
 * (github.com/uNetworking/h1spec, MIT); the requests are this project's own. The rules: RFC 9112.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answersTo, openWay, type Way } from "../support/two-ways.ts";

const GET = "GET /livez HTTP/1.1\r\n";
const POST = "POST /v1/reports HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
const REPORTS = `{"reports":[{"profileId":"6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21","region":"CA","gamemode":"GM01"}]}`;
const BATCH = `${POST}content-length: ${REPORTS.length}\r\n\r\n${REPORTS}`;
/** Hidden behind a request whose end is in doubt. */
const HIDDEN = "DELETE /v1/hidden HTTP/1.1\r\nhost: a\r\n\r\n";
const NAUGHTY = "\u0000";

/** What comes back, by status; each request is followed by the end of what the client sends. */
const CASES: Readonly<Record<string, Readonly<Record<string, readonly [request: string, ...statuses: number[]]>>>> = {
  "request line": {
    "a plain request": [`${GET}host: a\r\n\r\n`, 200],
    "empty lines before it": [`\r\n\r\n${GET}host: a\r\n\r\n`, 200],
    "a method in lower case": ["get /livez HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    "a method nobody knows": ["BREW /livez HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    "a method with a control character": [`G${NAUGHTY}ET /livez HTTP/1.1\r\nhost: a\r\n\r\n`, 400],
    "no method": [" /livez HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    "no target": ["GET HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    "no version": ["GET /livez\r\nhost: a\r\n\r\n", 400],
    "no version and no header": ["GET /livez\r\n\r\n", 400],
    "two spaces before the target": ["GET  /livez HTTP/1.1\r\nhost: a\r\n\r\n", 200],
    "a tab before the target": ["GET\t/livez HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    "a space in the target": ["GET /live z HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    "a control character in the target": [`GET /live${NAUGHTY}z HTTP/1.1\r\nhost: a\r\n\r\n`, 400],
    "another protocol": ["GET /livez ICE/1.1\r\nhost: a\r\n\r\n", 400],
    "a protocol in lower case": ["GET /livez http/1.1\r\nhost: a\r\n\r\n", 400],
    "a version nobody speaks": ["GET /livez HTTP/9.9\r\nhost: a\r\n\r\n", 400],
    "a version of two digits": ["GET /livez HTTP/11.1\r\nhost: a\r\n\r\n", 400],
    "the preface of HTTP/2": ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    "a TLS greeting": ["\u0016\u0003\u0001\u0000\u00a5\u0001\u0000", 400],
    "a line that ends with LF alone": ["GET /livez HTTP/1.1\nhost: a\n\n", 400],
    "a line that ends with CR alone": ["GET /livez HTTP/1.1\rhost: a\r\r", 400],
    "HTTP/1.0 without a host": ["GET /livez HTTP/1.0\r\n\r\n", 200],
    "a target that is too long": [`GET /${"x".repeat(17_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, 414],
    "a target that is too long, of a method with a hyphen": [
      `M-SEARCH /${"x".repeat(17_000)} HTTP/1.1\r\nhost: a\r\n\r\n`,
      414,
    ],
    "line ends behind a request": [`${GET}host: a\r\n\r\n\r\n\n\r${GET}host: a\r\n\r\n`, 200, 200],
    "a target of another form": [`GET livez HTTP/1.1\r\nhost: a\r\n\r\n`, 400],
  },
  headers: {
    "no host": [`${GET}\r\n`, 400],
    "two hosts": [`${GET}host: a\r\nhost: a\r\n\r\n`, 400],
    "a host with a path": [`${GET}host: a/b\r\n\r\n`, 400],
    "a host with a user": [`${GET}host: me@a\r\n\r\n`, 400],
    "a host with a space": [`${GET}host: a b\r\n\r\n`, 400],
    "a host with a port that is none": [`${GET}host: a:b\r\n\r\n`, 400],
    "a host with a percent sign alone": [`${GET}host: a%zz\r\n\r\n`, 400],
    "a host with an escape": [`${GET}host: a%2db\r\n\r\n`, 200],
    "an address that is none": [`${GET}host: [:::::]\r\n\r\n`, 400],
    "an address with a zone": [`${GET}host: [fe80::1%eth0]\r\n\r\n`, 400],
    "brackets around a dot": [`${GET}host: [.]\r\n\r\n`, 400],
    "an address as host": [`${GET}host: [::1]:8080\r\n\r\n`, 200],
    "names in any case": [`${GET}hOsT: a\r\nACCEPT:\t*/*\t\r\n\r\n`, 200],
    "an empty value": [`${GET}host: a\r\nx-empty:\r\n\r\n`, 200],
    "no colon": [`${GET}host: a\r\nnonsense\r\n\r\n`, 400],
    "no name": [`${GET}host: a\r\n: x\r\n\r\n`, 400],
    "a space before the colon": [`${GET}host: a\r\naccept : x\r\n\r\n`, 400],
    "a space in a name": [`${GET}host: a\r\nac cept: x\r\n\r\n`, 400],
    "a bracket in a name": [`${GET}host: a\r\nac[cept: x\r\n\r\n`, 400],
    "a space before the first name": [`${GET} host: a\r\n\r\n`, 400],
    "a NUL in a value": [`${GET}host: a\r\nx: a${NAUGHTY}b\r\n\r\n`, 400],
    "a CR in a value": [`${GET}host: a\r\nx: a\rb\r\n\r\n`, 400],
    "a LF in a value": [`${GET}host: a\r\nx: a\nb\r\n\r\n`, 400],
    "a folded value": [`${GET}host: a\r\nx: a\r\n b\r\n\r\n`, 400],
    "too many bytes": [`${GET}host: a\r\nx: ${"x".repeat(17_000)}\r\n\r\n`, 431],
    "an end that does not come": [`${GET}host: a\r\n`, 400],
  },
  length: {
    "two lengths": [`${POST}content-length: 2\r\ncontent-length: 2\r\n\r\n{}`, 400],
    "two different lengths": [`${POST}content-length: 2\r\ncontent-length: 44\r\n\r\n{}${HIDDEN}`, 400],
    "a list of lengths": [`${POST}content-length: 2, 2\r\n\r\n{}`, 400],
    "a length with a sign": [`${POST}content-length: +2\r\n\r\n{}`, 400],
    "a length below zero": [`${POST}content-length: -2\r\n\r\n{}`, 400],
    "a length in hex": [`${POST}content-length: 0x2\r\n\r\n{}`, 400],
    "a length with letters": [`${POST}content-length: 2x\r\n\r\n{}`, 400],
    "a length of two words": [`${POST}content-length: 2 2\r\n\r\n{}`, 400],
    "no length in the header": [`${POST}content-length:\r\n\r\n{}`, 400],
    "a length beyond all numbers": [`${POST}content-length: ${"9".repeat(40)}\r\n\r\n{}`, 400],
    "a body that breaks off": [`${POST}content-length: 20\r\n\r\n{}`, 400],
  },
  chunks: {
    "a length too": [`${POST}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 400],
    "a length too, behind it": [
      `${POST}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
      400,
    ],
    "another coding last": [`${POST}transfer-encoding: chunked, gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 400],
    "a coding nobody knows": [`${POST}transfer-encoding: nonsense\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 400],
    "a word that begins so": [`${POST}transfer-encoding: chunkedx\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 400],
    "an empty coding": [`${POST}transfer-encoding:\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 400],
    "a space before the colon": [`${POST}transfer-encoding : chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 400],
    "a size that is none": [`${POST}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`, 400],
    "a size with a prefix": [`${POST}transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n`, 400],
    "a size below zero": [`${POST}transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n`, 400],
    "a size beyond all numbers": [`${POST}transfer-encoding: chunked\r\n\r\n${"f".repeat(20)}\r\n{}\r\n0\r\n\r\n`, 400],
    "a space before the size's end": [`${POST}transfer-encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n`, 400],
    "a size that ends with LF alone": [`${POST}transfer-encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n`, 400],
    "a chunk that is longer than its size": [`${POST}transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n`, 400],
    "an end that does not come": [`${POST}transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n`, 400],
    "with HTTP/1.0": [`${POST.replace("/1.1", "/1.0")}transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 400],
    "broken, to a call that reads none": [`${GET}host: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n${HIDDEN}`, 400],
  },
  "several requests": {
    "a good one and nonsense": [`${GET}host: a\r\n\r\nnonsense\r\n\r\n`, 200, 400],
    "a good one, another after an empty line": [`${GET}host: a\r\n\r\n\r\n${GET}host: a\r\n\r\n`, 200, 200],
    "a good one that ends the connection, and another": [`${GET}host: a\r\nconnection: close\r\n\r\n${HIDDEN}`, 200],
    "two with bodies": [`${POST}content-length: 2\r\n\r\n{}${POST}content-length: 2\r\n\r\n{}`, 400, 400],
    "a body where none is expected": [`${GET}host: a\r\ncontent-length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`, 200],
    "a tunnel": ["CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n"],
    "an upgrade that nobody offers": [`${GET}host: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`, 200],
    "an expectation nobody can meet": [`${GET}host: a\r\nexpect: miracles\r\n\r\n${HIDDEN}`, 417],
  },
};

let ways: Way[] = [];
beforeAll(async () => void (ways = await Promise.all([openWay("on"), openWay("off")])));
afterAll(async () => void (await Promise.all(ways.map((way) => way[Symbol.asyncDispose]()))));

describe.each(Object.entries(CASES))("%s", (_, cases) => {
  test.each(Object.entries(cases))("%s", async (_name, [request, ...statuses]) => {
    const bytes = Buffer.from(request, "latin1");
    const pieces = [...bytes.keys()].slice(0, 200).map((at) => bytes.subarray(at, at + 1));
    const inPieces = [...pieces, bytes.subarray(pieces.length)];
    for (const sent of [[bytes], inPieces]) await expectAlike(sent, statuses);
  });
});

test("a target that is too long is refused as such also behind a body", async () => {
  const long = Buffer.from(`GET /${"x".repeat(17_000)} HTTP/1.1\r\nhost: a\r\n\r\n`);
  await expectAlike([Buffer.from(BATCH), long], [200, 414]);
  for (const end of ["", "\n"]) {
    const batch = BATCH.replace(`${REPORTS.length}`, `${REPORTS.length + end.length}`) + end;
    await expectAlike([Buffer.concat([Buffer.from(batch), long])], [200, 414]);
  }
});

/** Of both nodes. */
async function expectAlike(pieces: readonly Buffer[], statuses: readonly number[]): Promise<void> {
  const [answers = "", others] = await Promise.all(ways.map(({ port }) => answersTo(port, pieces)));
  const seen = [...answers.matchAll(/HTTP\/1.1 (\d{3})/g)].map(([, status]) => Number(status));
  expect(seen, answers).toEqual(statuses);
  expect(others).toBe(answers);
}
