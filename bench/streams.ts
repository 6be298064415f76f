/** Part 14: streams. What one takes of memory, what four events a second to each cost while reports arrive, and how late the last one shows a change. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import type { StreamsResult, StreamsSeries, WireBytes } from "./results.ts";
import type { Settings } from "./settings.ts";
import { startAsked } from "./support/asked-child.ts";
import { fillByBatches } from "./support/fill.ts";
import { LONG_SESSION, startHeadcount } from "./support/headcount.ts";
import { startPace } from "./support/pace.ts";
import { type Server, type StartServer, startContestant } from "./support/servers.ts";
import type { StreamsFigures } from "./support/streams-child.ts";
import { PROBED_MODE, PROBED_REGION, uuidOf } from "./support/traffic.ts";
import { cpuMsOf, residentBytesOf } from "./support/usage.ts";

/** All streams come from loopback, which has no limit of its own; there are more than there may be by default. */
const ENOUGH = { ...LONG_SESSION, HEADCOUNT_STREAMS_MAX: "1000000", HEADCOUNT_RATE_PROFILE: "0" };
/** Memory is looked at once what opening took has been given back. */
const QUIET_MS = 2000;

export async function measureStreams({ rounds, streams }: Settings): Promise<Omit<StreamsResult, "date" | "isQuick">> {
  const contestants: readonly (readonly [name: string, start: StartServer])[] = [
    ["headcount", () => startHeadcount({ durability: "log", env: ENOUGH })],
    ["fastify", () => startContestant("fastify-streams-server.ts")],
  ];
  const series: StreamsSeries[] = contestants.map(([name]) => ({
    name,
    bytes: [],
    cores: [],
    lastMs: [],
    eventsPerSecond: [],
  }));
  for (let round = 0; round < rounds; round++)
    for (const [at, [, start]] of contestants.entries()) {
      const [one, figures] = [series[at] as StreamsSeries, await measureOnce(await start(), streams)];
      (one.bytes as number[]).push(figures.bytes);
      (one.cores as number[]).push(figures.cores);
      (one.lastMs as number[]).push(figures.lastMs);
      (one.eventsPerSecond as number[]).push(figures.eventsPerSecond);
    }
  const { players, streams: count, reportsPerSecond } = streams;
  return { players, streams: count, reportsPerSecond, contestants: series, wire: await measureWire() };
}

/** A fresh process each time: what streams took is not given back to the system. */
async function measureOnce(server: Server, settings: Settings["streams"]) {
  const { players, streams, warmSeconds, seconds } = settings;
  await fillByBatches(server, players);
  await sleep(QUIET_MS);
  const before = bytesOf(server);
  const child = startAsked<StreamsFigures>("streams-child.ts", { url: server.url, streams, firstPlayer: players });
  const { open } = await child.figures();
  if (open < streams) throw new Error(`Cannot measure streams: only ${open} of ${streams} are open`);
  await sleep(QUIET_MS);
  const bytes = (bytesOf(server) - before) / streams;
  const pace = startPace({ ...settings, url: server.url, path: "", churnPerSecond: 0 });
  await sleep(warmSeconds * 1000);
  await child.figures();
  const [withThem, figures] = [await coresOf(server, seconds), await child.figures()];
  if (figures.open < streams) throw new Error("Streams were closed meanwhile");
  await child.stop();
  await sleep(QUIET_MS);
  const without = await coresOf(server, seconds);
  await pace.stop();
  await server.stop();
  const late = figures.lastMs.toSorted((one, other) => one - other);
  if (late.length === 0) throw new Error("Cannot tell how late events are: no change came to all streams");
  return {
    bytes,
    cores: withThem - without,
    lastMs: late[Math.floor(late.length * 0.99)] as number,
    eventsPerSecond: figures.events / figures.seconds / streams,
  };
}

async function coresOf({ pids }: Server, seconds: number): Promise<number> {
  const [beforeMs, sinceMs] = [cpuMsOf(pids), performance.now()];
  await sleep(seconds * 1000);
  return (cpuMsOf(pids) - beforeMs) / (performance.now() - sinceMs);
}

function bytesOf({ pids }: Server): number {
  return pids.reduce((sum, pid) => sum + residentBytesOf(pid), 0);
}

/** Bytes of HTTP and WebSocket, both ways, of what a player may do to know what is popular; five modes are. */
async function measureWire(): Promise<WireBytes> {
  const server = await startHeadcount({ durability: "none", env: ENOUGH });
  const rows = Array.from({ length: 500 }, (_, player) => ({
    profileId: uuidOf(player),
    region: PROBED_REGION,
    gamemode: `${PROBED_MODE}${player % 5}`,
  }));
  const body = JSON.stringify({ reports: rows });
  await fetch(`${server.url}/v1/reports`, { method: "POST", headers: { "content-type": "application/json" }, body });
  const ask = async (line: string) => exchange(server.url, `${line} HTTP/1.1\r\nhost: headcount.example\r\n\r\n`);
  const heartbeat = `PUT /v1/profiles/${uuidOf(0)}/heartbeat`;
  const changed = await ask(`${heartbeat}?top=5`);
  const tag = /"tag":"W\/\\"([\w-]+)\\""/.exec(changed.answer)?.[1] ?? "";
  const known = `${heartbeat}?top=5&known=${tag}`;
  const figures = {
    heartbeat: (await ask(heartbeat)).bytes,
    standing: (await ask(known)).bytes,
    changed: (await ask(`${heartbeat}?top=5&known=${"x".repeat(tag.length)}`)).bytes,
    popularModes: (await ask(`GET /v1/regions/${PROBED_REGION}/gamemode?top=5`)).bytes,
    event: Buffer.byteLength(`event: top\nid: W/"${tag}"\ndata: \n\n`) + popularBytes(changed.answer),
    ...(await sessionBytes(server.url)),
  };
  await server.stop();
  return figures;
}

async function sessionBytes(url: string): Promise<Pick<WireBytes, "frame" | "ping">> {
  const session = new WebSocket(`${url.replace("http", "ws")}/v1/session?profileId=${uuidOf(0)}`, "headcount.v1");
  const [{ socket }] = (await once(session, "upgrade")) as [IncomingMessage];
  if (session.readyState !== WebSocket.OPEN) await once(session, "open");
  const opened = socket.bytesRead;
  session.send(JSON.stringify({ type: "watch", place: PROBED_REGION, top: 5 }));
  await once(session, "message");
  const [told, said] = [socket.bytesRead, socket.bytesWritten];
  session.ping();
  await once(session, "pong");
  const ping = socket.bytesRead - told + socket.bytesWritten - said;
  session.terminate();
  return { frame: told - opened, ping };
}

/** Of the answer within an answer. */
function popularBytes(answer: string): number {
  const { popular } = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4)) as { readonly popular: unknown };
  return Buffer.byteLength(JSON.stringify(popular));
}

async function exchange(url: string, request: string): Promise<{ readonly bytes: number; readonly answer: string }> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(request);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return { bytes: Buffer.byteLength(request) + answer.length, answer: answer.toString("latin1") };
}
