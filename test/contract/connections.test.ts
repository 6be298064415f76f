/** The listener's connections: what they bound, and how they end, with the fast lane and without. */
import { Limits as Bounds, NO_LIMITS } from "../../node/limits/limits.ts";
import { connect, type Socket } from "node:net";
import Fastify from "fastify";
import { describe, expect, onTestFinished, test } from "vitest";
import { Connections, limitsOf } from "../../node/http/connections/connections.ts";
import type { FastCall, FastCalls } from "../../node/http/connections/fast-calls.ts";
import type { Head } from "../../node/http/connections/head.ts";
import { portOf } from "../../node/place.ts";
import { until } from "../support/until.ts";

const HOST = "127.0.0.1";
const REQUEST_MS = 1000;
const TAKE_MS = 1500;
/** A request's time, where it is told in two parts: the server looks once a second. */
const LATE_MS = 4000;
const KEEP_ALIVE_MS = 500;
const BODY_BYTES_MAX = 4096;
/** For tests that are slow on purpose. */
const SLOW_MS = 40_000;
const SLOWLY = { limitMs: SLOW_MS, intervalMs: 200 }; // each look reads all that came
/** No test takes so long. */
const LONG_MS = 60_000;
const LONG = "x".repeat(8_000_000);
const VAST = "y".repeat(16_000_000);
const ANSWERS = new Map([
  ["/long", LONG],
  ["/vast", VAST],
]);
/** The lane knows one call, and answers it when told to. */
const SLOW_CALL = "GET /slow ";
const FAULTY_CALL = "GET /faulty ";

