/**
 * A cluster with players who come, go and are counted while a test does something to it, shared by the tests of a file.
 * Whatever a test did, it ends with every acknowledgement kept; the file ends with nodes that stop with exit code 0.
 */
import { afterAll, beforeAll, expect } from "vitest";

import { Acknowledgements, CLIENTS, type Player } from "./acknowledgements.ts";
import { ClusterClient, type Measurements } from "./cluster-client.ts";
import { type ClusterProcesses, type RedisSetUp, startCluster } from "./cluster-processes.ts";
import type { NodeProcess } from "./node-process.ts";
import type { RedisServer } from "./redis-server.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { errorsLogged } from "./shared-node.ts";
import { until } from "./until.ts";

const PLAYERS = 400;
/** Acknowledgements before and after what a test does. */
const QUIET = 150;

export interface Scene<SetUp extends RedisSetUp = RedisServer> {
  readonly cluster: ClusterProcesses<SetUp>;
  readonly client: ClusterClient;
  readonly acknowledgements: Acknowledgements;
  readonly random: SeededRandom;
  /** Does it while clients are at work for all players but these, then holds the cluster to its word. */
  underLoad(deed: () => Promise<void>, options?: LoadOptions): Promise<Measurements>;
  /** So many more acknowledgements. */
  untilAcknowledged(count?: number): Promise<void>;
}

export interface LoadOptions {
  /** Players whom the load leaves alone. */
  readonly except?: readonly Player[];
  readonly clients?: number;
}

export interface SceneOptions<SetUp extends RedisSetUp> {
  readonly start: () => Promise<ClusterProcesses<SetUp>>;
  /** Lines of the log at level error that belong to what the file does. */
  readonly expectedErrors?: RegExp;
}

/** Call it at the top of a test file; its fields can be read inside tests. */
export function shareScene(options?: Partial<SceneOptions<RedisServer>>): Scene;
export function shareScene<SetUp extends RedisSetUp>(options: SceneOptions<SetUp>): Scene<SetUp>;
export function shareScene({
  start = startCluster,
  expectedErrors,
}: Partial<SceneOptions<RedisSetUp>> = {}): Scene<RedisSetUp> {
  const random = SeededRandom.fromEnvironment();
  const scope = new AsyncDisposableStack();
  let started:
    | { cluster: ClusterProcesses<RedisSetUp>; client: ClusterClient; acknowledgements: Acknowledgements }
    | undefined;

  beforeAll(async () => {
    const cluster = scope.use(await start());
    const client = scope.use(new ClusterClient(() => cluster.urls, { deadlineMs: cluster.deadlineMs, random }));
    started = { cluster, client, acknowledgements: new Acknowledgements(client, random, PLAYERS) };
    await started.acknowledgements.connectAll();
  });

  afterAll(async () => {
    await using _ = scope;
    if (started === undefined) return;
    const { cluster } = started;
    await client().stopLooking();
    const nodes = cluster.ids.map((id) => cluster.node(id));
    expect(await Promise.all(nodes.map((node) => node.stop())), logs(nodes)).toEqual(nodes.map(() => 0));
    const errors = nodes.flatMap(errorsLogged).filter((line) => expectedErrors?.test(line) !== true);
    expect(errors).toEqual([]);
  });

  const scene = () => {
    if (started === undefined) throw new Error("Cannot use the scene outside of a test");
    return started;
  };
  const client = () => scene().client;
  const untilAcknowledged = async (count = QUIET): Promise<void> => {
    const { acknowledgements, cluster } = scene();
    const before = acknowledgements.acknowledged;
    const look = () => acknowledgements.acknowledged >= before + count || acknowledgements.violations.length > 0;
    await until(`${count} more are acknowledged`, look, { limitMs: 30_000 }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${logs(cluster.ids.map((id) => cluster.node(id)))}`, { cause: error });
    });
  };
  return {
    get cluster() {
      return scene().cluster;
    },
    get client() {
      return scene().client;
    },
    get acknowledgements() {
      return scene().acknowledgements;
    },
    random,
    untilAcknowledged,
    async underLoad(deed, { except = [], clients = CLIENTS } = {}) {
      const { acknowledgements, cluster } = scene();
      await using load = acknowledgements.load({
        clients,
        of: acknowledgements.players.filter((each) => !except.includes(each)),
      });
      await untilAcknowledged();
      client().measureAnew();
      acknowledgements.judged = { authoritative: 0, plain: 0 };
      await deed();
      await untilAcknowledged();
      const { judged } = acknowledgements;
      const isJudged = () => (judged.authoritative > 0 && judged.plain > 0) || acknowledgements.violations.length > 0;
      await until("an answer of each kind, not marked, is judged", isJudged, { limitMs: 30_000 });
      await load.end();
      const measured = client().measureAnew();
      await acknowledgements.expectKept(cluster.urls);
      return measured;
    },
  };
}

function logs(nodes: readonly NodeProcess[]): string {
  return nodes.map(({ url, stderr }) => `${url}\n${stderr}`).join("\n");
}
