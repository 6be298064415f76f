/** Streams and sessions where tokens are asked for: clients that go while theirs is verified, and tokens that end while they are open. */
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { watchPlace } from "../support/event-stream.ts";
import { handshakeOf, SessionClient } from "../support/session-client.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { openWay, type Way } from "../support/two-ways.ts";
import { until } from "../support/until.ts";

const HOST = "127.0.0.1";
const TOLERANCE_MS = 300_000;
const SETTINGS = {
  ...TOKEN_SETTINGS_GIVEN,
  HEADCOUNT_AUTH_READS: "jwt",
  HEADCOUNT_JWT_CLOCK_TOLERANCE_MS: `${TOLERANCE_MS}`,
};
const STREAM = "/v1/regions/CA/gamemode/stream";
const player = freshPlayer();
const bearer = (claims: object = {}) => ({ authorization: `Bearer ${signedToken({ sub: player, ...claims })}` });
const lineOf = ({ authorization }: ReturnType<typeof bearer>): string =>
  `host: a\r\nauthorization: ${authorization}\r\n`;

describe.each(["on", "off"] as const)("fast lane %s", (lane) => {
  test.each([
    ["a session", handshakeOf(player, bearer())],
    ["a session that would be refused", handshakeOf(player, bearer({ sub: freshPlayer() }))],
    ["a stream", `GET ${STREAM} HTTP/1.1\r\n${lineOf(bearer())}\r\n`],
  ])("whose client goes while its token is verified leaves nothing behind: %s", async (_, request) => {
    await using way = await openWay(lane, SETTINGS);
    const { limits, streams, sessions, metrics } = way;
    const verifier = slowVerifier(way);
    const client = connect(way.port, HOST, () => client.write(request));
    client.on("error", () => undefined);
    await until("its token is verified", () => verifier.askedCount === 1);
    expect(limits.places.count).toBe(1);
    client.resetAndDestroy();
    await until("the node has seen it go", () => limits.places.count === 0);
    verifier.finish();
    // Who comes after that is answered after it.
    await using stream = await watchPlace(way.port, STREAM, { headers: bearer() });
    expect(stream.status).toBe(200);
    expect([limits.places.count, streams.places.count, sessions.count]).toEqual([1, 1, 0]);
    expect([metrics.totals.streams, metrics.totals.sessions, sessions.opened]).toEqual([1, 0, 0]);
  });

  test("a session and a stream last as long as their token is good, within the tolerance of clocks", async () => {
    await using way = await openWay(lane, SETTINGS);
    const headers = bearer({ exp: Math.floor(Date.now() / 1000) - 60 });
    await using stream = await watchPlace(way.port, STREAM, { headers });
    using session = await SessionClient.open(`http://${HOST}:${way.port}`, player, { headers });
    expect(stream.status).toBe(200);
    await stream.until("an event", ({ events }) => events.length === 1);
    lookAtAll(way);
    session.say({ type: "ping" });
    await session.next("pong");
    await stream.until("a comment", ({ parser }) => parser.comments > 0);
    expect([stream.of("bye"), session.closedBy]).toEqual([[], undefined]);
    const wallMs = Date.now() + TOLERANCE_MS;
    Object.assign(way.access?.tokens["ports"] ?? {}, { wallMs: () => wallMs });
    lookAtAll(way);
    expect(await session.closed()).toEqual({ code: 4401, reason: "the token has ended" });
    await stream.until("the end", ({ isEnded }) => isEnded);
    expect(stream.of("bye")).toHaveLength(1);
  });
});

/** Verifies nothing before it is told to. */
function slowVerifier({ access }: Way): { readonly askedCount: number; finish: () => void } {
  if (access === undefined) throw new Error("No tokens are asked for");
  const ports = access.tokens["ports"];
  const { verify } = ports;
  const { promise, resolve } = Promise.withResolvers<void>();
  const verifier = { askedCount: 0, finish: resolve };
  const slow: typeof verify = async (task) => {
    verifier.askedCount++;
    await promise;
    return verify(task);
  };
  Object.assign(ports, { verify: slow });
  return verifier;
}

/** As the timers of all that is open do, once in a while. */
function lookAtAll({ streams, sessions }: Way): void {
  for (const part of streams["parts"]) for (const stream of part) stream.beat();
  for (const session of sessions["all"]) session.look(performance.now());
}
