/** Part 6: what a player takes of the memory of a whole node, which is started as `npm start` starts it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { MemoryResult } from "./results.ts";
import type { MemorySettings, Settings } from "./settings.ts";
import { playersOf } from "./snapshots.ts";
import { fillByBatches } from "./support/fill.ts";
import { LONG_SESSION, type Revision, startHeadcount, TODAY } from "./support/headcount.ts";
import { residentBytesOf } from "./support/usage.ts";

type Case = MemoryResult["cases"][number];
type Looks = Pick<Case, "emptyBytes" | "fullBytes">;

export async function measureMemory(
  { rounds, memory }: Settings,
  revisions: readonly Revision[] = [TODAY],
): Promise<Omit<MemoryResult, "date" | "isQuick">> {
  const cases: Case[] = [];
  for (const { durability, players } of memory.cases)
    for (const { name, looks } of await lookInTurns(revisions, rounds, { ...memory, durability, players }))
      cases.push({ name: `${name} ${durability}`, players, ...looks });
  return { cases };
}

type OneCase = MemorySettings["cases"][number] & Pick<MemorySettings, "quietSeconds">;

async function lookInTurns(
  revisions: readonly Revision[],
  rounds: number,
  one: OneCase,
): Promise<{ readonly name: string; readonly looks: Looks }[]> {
  const found = revisions.map((revision) => ({ revision, emptyBytes: [] as number[], fullBytes: [] as number[] }));
  for (let round = 0; round < rounds; round++)
    for (const { revision, emptyBytes, fullBytes } of found) {
      const [empty, full] = await look(revision, one);
      emptyBytes.push(empty);
      fullBytes.push(full);
    }
  return found.map(({ revision, ...looks }) => ({ name: revision.name, looks }));
}

/** A fresh process each time: one that had players before keeps pages that the next would not have to ask for. */
async function look(
  revision: Revision,
  { durability, players, quietSeconds }: OneCase,
): Promise<readonly [empty: number, full: number]> {
  const server = await startHeadcount({ durability, revision, env: LONG_SESSION });
  await sleep(quietSeconds * 1000);
  const empty = residentBytesOf(server.pid);
  await fillByBatches(server, players);
  await sleep(quietSeconds * 1000);
  const full = residentBytesOf(server.pid);
  const counted = await playersOf(server);
  await server.stop("SIGKILL");
  if (counted !== players) throw new Error(`Cannot tell a player's memory: ${counted} of ${players} are connected`);
  return [empty, full];
}