describe.each(["on", "off"])("fast lane %s", (lane) => {
  test.each([
    ["nothing", ""],
    ["a part of a head", "GET / HTTP/1.1\r\nho"],
    ["a part of a body", "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nhalf"],
  ])("who sends %s in time is told so, and let go without waiting for him", async (_, text) => {
    const bench = await Bench.open(lane);
    const client = bench.connect();
    client.write(text);
    await until("it is told", () => bench.received.includes("408 Request Timeout"));
    await until("it is let go", () => bench.open.size === 0);
    expect(bench.received.match(/HTTP\/1.1/g)).toHaveLength(1);
  });
  test.each([
    ["a head that was plain so far", "GET / HTTP/1.1\r\nhost: a\r\n", "te: x\r\n"],
    ["a body", "POST / HTTP/1.1\r\nhost: a\r\n", "content-type: text/plain\r\ncontent-length: 9\r\n\r\nhalf"],
  ])(
    "a request has its time from its first byte on, whichever way it takes in the end: %s",
    async (_, first, second) => {
      const bench = await Bench.open(lane, { requestMs: LATE_MS });
      const client = bench.connect();
      const beganMs = performance.now();
      client.write(first);
      setTimeout(() => client.write(second), LATE_MS - 300);
      await until("it is told", () => bench.received.includes("408 Request Timeout"));
      expect(performance.now() - beganMs).toBeLessThan(2 * LATE_MS - 1000);
      await until("it is let go", () => bench.open.size === 0);
      expect(bench.received.match(/HTTP\/1.1/g)).toHaveLength(1);
    },
  );
  test("line ends behind a request are no request: nobody is told that they are late, and a drain does not wait", async () => {
    const bench = await Bench.open(lane);
    bench.connect().write("GET / HTTP/1.1\r\nhost: a\r\n\r\n\r\n\r\n");
    await until("it is answered", () => bench.received.endsWith("here"));
    await until("it is let go", () => bench.open.size === 0);
    const late = await Bench.open(lane, { keepAliveMs: LONG_MS });
    late.connect().write("GET / HTTP/1.1\r\nhost: a\r\n\r\n\r\n");
    await until("it is answered", () => late.received.endsWith("here"));
    late.connections.drain();
    await until("it is let go", () => late.open.size === 0, { limitMs: 5000 });
    for (const { received } of [bench, late]) expect(received.match(/HTTP\/1.1/g)).toHaveLength(1);
  });
  test("who sends many requests at once does not keep the others waiting for all of them", async () => {
    const bench = await Bench.open(lane);
    const [greedy, modest] = [bench.connect(), bench.connect()];
    await until("both are connected", () => bench.open.size === 2);
    greedy.write("GET /greedy HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000));
    modest.write("GET /modest HTTP/1.1\r\nhost: a\r\n\r\n");
    await until("all are handled", () => bench.handled.length === 1001);
    expect(bench.handled.indexOf("/modest")).toBeLessThan(100);
  });
  test("who asks for nothing more is let go", async () => {
    const bench = await Bench.open(lane);
    bench.connect().write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await until("it is answered", () => bench.received.endsWith("here"));
    await until("it is let go", () => bench.open.size === 0);
    expect(bench.received.match(/HTTP\/1.1/g)).toHaveLength(1);
  });
  test("who reads nothing is answered no more than the socket takes, and given up", async () => {
    const bench = await Bench.open(lane);
    const client = bench.connect();
    client.pause();
    client.write("GET /long HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000));
    await until("it is given up", () => bench.connections.givenUp === 1);
    expect(bench.requests).toBeLessThan(60);
    await until("it is let go", () => bench.open.size === 0);
  });
  test("what is too large is refused, and the refusal arrives", async () => {
    const bench = await Bench.open(lane);
    const client = bench.connect();
    client.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: ${LONG.length}\r\n\r\n`);
    client.write(LONG);
    await until("it is told", () => bench.received.includes("413 Payload Too Large"));
    await until("it is let go", () => bench.open.size === 0);
  });
  test("what Node's parser is handed at once is bounded from the first packet on", async () => {
    const bench = await Bench.open(lane);
    const client = bench.connect();
    client.pause();
    client.write("GET /long HTTP/1.1\r\nhost: a\r\nte: x\r\n\r\n".repeat(1000));
    await until("it is given up", () => bench.connections.givenUp === 1);
    expect(bench.requests).toBeLessThan(60);
  });
  test("a body that is not handed on at once, since requests wait before it, comes when it is its request's turn", async () => {
    const bench = await Bench.open(lane);
    const get = "GET / HTTP/1.1\r\nhost: a\r\nte: x\r\n\r\n";
    const head = "POST /late HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: 2000\r\n\r\n";
    bench.connect().write(`${get.repeat(5)}${head}${"x".repeat(2000)}`);
    await until("all are answered", () => bench.received.match(/here/g)?.length === 6);
    expect(bench.handled.at(-1)).toBe("/late");
  });
  test("what stands behind a tunnel is nobody's request", async () => {
    const bench = await Bench.open(lane);
    const start = "CONNECT a:80 HTTP/1.1\r\nhost: a\r\nx: ";
    bench.connect().write(`${start}${"x".repeat(1020 - start.length)}\r\n\r\nGET /hidden HTTP/1.1\r\nhost: a\r\n\r\n`);
    await until("it is let go", () => bench.open.size === 0 && bench.requests + bench.received.length === 0);
    expect(bench.handled).toEqual([]);
  });
  test("what is no request is counted once, in however many pieces it comes", async () => {
    const bench = await Bench.open(lane);
    const head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
    bench.connect().write(`${head}zz\r\n${"x".repeat(20_000)}`);
    await until("it is let go", () => bench.received.includes("400 Bad Request") && bench.open.size === 0);
    expect(bench.refused).toEqual([400]);
  });
  test("while the node drains an answer that is on its way arrives whole", async () => {
    const bench = await Bench.open(lane);
    const client = bench.connect();
    client.pause();
    client.write("GET /long HTTP/1.1\r\nhost: a\r\n\r\n");
    await until("it is handled", () => bench.handled.length === 1);
    bench.connections.tellToClose();
    bench.connections.drain();
    const closed = bench.close();
    client.resume();
    await until("all of it came", () => bench.received.endsWith(LONG));
    await closed;
  });
  test.each([
    ["by itself", ""],
    ["behind a whole request", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"],
    ["behind one that is not plain", "GET / HTTP/1.1\r\nhost: a\r\nte: x\r\n\r\n"],
    ["on a connection that is handed over", "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"],
  ])("while the node drains a request that has begun %s is answered, and who is idle is let go", async (_, before) => {
    const bench = await Bench.open(lane, { requestMs: LONG_MS, keepAliveMs: LONG_MS });
    const begun = bench.connect();
    const whole = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const start = `${before}GET / HTTP/1.1\r\nho`;
    const others = [bench.connect(), bench.connect()] as const;
    others[0].write(whole);
    begun.write(start);
    const hasCome = (length: number): boolean => [...bench.open].some(({ bytesRead }) => bytesRead === length);
    await until("all are there", () => bench.open.size === 3 && hasCome(start.length) && hasCome(whole.length));
    const answers = before === "" ? 1 : 2;
    await until("what is whole is answered", () => bench.received.match(/here/g)?.length === answers);
    bench.connections.tellToClose();
    bench.connections.drain();
    const closed = bench.close();
    await until("the others are let go", () => bench.open.size === 1);
    begun.write("st: a\r\n\r\n");
    await until("it is answered", () => bench.received.match(/here/g)?.length === answers + 1);
    await closed;
  });
  test("who takes a large answer slowly gets all of it", { timeout: SLOW_MS }, async () => {
    const bench = await Bench.open(lane);
    const client = bench.connect();
    const startedMs = performance.now();
    readSlowly(client);
    client.write("GET /vast HTTP/1.1\r\nhost: a\r\n\r\n");
    await until("all of it came", () => bench.received.endsWith(VAST), SLOWLY);
    expect(performance.now() - startedMs).toBeGreaterThan(2 * TAKE_MS);
    expect(bench.connections.givenUp).toBe(0);
  });
  test("who takes a byte of a large answer now and then is given up", async () => {
    const bench = await Bench.open(lane);
    const client = bench.connect();
    client.pause();
    const trickle = setInterval(() => client.read(1), 100);
    onTestFinished(() => clearInterval(trickle));
    client.write("GET /vast HTTP/1.1\r\nhost: a\r\n\r\n");
    await until("it is given up", () => bench.connections.givenUp === 1);
  });
  test(
    "whole requests behind an answer that is taken slowly are answered, however long that takes",
    { timeout: SLOW_MS },
    async () => {
      const bench = await Bench.open(lane);
      const client = bench.connect();
      readSlowly(client);
      const small = "GET / HTTP/1.1\r\nhost: a\r\nte: x\r\n\r\n";
      client.write(`${small.replace("/ ", "/vast ")}${small.repeat(40)}`);
      await until("all are answered", () => bench.received.match(/here/g)?.length === 40, SLOWLY);
      expect(bench.received.match(/HTTP\/1.1 200/g)).toHaveLength(41);
      expect(bench.refused).toEqual([]);
      await until("it is let go", () => bench.open.size === 0);
      expect(bench.received).not.toContain("408");
    },
  );
  test(
    "what does not come is not waited for, also behind an answer that was taken slowly",
    { timeout: SLOW_MS },
    async () => {
      const bench = await Bench.open(lane, { keepAliveMs: LONG_MS });
      const client = bench.connect();
      readSlowly(client);
      const small = "GET / HTTP/1.1\r\nhost: a\r\nte: x\r\n\r\n";
      client.write(`${small.replace("/ ", "/vast ")}${small.repeat(40)}GET / HTTP/1.1\r\n`);
      await until("it is told", () => bench.received.includes("408 Request Timeout"), SLOWLY);
      expect(bench.received.match(/HTTP\/1.1 200/g)).toHaveLength(41);
      await until("it is let go", () => bench.open.size === 0);
    },
  );
  test("while the node drains every answer ends its connection, also that to a request that has begun", async () => {
    const bench = await Bench.open(lane);
    const [begun, later] = [bench.connect(), bench.connect()];
    begun.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n");
    await until("a request has begun", () => bench.requests === 1);
    bench.connections.tellToClose();
    begun.write("ok");
    later.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    await until("both are answered", () => bench.received.match(/here/g)?.length === 2);
    expect(bench.received.toLowerCase().match(/connection: close/g)).toHaveLength(2);
  });
  test("a connection that has closed already frees its place once, whoever lets go of it then", async () => {
    const bench = await Bench.open(lane);
    const { connections } = bench;
    const client = bench.connect();
    const connection = await until("it is in", () => [...connections["all"]][0]);
    client.destroy();
    const { places } = connections["limits"];
    await until("its place is free", () => places.count === 0);
    connections.letGo(connection)();
    expect(places.count).toBe(0);
  });
  test("requests take effect in their order, with a body or without", async () => {
    const bench = await Bench.open(lane);
    const post = "POST /one HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
    bench.connect().write(`${post}DELETE /two HTTP/1.1\r\nhost: a\r\n\r\n${post}no HTTP\r\n\r\n`);
    await until("all is answered", () => bench.received.includes("400 Bad Request"));
    expect(bench.handled).toEqual(["/one", "/two", "/one"]);
    expect(bench.received.match(/HTTP\/1.1 200/g)).toHaveLength(3);
  });
});

test("while the node drains what is under way in the lane is answered, and the last answer ends the connection", async () => {
  const bench = await Bench.open("on");
  bench.connect().write(`${SLOW_CALL}HTTP/1.1\r\nhost: a\r\n\r\n`.repeat(2));
  await until("both are under way", () => bench.slow.length === 2);
  bench.connections.tellToClose();
  bench.connections.drain();
  bench.slow.splice(0).forEach((answer) => answer());
  await until("both are answered", () => bench.received.match(/204 No Content/g)?.length === 2);
  await until("it is let go", () => bench.open.size === 0);
  const [first, second] = bench.received.split("HTTP/1.1").slice(1);
  expect([first?.includes("keep-alive"), second?.includes("close")]).toEqual([true, true]);
});

test("a fault of ours in the lane ends neither the node nor the connection", async () => {
  const bench = await Bench.open("on");
  bench.connect().write(`${FAULTY_CALL}HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n`);
  await until("both are answered", () => bench.received.endsWith("here"));
  expect(bench.received).toContain("500 Internal Server Error");
});

/** Takes some seconds for a large answer: longer than any limit for a request, or for taking nothing. */
function readSlowly(client: Socket): void {
  let taken = 0;
  client.on("data", ({ length }: Buffer) => {
    taken += length;
    if (taken < 512 * 1024) return;
    taken = 0;
    client.pause();
    setTimeout(() => client.resume(), 120);
  });
}

interface Limits {
  readonly bodyLimit: number;
  readonly requestMs: number;
  readonly keepAliveMs: number;
}

class Bench {
  readonly connections: Connections;
  /** The server's sides of connections that stand. */
  readonly open = new Set<Socket>();
  /** What fastify handled. */
  readonly handled: string[] = [];
  requests = 0;
  /** With what was refused before it was a request. */
  readonly refused: number[] = [];
  /** What all clients read. */
  received = "";
  /** Answers slow calls. */
  readonly slow: (() => void)[] = [];
  private readonly app;

  private constructor(lane: string, { bodyLimit, requestMs, keepAliveMs }: Limits) {
    this.app = Fastify({
      ...limitsOf(requestMs),
      bodyLimit,
      keepAliveTimeout: keepAliveMs,
      return503OnClosing: false,
      clientErrorHandler: (error, connection) => this.connections.refuse(error, connection),
    });
    this.app.all("/*", async ({ url }) => {
      this.handled.push(url);
      return ANSWERS.get(url) ?? "here";
    });
    const callOf = ({ target }: Head, bytes: Buffer): FastCall | undefined => {
      const text = bytes.toString("latin1", target.from - "GET ".length);
      if (text.startsWith(FAULTY_CALL))
        return () => {
          throw new Error("a fault of ours");
        };
      if (!text.startsWith(SLOW_CALL)) return undefined;
      return (reply) => void this.slow.push(() => void reply.code(204).send());
    };
    this.connections = new Connections(
      this.app.server,
      {
        match: callOf,
      } as Pick<FastCalls, "match"> as FastCalls,
      {
        limits: new Bounds(NO_LIMITS),
        storeQueue: () => 0,
        onStrain: () => undefined,
        isShed: () => false,
        isLaneOpen: lane === "on",
        requestMs,
        takeMs: TAKE_MS,
        onFault: (error, _route, reply) => void reply?.code(500).send(String(error)),
        bodyBytesMax: () => bodyLimit,
        onRefused: (status) => void this.refused.push(status),
        cors: undefined,
      },
    );
    this.app.server.on("request", () => this.requests++);
    this.app.server.on("connection", (socket: Socket) => {
      this.open.add(socket);
      socket.once("close", () => this.open.delete(socket));
    });
  }

  static async open(lane: string, limits: Partial<Limits> = {}): Promise<Bench> {
    const standard = { bodyLimit: BODY_BYTES_MAX, requestMs: REQUEST_MS, keepAliveMs: KEEP_ALIVE_MS };
    const bench = new Bench(lane, { ...standard, ...limits });
    await bench.app.listen({ host: HOST, port: 0 });
    onTestFinished(() => bench.app.close());
    return bench;
  }

  close(): Promise<void> {
    return this.app.close();
  }

  /** A client that never ends its side. */
  connect(): Socket {
    const client = connect({ host: HOST, port: portOf(this.app.server), allowHalfOpen: true });
    onTestFinished(() => void client.destroy());
    client.on("error", () => undefined);
    client.on("data", (bytes: Buffer) => (this.received += bytes.toString("latin1")));
    return client;
  }
}
