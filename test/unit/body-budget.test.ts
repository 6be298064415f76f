/** What comes of bodies that are not whole: few pieces, and bounded over all connections. */
import { EventEmitter, once } from "node:events";
import type { ServerResponse } from "node:http";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { BodyBudget } from "../../node/http/connections/body-budget.ts";
import { until } from "../support/until.ts";

const MIB = 1024 * 1024;

/** A request that is under way, and its answer. */
function begun(budget: BodyBudget) {
  const request = Object.assign(new PassThrough({ highWaterMark: 8 * MIB }), { headers: {} });
  const response = new EventEmitter() as ServerResponse;
  return { request, response, body: budget.gather(request, response) };
}

test("a body in pieces of one byte comes in few, and as it was", async () => {
  const budget = new BodyBudget();
  const { request, body } = begun(budget);
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251));
  let pieces = 0;
  body.on("data", () => pieces++);
  const whole = buffer(body);
  for (const at of bytes.keys()) request.write(bytes.subarray(at, at + 1));
  request.end();
  expect(Buffer.compare(await whole, bytes)).toBe(0);
  expect(pieces).toBeLessThan(4);
  expect(budget.taken).toBe(0);
});
test("where there is no room for more a body fails, and all is given back at the end of each", async () => {
  const budget = new BodyBudget();
  const bodies = Array.from({ length: 65 }, () => begun(budget));
  const failed = Promise.any(bodies.map(({ body }) => once(body.resume(), "error")));
  for (const { request } of bodies) request.write(Buffer.alloc(MIB));
  expect(String(await failed)).toContain("NoRoomError");
  for (const { response } of bodies) response.emit("close");
  await until("all is given back", () => budget.taken === 0);
});
test("the rest of a body that was answered unread is thrown away", async () => {
  const budget = new BodyBudget();
  const { request, response } = begun(budget);
  request.write(Buffer.alloc(MIB));
  response.emit("close");
  request.end(Buffer.alloc(7 * MIB));
  await once(request, "end");
  expect(budget.taken).toBe(0);
});
