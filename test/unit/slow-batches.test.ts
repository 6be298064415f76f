import { expect, test } from "vitest";
import { recordingApp } from "../support/batch-app.ts";

const GOOD_ROW = { profileId: "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21", region: "CA", gamemode: "GM01" };
const GOOD = JSON.stringify({ reports: [GOOD_ROW] });
/** No reader of templates takes it, and it takes longer than a slice. */
const BAD = JSON.stringify({ reports: [...Array.from({ length: 9_000 }, () => ({})), GOOD_ROW] });
/** However long a busy machine takes, no batch is late. */
const UNHURRIED = { HEADCOUNT_REQUEST_DEADLINE_MS: "600000" };

/** Posts all at once; the bodies' numbers in the order in which they were answered, their statuses, and how many were taken. */
async function post(
  bodies: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<{ order: number[]; statuses: number[]; taken: number }> {
  const { app, taken } = await recordingApp(env);
  const order: number[] = [];
  const answers = bodies.map(async (payload, number) => {
    const headers = { "content-type": "application/json", "content-length": String(payload.length) };
    const { statusCode } = await app.inject({ method: "POST", url: "/v1/reports", headers, payload });
    order.push(number);
    return statusCode;
  });
  const statuses = await Promise.all(answers);
  await app.close();
  return { order, statuses, taken: taken.length };
}

test("batches that take long to read are read one after another, and others are answered in between", async () => {
  const { order, statuses } = await post([...Array<string>(10).fill(BAD), GOOD], UNHURRIED);
  expect(order.indexOf(10)).toBeLessThan(4);
  expect(order.filter((number) => number !== 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(statuses).toEqual(Array(11).fill(200));
});
test("of batches that take long to read 16 MiB may wait, and no more", async () => {
  const long = BAD.replace("{}", `{}${" ".repeat(2_000_000)}`);
  const { statuses } = await post(Array<string>(40).fill(long), UNHURRIED);
  const refused = statuses.filter((status) => status === 503).length;
  expect(refused).toBeGreaterThan(0);
  expect(statuses.filter((status) => status === 200)).toHaveLength(40 - refused);
  expect(refused).toBeLessThan(40);
});
test("R19: a batch that has waited for half of a request's deadline is not read: its client may have given up", async () => {
  const { statuses, taken } = await post(Array<string>(30).fill(BAD), { HEADCOUNT_REQUEST_DEADLINE_MS: "50" });
  expect(statuses.at(-1)).toBe(503);
  expect(taken).toBe(statuses.filter((status) => status === 200).length);
});
