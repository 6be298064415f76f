/** The load balancer with the very configuration that docker-compose.yml gives it, as a process on this machine. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { expect, onTestFinished, test } from "vitest";

import { nonEmpty } from "../../simulator/item-at.ts";
import { Balancer, hasHaproxy } from "../support/haproxy.ts";
import { startCluster, untilAgreed } from "../support/cluster.ts";
import { gamemodePath, HttpClient, rawRequest } from "../support/http.ts";
import { type NodeProcess, startNode } from "../support/node-process.ts";
import { hasRedis } from "../support/redis-server.ts";
import { expectError } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasHaproxy ? "" : " (skipped: there is no haproxy here)";
const CLIENTS = 8;
/** Requests that must be answered while nothing comes to the server in question, for it to count as left alone. */
const QUIET_REQUESTS = 200;

test.runIf(hasHaproxy)(`haproxy.cfg: who is not ready gets nothing, and nobody notices${WHY}`, async () => {
  const servers = await Promise.all([1, 2, 3].map(() => StubNode.start()));
  await using balancer = await Balancer.start(servers.map(({ address }) => address));
  await using traffic = new Traffic(balancer.url, CLIENTS);
  await until("all get traffic", () => servers.every(({ requests }) => requests > 10));

  const [first, ...others] = nonEmpty(servers);
  first.isReady = false;
  await traffic.untilQuiet(() => first.requests);
  expect(others.every(({ requests }) => requests > 0)).toBe(true);

  first.isReady = true;
  const before = first.requests;
  await until("it gets traffic again", () => first.requests > before + 10);
  await traffic.end();
  expect(traffic.failures).toEqual([]);
});

test.runIf(hasHaproxy)(`haproxy.cfg: what a dying node did not answer is said to another${WHY}`, async () => {
  const servers = await Promise.all([1, 2, 3].map(() => StubNode.start()));
  await using balancer = await Balancer.start(servers.map(({ address }) => address));
  await using traffic = new Traffic(balancer.url, CLIENTS);
  await until("all get traffic", () => servers.every(({ requests }) => requests > 10));

  for (const [index, server] of servers.slice(0, 2).entries()) {
    await server.die();
    await until("the balancer knows", () => balancer.log.includes(`node-${index + 1} is DOWN`));
  }
  await traffic.end();
  expect(traffic.failures).toEqual([]);
});

test.runIf(hasHaproxy)(
  `haproxy.cfg: the balancer is healthy while one node is ready; metrics are not let out${WHY}`,
  async () => {
    const server = await StubNode.start();
    await using balancer = await Balancer.start([server.address, "127.0.0.1:9", "127.0.0.1:9"]);
    await using client = new HttpClient(balancer.url, 1, () => {});
    for (const path of [
      "/metrics",
      "/%6Detrics",
      "/%6d%65%74%72%69%63%73",
      "/metrics?x",
      "/metrics%20",
      "/metrics%3Fx",
    ])
      for (const method of ["GET", "HEAD", "POST"]) {
        const answer = await client.request(method, path);
        expect([answer.status, answer.headers["cache-control"]], `${method} ${path}`).toEqual([404, "no-store"]);
        if (method !== "HEAD") expectError(answer, 404, /ask a node itself/);
      }
    expect((await rawRequest(balancer.url, "GET /metrics#x HTTP/1.0\r\n\r\n"))?.status).toBeOneOf([400, 404]);
    expect(server.requests).toBe(0);
    expect((await client.request("GET", "/metricsx")).status).toBe(200);
    server.isReady = false;
    await until("the balancer says so", async () => (await client.request("GET", "/balancer")).status === 503);
    const refused = await client.request("GET", "/v1/players");
    expectError(refused, 503, /no node can answer/);
    expect(refused.headers).toMatchObject({ "retry-after": "1", "cache-control": "no-store" });
  },
);

