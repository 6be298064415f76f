/** The peer port and the transport that talks to it, over real connections on loopback. */
import { connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";

import { type Lane, PeerError, PROTOCOL } from "../../cluster/ports/transport.ts";
import { PLACES_VERSION } from "../../engine/place-table.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import type { PeerCredentials } from "../../node/peers/peer-door.ts";
import { sayHello } from "../../node/peers/peer-hello.ts";
import { LANE_BYTES_MAX, PEER_PORT_LIMITS, PeerPort, type PeerPortLimits } from "../../node/peers/peer-port.ts";
import { PeerTransport } from "../../node/peers/peer-transport.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { rawRequest } from "../support/http.ts";
import { until } from "../support/until.ts";

const INCARNATION = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";
const US: PeerCredentials = { cluster: "default", secret: "a secret that nobody knows" };
const WELCOME = { kind: "welcome" };
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

type Receive = (lane: Lane, message: Uint8Array) => Promise<Uint8Array>;
const echo: Receive = (_lane, message) => Promise.resolve(message);

async function openPort(
  receive: Receive = echo,
  credentials = US,
  limits: PeerPortLimits = PEER_PORT_LIMITS,
): Promise<{ port: PeerPort; url: string; errors: unknown[] }> {
  const errors: unknown[] = [];
  const port = new PeerPort({
    ...credentials,
    incarnation: () => INCARNATION,
    receive,
    onError: (error) => errors.push(error),
    limits,
  });
  await port.listen("127.0.0.1", 0);
  endings.push(() => port.close());
  return { port, url: `http://127.0.0.1:${(port.server.address() as { port: number }).port}`, errors };
}

function transportOf(credentials: PeerCredentials = US): PeerTransport {
  const transport = new PeerTransport(credentials);
  endings.push(() => transport.close());
  return transport;
}

function bytesOf(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 255);
}

async function peerErrorOf(call: Promise<unknown>): Promise<PeerError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PeerError);
  return error as PeerError;
}

describe("PeerTransport.call()", () => {
  test("gives each call its own answer, whatever their sizes and their order", async () => {
    const { url } = await openPort(async (_lane, message) => {
      for (let turns = message.length % 7; turns > 0; turns--) await turn();
      return message;
    });
    const transport = transportOf();
    const lengths = [0, 1, 15, 16, 17, 1000, 65_535, 65_536, 65_537, 300_000, 1_999_999];
    const calls = lengths.flatMap((length) => [bytesOf(length), bytesOf(length, 2)]);
    const answers = await Promise.all(calls.map((message) => transport.call(url, "rows", message, 5000)));
    for (const [index, answer] of answers.entries()) {
      expect(Buffer.compare(answer, itemAt(calls, index))).toBe(0);
      expect(answer.byteOffset % 8, "words in it can be read").toBe(0);
    }
  });

  test("names the lane, and lanes do not hold each other up", async () => {
    const seen: Lane[] = [];
    const { url } = await openPort((lane, message) => {
      seen.push(lane);
      return lane === "rows" ? new Promise(() => {}) : Promise.resolve(message);
    });
    const transport = transportOf();
    const stuck = peerErrorOf(transport.call(url, "rows", bytesOf(8), 300));
    await transport.call(url, "counts", bytesOf(8), 5000);
    await transport.call(url, "control", bytesOf(8), 5000);
    expect(seen.toSorted()).toEqual(["control", "counts", "rows"]);
    expect((await stuck).isRefused).toBe(false);
  });

  test("rejects where nobody listens, and says that it was refused (R10)", async () => {
    const { port, url } = await openPort();
    await port.close();
    const error = await peerErrorOf(transportOf().call(url, "rows", bytesOf(8), 5000));
    expect(error.isRefused).toBe(true);
  });

  test("rejects in time where the peer does not answer, and opens another connection after", async () => {
    const { port, url } = await openPort((_lane, message) =>
      message.length === 8 ? new Promise(() => {}) : Promise.resolve(message),
    );
    let connections = 0;
    port.server.on("connection", () => connections++);
    const transport = transportOf();
    const startedMs = performance.now();
    expect((await peerErrorOf(transport.call(url, "rows", bytesOf(8), 100))).isRefused).toBe(false);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(99);
    expect(await transport.call(url, "rows", bytesOf(16), 5000)).toHaveLength(16);
    expect(connections).toBe(2);
  });

  test("rejects what is under way when the peer goes, and finds the next one on the same port", async () => {
    const { port, url } = await openPort(() => new Promise(() => {}));
    const transport = transportOf();
    const call = peerErrorOf(transport.call(url, "rows", bytesOf(8), 5000));
    await until(
      "it is connected",
      () => new Promise<boolean>((resolve) => port.server.getConnections((_error, count) => resolve(count === 1))),
    );
    const { port: number } = port.server.address() as { port: number };
    await port.close();
    expect((await call).isRefused).toBe(false);
    const next = new PeerPort({ ...US, incarnation: () => INCARNATION, receive: echo, onError: () => {} });
    await next.listen("127.0.0.1", number);
    endings.push(() => next.close());
    expect(await transport.call(url, "rows", bytesOf(8), 5000)).toHaveLength(8);
  });

  test("R10: tells of a connection that was open and has ended, not of one that was refused or that it closed itself", async () => {
    const { port, url } = await openPort();
    const transport = transportOf();
    const ended: string[] = [];
    transport.onEnded = (peerUrl) => ended.push(peerUrl);
    for (const lane of ["rows", "control"] as const) await transport.call(url, lane, bytesOf(8), 5000);
    await port.close();
    await until("both connections have ended", () => ended.length === 2);
    expect(ended).toEqual([url, url]);
    await peerErrorOf(transport.call(url, "rows", bytesOf(8), 5000));
    const other = await openPort();
    await transport.call(other.url, "rows", bytesOf(8), 5000);
    transport.close();
    await turn();
    await turn();
    expect(ended).toEqual([url, url]);
  });

  test("rejects with the reason where the peer has another secret", async () => {
    const { url } = await openPort();
    const error = await peerErrorOf(
      transportOf({ ...US, secret: "what others know" }).call(url, "rows", bytesOf(8), 5000),
    );
    expect(error.message).toContain("HEADCOUNT_PEER_SECRET");
    expect(error.message).not.toContain("what others know");
  });

  test("rejects where the message is malformed, which is no error of the node", async () => {
    const { url, errors } = await openPort(() =>
      Promise.reject(new MalformedMessageError(3, "must hold: all is well")),
    );
    const error = await peerErrorOf(transportOf().call(url, "rows", bytesOf(8), 5000));
    expect(error.message).toContain("all is well");
    expect(errors).toEqual([]);
  });
});

