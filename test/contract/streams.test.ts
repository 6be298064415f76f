/** Streams over real connections: TLS, and readers who do not read. */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { pino } from "pino";
import { expect, test } from "vitest";
import { FanOut } from "../../node/live/fan-out.ts";
import { Streams } from "../../node/live/streams.ts";
import { portOf } from "../../node/place.ts";
import { Certificate } from "../../node/tls/certificate.ts";
import { hasOpenssl, makeAuthority } from "../support/certificates.ts";
import { watchPlace } from "../support/event-stream.ts";
import { openWay } from "../support/two-ways.ts";
import { until } from "../support/until.ts";

/** Larger than what kernels keep for a reader that does not read. */
const BODY_BYTES = 2 * 1024 * 1024;
const PLAY = JSON.stringify({ region: "CA", gamemode: "GM01" });

test("a real reader that does not read costs one frame, and then sees the latest", async () => {
  let value = 0;
  const read = () => ({
    state: value,
    answer: () => ({ tag: `W/"${value}"`, body: JSON.stringify({ value, much: "x".repeat(BODY_BYTES) }) }),
  });
  const streams = new Streams(new FanOut({ read }), { all: 1, ofAddress: 1, isOff: () => false });
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    streams.take(undefined);
    const head = "HTTP/1.1 200 OK\r\n\r\n";
    const asking = { place: 0, top: 5, everyMs: 250, known: undefined };
    streams.open({ socket, release: () => undefined }, asking, { head, retryMs: 1, client: undefined });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  await using stream = await watchPlace(portOf(server), "/");
  await stream.until("the first event", ({ events }) => events.length === 1);
  stream.socket.pause();
  const [socket] = sockets;
  await until("the kernel takes no more", () => {
    value++;
    return (socket?.writableLength ?? 0) > 0;
  });
  const full = value;
  await until("many changes", () => {
    expect(socket?.writableLength).toBeLessThan(BODY_BYTES + 1000);
    return ++value > full + 100;
  });
  stream.socket.resume();
  await stream.until("the latest", ({ events }) => events.at(-1)?.json.value === value);
  const seen = stream.events.map(({ json }) => json.value as number);
  expect(seen).toEqual(seen.toSorted((one, other) => one - other));
  await streams.drain();
  streams.close();
  server.close();
});

test.skipIf(!hasOpenssl)(
  `a stream over TLS brings what changes, and ends with its node${hasOpenssl ? "" : " (skipped: there is no openssl here)"}`,
  async () => {
    await using authority = await makeAuthority();
    const { cert, key } = authority.issue("IP:127.0.0.1");
    const files = { cert: { name: "CERT", path: cert }, key: { name: "KEY", path: key }, ca: undefined };
    const certificate = new Certificate(files, { log: pino({ level: "silent" }), nowMs: Date.now });
    const way = await openWay("on", {}, certificate);
    const options = { authority: authority.text };
    await using stream = await watchPlace(way.port, "/v1/regions/CA/gamemode/stream?every=250", options);
    await stream.until("the first event", ({ events }) => events.length === 1);
    for (const last of [1, 2, 3]) {
      const path = `/v1/profiles/6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e2${last}/gamemode`;
      const behind = `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${PLAY.length}\r\n\r\n${PLAY}`;
      await using report = await watchPlace(way.port, "/v1/node", { ...options, behind });
      await stream.until("the change", ({ events }) => events.at(-1)?.json.players === last);
      expect(report.status).toBe(200);
    }
    await way[Symbol.asyncDispose]();
    await stream.until("the end", ({ isEnded }) => isEnded);
    expect(stream.of("bye")).toHaveLength(1);
    certificate.close();
  },
);
