/** Connections beyond a limit, with the fast lane and without. */
import { connect, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { openWay, type Way } from "../support/two-ways.ts";
import { until } from "../support/until.ts";

const ASK = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";
const CLIENTS = 300;

describe.each(["on", "off"] as const)("fast lane %s", (lane) => {
  test("beyond the limit one small answer says so, and closes; a place that is free again is given", async () => {
    await using way = await openWay(lane, { HEADCOUNT_CONNECTIONS: "2" });
    const { places } = way.limits;
    const [first, second] = [client(way), client(way)];
    await until("both are in", () => places.count === 2);
    const third = client(way, ASK);
    await until("it is told and let go", () => third.hasEnded);
    expect(third.heard).toMatch(
      /^HTTP\/1\.1 503 .*\r\nretry-after: 1\r\n.*Connection: close\r\n.*"reason":"overloaded"/s,
    );
    expect(places.refused).toEqual({ all: 1, address: 0 });
    expect(second.hasEnded).toBe(false);
    first.socket.destroy();
    await until("a place is free", () => places.count === 1);
    const fourth = client(way, ASK);
    await until("it is answered", () => fourth.heard.includes("alive"));
  });
  test("an address that has too many is told so, and others get in", async () => {
    await using way = await openWay(lane, { HEADCOUNT_CONNECTIONS_ADDRESS: "1" });
    const addresses = ["203.0.113.7", "203.0.113.7", "203.0.113.8"];
    const clientOf = (key: string | undefined) => ({ address: key, key, prefix: "203.0.113.0/24" });
    Object.assign(way.limits.clients, { ofSocket: () => clientOf(addresses.shift()) });
    const clients: Client[] = [];
    for (let count = 1; count <= 3; count++) {
      clients.push(client(way));
      await until("the node has seen it", () => addresses.length === 3 - count);
    }
    await until("it is told", () => clients[1]?.hasEnded === true);
    expect(clients[1]?.heard).toMatch(/^HTTP\/1\.1 429 .*\r\nretry-after: 5\r\n.*"reason":"rate"/s);
    expect(way.limits.places.refused).toEqual({ all: 0, address: 1 });
    expect(way.limits.places.count).toBe(2);
  });
  test("whoever is beyond it and sends without end is cut off, however many they are", async () => {
    await using way = await openWay(lane, { HEADCOUNT_CONNECTIONS: "1" });
    client(way);
    await until("it is in", () => way.limits.places.count === 1);
    const clients = Array.from({ length: CLIENTS }, () => client(way, "x".repeat(100_000)));
    await until("all are refused and closed", () => clients.every(({ socket }) => socket.closed));
    expect(way.limits.places.refused.all).toBe(CLIENTS);
  });
});

interface Client {
  readonly socket: Socket;
  readonly heard: string;
  readonly hasEnded: boolean;
}

function client({ port }: Way, text = ""): Client {
  const socket = connect({ port, host: "127.0.0.1" });
  const made = { socket, heard: "", hasEnded: false };
  socket.on("data", (bytes) => (made.heard += String(bytes)));
  socket.on("end", () => (made.hasEnded = true));
  socket.on("error", () => undefined);
  socket.write(text);
  onTestFinished(() => void socket.destroy());
  return made;
}
