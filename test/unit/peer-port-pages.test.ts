/** What a page in a browser can make of the peer port: it can send what `fetch` and `WebSocket` send, and no more. */
import { afterEach, expect, test } from "vitest";

import { PROTOCOL } from "../../cluster/ports/transport.ts";
import { PLACES_VERSION } from "../../engine/place-table.ts";
import { PEER_PORT_LIMITS, PeerPort } from "../../node/peers/peer-port.ts";
import { rawRequest } from "../support/http.ts";

const ports: PeerPort[] = [];
afterEach(async () => {
  for (const port of ports.splice(0)) await port.close();
});

async function open(secret: string | undefined): Promise<{ url: string; messages: unknown[] }> {
  const messages: unknown[] = [];
  const port = new PeerPort({
    cluster: "default",
    secret,
    incarnation: () => "i",
    receive: (_lane, message) => Promise.resolve((messages.push(message), message)),
    onError: () => undefined,
    limits: PEER_PORT_LIMITS,
  });
  await port.listen("127.0.0.1", 0);
  ports.push(port);
  return { url: `http://127.0.0.1:${(port.server.address() as { port: number }).port}`, messages };
}

const PEER = `headcount-cluster: default\r\nheadcount-protocol: ${PROTOCOL}\r\nheadcount-places: ${PLACES_VERSION}\r\n`;
const WEBSOCKET = "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

test.each([
  ["a simple request", "GET /peer/hello", "", [401, 426]],
  ["a form", "POST /peer/rows", "content-type: text/plain\r\ncontent-length: 0\r\n", [401, 426]],
  ["a preflight", "OPTIONS /peer/hello", "access-control-request-headers: headcount-protocol\r\n", [401, 426]],
  ["a WebSocket", "GET /peer/rows", `connection: upgrade\r\n${WEBSOCKET}`, [401, 426]],
  ["headers of a peer, by a name made to lead here", "GET /peer/rows", PEER, [401, 426]],
  ["the same for a WebSocket", "GET /peer/rows", `connection: upgrade\r\n${WEBSOCKET}${PEER}`, [401, 426]],
] as const)(
  "%s gets no frames and is granted nothing, with a secret and without",
  async (_, line, headers, statuses) => {
    for (const [at, secret] of ["a secret that nobody knows", undefined].entries()) {
      const { url, messages } = await open(secret);
      for (const host of ["127.0.0.1", "rebound.example"]) {
        const request = `${line} HTTP/1.1\r\nhost: ${host}\r\norigin: http://rebound.example\r\n${headers}\r\n`;
        const answer = await rawRequest(url, request);
        expect(answer?.status).toBe(statuses[at]);
        expect(Object.keys(answer?.headers ?? {}).filter((name) => name.startsWith("access-control-"))).toEqual([]);
      }
      expect(messages).toEqual([]);
    }
  },
);
