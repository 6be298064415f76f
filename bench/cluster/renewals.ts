/**
 * What renewals cost Redis as a cluster grows (R14: each member renews every third of a licence), by Redis' own count of the
 * time its commands took.
 */
import type { Member } from "../../cluster/ports/view.ts";
import { RedisStore } from "../../node/redis/redis-store.ts";
import { startRedis, type RedisServer } from "../../test/support/redis-server.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import { KEY } from "../../test/support/bound-store.ts";
import { memberNumber } from "../../test/support/members.ts";
import type { RenewalCost, RenewalsResult } from "./results.ts";
import type { RenewalsSettings } from "./settings.ts";

const LEASE_MS = 3000;
const LICENCE_MS = 400;
const EVERY_MS = LICENCE_MS / 3;
const MARK = markOf(KEY.hashKey);
/** Renewals in a round. */
const A_ROUND = 1000;
/** What a member of 4,096 partitions names at 100 members, and more at fewer: the longest that is stored. */
const HELD = Array.from({ length: 64 }, (_, partition) => `${partition}:12345`).join(",");

export async function measureRenewals({ members, rounds }: RenewalsSettings): Promise<RenewalsResult> {
  const sizes: RenewalCost[] = [];
  for (const count of members) sizes.push(await costAt(count, rounds));
  return { everyMs: EVERY_MS, sizes };
}

/** Of one core, where all members renew; a figure a round. */
export function shareOf({ members, scriptUs, runUs }: RenewalCost, everyMs: number): number[] {
  return scriptUs.map((us, round) => ((us + (runUs[round] ?? 0)) * members) / everyMs / 1000);
}

async function costAt(members: number, rounds: number): Promise<RenewalCost> {
  await using redis = await startRedis();
  let nowMs = 1_000_000;
  const store = RedisStore.connect({
    url: redis.url,
    cluster: "bench",
    timeoutMs: 20_000,
    clockMs: () => Math.floor(nowMs),
  });
  try {
    await store.check();
    const names = Array.from({ length: members }, (_, number) => memberNumber(number));
    let sent = 0;
    const renew = async (number: number, known: object, rest: object = {}) => {
      const named = { accused: [], closed: [], closedStill: [], called: [], held: undefined };
      const about = {
        freshNonce: "n",
        licenceMs: LICENCE_MS,
        number: ++sent,
        isJoining: false,
        ...named,
        ...known,
        ...rest,
      };
      return store.renew(
        { member: names[number] as Member, mark: MARK, epoch: 0, nonce: "", revision: 0, ...about },
        LEASE_MS,
      );
    };
    const first = await renew(0, {}, { isJoining: true, held: HELD });
    const view = { epoch: 9, nonce: "bench", members: names, expelled: [] };
    await store.restore(first.run, view, KEY, "bench", LEASE_MS);
    for (const number of names.keys()) await renew(number, { epoch: 9, nonce: "bench" }, { held: HELD });
    const last = await renew(0, { epoch: 9, nonce: "bench" });
    const revision = last.kind === "renewed" ? (last.list?.revision ?? 0) : 0;
    const [scriptUs, runUs]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      await redis.ask((direct) => direct.config("RESETSTAT"));
      for (let count = 0; count < A_ROUND; count++) {
        nowMs += EVERY_MS / members;
        const answer = await renew(count % members, { epoch: 9, nonce: "bench", revision });
        if (answer.kind !== "renewed" || answer.list !== undefined) throw new Error("A renewal was not the usual one");
      }
      const [script, info] = [await costOf(redis, "evalsha"), await costOf(redis, "info")];
      scriptUs.push(script.us / A_ROUND);
      // The script asks too, which is part of its time.
      runUs.push(((info.us / info.calls) * (info.calls - script.calls)) / A_ROUND);
    }
    return { members, scriptUs, runUs };
  } finally {
    await store.close();
  }
}

async function costOf(redis: RedisServer, command: string): Promise<{ readonly calls: number; readonly us: number }> {
  const stats = await redis.ask((direct) => direct.info("commandstats"));
  const found = new RegExp(`^cmdstat_${command}:calls=(?<calls>\\d+),usec=(?<us>\\d+)`, "m").exec(stats);
  return { calls: Number(found?.groups?.["calls"] ?? NaN), us: Number(found?.groups?.["us"] ?? NaN) };
}
