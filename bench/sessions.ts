/** Part 12: sessions over WebSocket. What an idle one takes of memory, what a durable report costs over one, and what it costs to renew them. */
import { setTimeout as sleep } from "node:timers/promises";
import { decodeAnswers, encodeAnswers } from "../cluster/rows/answer-codec.ts";
import { decodeBatch, encodeBatch } from "../cluster/rows/row-codec.ts";
import type { Done, Row } from "../cluster/ports/rows.ts";
import { PlayerStandings } from "../cluster/records/player-standings.ts";
import { Engine } from "../engine/engine.ts";
import { NO_ENTITLEMENTS } from "../engine/entitlement.ts";
import { NO_SEQ } from "../engine/partition.ts";
import { emptyProfileId } from "../engine/profile-id.ts";
import { playerId } from "../simulator/players.ts";
import type { SessionRound, SessionsResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { startAsked } from "./support/asked-child.ts";
import { busyShare, coreTimes } from "./support/busy.ts";
import { LOAD_CORE } from "./support/children.ts";
import { LONG_SESSION, startHeadcount } from "./support/headcount.ts";
import type { Server } from "./support/servers.ts";
import type { SessionFigures, SessionOptions } from "./support/session-child.ts";
import { cpuMsOf, residentBytesOf } from "./support/usage.ts";

const MS_IN_S = 1000;
/** What a node of the cluster on paper sends to one owner at a time. */
const ROWS_A_BATCH = 40;
const UNLIMITED = { ...LONG_SESSION, HEADCOUNT_RATE_PROFILE: "0" };

export async function measureSessions({
  rounds,
  sessions,
}: Settings): Promise<Omit<SessionsResult, "date" | "isQuick">> {
  const { idleSessions, connections, underWay, renewedRows } = sessions;
  const bytes: number[] = [];
  for (let round = 0; round < rounds; round++) bytes.push(await idleBytes(idleSessions));
  const [oneByOne, several]: [SessionRound[], SessionRound[]] = [[], []];
  const server = await startHeadcount({ durability: "log", env: UNLIMITED });
  for (let round = 0; round < rounds; round++) {
    oneByOne.push(await played(server, sessions, 1));
    several.push(await played(server, sessions, underWay));
  }
  await server.stop();
  const renewals = Array.from({ length: rounds }, () => renewedUs(renewedRows));
  const bytesOfRow = { there: bytesARow(ROWS_A_BATCH), back: answerBytesARow(ROWS_A_BATCH) };
  return { idleSessions, bytes, connections, underWay, oneByOne, several, renewedUs: renewals, bytesOfRow };
}

/** Resident memory of one, each with its player. */
async function idleBytes(count: number): Promise<number> {
  const server = await startHeadcount({ durability: "log", env: UNLIMITED });
  const heated = startClients({ url: server.url, sessions: Math.ceil(count / 20), first: 10_000_000, underWay: 0 });
  await heated.figures();
  const before = bytesOf(server);
  const child = startClients({ url: server.url, sessions: count, first: 0, underWay: 0 });
  const { open } = await child.figures();
  if (open < count) throw new Error(`Cannot measure idle sessions: only ${open} are open`);
  const taken = (bytesOf(server) - before) / count;
  await child.stop();
  await heated.stop();
  await server.stop();
  return taken;
}

async function played(
  server: Server,
  { connections, warmSeconds, seconds }: Settings["sessions"],
  underWay: number,
): Promise<SessionRound> {
  const child = startClients({ url: server.url, sessions: connections, first: 0, underWay });
  await child.figures();
  await sleep(warmSeconds * MS_IN_S);
  const [core, cpuMs, before, fromMs] = [
    coreTimes(LOAD_CORE),
    cpuMsOf(server.pids),
    await child.figures(),
    performance.now(),
  ];
  await sleep(seconds * MS_IN_S);
  const after = await child.figures();
  const tookMs = performance.now() - fromMs;
  const count = after.answered - before.answered;
  const round = {
    perSecond: (count * MS_IN_S) / tookMs,
    cpuUs: ((cpuMsOf(server.pids) - cpuMs) * MS_IN_S) / count,
    loadBusy: busyShare(core, coreTimes(LOAD_CORE)),
  };
  await child.stop();
  return round;
}

function startClients(options: SessionOptions) {
  return startAsked<SessionFigures>("session-child.ts", options);
}

function bytesOf({ pids }: Server): number {
  return pids.reduce((sum, pid) => sum + residentBytesOf(pid), 0);
}

// Renewals: what each row of a bulk costs entry and owner together, without the network and the event loop.

function renewedUs(rows: number): number {
  const options = { partitions: 256, hashKey: new Uint8Array(8).fill(7), sessionMs: 90_000, removalMs: 4000 };
  const engine = new Engine({ ...options, graceMs: 0, isLogged: false, hasBoards: false }, 0);
  const standings = new PlayerStandings(engine, undefined, 10_000);
  const mode = engine.admitMode("GM01");
  const all = Array.from({ length: rows }, (_, number) => {
    const id = playerId(number + 1);
    engine.report(engine.hash(id), id, 1, mode, NO_SEQ);
    return rowOf(engine, number);
  });
  const [batches, id] = [batchesOf(all), emptyProfileId()];
  const renew = (row: Row): Done => {
    [id[0], id[1], id[2], id[3]] = [row.id0, row.id1, row.id2, row.id3];
    const effect = standings.renew(row.hash, id, row.stamp as NonNullable<Row["stamp"]>);
    return { kind: "done", effect, isRemembered: true, place: undefined };
  };
  const turn = (): void => {
    for (const [number, batch] of batches.entries()) {
      const answers = decodeBatch(encodeBatch(number + 1, batch, 0), options.partitions, 0).rows.map(renew);
      const told = decodeAnswers(encodeAnswers(number + 1, answers), number + 1, batch.length);
      if (told.some((answer) => answer.kind !== "done" || answer.effect !== "renewed"))
        throw new Error("Cannot measure renewals: one was refused");
    }
  };
  turn(); // heats, and brings the stamps
  const fromMs = performance.now();
  turn();
  return ((performance.now() - fromMs) * MS_IN_S) / rows;
}

function rowOf(engine: Engine, number: number): Row {
  const id = playerId(number + 1);
  const hash = engine.hash(id);
  const ids = { id0: id[0], id1: id[1], id2: id[2], id3: id[3] };
  const about = { region: 0, mode: "", seq: NO_SEQ, untilMs: 2000, isBulk: true, entitlements: NO_ENTITLEMENTS };
  const rest = {
    isRetold: false,
    isPlay: false,
    isPlaceAsked: false,
    stamp: { term: 3, count: number },
    rulesVersion: 0,
  };
  return { operation: "renew", hash, partition: engine.partitionOf(hash), ...ids, ...about, ...rest };
}

function batchesOf(rows: readonly Row[]): Row[][] {
  const batches: Row[][] = [];
  for (let at = 0; at < rows.length; at += ROWS_A_BATCH) batches.push(rows.slice(at, at + ROWS_A_BATCH));
  return batches;
}

function bytesARow(count: number): number {
  const engine = new Engine(
    { partitions: 256, hashKey: new Uint8Array(8), sessionMs: 1000, removalMs: 1000, graceMs: 0, isLogged: false },
    0,
  );
  return (
    encodeBatch(
      1,
      Array.from({ length: count }, (_, number) => rowOf(engine, number)),
      0,
    ).length / count
  );
}

function answerBytesARow(count: number): number {
  const renewed: Done = { kind: "done", effect: "renewed", isRemembered: true, place: undefined };
  return (
    encodeAnswers(
      1,
      Array.from({ length: count }, () => renewed),
    ).length / count
  );
}