describe("PeerPort", () => {
  const refused = (credentials: PeerCredentials) => openPort().then(({ url }) => sayHello(url, credentials));

  test("lets a node in that knows the secret", async () => {
    expect(await refused(US)).toEqual(WELCOME);
  });

  test("without a secret lets in whoever has none, and nobody who has one", async () => {
    const { url } = await openPort(echo, { ...US, secret: undefined });
    expect(await sayHello(url, { ...US, secret: undefined })).toEqual(WELCOME);
    expect(await transportOf({ ...US, secret: undefined }).call(url, "rows", bytesOf(8), 5000)).toHaveLength(8);
    expect(await sayHello(url, US)).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining("HEADCOUNT_PEER_SECRET"),
    });
  });

  test.each([
    [{ ...US, secret: "a secret that nobody knew" }, /HEADCOUNT_PEER_SECRET/],
    [{ ...US, secret: undefined }, /HEADCOUNT_PEER_SECRET/],
    [{ ...US, cluster: "other" }, /HEADCOUNT_CLUSTER must be "default", got "other"/],
  ])("tells %j plainly why not", async (credentials, expected) => {
    const answer = await refused(credentials);
    expect(answer).toEqual({ kind: "refused", reason: expect.stringMatching(expected) });
    expect(JSON.stringify(answer)).not.toContain(US.secret);
  });

  test("tells a node of another protocol plainly why not", async () => {
    const { url } = await openPort();
    const head = `GET /peer/hello HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${US.secret}\r\n`;
    const answer = await rawRequest(url, `${head}headcount-cluster: default\r\nheadcount-protocol: 99\r\n\r\n`);
    expect(answer).toMatchObject({ status: 426, body: expect.stringContaining("protocol") });
  });

  test.each(["headcount-places: 00000000\r\n", ""])(
    "tells a node that numbers places otherwise plainly why not (%j)",
    async (header) => {
      const { url } = await openPort();
      const head = `GET /peer/hello HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${US.secret}\r\n`;
      const about = `headcount-cluster: default\r\nheadcount-protocol: ${PROTOCOL}\r\n${header}`;
      const answer = await rawRequest(url, `${head}${about}\r\n`);
      const message = `table of places must be ${PLACES_VERSION}, got ${header === "" ? "nothing" : '\\"00000000\\"'}`;
      expect(answer).toMatchObject({ status: 426, body: expect.stringContaining(message) });
    },
  );

  test("says who it is", async () => {
    const { url } = await openPort();
    const head = `GET /peer/hello HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${US.secret}\r\n`;
    const answer = await rawRequest(
      url,
      `${head}headcount-cluster: default\r\nheadcount-protocol: ${PROTOCOL}\r\nheadcount-places: ${PLACES_VERSION}\r\n\r\n`,
    );
    expect(JSON.parse(answer!.body)).toEqual({ cluster: "default", protocol: PROTOCOL, incarnation: INCARNATION });
  });

  test("tells nothing without the secret", async () => {
    const { url } = await openPort();
    for (const path of ["/peer/hello", "/peer/rows", "/", "/metrics"])
      expect(await rawRequest(url, `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`), path).toMatchObject({ status: 401 });
  });

  test("upgrades nobody without the secret", async () => {
    const { url } = await openPort(() => Promise.reject(new Error("nobody may come here")));
    const head = "GET /peer/rows HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: headcount-frames\r\n";
    expect(await rawRequest(url, `${head}\r\n`)).toMatchObject({ status: 401 });
  });

  test.each([
    ["too long a message", [LANE_BYTES_MAX.rows + 1, 1, 1, 0]],
    ["a kind that is none", [8, 1, 4, 0]],
    ["an answer to nothing", [0, 1, 2, 0]],
    ["what is no frame", [0x20544547, 0x20544547, 0x20544547, 0x20544547]],
  ])("hangs up on %s", async (_what, words) => {
    const { url, errors } = await openPort();
    const socket = await upgraded(url);
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.write(Buffer.from(Uint32Array.from(words).buffer));
    await closed;
    expect(errors).toEqual([]);
  });

  test("reads no more from a peer that has too many requests waiting, and goes on when they are answered", async () => {
    const answer: (() => void)[] = [];
    const { url } = await openPort((_lane, message) => new Promise((resolve) => answer.push(() => resolve(message))));
    const transport = transportOf();
    const message = bytesOf(50_000);
    const calls = Promise.all(Array.from({ length: 500 }, () => transport.call(url, "control", message, 10_000)));
    await until("it is full", () => answer.length >= 64);
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(answer.length).toBeLessThan(70);
    const answering = setInterval(() => answer.splice(0).forEach((each) => each()), 1);
    endings.push(() => clearInterval(answering));
    expect(await calls).toHaveLength(500);
  });

  test("reads no more from a peer that does not take its answers, and goes on when it does", async () => {
    let asked = 0;
    const answer = bytesOf(100_000);
    const { url } = await openPort(() => Promise.resolve((asked++, answer)));
    const socket = await upgraded(url);
    socket.pause();
    const request = Buffer.alloc(16 + 1000);
    request.set(new Uint8Array(Uint32Array.from([1000, 1, 1, 0]).buffer));
    const requests = 2000;
    for (let sent = 0; sent < requests; sent++) socket.write(request);
    let before = -1;
    await until(
      "it asks no more",
      async () => {
        const isQuiet = asked > 0 && asked === before;
        before = asked;
        return isQuiet;
      },
      { intervalMs: 100 },
    );
    expect(asked).toBeLessThan(requests / 2);
    socket.resume();
    await until("all are answered", () => asked === requests);
  });
});

