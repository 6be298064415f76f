/** How many sessions there may be, what operators switch off, how a node ends them, and TLS. */
import { describe, expect, test } from "vitest";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { hasOpenssl, makeAuthority } from "../support/certificates.ts";
import { HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { pair, SessionClient } from "../support/session-client.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

describe("limits and operators", () => {
  test("a full node closes with 1013, and says when to come again; it has room again when somebody goes", async () => {
    await using node = await startNode({ env: { HEADCOUNT_SESSIONS_MAX: "2" } });
    using both = pair(
      await SessionClient.open(node.url, freshPlayer()),
      await SessionClient.open(node.url, freshPlayer()),
    );
    const [first, second] = both;
    using third = new SessionClient(node.url, freshPlayer());
    const { code, reason } = await third.closed();
    expect([code, /^retry in \d+$/.test(reason)]).toEqual([1013, true]);
    first.ws.close();
    await first.closed();
    await until("there is room", async () => {
      using again = new SessionClient(node.url, freshPlayer());
      again.ws.on("open", () => again.say({ type: "ping" }));
      await until("it is answered or closed", () => again.told.length > 0 || again.closedBy);
      return again.told.length > 0;
    });
    expect(second.closedBy).toBeUndefined();
  });

  test("a player's limit holds over sessions", async () => {
    await using node = await startNode({ env: { HEADCOUNT_RATE_PROFILE: "3/60s" } });
    using session = await SessionClient.open(node.url, freshPlayer());
    for (let count = 0; count < 3; count++) expect(await session.play(`GM0${count}`)).toMatchObject({ type: "played" });
    expect(await session.play("GM09")).toMatchObject({ type: "refused", code: "429", reason: "rate" });
  });

  test("an address that asks too often gets no session", async () => {
    await using node = await startNode({
      env: { HEADCOUNT_TRUST_PROXY: "127.0.0.1", HEADCOUNT_RATE_ADDRESS: "2/60s" },
    });
    const from = { headers: { "x-forwarded-for": "203.0.113.7" } };
    using _ = pair(
      await SessionClient.open(node.url, freshPlayer(), from),
      await SessionClient.open(node.url, freshPlayer(), from),
    );
    using third = new SessionClient(node.url, freshPlayer(), from);
    const { status, headers } = await third.refused();
    expect([status, Number(headers["retry-after"])]).toEqual([429, expect.toSatisfy((waitS) => waitS > 0)]);
  });

  test("what operators switch off is refused, and sessions that are off are closed; whom they block is refused", async () => {
    const settings = await adminSettings();
    await using node = await startNode({ env: settings });
    await using admin = new AdminClient(settings);
    const switchTo = (name: string, enabled: boolean) =>
      admin.put(`/admin/switches/${name}`, { enabled, reason: "a test" });
    using session = await SessionClient.open(node.url, freshPlayer());
    await switchTo("reports", false);
    await until("reports are off", async () => (await session.play("GM01"))["code"] === "503");
    expect(session.told.at(-1)).toMatchObject({ reason: "switched-off" });
    await switchTo("reports", true);
    await until("reports are on", async () => (await session.play("GM01"))["type"] === "played");
    await switchTo("streams", false);
    await until("watching is off", async () => {
      const ref = `watch ${session.told.length}`;
      session.say({ type: "watch", place: "CA", ref });
      session.say({ type: "leave", ref }); // its answer comes last
      await session.answer((told) => told["type"] === "left" && told["ref"] === ref);
      return session.told.some((told) => told["ref"] === ref && told["code"] === "503");
    });
    await switchTo("sessions", false);
    expect((await session.closed()).code).toBe(1013);
    using refused = new SessionClient(node.url, freshPlayer());
    expect(await refused.refused()).toMatchObject({ status: 503 });
    expect((await refused.refused()).headers["retry-after"]).toBeDefined();
  });

  test("a node that ends closes its sessions with 1012, each with another time to come again", async () => {
    await using node = await startNode();
    const sessions = await Promise.all(Array.from({ length: 20 }, () => SessionClient.open(node.url, freshPlayer())));
    const stopped = node.stop();
    const closed = await Promise.all(sessions.map((session) => session.closed()));
    expect(new Set(closed.map(({ code }) => code))).toEqual(new Set([1012]));
    const times = closed.map(({ reason }) => Number(/^reconnect in (\d+)$/.exec(reason)?.[1]));
    expect(times.every((ms) => ms >= 1000 && ms <= 5000)).toBe(true);
    expect(new Set(times).size).toBeGreaterThan(10);
    expect(await stopped).toBe(0);
  });

  test("counts what happens, with no player in any label", async () => {
    await using node = await startNode();
    await using http = new HttpClient(node.url);
    using session = await SessionClient.open(node.url, freshPlayer());
    await session.play("GM01");
    const metrics = (await http.get("/metrics")).text;
    expect(metrics).toContain("headcount_sessions 1\n");
    expect(metrics).toContain("headcount_sessions_standing 1\n");
    expect(metrics).toContain(`headcount_session_messages_total{type="play"} 1\n`);
    expect(metrics).toContain("headcount_reports_moved_total 1\n");
    session.ws.close(1000);
    await session.closed();
    await until("its end is counted", async () =>
      (await http.get("/metrics")).text.includes(`headcount_sessions_closed_total{code="1000"} 1\n`),
    );
  });
});

describe.runIf(hasOpenssl)("over TLS", () => {
  test("a session is as without", async () => {
    await using authority = await makeAuthority();
    const { cert, key } = authority.issue("DNS:localhost,IP:127.0.0.1");
    await using node = await startNode({ env: { HEADCOUNT_TLS_CERT: cert, HEADCOUNT_TLS_KEY: key } });
    using session = await SessionClient.open(node.url, freshPlayer(), { ca: authority.text });
    expect(await session.play("GM01")).toMatchObject({ type: "played", remembered: true });
  });
});
