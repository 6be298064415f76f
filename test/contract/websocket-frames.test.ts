/**
 * The framing of sessions (RFC 6455), in the categories of the Autobahn test suite: framing, pings and pongs, reserved bits, opcodes, fragmentation,
 * UTF-8, limits, and the closing handshake. Frames are written on bare sockets.
 */
import { expect, test } from "vitest";
import { freshPlayer, shareNode } from "../support/shared-node.ts";
import { frameOf, OPCODES, RawSession } from "../support/session-client.ts";
import { until } from "../support/until.ts";

const shared = shareNode();
const { more, text, binary, close, ping, pong } = OPCODES;
const PING = `{"type":"ping"}`;
const open = (): Promise<RawSession> => RawSession.open(shared.node.port, freshPlayer());
const closeFrame = (code: number, reason: Buffer | string = ""): Buffer =>
  frameOf(close, Buffer.concat([Buffer.of(code >> 8, code & 255), Buffer.from(reason)]));
/** Of the length of a JSON object that says nothing else. */
const padded = (bytes: number): string => PING.slice(0, -1) + `,"x":"`.padEnd(bytes - PING.length - 1, "x") + `"}`;

test.each([15, 125, 126, 127, 128, 1000, 1024])(
  "a text frame of %i bytes is read, however it is cut",
  async (bytes) => {
    using session = await open();
    const message = bytes === 15 ? PING : padded(bytes);
    expect(message.length).toBe(bytes);
    session.send(frameOf(text, message));
    for (const byte of frameOf(text, message)) session.socket.write(Buffer.of(byte));
    expect(await session.pongs(2)).toEqual([`{"type":"pong"}`, `{"type":"pong"}`]);
  },
);

test("many frames in one packet are answered, in their order", async () => {
  using session = await open();
  const plays = ["GM01", "GM02", "GM03"].map((mode) =>
    frameOf(text, `{"type":"play","region":"CA","gamemode":"${mode}","ref":"${mode}"}`),
  );
  session.send(...plays);
  const answers = await session.pongs(3);
  expect(answers.map((answer) => (JSON.parse(answer) as { ref: string }).ref)).toEqual(["GM01", "GM02", "GM03"]);
});

test.each(["", "a", "x".repeat(125)])("a ping is answered by a pong with the same payload (%#)", async (payload) => {
  using session = await open();
  session.send(frameOf(ping, payload));
  expect((await session.frame(pong)).payload.toString()).toBe(payload);
});

test("a pong that nobody asked for is nothing", async () => {
  using session = await open();
  session.send(frameOf(pong, "x"), frameOf(text, PING));
  expect(await session.pongs(1)).toEqual([`{"type":"pong"}`]);
});

test("pings in the middle of a message are answered at once, and the message is whole", async () => {
  using session = await open();
  session.send(frameOf(text, PING.slice(0, 5), { isLast: false }), frameOf(ping, "in between"));
  expect((await session.frame(pong)).payload.toString()).toBe("in between");
  session.send(frameOf(more, PING.slice(5, 9), { isLast: false }), frameOf(more, "", { isLast: false }));
  session.send(frameOf(more, PING.slice(9)));
  expect(await session.pongs(1)).toEqual([`{"type":"pong"}`]);
});

test("a character may be cut between two pieces of a message, and stand in one byte each", async () => {
  using session = await open();
  const bytes = Buffer.from(`{"type":"play","region":"CA","gamemode":"GM01","ref":"κόσμε 🎮"}`);
  const pieces = Array.from(bytes, (byte, at) =>
    frameOf(at === 0 ? text : more, Buffer.of(byte), { isLast: at === bytes.length - 1 }),
  );
  session.send(...pieces.slice(0, 60), frameOf(ping, ""), ...pieces.slice(60));
  // More pieces than a message of 1 KiB needs.
  expect(await session.closeCode()).toBe(1008);
  using other = await open();
  const cut = bytes.indexOf(Buffer.from("🎮")) + 2;
  other.send(frameOf(text, bytes.subarray(0, cut), { isLast: false }), frameOf(more, bytes.subarray(cut)));
  expect(JSON.parse((await other.pongs(1))[0] as string)).toMatchObject({ type: "played", ref: "κόσμε 🎮" });
});

