/** Connects players before a measurement, as fast as the contestant takes them. */
import { connectLua } from "../contestants/redis-lua.ts";
import { batchBody } from "./reports.ts";
import type { Server } from "./servers.ts";
import { placeOf, randomOf, uuidOf } from "./traffic.ts";

const BATCH = 1_000;
const AT_ONCE = 4;
/** A cluster that is filled as fast as it goes may be too busy for some rows. */
const TRIES_MAX = 20;

/** Players 0 … players - 1 through `POST /v1/reports`. @param headers more of them, such as a token */
export async function fillByBatches(
  server: Pick<Server, "url">,
  players: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const random = randomOf(2);
  let next = 0;
  const fillOn = async (): Promise<void> => {
    while (next < players) {
      const first = next;
      next = Math.min(first + BATCH, players);
      await postBatch(server.url, batchBody(first, next, random), headers);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, fillOn));
}

/** The same players straight into the Redis of a contestant. */
export async function fillRedis(server: Pick<Server, "redisSocketPath">, players: number): Promise<void> {
  if (server.redisSocketPath === undefined) throw new Error("Cannot fill Redis: this contestant has none");
  const redis = connectLua(server.redisSocketPath);
  const random = randomOf(2);
  for (let first = 0; first < players; first += BATCH) {
    const pipeline = redis.pipeline();
    for (let player = first; player < Math.min(first + BATCH, players); player++) {
      const { region, mode } = placeOf(random());
      pipeline.report(`profile:${uuidOf(player)}`, region, mode);
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  }
  redis.disconnect();
}

interface Answer {
  readonly rejected: readonly { readonly index: number; readonly code: string; readonly message: string }[];
}

/** @param body of a request; reports that are answered 503 are sent again */
async function postBatch(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  tries = 1,
): Promise<void> {
  const answer = await fetch(`${url}/v1/reports`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
  const text = await answer.text();
  const rejected = answer.ok ? (JSON.parse(text) as Answer).rejected : [];
  if (!answer.ok || tries === TRIES_MAX || rejected.some(({ code }) => code !== "503"))
    throw new Error(`Cannot connect players: POST /v1/reports answered ${answer.status} ${text.slice(0, 200)}`);
  if (rejected.length === 0) return;
  const { reports } = JSON.parse(body) as { readonly reports: readonly unknown[] };
  await postBatch(url, JSON.stringify({ reports: rejected.map(({ index }) => reports[index]) }), headers, tries + 1);
}
