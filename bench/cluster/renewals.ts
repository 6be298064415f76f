/**
 * What renewals cost Redis as a cluster grows (R14: each member renews every third of a licence), by Redis' own count of the
 * time its commands took: `node bench/cluster/renewals.ts [members …]`.
 */
import type { Member } from "../../cluster/ports/view.ts";
import { RedisStore } from "../../node/redis/redis-store.ts";
import { startRedis, type RedisServer } from "../../test/support/redis-server.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import { KEY } from "../../test/support/bound-store.ts";
import { memberNumber } from "../../test/support/members.ts";

export interface RenewalCost {
  readonly members: number;
  /** Of one renewal: the script, and asking which run of Redis it is (R15). */
  readonly scriptUs: number;
  readonly runUs: number;
  /** Of one core, where all renew every third of the shortest licence. */
  readonly share: number;
}

const LEASE_MS = 3000;
const LICENCE_MS = 400;
const EVERY_MS = LICENCE_MS / 3;
const MARK = markOf(KEY.hashKey);
/** Renewals in a round. */
const A_ROUND = 1000;
const ROUNDS = 20;
/** What a member of 4,096 partitions names at 100 members, and more at fewer: the longest that is stored. */
const HELD = Array.from({ length: 64 }, (_, partition) => `${partition}:12345`).join(",");

/** The cheapest of some rounds: what else the machine does makes a round dearer, never cheaper. */
export async function measureRenewals(members: number, rounds: number): Promise<RenewalCost> {
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
    const renew = async (number: number, known: object, rest: object = {}) => {
      const named = { accused: [], closed: [], closedStill: [], called: [], held: undefined };
      const about = { freshNonce: "n", licenceMs: LICENCE_MS, isJoining: false, ...named, ...known, ...rest };
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
    const costs: (readonly [scriptUs: number, runUs: number])[] = [];
    for (let round = 0; round < rounds; round++) {
      await redis.ask((direct) => direct.config("RESETSTAT"));
      for (let count = 0; count < A_ROUND; count++) {
        nowMs += EVERY_MS / members;
        const answer = await renew(count % members, { epoch: 9, nonce: "bench", revision });
        if (answer.kind !== "renewed" || answer.list !== undefined) throw new Error("A renewal was not the usual one");
      }
      costs.push([await costOf(redis, "evalsha"), await costOf(redis, "info")]);
    }
    const scriptUs = Math.min(...costs.map(([script]) => script));
    const runUs = Math.min(...costs.map(([, run]) => run));
    return { members, scriptUs, runUs, share: ((scriptUs + runUs) * members) / EVERY_MS / 1000 };
  } finally {
    await store.close();
  }
}

/** Microseconds a call. */
async function costOf(redis: RedisServer, command: string): Promise<number> {
  const stats = await redis.ask((direct) => direct.info("commandstats"));
  const found = new RegExp(`^cmdstat_${command}:.*usec_per_call=(?<us>[\\d.]+)`, "m").exec(stats);
  return Number(found?.groups?.["us"] ?? NaN);
}

if (import.meta.main) {
  const asked = process.argv.slice(2).map(Number);
  for (const members of asked.length > 0 ? asked : [3, 100, 1000]) {
    const { scriptUs, runUs, share } = await measureRenewals(members, ROUNDS);
    console.log(
      `${members} members: script ${scriptUs.toFixed(1)} µs + run ${runUs.toFixed(1)} µs a renewal; ` +
        `every ${EVERY_MS.toFixed(0)} ms: ${(100 * share).toFixed(2)} % of a core`,
    );
  }
}