const faulty: readonly (readonly [what: string, code: number, frames: () => Buffer[]])[] = [
  ["a frame that is not masked", 1002, () => [frameOf(text, PING, { isMasked: false })]],
  ...[1, 2, 3, 4, 5, 6, 7].map(
    (reserved) => [`reserved bits ${reserved}`, 1002, () => [frameOf(text, PING, { reserved })]] as const,
  ),
  ["a reserved bit of a ping", 1002, () => [frameOf(ping, "", { reserved: 4 })]],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
    (opcode) => [`the reserved opcode ${opcode}`, 1002, () => [frameOf(opcode, "")]] as const,
  ),
  ["a ping longer than 125 bytes", 1002, () => [frameOf(ping, "x".repeat(126))]],
  ["a close frame longer than 125 bytes", 1002, () => [closeFrame(1000, "x".repeat(124))]],
  ["a ping in pieces", 1002, () => [frameOf(ping, "x", { isLast: false }), frameOf(more, "y")]],
  ["a continuation of nothing", 1002, () => [frameOf(more, PING)]],
  ["a continuation behind a whole message", 1002, () => [frameOf(text, PING), frameOf(more, "x")]],
  ["a new message in the middle of another", 1002, () => [frameOf(text, "{", { isLast: false }), frameOf(text, PING)]],
  [
    "bytes that are no UTF-8",
    1007,
    () => [frameOf(text, Buffer.from([0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xcf, 0xed, 0xa0, 0x80]))],
  ],
  ["an overlong UTF-8 sequence", 1007, () => [frameOf(text, Buffer.of(0xc0, 0xaf))]],
  ["a character past U+10FFFF", 1007, () => [frameOf(text, Buffer.of(0xf4, 0x90, 0x80, 0x80))]],
  ["a cut character", 1007, () => [frameOf(text, Buffer.from("κ").subarray(0, 1))]],
  [
    "bytes that are no UTF-8, in pieces",
    1007,
    () => [frameOf(text, Buffer.of(0xce), { isLast: false }), frameOf(more, Buffer.of(0x41))],
  ],
  ["a message of more than 1 KiB", 1009, () => [frameOf(text, padded(1025))]],
  ["one of 64 KiB and more", 1009, () => [frameOf(text, padded(70_000))]],
  ["a head that says 2^40 bytes", 1009, () => [Buffer.from("81ff00000100000000000000000000", "hex")]],
  [
    "a message of more than 1 KiB in pieces",
    1009,
    () => [frameOf(text, padded(600), { isLast: false }), frameOf(more, "x".repeat(600))],
  ],
  ["a binary message", 4400, () => [frameOf(binary, PING)]],
  ["an empty message", 4400, () => [frameOf(text, "")]],
  ["a message that is no JSON", 4400, () => [frameOf(text, "hello")]],
  ["a message that is no object", 4400, () => [frameOf(text, "[]")]],
  ["a message without a type", 4400, () => [frameOf(text, "{}")]],
  ["a message of an unknown type", 4400, () => [frameOf(text, `{"type":"shout"}`)]],
  ["a type that is only inherited", 4400, () => [frameOf(text, `{"type":"toString"}`)]],
  ["a close frame of one byte", 1002, () => [frameOf(close, "x")]],
  ...[0, 999, 1004, 1005, 1006, 1016, 2000, 2999, 5000, 65_535].map(
    (code) => [`a close frame with the code ${code}`, 1002, () => [closeFrame(code)]] as const,
  ),
  ["a close frame whose reason is no UTF-8", 1007, () => [closeFrame(1000, Buffer.of(0xce))]],
];
test.each(faulty)("%s closes the session with %i", async (_, code, frames) => {
  using session = await open();
  session.send(...frames());
  expect(await session.closeCode()).toBe(code);
});

test("closes are counted under the code that the client was told, also those for wrong frames", async () => {
  const before = await closesByCode();
  for (const [, code, frames] of faulty) {
    using session = await open();
    session.send(...frames());
    expect(await session.closeCode()).toBe(code);
  }
  for (const [, code] of faulty) before.set(`${code}`, (before.get(`${code}`) ?? 0) + 1);
  expect(await closesByCode(total(before))).toEqual(before);
});

/** Once no session is open and so many were closed; metrics are collected anew only after a pause. */
async function closesByCode(closed = 0): Promise<Map<string, number>> {
  return until("no session is open", async () => {
    const { text: all } = await shared.http.get("/metrics");
    const lines = all.matchAll(/^headcount_sessions_closed_total\{code="(\w+)"\} (\d+)$/gm);
    const counts = new Map(Array.from(lines, ([, label = "", count]) => [label, Number(count)]));
    return all.includes("headcount_sessions 0\n") && total(counts) >= closed && counts;
  });
}

const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, count) => sum + count);

test.each([
  ["no JSON at all", "hello", "message must be a JSON object, got what is no JSON"],
  ["a token that is cut", `{"type":"token","token":"secret`, "message must be a JSON object, got what is no JSON"],
  ["an array", "[1,2]", "message must be a JSON object, got an array of 2"],
  ["null", "null", "message must be a JSON object, got null"],
  ["no type", "{}", "type must be one of play, watch, unwatch, leave, token, ping, got nothing"],
  ["another type", `{"type":"Play"}`, `type must be one of play, watch, unwatch, leave, token, ping, got "Play"`],
  ["a number", `{"type":5}`, "type must be one of play, watch, unwatch, leave, token, ping, got 5"],
  [
    "a long type, in more than ASCII",
    `{"type":"é${"x".repeat(500)}"}`,
    `type must be one of play, watch, unwatch, leave, token, ping, got "?${"x".repeat(200)}`.slice(0, 123),
  ],
])("a message of no known type is told what it must be, and what came: %s", async (_, message, reason) => {
  using session = await open();
  session.send(frameOf(text, message));
  expect((await session.frame(close)).payload.subarray(2).toString()).toBe(reason);
});

test("a binary message is told that it must be text", async () => {
  using session = await open();
  session.send(frameOf(binary, PING));
  expect((await session.frame(close)).payload.subarray(2).toString()).toBe("message must be text, got a binary one");
});

test.each([1000, 1001, 1003, 1007, 1011, 3000, 4999])(
  "a close frame with %i is answered with the same code",
  async (code) => {
    using session = await open();
    session.send(closeFrame(code, "goodbye"));
    expect(await session.closeCode()).toBe(code);
  },
);

test("a close frame without a code is answered, and nothing behind it is read", async () => {
  using session = await open();
  session.send(frameOf(close, ""), frameOf(text, PING), frameOf(ping, "late"));
  await session.closeCode();
  expect(session.frames.map(({ opcode }) => opcode)).toEqual([close]);
});

test("compression that a client offers is not taken", async () => {
  using session = await open();
  expect(session.head).not.toMatch(/sec-websocket-extensions/i);
});

test("a session may follow other requests on its connection, those before it answered", async () => {
  const before = ["GET /livez HTTP/1.1", "host: headcount.example", "", ""].join("\r\n");
  using session = await RawSession.open(shared.node.port, freshPlayer(), before + before);
  session.send(frameOf(text, PING));
  expect(await session.pongs(1)).toEqual([`{"type":"pong"}`]);
});