test.runIf(hasHaproxy)(`haproxy.cfg: what the balancer says itself has the form of a node's errors${WHY}`, async () => {
  const server = await StubNode.start();
  await using balancer = await Balancer.start([server.address]);
  await using client = new HttpClient(balancer.url, 1, () => {});
  server.isBreakingOff = true;
  const broken = await client.request("POST", "/v1/reports", { json: { reports: [] } });
  expect(broken.status).toBeOneOf([502, 503]);
  expectError(broken, broken.status, /try again soon/);
  expect(broken.headers["retry-after"]).toBe("1");
  server.isBreakingOff = false;
  server.isSilent = true;
  const late = await client.request("GET", "/v1/players");
  expectError(late, 504, /in time/);
  expect(late.headers["retry-after"]).toBe("1");
});

/** Each of them reports hundreds of times. */
const FEW_PLAYERS = { HEADCOUNT_RATE_PROFILE: "0" };

test.runIf(hasHaproxy)(`haproxy.cfg: a node that ends on SIGTERM fails no request${WHY}`, async () => {
  await using first = await startNode({ env: FEW_PLAYERS });
  await using second = await startNode({ env: FEW_PLAYERS });
  await using balancer = await Balancer.start([first, second].map(({ port }) => `127.0.0.1:${port}`));
  await using traffic = new Traffic(balancer.url, CLIENTS);
  await until("there is traffic", () => traffic.answered > QUIET_REQUESTS);

  expect(await first.stop()).toBe(0);
  const before = traffic.answered;
  await until("traffic goes on", () => traffic.answered > before + QUIET_REQUESTS);
  await traffic.end();
  expect(traffic.failures).toEqual([]);
  expect(await second.stop()).toBe(0);
});

test.runIf(hasHaproxy && hasRedis)(`haproxy.cfg: a rolling restart of a cluster fails no request${WHY}`, async () => {
  await using cluster = await startCluster({ nodes: 3, env: FEW_PLAYERS });
  await using restarted = new AsyncDisposableStack();
  const nodes: NodeProcess[] = [...cluster.nodes];
  await using balancer = await Balancer.start(nodes.map(({ port }) => `127.0.0.1:${port}`));
  await using traffic = new Traffic(balancer.url, CLIENTS);
  for (const [index, old] of cluster.nodes.entries()) {
    expect(await old.stop()).toBe(0);
    const env = { ...cluster.env, HEADCOUNT_ID: `node-${index + 1}`, HEADCOUNT_PORT: `${old.port}` };
    nodes[index] = restarted.use(await startNode({ env }));
    await untilAgreed(nodes);
    await until("the balancer knows it again", () => balancer.log.includes(`node-${index + 1} is UP`));
  }
  await traffic.end();
  expect(traffic.answered).toBeGreaterThan(QUIET_REQUESTS);
  expect(traffic.failures).toEqual([]);
});

test.runIf(hasHaproxy)(
  `haproxy.cfg: a stream lives on while nothing happens, and its events come at once${WHY}`,
  async () => {
    await using node = await startNode({ env: FEW_PLAYERS });
    await using balancer = await Balancer.start([`127.0.0.1:${node.port}`]);
    await using http = new HttpClient(balancer.url);
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const url = `${balancer.url}/v1/regions/CA/gamemode/stream?every=250`;
    const answer = await fetch(url, { signal: stop.signal });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    let text = "";
    const reading = (async () => {
      for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece;
    })();
    reading.catch(() => {});
    await until("what stands", () => text.includes(`"players":0`));
    // The second comes 15 s after the first, which is longer than a node may take for any other answer.
    await until("two comments", () => text.split("\n:\n").length > 2, { limitMs: 60_000 });
    const [id] = ["6f0e4b1c-94a0-4c2e-8d55-000000000001"];
    expect((await http.report(id, { region: "CA", gamemode: "GM01" })).status).toBe(200);
    await until("the event", () => text.includes(`"players":1`));
  },
);

