/** Sessions over WebSocket at a node alone: what is refused before and after the upgrade, what is said over them, and their end. */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkDescribed } from "../support/described.ts";
import { gamemodePath, HttpClient, parseAnswer, type RawAnswer } from "../support/http.ts";
import { startNode, temporaryFolder } from "../support/node-process.ts";
import { frameOf, handshakeOf, OPCODES, pair, RawSession, SessionClient } from "../support/session-client.ts";
import { expectError, freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { until } from "../support/until.ts";

const GRACE_MS = 1500;
const LIFE_MS = 9000;

/** What a handshake is answered with. */
async function answerTo(port: number, handshake: string): Promise<RawAnswer> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  let text = "";
  socket.on("data", (bytes) => (text += String(bytes))).on("error", () => undefined);
  socket.write(handshake);
  const answer = await until("there is an answer", () => {
    const parsed = text.includes("\r\n\r\n") ? parseAnswer(text) : undefined;
    return parsed !== undefined && parsed.body.length >= Number(parsed.headers["content-length"] ?? 0) && parsed;
  });
  socket.destroy();
  checkDescribed("GET", "/v1/session", { ...answer, text: answer.body });
  return answer;
}

describe("a session", () => {
  const PLACE = "an ISO 3166-1 alpha-2 code, an ISO 3166-2 code such as US-CA, or a UN M49 area such as 150";
  const shared = shareNode({
    env: { HEADCOUNT_RECONNECT_GRACE_MS: `${GRACE_MS}`, HEADCOUNT_SESSION_TTL_MS: `${LIFE_MS}` },
  });
  const open = (player: string) => SessionClient.open(shared.node.url, player);
  const find = async (player: string): Promise<unknown> => {
    const { status, json } = await shared.http.get(gamemodePath(player));
    return status === 200 ? (json as { gamemode: string }).gamemode : status;
  };

  test("plays: counted and remembered as a report is, and its answer names what was asked", async () => {
    const player = freshPlayer();
    using session = await open(player);
    expect(session.ws.protocol).toBe("headcount.v1");
    session.say({ type: "play", region: "ca", gamemode: "GM01", ref: 7 });
    const played = await session.next("played");
    expect(played).toEqual({ type: "played", ref: 7, region: "CA", gamemode: "GM01", changed: true, remembered: true });
    expect(await session.play("GM01")).toMatchObject({ changed: false, remembered: true });
    expect(await find(player)).toBe("GM01");
  });

  test("has one series of seq with HTTP", async () => {
    const player = freshPlayer();
    using session = await open(player);
    expect(await session.play("GM01", { seq: 10 })).toMatchObject({ changed: true });
    const late = { region: "US", gamemode: "GM02", seq: 9 };
    expect((await shared.http.request("POST", gamemodePath(player), { json: late })).json).toMatchObject({
      changed: false,
    });
    expect(await session.play("GM02", { region: "US", seq: 10 })).toMatchObject({ changed: false, gamemode: "GM01" });
    expect(await session.play("GM02", { seq: 11 })).toMatchObject({ changed: true });
  });

  test("is told what is wrong with what it says, and stays", async () => {
    using session = await open(freshPlayer());
    const wrong: readonly (readonly [message: object, told: string])[] = [
      [
        { type: "play", region: "XX", gamemode: "GM01" },
        `region must be an ISO 3166-1 alpha-2 code, or an ISO 3166-2 code such as US-CA, got "XX"`,
      ],
      [
        { type: "play", region: "CA" },
        "gamemode must be 1 to 64 of A-Z a-z 0-9 . _ : - beginning with a letter or digit, got nothing",
      ],
      [
        { type: "play", region: "CA", gamemode: "GM01", seq: -1 },
        "seq must be a whole number from 0 to 4294967295, got -1",
      ],
      [
        { type: "play", region: "CA", gamemode: "GM01", ref: {} },
        "ref must be a string of up to 64 characters, or a number, got an object",
      ],
      [{ type: "watch", place: "ZZ" }, `place must be ${PLACE}, got "ZZ"`],
      [{ type: "watch", place: "CA", top: 0 }, "top must be a whole number from 1 to 100, got 0"],
      [{ type: "watch", place: "CA", every: 249 }, "every must be a whole number from 250 to 60000, got 249"],
      [
        { type: "watch", place: "CA", include: "trend" },
        `include must be left out, since there is nothing more to include, got "trend"`,
      ],
      [{ type: "leave", seq: "1" }, `seq must be a whole number from 0 to 4294967295, got "1"`],
      [{ type: "token", token: 5 }, "token must be a signed token, got 5"],
      [{ type: "token", token: "" }, `token must be a signed token, got ""`],
      [{ type: "token" }, "token must be a signed token, got nothing"],
      [{ type: "unwatch" }, `place must be ${PLACE}, got nothing`],
    ];
    for (const [index, [message, told]] of wrong.entries()) {
      session.say({ ref: index, ...message });
      const answer = await until("it is refused", () => session.told[index]);
      expect(answer).toMatchObject({ type: "refused", code: "400", reason: "malformed", message: told });
      if (!("ref" in message)) expect(answer["ref"]).toBe(index);
    }
    session.say({ type: "ping" });
    await session.next("pong");
  });

  test("watches places: what stands at once, and what changes, as the GET has it", async () => {
    const region = freshRegion();
    using session = await open(freshPlayer());
    session.say({ type: "watch", place: region, every: 250 });
    expect(await session.next("top")).toMatchObject({ region, players: 0, gamemodes: [] });
    session.say({ type: "play", region, gamemode: "GM05" });
    const top = await session.answer(({ type, players }) => type === "top" && players === 1);
    const { asOf: _, ...got } = (await shared.http.get(`/v1/regions/${region}/gamemode`)).json as Record<
      string,
      unknown
    >;
    expect(top).toMatchObject(got);
    session.say({ type: "unwatch", place: region });
    session.say({ type: "play", region, gamemode: "GM06" });
    await session.answer(({ gamemode }) => gamemode === "GM06");
    using other = await open(freshPlayer());
    other.say({ type: "watch", place: region });
    await other.answer(({ type, players }) => type === "top" && players === 1);
    expect(JSON.stringify(session.told), "nothing more of it").not.toContain(`"mode":"GM06"`);
  });

  test("watches eight places and no ninth; the same place again is another question", async () => {
    using session = await open(freshPlayer());
    const places = ["CA", "US", "FR", "DE", "GB", "JP", "BR", "IN"];
    for (const place of places) session.say({ type: "watch", place });
    session.say({ type: "watch", place: "CA", top: 1, ref: "again" });
    session.say({ type: "watch", place: "SE", ref: "ninth" });
    expect(await session.next("refused")).toMatchObject({
      ref: "ninth",
      code: "400",
      message: "place must be one of at most 8 that a session watches, got 9",
    });
    await until("all are told", () => new Set(session.told.map(({ region }) => region)).size >= 8);
    session.say({ type: "unwatch", place: "CA" });
    session.say({ type: "watch", place: "SE" });
    await session.answer(({ region }) => region === "SE");
  });

  test("leaves at once, and may play again", async () => {
    const player = freshPlayer();
    using session = await open(player);
    await session.play("GM01");
    session.say({ type: "leave" });
    expect(await session.next("left")).toEqual({ type: "left" });
    expect(await find(player)).toBe(404);
    await session.play("GM02");
    expect(await find(player)).toBe("GM02");
  });

  test("renews its player as long as it is open, and no longer", async () => {
    const player = freshPlayer();
    using session = await open(player);
    await session.play("GM01");
    const playedMs = performance.now();
    await until("more than a session's life has passed", () => performance.now() - playedMs > LIFE_MS * 1.3, {
      limitMs: 60_000,
      intervalMs: 200,
    });
    expect(await find(player)).toBe("GM01");
    expect(session.told.some(({ type }) => type === "superseded")).toBe(false);
    session.ws.terminate();
    await until("it is gone after the grace", async () => (await find(player)) === 404, { limitMs: LIFE_MS });
  }, 60_000);

  test("that ends without a word keeps its player for the grace; who comes back in time stays", async () => {
    const player = freshPlayer();
    using first = await open(player);
    await first.play("GM01");
    first.ws.close(1000);
    await first.closed();
    expect(await find(player)).toBe("GM01");
    using second = await open(player);
    await second.play("GM01");
    const playedMs = performance.now();
    await until("the grace has passed", () => performance.now() - playedMs > GRACE_MS * 2);
    expect(await find(player)).toBe("GM01");
  });

  test("that did not play last is superseded at its next renewal, stays open, and takes the place back by playing", async () => {
    const player = freshPlayer();
    using both = pair(await open(player), await open(player));
    const [first, second] = both;
    await first.play("GM01");
    await second.play("GM02");
    await first.next("superseded", LIFE_MS * 2);
    first.say({ type: "ping" });
    await first.next("pong");
    first.ws.terminate();
    expect(await find(player)).toBe("GM02");
    using third = await open(player);
    await third.play("GM03");
    await second.next("superseded", LIFE_MS * 2);
    await second.play("GM02");
    await third.next("superseded", LIFE_MS * 2);
  }, 60_000);

  test("is superseded by a report over HTTP, also as it is written by Node's own WebSocket", async () => {
    const player = freshPlayer();
    const told: string[] = [];
    const session = new globalThis.WebSocket(
      `${shared.node.url.replace("http", "ws")}/v1/session?profileId=${player}`,
      "headcount.v1",
    );
    session.addEventListener("message", ({ data }) => told.push(String(data)));
    session.addEventListener("open", () => session.send(`{"type":"play","region":"CA","gamemode":"GM01"}`));
    await until("it has played", () => told.length === 1);
    await shared.http.request("POST", gamemodePath(player), { json: { region: "CA", gamemode: "GM02" } });
    await until("it is superseded", () => told.includes(`{"type":"superseded"}`), { limitMs: LIFE_MS * 2 });
    session.close(1000);
    await until("it is closed", () => session.readyState === globalThis.WebSocket.CLOSED);
    expect(await find(player)).toBe("GM02");
  });

  test.each<[what: string, status: number, lines: Record<string, string | undefined>]>([
    ["without an upgrade", 426, { upgrade: undefined, connection: undefined }],
    ["with another upgrade", 426, { upgrade: "h2c" }],
    ["without a connection header that says so", 426, { connection: "keep-alive" }],
    ["of another version", 426, { "sec-websocket-version": "8" }],
    ["without a key", 400, { "sec-websocket-key": undefined }],
    ["with a short key", 400, { "sec-websocket-key": "YWJj" }],
    ["with other subprotocols only", 400, { "sec-websocket-protocol": "chat, superchat" }],
    ["with a list of subprotocols that is none", 400, { "sec-websocket-protocol": "headcount.v1,," }],
    ["with a subprotocol twice", 400, { "sec-websocket-protocol": "headcount.v1, headcount.v1" }],
    ["with another one twice", 400, { "sec-websocket-protocol": "chat,headcount.v1\t,chat" }],
    ["with a token twice", 400, { "sec-websocket-protocol": "headcount.v1, bearer.x, bearer.x" }],
    ["with an empty list of subprotocols", 400, { "sec-websocket-protocol": "" }],
    ["with a name that is none", 400, { "sec-websocket-protocol": "headcount.v1, é" }],
    ["from a page of another origin", 403, { origin: "https://evil.example" }],
    ["from a page without an origin", 403, { origin: "null" }],
    ["from a page whose name leads to this machine", 403, { origin: "http://headcount.example" }],
  ])("%s is refused with %i before the upgrade", async (_, status, lines) => {
    const answer = await answerTo(shared.node.port, handshakeOf(freshPlayer(), lines));
    expect(answer.status, answer.body).toBe(status);
    expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(JSON.parse(answer.body)).toMatchObject({
      code: `${status}`,
      message: expect.not.stringContaining("bearer."),
    });
    if (status === 426) expect(answer.headers).toMatchObject({ upgrade: "websocket" });
  });

  test.each([
    { "sec-websocket-extensions": "permessage-deflate; server_max_window_bits=99" },
    { "sec-websocket-extensions": ';,= "' },
    { "sec-websocket-protocol": "chat ,\theadcount.v1" },
    { "sec-websocket-protocol": "headcount.v1, HEADCOUNT.V1" },
    { upgrade: "WebSocket", connection: "keep-alive, UPGRADE" },
  ])("begins also with %j, of which nothing is taken but the subprotocol", async (lines) => {
    const { status, headers } = await answerTo(shared.node.port, handshakeOf(freshPlayer(), lines));
    expect([status, headers["sec-websocket-extensions"]]).toEqual([101, undefined]);
  });

  test("of nobody is refused, and so is HEAD; a page of this machine may open one", async () => {
    for (const query of ["", "?profileId=", "?profileId=nobody"])
      expectError(await shared.http.get(`/v1/session${query}`), 400, /^profileId must be a UUID/);
    expect((await shared.http.request("HEAD", `/v1/session?profileId=${freshPlayer()}`)).status).toBe(405);
    const own = { host: "127.0.0.1", origin: "http://127.0.0.1" };
    expect((await answerTo(shared.node.port, handshakeOf(freshPlayer(), own))).status).toBe(101);
  });

  test("whose client floods it is answered each time and read no faster; one that does not read is not read either", async () => {
    const player = freshPlayer();
    using session = await open(player);
    for (let count = 0; count < 3000; count++)
      session.say({ type: "play", region: "CA", gamemode: `GM0${count % 9}`, ref: count });
    await until("all are answered", () => session.told.length === 3000, { limitMs: 60_000 });
    const refused = session.told.filter(({ type }) => type === "refused");
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(refused.length === 0 ? [] : ["429"]));
    using deaf = await RawSession.open(shared.node.port, freshPlayer());
    deaf.socket.pause();
    const ping = Buffer.concat(Array.from({ length: 1000 }, () => frameOf(OPCODES.text, `{"type":"ping"}`)));
    let sent = 0;
    // The operating system takes some megabytes, and then nothing more.
    while (deaf.socket.writableLength < 4_000_000 && sent < 64_000_000) {
      deaf.socket.write(ping);
      sent += ping.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sent).toBeLessThan(64_000_000);
  }, 90_000);

  test("whose client floods it with leaves, watches and what is nothing new is answered each time, and plays again", async () => {
    const player = freshPlayer();
    using session = await open(player);
    const said = Array.from({ length: 600 }, (_, ref) => {
      if (ref % 10 === 0) return { type: "watch", place: "XX", ref };
      return { type: "leave", seq: ref + 1, ref };
    });
    for (const message of said) session.say(message);
    session.say({ type: "ping" });
    const answers = await until("all are answered", () => {
      const refs = session.told.filter(({ ref }) => typeof ref === "number");
      return refs.length === said.length && session.told.some(({ type }) => type === "pong") && refs;
    });
    expect(new Set(answers.map(({ ref }) => ref)).size).toBe(said.length);
    const codes = answers.filter(({ type }) => type === "refused").map(({ code }) => code);
    expect(["400", "429"]).toEqual(expect.arrayContaining([...new Set(codes)]));
    await until("it plays", async () => (await session.play("GM01", { seq: 1000 }))["type"] === "played");
    expect(await find(player)).toBe("GM01");
  });
});

