/** Who may keep a node from joining: a member that lives and refuses it in Headcount's own form, and nobody else. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";

import type { Member } from "../../cluster/ports/view.ts";
import { askPeers, type AskPeersPorts } from "../../node/clustered/ask-peers.ts";
import { type HelloAnswer, sayHello } from "../../node/peers/peer-hello.ts";
import { itemAt } from "../../simulator/item-at.ts";

const US = { cluster: "default", secret: "a secret that nobody knows" };
const MARKED = { "content-type": "application/json", "headcount-protocol": "1" };
const BODY = '{"message":"HEADCOUNT_CLUSTER must be \\"a\\", got \\"b\\""}';

async function answering(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("sayHello()", () => {
  test.each([401, 409, 426])("takes a %i in Headcount's own form for a refusal", async (status) => {
    const url = await answering((_request, response) => response.writeHead(status, MARKED).end(BODY));
    expect(await sayHello(url, US)).toEqual({ kind: "refused", reason: 'HEADCOUNT_CLUSTER must be "a", got "b"' });
  });

  test.each<[what: string, status: number, headers: Record<string, string>, body: string]>([
    ["a mesh's sidecar in place of a dead node", 503, { "content-type": "text/plain" }, "upstream connect error"],
    ["another service's login", 401, { "www-authenticate": "Basic" }, BODY],
    ["a conflict in somebody else's words", 409, {}, '{"error":"conflict"}'],
    ["a page", 200, { "content-type": "text/html" }, "<html>"],
    ["a redirection", 302, { location: "/login" }, ""],
    ["a refusal without a reason", 401, MARKED, "{}"],
    ["a refusal that is no JSON", 401, MARKED, "no"],
    ["a node's answer of another kind", 404, MARKED, BODY],
    ["a long story", 426, {}, "x".repeat(100_000)],
  ])("takes %s for a stranger", async (_what, status, headers, body) => {
    const url = await answering((_request, response) => response.writeHead(status, headers).end(body));
    expect(await sayHello(url, US)).toEqual({ kind: "stranger", status });
  });

  test.each<[what: string, listener: RequestListener]>([
    ["hangs up", (request) => request.socket.destroy()],
    ["says nothing", () => {}],
    ["never ends what it says", (_request, response) => void response.writeHead(401, MARKED).write("{")],
  ])("takes one that %s for silent", async (_what, listener) => {
    expect(await sayHello(await answering(listener), US)).toEqual({ kind: "silent" });
  });
});

describe("askPeers()", () => {
  const REFUSED: HelloAnswer = { kind: "refused", reason: "no" };
  const memberAt = (peerUrl: string): Member => ({
    id: peerUrl,
    incarnation: peerUrl,
    url: peerUrl,
    peerUrl,
    weight: 1,
    isLeaving: false,
  });

  /**
   * @param lapsesAfter after so many looks the list forgets the first member
   * @param later what the first member answers when it is asked again
   */
  async function outcome(answers: readonly HelloAnswer[], lapsesAfter = Infinity, later = answers[0]) {
    const told: string[] = [];
    let [looks, pausedMs] = [0, 0];
    const ports: AskPeersPorts = {
      listed: async () => answers.map((_, index) => memberAt(`${index}`)).slice(looks++ >= lapsesAfter ? 1 : 0),
      sayHello: async (peerUrl) => (looks > 1 && peerUrl === "0" && later) || itemAt(answers, Number(peerUrl)),
      pause: async (ms) => void (pausedMs += ms),
      onStranger: (peerUrl, status) => told.push(`stranger ${peerUrl} ${status}`),
      onRefusal: (peerUrl, reason) => told.push(`refusal ${peerUrl} ${reason}`),
    };
    return { reason: await askPeers(ports, 3000), told, pausedMs };
  }

  test("lets it join at once where nobody refuses it, and tells of strangers", async () => {
    const answers: HelloAnswer[] = [{ kind: "welcome" }, { kind: "silent" }, { kind: "stranger", status: 503 }];
    expect(await outcome(answers)).toEqual({ reason: undefined, told: ["stranger 2 503"], pausedMs: 0 });
  });

  test("stops it where a member refuses it that is still listed three leases later", async () => {
    const { reason, told, pausedMs } = await outcome([REFUSED, { kind: "welcome" }, { kind: "stranger", status: 503 }]);
    expect({ reason, told }).toEqual({
      reason: "no (the node at 0)",
      told: ["refusal 0 no", "stranger 2 503"],
    });
    expect(pausedMs).toBeCloseTo(9000);
  });

  test("lets it join where who refuses it lapses: a node of another cluster has a dead member's address", async () => {
    expect((await outcome([REFUSED, { kind: "welcome" }], 4)).reason).toBeUndefined();
  });

  test("stops it where a member that refused it is too busy to say so again, unless that one lapses or lets it in", async () => {
    const answers: HelloAnswer[] = [REFUSED, { kind: "welcome" }];
    expect((await outcome(answers, Infinity, { kind: "silent" })).reason).toBe("no (the node at 0)");
    expect((await outcome(answers, 4, { kind: "silent" })).reason).toBeUndefined();
    expect((await outcome(answers, Infinity, { kind: "welcome" })).reason).toBeUndefined();
    expect((await outcome(answers, Infinity, { kind: "stranger", status: 404 })).reason).toBeUndefined();
  });
});
