import { expect, test } from "vitest";
import { recordingApp } from "../support/batch-app.ts";

const GOOD_ROW = { profileId: "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21", region: "CA", gamemode: "GM01" };
const GOOD = JSON.stringify({ reports: [GOOD_ROW] });
/** No reader of templates takes it. */
const BAD = JSON.stringify({ reports: [{}, GOOD_ROW] });

/** Posts all at once; the bodies' numbers in the order in which they were answered, and their statuses. */
async function post(...bodies: readonly string[]): Promise<{ order: number[]; statuses: number[] }> {
  const { app } = await recordingApp();
  const order: number[] = [];
  const answers = bodies.map(async (payload, number) => {
    const headers = { "content-type": "application/json", "content-length": String(payload.length) };
    const { statusCode } = await app.inject({ method: "POST", url: "/v1/reports", headers, payload });
    order.push(number);
    return statusCode;
  });
  const statuses = await Promise.all(answers);
  await app.close();
  return { order, statuses };
}

test("of batches that take long to read one is read in a turn of the event loop, so that others are answered in between", async () => {
  const { order, statuses } = await post(...Array<string>(10).fill(BAD), GOOD);
  expect(order.indexOf(10)).toBeLessThan(4);
  expect(order.filter((number) => number !== 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(statuses).toEqual(Array(11).fill(200));
});
test("batches that wait for their turn count as bodies on their way, of which so many bytes may be: 64 MiB", async () => {
  const long = BAD.replace("{}", `{}${" ".repeat(2_000_000)}`);
  const { statuses } = await post(...Array<string>(60).fill(long));
  const refused = statuses.filter((status) => status === 503).length;
  expect(refused).toBeGreaterThan(60 - 34);
  expect(statuses.filter((status) => status === 200)).toHaveLength(60 - refused);
  expect(refused).toBeLessThan(60);
});
