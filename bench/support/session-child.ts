/** The process of the sessions' clients: each plays once, and then keeps silent or keeps so many plays under way. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { uuidOf } from "./traffic.ts";

export interface SessionOptions {
  readonly url: string;
  readonly sessions: number;
  /** Number of the first player. */
  readonly first: number;
  /** Plays of each session that wait for their answers; 0: it plays once. */
  readonly underWay: number;
}

export interface SessionFigures {
  /** Sessions that are open. */
  readonly open: number;
  /** Plays that were answered so far. */
  readonly answered: number;
}

const AT_ONCE = 64;
const MODES = ["GM01", "GM02", "GM03", "GM04"];

const { url, sessions, first, underWay } = JSON.parse(process.argv[2] as string) as SessionOptions;
const { hostname, port } = new URL(url);
const open = new Set<Socket>();
/** One play of each mode, as a frame: the mask may be any, also always the same. */
const frames = MODES.map((mode) => frameOf(`{"type":"play","region":"CA","gamemode":"${mode}"}`));
let [left, answered] = [sessions, 0];
const opened = Promise.all(Array.from({ length: AT_ONCE }, openOn));

async function openOn(): Promise<void> {
  while (left-- > 0) await openOne(first + left);
}

async function openOne(player: number): Promise<void> {
  const socket = connect({ host: hostname, port: Number(port) });
  open.add(socket);
  socket.once("close", () => open.delete(socket));
  const key = randomBytes(16).toString("base64");
  socket.write(
    `GET /v1/session?profileId=${uuidOf(player)} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n\r\n`,
  );
  const [head] = (await once(socket, "data")) as [Buffer];
  if (!String(head).startsWith("HTTP/1.1 101 ")) throw new Error(`A session is refused: ${String(head)}`);
  let turn = player;
  const play = (count: number): void => {
    const plays = Array.from({ length: count }, () => frames[turn++ % frames.length] as Buffer);
    socket.write(plays.length === 1 ? (plays[0] as Buffer) : Buffer.concat(plays));
  };
  socket.on("data", (bytes: Buffer) => {
    if (bytes[0] === PING) return void socket.write(PONG);
    const count = framesIn(bytes);
    answered += count;
    if (underWay > 0) play(count);
  });
  play(1);
  await once(socket, "data");
  if (underWay > 1) play(underWay - 1);
}

const PING = 0x89;
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** Answers are shorter than 126 bytes, and come whole. */
function framesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; count++) at += 2 + (bytes[at + 1] as number);
  return count;
}

function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.of(0x81, 0x80 | payload.length, 0, 0, 0, 0), payload]);
}

process.on("message", () => {
  void opened.then(() => process.send?.({ open: open.size, answered } satisfies SessionFigures));
});
process.once("disconnect", () => process.exit(0));
