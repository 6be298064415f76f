/**
 * The process of the streams: it opens them all, and from the second question on makes a change four times a second, and
 * notes when the last of the streams shows it.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Pool } from "undici";
import { PROBED_MODE, PROBED_REGION, uuidOf } from "./traffic.ts";

export interface StreamsOptions {
  readonly url: string;
  readonly streams: number;
  /** The first of the players that are reported; nobody else's. */
  readonly firstPlayer: number;
}

export interface StreamsFigures {
  /** Streams that are open. */
  readonly open: number;
  /** Since the last question. */
  readonly events: number;
  readonly bytes: number;
  readonly seconds: number;
  /** From when a report was sent until the last stream showed it. */
  readonly lastMs: readonly number[];
}

const AT_ONCE = 64;
const PROBE_MS = 250;
/** More than others have in the mode's place, so that each change of it is in the answer. */
const BEFORE = 200;

const { url, streams, firstPlayer } = JSON.parse(process.argv[2] as string) as StreamsOptions;
const { hostname, port } = new URL(url);
const ask = `GET /v1/regions/${PROBED_REGION}/gamemode/stream?top=5&every=250 HTTP/1.1\r\nhost: a\r\n\r\n`;
const shown = new RegExp(String.raw`"mode":"${PROBED_MODE}","rank":\d+,"players":(\d+)`);
const pool = new Pool(url, { connections: 1 });
const open = new Set<Socket>();
/** Reports that not all streams have shown: when each was sent, and how many streams have. */
const waiting = new Map<number, { readonly sentMs: number; seen: number }>();
let [left, events, bytes, sinceMs, reported, isProbing] = [streams, 0, 0, performance.now(), 0, false];
let lastMs: number[] = [];

async function openOn(): Promise<void> {
  while (left-- > 0) {
    const socket = connect({ host: hostname, port: Number(port) });
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    socket.write(ask);
    let seen = 0;
    socket.on("data", (piece: Buffer) => {
      bytes += piece.length;
      seen = take(piece.toString("latin1"), seen);
    });
    await once(socket, "data");
  }
}

/** @param seen the newest number that this stream has shown */
function take(text: string, seen: number): number {
  const found = shown.exec(text.slice(Math.max(0, text.lastIndexOf("data: "))));
  if (found === null) return seen;
  events++;
  const now = Number(found[1]);
  for (let number = seen + 1; number <= now; number++) {
    const probe = waiting.get(number);
    if (probe === undefined || ++probe.seen < streams) continue;
    lastMs.push(performance.now() - probe.sentMs);
    waiting.delete(number);
  }
  return Math.max(seen, now);
}

async function report(count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, at) => ({
    profileId: uuidOf(firstPlayer + reported + at),
    region: PROBED_REGION,
    gamemode: PROBED_MODE,
  }));
  reported += count;
  if (count === 1) waiting.set(reported, { sentMs: performance.now(), seen: 0 });
  const headers = { "content-type": "application/json" };
  const answer = await pool.request({
    method: "POST",
    path: "/v1/reports",
    headers,
    body: JSON.stringify({ reports: rows }),
  });
  await answer.body.dump();
}

const opened = report(BEFORE).then(() => Promise.all(Array.from({ length: AT_ONCE }, openOn)));

function tell(): void {
  const nowMs = performance.now();
  process.send?.({
    open: open.size,
    events,
    bytes,
    seconds: (nowMs - sinceMs) / 1000,
    lastMs,
  } satisfies StreamsFigures);
  [events, bytes, sinceMs, lastMs] = [0, 0, nowMs, []];
  if (!isProbing) setInterval(() => void report(1), PROBE_MS);
  isProbing = true;
}

process.on("message", () => void opened.then(tell));
process.once("disconnect", () => process.exit(0));
