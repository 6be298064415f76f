/** A node with many clients dies: the client's backoff spreads those who come back. `bench/herd.ts` with a small herd. */
import { expect, test } from "vitest";
import { stampede } from "../../bench/herd.ts";

const CLIENTS = 200;

test("Clients of a dead node come back spread over five seconds, within the service's grace; without jitter all at once", async () => {
  const spread = await stampede("spread", { clients: CLIENTS, hasJitter: true });
  expect(spread.peak).toBeLessThan(CLIENTS * 0.4);
  expect(spread.allBackS).toBeLessThan(7);
  expect([spread.lost, spread.callsEach < 1.2]).toEqual([0, true]);
  const stamped = await stampede("all at once", { clients: CLIENTS, hasJitter: false });
  expect(stamped.peak).toBe(CLIENTS);
});
