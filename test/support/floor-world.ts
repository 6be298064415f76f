/**
 * A world for the attacker of the privacy floor: nodes in this process with their real public listeners, over counts that a
 * script sets, in virtual time. All that a client is told comes back as the bytes it got.
 *
 * The process' clocks are virtual too, so a world belongs in a worker of its own (`floor-worker.ts`).
 */
import { once } from "node:events";
import { connect } from "node:net";
import { pino } from "pino";
import { NO_RULES } from "../../cluster/ports/rules.ts";
import { Presences } from "../../cluster/records/presences.ts";
import { checksum } from "../../engine/checksum.ts";
import { Engine } from "../../engine/engine.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { regionOf } from "../../engine/places.ts";
import { type Access, openAccess } from "../../node/access/access.ts";
import { TextInMemory } from "../../node/alone/text-file.ts";
import { EntryAlone } from "../../node/alone/entry-alone.ts";
import { EntryCluster } from "../../node/clustered/entry-cluster.ts";
import { Controls } from "../../node/controls/controls.ts";
import { keep, NOTHING_DECIDED } from "../../node/controls/decisions.ts";
import type { Entry } from "../../node/entry.ts";
import { makeApp } from "../../node/http/app.ts";
import type { Context } from "../../node/http/http.ts";
import { listenWidely } from "../../node/http/listening.ts";
import { FollowedRules } from "../../node/rules/followed-rules.ts";
import { Limits } from "../../node/limits/limits.ts";
import { Metrics } from "../../node/metrics.ts";
import { Pace } from "../../node/pace.ts";
import { portOf } from "../../node/place.ts";
import type { Service } from "../../node/service.ts";
import { readSettings, type Settings } from "../../node/settings.ts";
import { Usage } from "../../node/usage/usage.ts";
import { KEY_BYTES, playerId } from "../../simulator/players.ts";
import { CountsCluster, type CountsNode, PARTITIONS, WALL_MS } from "./counts-cluster.ts";
import { TOKEN_SETTINGS_GIVEN } from "./signed-tokens.ts";

export const FLOOR = 5;
const [HOST, MINUTE_MS, TICK_MS] = ["127.0.0.1", 60_000, 20];
const NAMES = ["one", "two", "three"] as const;

const ENGINE = {
  partitions: PARTITIONS,
  hashKey: KEY_BYTES,
  sessionMs: 1e9,
  removalMs: 0,
  graceMs: 0,
  isLogged: false,
};

export interface Players {
  /** Makes it so many in a mode. */
  put(region: string, mode: string, players: number): void;
  /** One of them goes to another mode. */
  move(from: readonly [region: string, mode: string], to: readonly [region: string, mode: string]): void;
}

export interface World extends Players, AsyncDisposable {
  /** How many there are to ask. */
  readonly nodes: number;
  pass(ms: number): Promise<void>;
  /** Sets the wall clock forward to so long before the next whole minute. */
  skipToMinute(beforeMs: number): void;
  /** The bytes of the answer, but for the date. @param node counted from 0 */
  ask(node: number, request: string): Promise<string>;
  /** What was written to the sorted sets so far. */
  sets(): readonly unknown[];
  /** The node that owns a region ends, the others take its part. */
  crashOwner(region: string): Promise<void>;
}

let wallMs = WALL_MS;
let monotonicMs = 0;

/** To be called once in a process. */
export function makeClocksVirtual(): void {
  Date.now = () => wallMs;
  performance.now = () => monotonicMs;
  process.uptime = () => monotonicMs / 1000;
}

/** Who is where, by numbers of players; the last that came to a mode leaves it first. */
abstract class Crowd implements Players {
  private readonly there = new Map<string, number[]>();
  private readonly joined = new Map<string, number>();
  protected abstract report(player: number, region: number, mode: string): void;
  protected abstract leave(player: number): void;

  put(region: string, mode: string, players: number): void {
    const there = this.in(region, mode);
    while (there.length > players) this.leave(there.pop() as number);
    while (there.length < players) {
      const player = this.newcomer(`${region} ${mode}`);
      there.push(player);
      this.report(player, regionOf(region), mode);
    }
  }

  move([region, mode]: readonly [string, string], to: readonly [region: string, mode: string]): void {
    const player = this.in(region, mode).pop();
    if (player === undefined) throw new Error(`nobody is in ${mode} in ${region}`);
    this.in(...to).push(player);
    this.report(player, regionOf(to[0]), to[1]);
  }

  /** The first who joins a mode is the same in every world, whatever happens in other modes; so is the second. */
  private newcomer(key: string): number {
    const joined = (this.joined.get(key) ?? 0) + 1;
    this.joined.set(key, joined);
    return (checksum(Buffer.from(`${key}....`)) % 100_000) * 10_000 + joined;
  }

