/**
 * `node bench/herd.ts [clients]`: a node with so many clients dies. How many connects a second do the others see, and how long is
 * everybody away? The client's own code, in virtual time, against the contract in memory: nothing here depends on this machine.
 */
import { Headcount } from "../client/index.ts";
import { SeededRandom } from "../simulator/seeded-random.ts";
import { FakeService } from "../test/support/fake-service.ts";

const URLS = ["http://a.test", "http://b.test", "http://c.test"];
const START_MS = 60_000;
const AFTER_MS = 120_000;
const CLIENTS = 20_000;

export interface Herd {
  readonly name: string;
  /** Most connects and requests within a second at the two nodes that live, together. */
  readonly peak: number;
  /** Seconds after the death until half of all, and all, have a session again. */
  readonly halfBackS: number;
  readonly allBackS: number;
  /** Connects and requests of a client until then, on average. */
  readonly callsEach: number;
  /** Players whom the service took out meanwhile. */
  readonly lost: number;
}

export interface HerdOptions {
  readonly clients: number;
  /** False: everybody waits for the whole bound instead of a chance part of it. */
  readonly hasJitter: boolean;
  /** Upgrades that each node takes in a second; it refuses what comes beyond. */
  readonly upgradesMax?: number;
}

export async function stampede(
  name: string,
  { clients, hasJitter, upgradesMax = Infinity }: HerdOptions,
): Promise<Herd> {
  const random = new SeededRandom(1);
  const service = new FakeService(random);
  const { clock, world } = service;
  let isDead = false;
  let deadMs = 0;
  const taken = new Map<string, number>();
  const hasRoom = (url: string): boolean => {
    const second = `${new URL(url).host} ${Math.floor(clock.nowMs / 1_000)}`;
    const count = (taken.get(second) ?? 0) + 1;
    taken.set(second, count);
    return count <= upgradesMax;
  };
  service.fault = (url) => (isDead && url.startsWith(URLS[0]!) ? "refused" : undefined);
  service.socketFault = (url) => {
    const isThere = !(isDead && new URL(url).host === "a.test");
    return isThere && (!isDead || hasRoom(url)) ? undefined : "no upgrade";
  };
  const players = Array.from(
    { length: clients },
    (_, index) => `00000000-0000-4000-8000-${`${index}`.padStart(12, "0")}`,
  );
  const chance = { ...world, ...(!hasJitter && { random: () => (isDead ? 1 - Number.EPSILON : random.fraction()) }) };
  const all = players.map((profileId) => new Headcount({ url: URLS, profileId, world: chance }));
  for (const each of all) clock.after(random.fraction() * START_MS, () => void each.play("CA", "GM01"));
  await clock.run(START_MS + 5_000);

  const [socketsBefore, callsBefore] = [service.sockets.length, service.calls.length];
  isDead = true;
  deadMs = clock.nowMs;
  for (const socket of service.sockets.slice(0, socketsBefore)) socket.end(1006);
  const lost = new Set<string>();
  let halfBackS = Infinity;
  let allBackS = Infinity;
  for (let ms = 0; ms < AFTER_MS && allBackS === Infinity; ms += 100) {
    await clock.run(100);
    const back = all.filter((each) => each.hasSession()).length;
    if (back >= clients / 2) halfBackS = Math.min(halfBackS, (clock.nowMs - deadMs) / 1_000);
    if (back === clients) allBackS = (clock.nowMs - deadMs) / 1_000;
    for (const player of players) if (service.placeOf(player) === undefined) lost.add(player);
  }
  const instants = [
    ...service.sockets.slice(socketsBefore).map(({ url, openedAtMs }) => [url, openedAtMs] as const),
    ...service.calls.slice(callsBefore).map(({ url, atMs }) => [url, atMs] as const),
  ];
  const atOthers = instants.filter(([url]) => new URL(url).host !== "a.test").map(([, atMs]) => atMs);
  for (const each of all) each.close();
  return {
    name,
    peak: mostWithinASecond(atOthers),
    halfBackS,
    allBackS,
    callsEach: instants.length / clients,
    lost: lost.size,
  };
}

function mostWithinASecond(instants: readonly number[]): number {
  const sorted = instants.toSorted((one, other) => one - other);
  let [first, most] = [0, 0];
  for (const [last, atMs] of sorted.entries()) {
    while (atMs - sorted[first]! >= 1_000) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

if (import.meta.main) {
  const clients = Number(process.argv[2] ?? CLIENTS);
  const variants: readonly (readonly [string, Omit<HerdOptions, "clients">])[] = [
    ["the client's backoff", { hasJitter: true }],
    ["without jitter", { hasJitter: false }],
    ["the client's backoff, each node takes 1,000 upgrades a second", { hasJitter: true, upgradesMax: 1_000 }],
    ["without jitter, each node takes 1,000 upgrades a second", { hasJitter: false, upgradesMax: 1_000 }],
  ];
  for (const [name, options] of variants) console.log(JSON.stringify(await stampede(name, { clients, ...options })));
}