describe("PeerPort, strangers", () => {
  const UPGRADE = "GET /peer/rows HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: headcount-frames\r\n";

  test.each([
    ["an upgrade with another secret", `${UPGRADE}authorization: Bearer wrong\r\n\r\n`],
    ["an upgrade to something else", "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"],
    ["a question without the secret", "GET /peer/hello HTTP/1.1\r\nhost: x\r\n\r\n"],
  ])("are answered, and their connection is closed at once even where they keep it open: %s", async (_what, text) => {
    const { port, url } = await openPort();
    const strangers = Array.from({ length: 20 }, () => stranger(url, text));
    await until("all are answered", () => strangers.every(({ heard }) => /^HTTP\/1\.1 4\d\d /.test(heard())));
    await until("none is open", async () => (await openAt(port)) === 0, { limitMs: 1500 });
  });

  test.each([
    ["says nothing", undefined],
    ["never ends its head", `${UPGRADE}x: `],
    ["never ends its body", "POST /peer/rows HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nx"],
  ])("are hung up on after a while: one that %s", async (_what, text) => {
    const { port, url } = await openPort(echo, US, { newcomersMax: 256, newcomerWithinMs: 300 });
    let connections = 0;
    port.server.on("connection", () => connections++);
    const { socket } = stranger(url, text ?? "");
    const dripping = setInterval(() => text !== undefined && socket.write("x"), 50);
    endings.push(() => clearInterval(dripping));
    await until("it is connected", () => connections === 1);
    await until("it is hung up on", async () => (await openAt(port)) === 0, { limitMs: 1500 });
  });

  test("cannot use up what peers need: the oldest of them goes, and no peer", async () => {
    const { port, url } = await openPort(echo, US, { newcomersMax: 8, newcomerWithinMs: 60_000 });
    const transport = transportOf();
    await transport.call(url, "rows", bytesOf(8), 5000);
    const strangers: { hasEnded: () => boolean }[] = [];
    for (let count = 1; count <= 20; count++) {
      strangers.push(stranger(url, ""));
      await until("it is connected or an older one gone", async () => (await openAt(port)) === 1 + Math.min(count, 8));
    }
    await until("the oldest are gone", () => strangers.slice(0, 12).every(({ hasEnded }) => hasEnded()));
    expect(strangers.slice(12).some(({ hasEnded }) => hasEnded())).toBe(false);
    expect(await transport.call(url, "rows", bytesOf(8), 5000)).toHaveLength(8);
    expect(await transport.call(url, "control", bytesOf(8), 5000)).toHaveLength(8);
    expect(await sayHello(url, US)).toEqual(WELCOME);
  });

  test("from one address do not drop who comes from another, and are counted", async () => {
    const { port, url } = await openPort(echo, US, { newcomersMax: 4, newcomerWithinMs: 60_000 });
    const honest = stranger(url, "");
    await until("it is connected", async () => (await openAt(port)) === 1);
    const crowd = Array.from({ length: 20 }, () => stranger(url, "", "127.0.0.2"));
    await until("the crowd is cut down", () => crowd.filter(({ hasEnded }) => hasEnded()).length === 17);
    expect(honest.hasEnded()).toBe(false);
    expect(port.refused).toEqual({ late: 0, crowded: 17, "no peer": 0, "too many": 0 });
  });

  test("are told by every answer that this is Headcount", async () => {
    const { url } = await openPort();
    for (const path of ["/peer/hello", "/peer/rows", "/"]) {
      const answer = await rawRequest(url, `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
      expect(answer?.headers["headcount-protocol"], path).toBe(String(PROTOCOL));
    }
    expect((await rawRequest(url, `${UPGRADE}\r\n`))?.headers["headcount-protocol"]).toBe(String(PROTOCOL));
  });
});

/** Somebody who keeps its side of the connection open, whatever is said. */
function stranger(
  url: string,
  text: string,
  localAddress?: string,
): { socket: Socket; heard: () => string; hasEnded: () => boolean } {
  const socket = connect({
    port: Number(new URL(url).port),
    host: "127.0.0.1",
    allowHalfOpen: true,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  let [heard, hasEnded] = ["", false];
  socket.on("error", () => (hasEnded = true));
  socket.on("end", () => (hasEnded = true));
  socket.on("data", (bytes) => (heard += String(bytes)));
  socket.write(text);
  endings.push(() => socket.destroy());
  return { socket, heard: () => heard, hasEnded: () => hasEnded };
}

function openAt(port: PeerPort): Promise<number> {
  return new Promise((resolve) => port.server.getConnections((_error, count) => resolve(count)));
}

/** A connection on which frames are spoken. */
async function upgraded(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  endings.push(() => socket.destroy());
  socket.on("error", () => {});
  const head = "GET /peer/rows HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: headcount-frames\r\n";
  socket.write(
    `${head}authorization: Bearer ${US.secret}\r\nheadcount-cluster: default\r\nheadcount-protocol: ${PROTOCOL}\r\nheadcount-places: ${PLACES_VERSION}\r\n\r\n`,
  );
  const answer = await new Promise<string>((resolve) => socket.once("data", (bytes) => resolve(String(bytes))));
  expect(answer).toMatch(/^HTTP\/1\.1 101 /);
  return socket;
}
