/** Clients that ask for much and take nothing, hundreds of each kind, against a node with a small heap. */
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";

import { HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const CLIENTS_OF_A_KIND = 80;
const REQUESTS = 2300;
const BATCH_BODY = JSON.stringify({ reports: Array.from({ length: 10_000 }, () => ({})) });
const BATCH = `POST /v1/reports HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${BATCH_BODY.length}\r\n\r\n${BATCH_BODY}`;
const KINDS: Readonly<Record<string, string>> = {
  "a description": "GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(REQUESTS),
  regions: "GET /v1/regions HTTP/1.1\r\nhost: a\r\n\r\n".repeat(REQUESTS),
  metrics: "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".repeat(REQUESTS),
  "popular modes, in the lane": "GET /v1/regions/CA/gamemode HTTP/1.1\r\nhost: a\r\n\r\n".repeat(REQUESTS),
  "the smallest requests": `GET /openapi.json HTTP/1.1\r\nhost: a\r\nte: x\r\n\r\n${"GET / HTTP/1.1\r\nHost:\r\n\r\n".repeat(REQUESTS)}`,
  "a batch of bad rows": BATCH,
  "half a batch": BATCH.slice(0, BATCH.length / 2),
};
/** Of these the answers are more than the kernel takes. */
const GIVEN_UP_AT_LEAST = 2 * CLIENTS_OF_A_KIND;
/**
 * For one report, on cores that the clients, who are in this process, and other tests keep busy; it was 12 s where clients were
 * not served in turn. That they are is counted, not timed, in test/contract/connections.test.ts.
 */
const ANSWERED_WITHIN_MS = 6000;
const GIVEN_UP_WITHIN_MS = 120_000;

test("a node in a heap of 256 MB answers others, whatever clients ask for and do not read", async () => {
  await using node = await startNode({ env: { NODE_OPTIONS: "--max-old-space-size=256" } });
  await using client = new HttpClient(node.url);
  for (const text of Object.values(KINDS)) for (let count = 0; count < CLIENTS_OF_A_KIND; count++) ask(node.port, text);
  let longestMs = 0;
  const givenUp = async (): Promise<number> => {
    const sentMs = performance.now();
    expect((await client.report(freshPlayer(), { region: "CA", gamemode: "GM01" })).status).toBe(200);
    longestMs = Math.max(longestMs, performance.now() - sentMs);
    const { text } = await client.get("/metrics");
    const givenUpOnes = Number(/^headcount_connections_given_up_total (\d+)$/m.exec(text)?.[1]);
    // While there is too much to do some are let go sooner, unread.
    const unread = Number(/^headcount_overload_refusals_total\{kind="unread"\} (\d+)$/m.exec(text)?.[1]);
    return givenUpOnes + unread;
  };
  await until("who takes nothing is given up", async () => (await givenUp()) >= GIVEN_UP_AT_LEAST, {
    limitMs: GIVEN_UP_WITHIN_MS,
    intervalMs: 100,
  });
  expect(longestMs).toBeLessThan(ANSWERED_WITHIN_MS);
});

/** Asks, and reads nothing. */
function ask(port: number, text: string): void {
  const socket = connect(port, "127.0.0.1").pause();
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => undefined);
  socket.write(text);
}
