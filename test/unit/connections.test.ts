/** How a node tells its clients to go elsewhere. */
import { connect } from "node:net";
import Fastify from "fastify";
import { expect, onTestFinished, test } from "vitest";
import { Connections } from "../../node/http/connections/connections.ts";
import type { FastCalls } from "../../node/http/connections/fast-calls.ts";
import { portOf } from "../../node/place.ts";
import { until } from "../support/until.ts";

const HOST = "127.0.0.1";
const OPTIONS = { isLaneOpen: true, requestMs: 10_000, bodyBytesMax: () => 4096, onRefused: () => undefined };
/** The lane knows no call. */
const NO_CALLS = { match: () => undefined } as unknown as FastCalls;

test("Connections.tellToClose() has every answer end its connection, also that to a request that has begun", async () => {
  const app = Fastify();
  app.post("/", async () => "here");
  const connections = new Connections(app.server, NO_CALLS, OPTIONS);
  await app.listen({ host: HOST, port: 0 });
  onTestFinished(() => app.close());
  let requests = 0;
  app.server.on("request", () => requests++);
  const answers = ["", ""];
  const clients = answers.map((_, at) => {
    const client = connect(portOf(app.server), HOST).setEncoding("utf8");
    onTestFinished(() => void client.destroy());
    return client.on("data", (text: string) => (answers[at] += text));
  });
  const [begun, later] = clients;
  begun?.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n");
  await until("a request has begun", () => requests === 1);
  connections.tellToClose();
  begun?.write("ok");
  later?.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
  await until("both are answered", () => answers.every((answer) => answer.endsWith("here")));
  for (const answer of answers) expect(answer.toLowerCase()).toContain("connection: close");
});