test.runIf(hasHaproxy)(`haproxy.cfg: sessions go to the node that has the fewest${WHY}`, async () => {
  await using nodes = new AsyncDisposableStack();
  const three = await Promise.all([1, 2, 3].map(async () => nodes.use(await startNode({ env: FEW_PLAYERS }))));
  await using balancer = await Balancer.start(three.map(({ port }) => `127.0.0.1:${port}`));
  for (const [index] of three.entries())
    await until("the balancer knows all", async () => {
      const seen = await fetch(`${balancer.url}/v1/node`, { headers: { connection: "close" } });
      return (await seen.json()) !== undefined && !balancer.log.includes(`node-${index + 1} is DOWN`);
    });
  const sessions: WebSocket[] = [];
  onTestFinished(() => sessions.forEach((session) => session.close()));
  for (let count = 0; count < 9; count++) {
    const player = `6f0e4b1c-94a0-4c2e-8d55-00000000001${count}`;
    const session = new WebSocket(
      `${balancer.url.replace("http", "ws")}/v1/session?profileId=${player}`,
      "headcount.v1",
    );
    sessions.push(session);
    await once(session, "open");
    session.send(`{"type":"play","region":"CA","gamemode":"GM01"}`);
    const [message] = (await once(session, "message")) as [{ readonly data: string }];
    expect(JSON.parse(message.data)).toMatchObject({ type: "played", changed: true });
  }
  const playersOf = async ({ url }: NodeProcess): Promise<number> =>
    ((await (await fetch(`${url}/v1/players`)).json()) as { players: number }).players;
  expect(await Promise.all(three.map(playersOf))).toEqual([3, 3, 3]);
});

/** Answers everything, and on /readyz what it is told to. */
class StubNode {
  isReady = true;
  /** Closes connections instead of answering. */
  isBreakingOff = false;
  /** Answers nothing but /readyz. */
  isSilent = false;
  /** Not counting /readyz. */
  requests = 0;
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => {
      if (request.url === "/readyz") response.statusCode = this.isReady ? 200 : 503;
      else this.requests++;
      if (request.url !== "/readyz" && this.isBreakingOff) return request.socket.destroy();
      if (request.url !== "/readyz" && this.isSilent) return;
      request.resume().on("end", () => response.end("{}"));
    });
    onTestFinished(() => {
      this.server.close().closeAllConnections();
    });
  }

  static async start(): Promise<StubNode> {
    const node = new StubNode();
    node.server.listen(0, "127.0.0.1");
    await once(node.server, "listening");
    return node;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** As by `kill -9`: every connection breaks, with or without an answer due. */
  async die(): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close().closeAllConnections();
    await closed;
  }
}

/** Clients that report one after another, until told to end; every answer but 200 and 202 is a failure. */
class Traffic implements AsyncDisposable {
  answered = 0;
  readonly failures: string[] = [];
  private isEnding = false;
  private readonly client: HttpClient;
  private readonly clients: Promise<void>[];

  constructor(url: string, count: number) {
    this.client = new HttpClient(url, count, () => {}); // stubs answer too
    this.clients = Array.from({ length: count }, (_, index) => this.run(index));
  }

  /** Until a good many requests in a row have left a counter as it was. */
  async untilQuiet(counter: () => number): Promise<void> {
    let [seen, since] = [counter(), this.answered];
    await until(`${QUIET_REQUESTS} requests in a row went elsewhere`, () => {
      if (counter() !== seen) [seen, since] = [counter(), this.answered];
      return this.answered > since + QUIET_REQUESTS;
    });
  }

  async end(): Promise<void> {
    this.isEnding = true;
    await Promise.all(this.clients);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await this.client[Symbol.asyncDispose]();
  }

  private async run(index: number): Promise<void> {
    const path = gamemodePath(`6f0e4b1c-94a0-4c2e-8d55-00000000000${index}`);
    while (!this.isEnding) {
      const answer = await this.client
        .request("POST", path, { json: { region: "CA", gamemode: "GM01" } })
        .catch((error: unknown) => ({ status: String(error), text: "" }));
      this.answered++;
      if (answer.status !== 200 && answer.status !== 202) this.failures.push(`${answer.status} ${answer.text}`);
    }
  }
}
