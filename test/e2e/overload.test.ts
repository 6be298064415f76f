/** A node that is asked for more than it can do: who asks for little and matters much is answered. */
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { gamemodePath, HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

/** Each looks somebody up, again and again: a round of all takes the node longer than it lets anybody wait. */
const CLIENTS = 1000;
const HEARTBEATS_AT_LEAST = 50;
const REFUSED_AT_LEAST = 500;
const SLOWLY = { limitMs: 60_000, intervalMs: 100 };

test("look-ups are refused, heartbeats and operators are answered, and all is well when the load has gone", async () => {
  await using node = await startNode({ env: { HEADCOUNT_RATE_PROFILE: "0" } });
  await using client = new HttpClient(node.url);
  const player = freshPlayer();
  expect((await client.report(player, { region: "CA", gamemode: "GM01" })).status).toBe(200);
  const heartbeat = async (): Promise<number> =>
    (await client.request("PUT", `/v1/profiles/${player}/heartbeat`)).status;

  const flood = new Flood(node.port, `GET ${gamemodePath(player)} HTTP/1.1\r\nhost: a\r\n\r\n`);
  const answers: number[] = [];
  await until(
    "look-ups are refused, and heartbeats answered meanwhile",
    async () => {
      answers.push(await heartbeat());
      return flood.refused >= REFUSED_AT_LEAST && answers.length >= HEARTBEATS_AT_LEAST;
    },
    { ...SLOWLY, intervalMs: 10 },
  );
  expect(new Set(answers)).toEqual(new Set([204]));
  expect(flood.refusal).toMatch(/^HTTP\/1\.1 503 .*retry-after: [12]\r\n.*"reason":"overloaded"/s);
  expect((await client.get("/readyz")).status).toBe(200);
  const { text } = await client.get("/metrics");
  expect(text).toMatch(/^headcount_overload_refusals_total\{kind="look-ups"\} [1-9]/m);
  expect(text).toMatch(/^headcount_overload_refusals_total\{kind="heartbeats"\} 0$/m);
  expect(node.stderr).toContain("the node has more to do than it can");

  flood.end();
  await until("nothing is refused", async () => {
    const { text: now } = await client.get("/metrics");
    return /^headcount_overload_level 0$/m.test(now) && /^headcount_connections_unread 0$/m.test(now);
  });
  expect((await client.get(gamemodePath(player))).status).toBe(200);
}, 120_000);

/** Clients that ask the same again when they are answered, and come back when they are cut off. */
class Flood {
  refused = 0;
  /** One answer of those that refuse. */
  refusal = "";
  private isOver = false;
  private readonly sockets = new Set<Socket>();
  private readonly port: number;
  private readonly request: string;

  constructor(port: number, request: string) {
    this.port = port;
    this.request = request;
    for (let count = 0; count < CLIENTS; count++) this.open();
  }

  end(): void {
    this.isOver = true;
    for (const socket of this.sockets) socket.destroy();
  }

  private open(): void {
    const socket = connect({ port: this.port, host: "127.0.0.1" });
    this.sockets.add(socket);
    socket.on("data", (bytes) => {
      const text = String(bytes);
      if (text.startsWith("HTTP/1.1 503")) {
        this.refused++;
        this.refusal = text;
      }
      if (socket.writable) socket.write(this.request);
    });
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.sockets.delete(socket);
      if (!this.isOver) this.open();
    });
    socket.write(this.request);
  }
}
