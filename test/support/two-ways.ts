/** Two nodes in this process, alike but for the fast lane: what they answer to the same bytes. */
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { setImmediate as turn } from "node:timers/promises";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { pino } from "pino";
import { NO_RULES, type Rules } from "../../cluster/ports/rules.ts";
import { type Access, openAccess } from "../../node/access/access.ts";
import { Controls } from "../../node/controls/controls.ts";
import { type Decisions, keep, NOTHING_DECIDED } from "../../node/controls/decisions.ts";
import { FollowedRules } from "../../node/rules/followed-rules.ts";
import { Usage } from "../../node/usage/usage.ts";
import { Limits } from "../../node/limits/limits.ts";
import { ServiceAlone } from "../../node/alone/service-alone.ts";
import { makeApp } from "../../node/http/app.ts";
import type { Connections } from "../../node/http/connections/connections.ts";
import { listenWidely } from "../../node/http/listening.ts";
import { speakTls } from "../../node/http/speak-tls.ts";
import type { Sessions } from "../../node/live/sessions.ts";
import type { Streams } from "../../node/live/streams.ts";
import { Metrics } from "../../node/metrics.ts";
import { portOf } from "../../node/place.ts";
import { readSettings } from "../../node/settings.ts";
import type { Certificate } from "../../node/tls/certificate.ts";

const HOST = "127.0.0.1";

export interface Way extends AsyncDisposable {
  readonly port: number;
  readonly connections: Connections;
  readonly limits: Limits;
  readonly metrics: Metrics;
  /** Where tokens are asked for. */
  readonly access: Access | undefined;
  readonly streams: Streams;
  readonly sessions: Sessions;
}

/**
 * @param more settings: as a rule nothing is kept on disk, and answers come at once
 * @param certificate with which it speaks TLS
 * @param decided what operators decided
 * @param rules of the studio's modes
 */
export async function openWay(
  lane: "on" | "off",
  more: Readonly<Record<string, string>> = {},
  certificate?: Certificate,
  decided: Partial<Decisions> = {},
  rules: Rules = NO_RULES,
): Promise<Way> {
  const folder = await mkdtemp(join(tmpdir(), "headcount-way-"));
  const settings = readSettings({
    HEADCOUNT_DATA_DIR: folder,
    HEADCOUNT_DURABILITY: "none",
    HEADCOUNT_FAST_LANE: lane,
    HEADCOUNT_RATE_PROFILE: "0", // the seconds to wait would differ where one is asked a moment later than the other
    HEADCOUNT_SESSION_TTL_MS: "9000000", // nobody expires, at one a moment earlier than at the other
    ...more,
  });
  const log = pino({ level: "silent" });
  const service = new ServiceAlone(settings, rules, log);
  const { tokens, areReadsGuarded } = settings;
  const metrics = new Metrics(service);
  const access = tokens === undefined ? undefined : await openAccess(tokens, areReadsGuarded, log, metrics);
  const limits = new Limits(settings.limits);
  const context = {
    service,
    metrics,
    log,
    version: "0.0.0",
    cors: undefined,
    access,
    limits,
    controls: new Controls(service.texts.controls, log),
    rules: new FollowedRules(undefined, log),
    usage: new Usage(metrics),
  };
  await service.texts.controls.write("", keep({ ...NOTHING_DECIDED, ...decided }));
  context.controls.start();
  context.rules.follow(service.texts.catalogue, () => service.id);
  await Promise.all([context.controls.known, context.rules.known]);
  const { app, connections, streams, sessions } = await makeApp(context, settings.isLaneOpen);
  if (certificate !== undefined) speakTls(app, certificate, settings.limits.connections, metrics, "tls");
  await listenWidely(app, { host: HOST, port: 0 });
  const port = portOf(app.server);
  await service.start(port, `http://${HOST}:${port}`);
  return {
    port,
    connections,
    limits,
    metrics,
    access,
    streams,
    sessions,
    [Symbol.asyncDispose]: async () => {
      connections.drain();
      await app.close();
      await service.stop();
      context.controls.stop();
      context.rules.stop();
      context.usage.close();
      await access?.close();
      await rm(folder, { recursive: true });
    },
  };
}

/**
 * Sends pieces, each in a packet of its own as far as the kernel allows, then ends its side, and reads until the node ends too.
 * @param authority of the node's certificate, where it speaks TLS
 * @returns all that came, but for what differs by chance
 */
export async function answersTo(port: number, pieces: readonly Buffer[], authority?: string): Promise<string> {
  const place = { port, host: HOST, noDelay: true, allowHalfOpen: true };
  const socket = authority === undefined ? connect(place) : connectTls({ ...place, ca: authority });
  socket.once("end", () => socket.end());
  let answers = "";
  socket.on("data", (bytes: Buffer) => (answers += bytes.toString("latin1")));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", (error) => (answers += `(${error.message})`));
  await send(socket, pieces);
  socket.end();
  await closed;
  return settled(answers);
}

async function send(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    if (!socket.writable) return;
    socket.write(piece);
    await turn();
    await turn();
  }
}

/** How a packed body begins. */
const MAGIC = { gzip: "\x1f\x8b", zstd: "\x28\xb5\x2f\xfd" };

/** With packed bodies as they were before: in them, too, instants differ. */
function unpacked(answers: string): string {
  const head = /content-encoding: (gzip|zstd)\r\n(?:[^\r]+\r\n)*?content-length: (\d+)\r\n(?:[^\r]+\r\n)*\r\n/g;
  for (let found = head.exec(answers); found !== null; found = head.exec(answers)) {
    const [before, coding, length] = found;
    const start = found.index + before.length;
    const bytes = Buffer.from(answers.slice(start, start + Number(length)), "latin1");
    const hasBody = bytes.toString("latin1").startsWith(MAGIC[coding as keyof typeof MAGIC]); // an answer to HEAD has none
    const unpack = coding === "gzip" ? gunzipSync : zstdDecompressSync;
    const body = hasBody ? unpack(bytes).toString("latin1") : "";
    const told = before.replace(/content-length: \d+/, "content-length: …");
    answers = answers.slice(0, found.index) + told + body + answers.slice(start + (hasBody ? Number(length) : 0));
    head.lastIndex = found.index + told.length + body.length;
  }
  return answers;
}

function settled(answers: string): string {
  return unpacked(answers)
    .replaceAll(/Date: [^\r]+/g, "Date: …")
    .replaceAll(/"(asOf|lastSeen)":"[^"]+"/g, '"$1":"…"')
    .replaceAll(/as-of: [^\r]+/g, "as-of: …")
    .replaceAll(/(renewInMs":|renew-in-ms: )\d{7}\b/g, "$1…"); // always so many digits, so that lengths agree
}