  private in(region: string, mode: string): number[] {
    const key = `${region} ${mode}`;
    const there = this.there.get(key) ?? [];
    this.there.set(key, there);
    return there;
  }
}

export class WorldAlone extends Crowd implements World {
  readonly nodes = 1;
  private readonly engine = new Engine(ENGINE, 0);
  private readonly entry = new EntryAlone(new Presences(this.engine, undefined), 1, FLOOR);
  private listeners: Listener[] = [];

  static async open(quarantined: readonly string[] = [], _delayMs = 0): Promise<World> {
    resetClocks();
    const world = new WorldAlone();
    world.listeners = [await listen(world.entry, 0, quarantined)];
    return world;
  }

  async pass(ms: number): Promise<void> {
    for (const untilMs = monotonicMs + ms; monotonicMs < untilMs;) {
      advance(Math.min(TICK_MS, untilMs - monotonicMs));
      this.engine.catchUpBoards(1e9);
      this.entry.tick(wallMs);
    }
  }

  skipToMinute(beforeMs: number): void {
    wallMs += untilMinute(beforeMs);
  }

  async ask(node: number, request: string): Promise<string> {
    return bytesOf(this.listeners[node] as Listener, request);
  }

  sets(): readonly unknown[] {
    return [];
  }

  async crashOwner(): Promise<void> {
    throw new Error("a node that is alone has no successor");
  }

  protected report(player: number, region: number, mode: string): void {
    const { engine } = this;
    const id = playerId(player);
    engine.report(engine.hash(id), id, region, engine.admitMode(mode), NO_SEQ);
  }

  protected leave(player: number): void {
    const id = playerId(player);
    this.engine.remove(this.engine.hash(id), id, NO_SEQ);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.listeners) await listener.close();
  }
}

export class WorldOfCluster extends Crowd implements World {
  readonly nodes = NAMES.length;
  private readonly cluster = new CountsCluster(1);
  private readonly listeners: Listener[] = [];
  private readonly started: CountsNode[] = [];
  private readonly up = new Set<string>(NAMES);

  /** @param delayMs of every message, each way: chance must not differ between worlds */
  static async open(quarantined: readonly string[] = [], delayMs = 2): Promise<World> {
    resetClocks();
    const world = new WorldOfCluster();
    const { cluster } = world;
    cluster.floor = FLOOR;
    cluster.network.delayMinMs = cluster.network.delayMaxMs = delayMs;
    cluster.list(NAMES);
    for (let partition = 0; partition < PARTITIONS; partition++)
      cluster.take(NAMES[partition % NAMES.length] as string, partition);
    for (const [number, name] of NAMES.entries()) {
      const node = cluster.node(name);
      world.started.push(node);
      world.listeners.push(await listen(world.entryOf(node), number, quarantined));
    }
    await world.pass(500);
    return world;
  }

  async pass(ms: number): Promise<void> {
    const { cluster } = this;
    for (const untilMs = cluster.nowMs + ms; cluster.nowMs < untilMs;) {
      const stepMs = Math.min(TICK_MS, untilMs - cluster.nowMs);
      advance(stepMs);
      await cluster.pass(stepMs);
    }
  }

  skipToMinute(beforeMs: number): void {
    const ahead = untilMinute(beforeMs);
    wallMs += ahead;
    this.cluster.wallAheadMs += ahead;
  }

  async ask(node: number, request: string): Promise<string> {
    return bytesOf(this.listeners[node] as Listener, request);
  }

  sets(): readonly unknown[] {
    return this.started.flatMap(({ sets }) => sets);
  }

  async crashOwner(region: string): Promise<void> {
    const { cluster, up } = this;
    const owner = cluster.ownerOf(regionOf(region));
    cluster.crash(owner);
    up.delete(owner);
    const left = [...up];
    cluster.list(left);
    for (let partition = 0; partition < PARTITIONS; partition++)
      if (!left.includes(NAMES[partition % NAMES.length] as string))
        cluster.take(left[partition % left.length] as string, partition);
  }

  protected report(player: number, region: number, mode: string): void {
    this.cluster.report(player, { region, mode });
  }

  protected leave(player: number): void {
    this.cluster.leave(player);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.listeners) await listener.close();
  }

  private entryOf({ counts }: CountsNode): Entry {
    const { cluster } = this;
    return new EntryCluster(
      {
        nowMs: () => cluster.nowMs,
        regionView: (region) => counts.regionView(region),
        publishedView: (region) => counts.publishedView(region),
        // A question to the owner takes time, which a world lets pass only between two requests.
        askOwner: (place, settle) => settle(counts.regionView(place)),
        askSubdivision: (place, settle) => settle(counts.regionView(place)),
        askInside: (_country, settle) => settle(undefined),
        submit: (_request, settle) => settle({ kind: "done", effect: "nowhere", isRemembered: true, place: undefined }),
      },
      FLOOR,
    );
  }
}