test("R30: a leave that comes late neither removes the player nor ends the standing of the session that said it", async () => {
  const env = { HEADCOUNT_RECONNECT_GRACE_MS: "500", HEADCOUNT_SESSION_TTL_MS: "600000" }; // silence removes nobody here
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  const player = freshPlayer();
  using session = await SessionClient.open(node.url, player);
  await session.play("GM01", { seq: 10 });
  session.say({ type: "leave", seq: 9 });
  expect(await session.next("left")).toEqual({ type: "left" });
  expect((await http.get(gamemodePath(player))).json).toMatchObject({ gamemode: "GM01" });
  expect((await http.get("/metrics")).text).toContain("headcount_sessions_standing 1\n");
  session.ws.terminate();
  await until("it is gone after the grace", async () => (await http.get(gamemodePath(player))).status === 404);
  // Metrics are collected anew only after a pause.
  await until("it is counted", async () =>
    (await http.get("/metrics")).text.includes("headcount_players_removed_after_grace_total 1\n"),
  );
});

describe("where tokens are asked for", () => {
  const shared = shareNode({ env: TOKEN_SETTINGS_GIVEN });
  const open = (player: string, options: ConstructorParameters<typeof SessionClient>[2]) =>
    new SessionClient(shared.node.url, player, options);

  test("a token opens its player's session, in the header or as a subprotocol that is never selected", async () => {
    const player = freshPlayer();
    const token = signedToken({ sub: player });
    using byHeader = open(player, { headers: { authorization: `Bearer ${token}` } });
    using byPage = open(player, { protocols: ["headcount.v1", `bearer.${token}`] });
    for (const session of [byHeader, byPage]) {
      await until("it is open", () => session.isOpen);
      expect(session.ws.protocol).toBe("headcount.v1");
      expect(await session.play("GM01")).toMatchObject({ type: "played" });
    }
  });

  test("no token, a bad one, or another player's closes the session with 4401", async () => {
    const [player, other] = [freshPlayer(), freshPlayer()];
    const bad: readonly ConstructorParameters<typeof SessionClient>[2][] = [
      {},
      { headers: { authorization: "Bearer nothing" } },
      { headers: { authorization: `Bearer ${signedToken({ sub: other })}` } },
      { protocols: ["headcount.v1", "bearer.x.y.z"] },
      { protocols: ["headcount.v1", `bearer.${signedToken({ sub: player, exp: 1000 })}`] },
    ];
    for (const options of bad) {
      using session = open(player, options);
      expect((await session.closed()).code).toBe(4401);
    }
    using batch = open(player, { headers: { authorization: `Bearer ${signedToken({ scope: "reports:batch" })}` } });
    await until("it is open", () => batch.isOpen);
  });

  test("the session ends with its token, unless another comes in time over it", async () => {
    const player = freshPlayer();
    const soon = (): string => signedToken({ sub: player, exp: Math.floor(Date.now() / 1000) + 3 });
    const options = { headers: { authorization: `Bearer ${soon()}` } };
    using both = pair(open(player, options), open(player, options));
    const [ending, renewed] = both;
    await until("both are open", () => ending.isOpen && renewed.isOpen);
    renewed.say({ type: "token", token: signedToken({ sub: player }) });
    expect(await ending.closed()).toEqual({ code: 4401, reason: "the token has ended" });
    expect(await renewed.play("GM01")).toMatchObject({ type: "played" });
    renewed.say({ type: "token", token: signedToken({ sub: freshPlayer() }) });
    expect((await renewed.closed()).code).toBe(4401);
  });
});

test("what follows a token at once is taken with what that token allows", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "catalogue.yaml");
  await writeFile(path, "version: 1\nmodes: [{ mode: CUP, requires: [season-pass] }, { mode: DUEL }]\n");
  await using node = await startNode({ env: { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_CATALOGUE: path } });
  const player = freshPlayer();
  const headers = { authorization: `Bearer ${signedToken({ sub: player })}` };
  using session = await SessionClient.open(node.url, player, { headers });
  expect(await session.play("CUP")).toMatchObject({ type: "refused", code: "403", reason: "not-entitled" });
  session.say({ type: "token", token: signedToken({ sub: player, entitlements: ["season-pass"] }) });
  expect(await session.play("CUP")).toMatchObject({ type: "played", changed: true });
  session.say({ type: "token", token: signedToken({ sub: player }) });
  expect(await session.play("CUP", { region: "US" })).toMatchObject({ type: "refused", reason: "not-entitled" });
  session.say({ type: "token", token: signedToken({ sub: freshPlayer() }) });
  session.say({ type: "play", region: "CA", gamemode: "DUEL" });
  expect((await session.closed()).code).toBe(4401);
  expect(session.told.some(({ gamemode }) => gamemode === "DUEL")).toBe(false);
});
