/** How a node lets clients in: many in one turn of the event loop, and at a port of its own. */
import dns, { type LookupOptions } from "node:dns";
import { connect, type Socket } from "node:net";
import Fastify, { type FastifyInstance } from "fastify";
import { expect, onTestFinished, test, vi } from "vitest";
import { listenWidely } from "../../node/http/listening.ts";
import { portOf } from "../../node/place.ts";
import { rawRequest } from "../support/http.ts";
import { until } from "../support/until.ts";

const HOST = "127.0.0.1";
const CLIENTS = 64;

async function listening(port = 0, host = HOST): Promise<FastifyInstance> {
  const app = Fastify({ return503OnClosing: false });
  app.get("/", async () => "here");
  onTestFinished(() => app.close());
  await listenWidely(app, { host, port });
  return app;
}

function clientsOf(port: number): Socket[] {
  const clients = Array.from({ length: CLIENTS }, () => connect(port, HOST));
  onTestFinished(() => clients.forEach((client) => client.destroy()));
  return clients;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test.skipIf(process.platform !== "linux")(
  "listenWidely() lets several clients in at each turn of the event loop",
  async () => {
    const { server } = await listening();
    const accepted = new Set<Socket>();
    server.on("connection", (socket: Socket) => accepted.add(socket));
    const clients = clientsOf(portOf(server));
    let turns = 0;
    for (; accepted.size < clients.length; turns++) await turn();
    expect(turns).toBeLessThan(clients.length / 2);
  },
);

test("listenWidely() answers on every connection, and no more once the app is closed", async () => {
  const app = await listening();
  const url = `http://${HOST}:${portOf(app.server)}/`;
  const answers = await Promise.all(Array.from({ length: CLIENTS }, async () => (await fetch(url)).text()));
  expect(new Set(answers)).toEqual(new Set(["here"]));
  await app.close();
  for (let count = 0; count < CLIENTS; count++) await expect(fetch(url)).rejects.toThrow("fetch failed");
});

test("listenWidely(): the app is closed only when the request under way is answered, whichever socket it came by", async () => {
  for (let round = 0; round < 8; round++) {
    const app = await listening();
    let [hasBegun, isClosed, answer] = [false, false, ""];
    app.server.on("connection", (socket: Socket) => socket.once("data", () => (hasBegun = true)));
    const client = connect(portOf(app.server), HOST).setEncoding("utf8");
    client.on("data", (text: string) => (answer += text));
    client.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
    await until("the request has begun", () => hasBegun);
    const closed = app.close().then(() => (isClosed = true));
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(isClosed).toBe(false);
    client.write("\r\n");
    await closed;
    await until("the client has its answer", () => answer.startsWith("HTTP/1.1 200") && answer.endsWith("here"));
  }
});

test("listenWidely() at localhost hands on the connections of all its addresses, and closes all", async () => {
  const addresses = [HOST, "127.0.0.2"];
  const { lookup } = dns;
  vi.spyOn(dns, "lookup").mockImplementation(((host: string, options: LookupOptions, done: () => void) => {
    const found = [...addresses, "192.0.2.1"].map((address) => ({ address, family: 4 })); // the last is not of this machine
    const tell = done as (error: null, ...found: unknown[]) => void;
    if (host !== "localhost") lookup(host, options, done);
    else if (options.all === true) tell(null, found);
    else tell(null, HOST, 4);
  }) as unknown as typeof dns.lookup);
  onTestFinished(() => void vi.restoreAllMocks());
  const app = await listening(0, "localhost");
  const urls = addresses.map((address) => `http://${address}:${portOf(app.server)}/`);
  let handedOn = 0;
  app.server.on("connection", () => handedOn++);
  for (const [index, url] of urls.entries()) {
    const asked = Array.from({ length: CLIENTS }, () => rawRequest(url, "GET / HTTP/1.0\r\n\r\n"));
    for (const answer of await Promise.all(asked)) expect(answer?.body, url).toBe("here");
    expect(handedOn, url).toBe((index + 1) * CLIENTS);
  }
  await app.close();
  for (const url of urls) await expect(fetch(url)).rejects.toThrow("fetch failed");
});

test("listenWidely() refuses a port that another listens at, also one that would share it", async () => {
  const { server } = await listening();
  await expect(listening(portOf(server))).rejects.toMatchObject({ code: "EADDRINUSE" });
});

test("listenWidely() listens at the port it is told", async () => {
  const before = await listening();
  const port = portOf(before.server);
  await before.close();
  const { server } = await listening(port);
  expect(portOf(server)).toBe(port);
});