function resetClocks(): void {
  wallMs = WALL_MS;
  monotonicMs = 0;
}

function advance(ms: number): void {
  wallMs += ms;
  monotonicMs += ms;
}

function untilMinute(beforeMs: number): number {
  return (2 * MINUTE_MS - beforeMs - (wallMs % MINUTE_MS)) % MINUTE_MS;
}

interface Listener {
  readonly port: number;
  readonly paths: readonly string[];
  close(): Promise<void>;
}

let shared: { readonly settings: Settings; readonly access: Access } | undefined;

/** Tokens are verified in a thread: one for all worlds. */
async function sharedAccess(): Promise<{ readonly settings: Settings; readonly access: Access }> {
  if (shared !== undefined) return shared;
  const settings = readSettings({ ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_MIN_PLAYERS: String(FLOOR) });
  if (settings.tokens === undefined) throw new Error("the settings ask for tokens");
  const metrics = new Metrics(serviceOver(undefined, 0, settings));
  return (shared = { settings, access: await openAccess(settings.tokens, false, pino({ level: "silent" }), metrics) });
}

async function listen(entry: Entry, number: number, quarantined: readonly string[]): Promise<Listener> {
  const { settings, access } = await sharedAccess();
  const log = pino({ level: "silent" });
  const service = serviceOver(entry, number, settings);
  const quarantine = quarantined.map((mode) => ({ mode, since: "2027-01-01T00:00:00.000Z" }));
  await service.texts.controls.write("", keep({ ...NOTHING_DECIDED, quarantine }));
  const [controls, metrics] = [new Controls(service.texts.controls, log), new Metrics(service)];
  controls.start();
  const rules = new FollowedRules(undefined, log);
  rules.follow(service.texts.catalogue, () => service.id);
  await Promise.all([controls.known, rules.known]);
  const usage = new Usage(metrics);
  const more = { access, limits: new Limits(settings.limits), controls, rules, usage, cors: undefined };
  const context: Context = { service, metrics, log, version: "0.0.0", ...more };
  const { app, connections } = await makeApp(context, true);
  await listenWidely(app, { host: HOST, port: 0 });
  return {
    port: portOf(app.server),
    paths: pathsOf(app.swagger()),
    close: async () => {
      connections.drain();
      await app.close();
      controls.stop();
      rules.stop();
      usage.close();
    },
  };
}

function serviceOver(entry: Entry | undefined, number: number, settings: Settings): Service {
  return {
    settings,
    id: `node-${number}`,
    incarnation: `00000000-0000-4000-8000-00000000000${number}`,
    pace: new Pace(settings.sessionMs),
    texts: { controls: new TextInMemory(), catalogue: new TextInMemory() },
    rules: NO_RULES,
    storeQueue: 0,
    status: { kind: "ready" },
    degradedReason: undefined,
    entry,
    epoch: 1,
    failure: new Promise<Error>(() => undefined),
    members: () => [],
    registerMetrics: () => undefined,
    start: async () => undefined,
    drain: async () => undefined,
    stop: async () => true,
  };
}

/** The paths of all GETs that a public listener with a privacy floor describes. */
export async function publicPaths(): Promise<readonly string[]> {
  const listener = await listen(new EntryAlone(new Presences(new Engine(ENGINE, 0), undefined), 1, FLOOR), 0, []);
  await listener.close();
  return listener.paths;
}

function pathsOf(description: object): string[] {
  const { paths } = description as { readonly paths: Readonly<Record<string, object>> };
  return Object.keys(paths).filter((path) => Object.hasOwn(paths[path] as object, "get"));
}

async function bytesOf({ port }: Listener, request: string): Promise<string> {
  const socket = connect({ port, host: HOST, noDelay: true, allowHalfOpen: true });
  let bytes = "";
  socket.on("data", (more: Buffer) => (bytes += more.toString("latin1")));
  socket.end(request, "latin1");
  await once(socket, "close");
  return bytes
    .replace(/^Date: [^\r]+/im, "Date: …")
    .replace(/^retry: \d+$/im, "retry: …")
    .replaceAll(/^:\n/gm, "") // a stream's beat goes by the time of this machine
    .replace(/"renewInMs":\d{5}/, "…")
    .replace(/^renew-in-ms: \d{5}/im, "…");
}

export async function closeShared(): Promise<void> {
  await shared?.access.close();
}
