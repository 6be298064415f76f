/** What is told of sessions: goals, table, and a million of them on paper. */
import type { SessionRound, SessionsResult } from "../results.ts";
import { spreadOf } from "../support/spread.ts";
import { atLeast, atMost, count, type Goal } from "./goal.ts";
import { heading, number, percentText, spreadText, table } from "./text.ts";

/** A cluster on paper, with the sessions that a node may have. */
const [SESSIONS, NODES, LIFE_S, SLOTS] = [1_000_000, 50, 90, 10];
const US_IN_S = 1_000_000;

export function sessionGoals({ idleSessions, bytes, underWay, oneByOne, several }: SessionsResult): Goal[] {
  return [
    ...atMost("sessions", `KiB of resident memory of one of ${count(idleSessions)} idle sessions`, 15, kib(bytes), 1),
    ...atLeast("sessions", "durable reports a second of one core, one at a time", 30_000, perCore(oneByOne), 0),
    ...atLeast("sessions", `the same, ${underWay} under way`, 60_000, perCore(several), 0),
  ];
}

export function sessionsText(sessions: SessionsResult): string[] {
  const { idleSessions, bytes, connections, underWay, oneByOne, several, renewedUs, bytesOfRow } = sessions;
  const row = (what: string, rounds: readonly SessionRound[]): string[] => [
    what,
    spreadText(spreadOf(rounds.map(({ perSecond }) => perSecond)), 0),
    spreadText(spreadOf(rounds.map(({ cpuUs }) => cpuUs)), 1),
    spreadText(spreadOf(perCore(rounds)), 0),
    percentText(rounds.map(({ loadBusy }) => loadBusy)),
  ];
  const perSecond = (SESSIONS * 3) / LIFE_S;
  const us = spreadOf(renewedUs).median;
  const batches = (NODES * SLOTS * 3) / LIFE_S;
  return [
    heading("Sessions", sessions),
    `One of ${count(idleSessions)} idle sessions, with its player, takes ${spreadText(spreadOf(kib(bytes)), 1)} KiB of resident memory. Durable reports over ${connections} sessions, each remembered before it is answered:`,
    table(
      ["", "reports a second", "CPU of one, µs", "a second of one core", "load's core busy"],
      [row("one at a time", oneByOne), row(`${underWay} under way`, several)],
    ),
    `Renewing costs entry and owner together ${spreadText(spreadOf(renewedUs), 2)} µs a row, in batches of 40, without network and event loop; it takes ${number(bytesOfRow.there, 0)} bytes there and ${number(bytesOfRow.back, 0)} back. ` +
      `A million sessions at ${NODES} nodes are ${count(Math.round(perSecond))} rows a second in all, ${number((perSecond * us) / US_IN_S, 2)} of a core, and ${number(batches, 0)} batches a second from each node ` +
      `(some 40 µs each, both sides, see node/README.md): ${number((NODES * batches * 40) / US_IN_S, 2)} of a core more, together ${number(((perSecond * us + NODES * batches * 40) / US_IN_S / NODES) * 100, 1)} % of a core at each node.`,
  ];
}

/** Of a core that does nothing else. */
function perCore(rounds: readonly SessionRound[]): number[] {
  return rounds.map(({ cpuUs }) => US_IN_S / cpuUs);
}

function kib(bytes: readonly number[]): number[] {
  return bytes.map((each) => each / 1024);
}
