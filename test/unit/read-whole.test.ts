/** A body as it came, for calls that read its bytes. */
import { PassThrough } from "node:stream";
import type { FastifyRequest } from "fastify";
import { expect, test } from "vitest";
import { readWhole } from "../../node/http/body.ts";
import { NoRoomError } from "../../node/http/http.ts";

const BYTES_MAX = 10;

/** What is told of a body: its text, or the status of its refusal. */
function readOf(
  body: PassThrough,
  headers: Readonly<Record<string, string>> = {},
): Promise<string | number | undefined> {
  return new Promise((resolve) => {
    readWhole({ headers } as FastifyRequest, body, BYTES_MAX, (error, bytes) => {
      resolve(error === null ? bytes.toString() : (error as { statusCode?: number }).statusCode);
    });
  });
}

test("readWhole() gives a body that came in pieces as one", async () => {
  const body = new PassThrough();
  const read = readOf(body);
  body.write("01234");
  body.end("56789");
  expect(await read).toBe("0123456789");
});
test("readWhole() refuses a body that is too long, by its head or by what came", async () => {
  expect(await readOf(new PassThrough(), { "content-length": "11" })).toBe(413);
  const body = new PassThrough();
  const read = readOf(body);
  body.end("01234567890");
  expect(await read).toBe(413);
});
test("readWhole() takes a body that breaks off for the client's fault, and one without room for nobody's", async () => {
  for (const [error, status] of [
    [new Error("the body broke off"), 400],
    [new NoRoomError(), 503],
  ] as const) {
    const body = new PassThrough();
    const read = readOf(body);
    body.destroy(error);
    expect(await read).toBe(status);
  }
});
