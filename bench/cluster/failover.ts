/** Goal 2: how long clients wait, retries included, while a node is killed, joins, or drains. */
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { end, LOAD_CORE, spawnOn } from "../support/children.ts";
import { fillByBatches } from "../support/fill.ts";
import type { ClientsFigures, ClientsOptions, Command } from "./clients-child.ts";
import { Cluster, type RunningNode } from "./nodes.ts";
import type { EventName, EventWaits, FailoverResult } from "./results.ts";
import type { FailoverSettings } from "./settings.ts";
import { LONG_SESSION } from "./systems.ts";

/** As a cluster has it without being told. */
const LEASE_MS = 3_000;
const NODE_COUNT = 3;
/** Nothing is left of the last event where nobody waited longer than this for some seconds. */
const CALM_MS = 300;
const CALM_SECONDS = 2;
const CALM_WITHIN_MS = 60_000;
const EVENTS: readonly EventName[] = ["nothing", "kill -9", "join", "drain", "rolling restart"];
const CLIENTS = fileURLToPath(new URL("clients-child.ts", import.meta.url));

export async function measureFailover(settings: FailoverSettings): Promise<FailoverResult> {
  const { players, requestsPerSecond, rounds, settleSeconds, seconds } = settings;
  const cluster = await Cluster.start(NODE_COUNT, LONG_SESSION);
  await fillByBatches({ url: cluster.urls[0] as string }, players);
  const clients = startClients({ players, requestsPerSecond });
  const waits = new Map<EventName, ClientsFigures[]>(EVENTS.map((name) => [name, []]));
  const watch = async (name: EventName, happen: () => Promise<void>): Promise<void> => {
    await untilCalm(clients);
    await happen();
    await pause(seconds * 1000);
    waits.get(name)?.push(await clients.figures());
  };
  clients.show(cluster.urls);
  await pause(settleSeconds * 1000);
  for (let round = 0; round < rounds; round++) {
    await watch("nothing", async () => undefined);
    await watch("kill -9", () => (cluster.nodes[round % NODE_COUNT] as RunningNode).stop("SIGKILL"));
    clients.show(cluster.urls);
    const join = async (): Promise<void> => {
      await cluster.add();
      clients.show(cluster.urls);
    };
    await watch("join", join);
    await watch("drain", () => (cluster.nodes[round % NODE_COUNT] as RunningNode).stop("SIGTERM"));
    clients.show(cluster.urls);
    await watch("join", join);
    await watch("rolling restart", async () => {
      for (const node of cluster.nodes.slice()) {
        await node.stop("SIGTERM");
        clients.show(cluster.urls);
        await join();
      }
    });
  }
  await clients.stop();
  await cluster.stop();
  const events = EVENTS.map((name) => waitsOf(name, waits.get(name) ?? []));
  return { players, requestsPerSecond, leaseMs: LEASE_MS, events };
}

/** What the last event left behind is not the next one's: nodes that have just started work it off. */
async function untilCalm(clients: Clients): Promise<void> {
  const limitMs = performance.now() + CALM_WITHIN_MS;
  for (let calmSeconds = 0; calmSeconds < CALM_SECONDS;) {
    await clients.figures();
    await pause(1000);
    const { longestMs, waitingMs } = await clients.figures();
    calmSeconds = Math.max(longestMs, waitingMs) < CALM_MS ? calmSeconds + 1 : 0;
    if (performance.now() > limitMs)
      throw new Error(`Clients still wait for more than ${CALM_MS} ms with nothing going on`);
  }
}

function waitsOf(name: EventName, figures: readonly ClientsFigures[]): EventWaits {
  return {
    name,
    // Who still waits has waited that long already.
    longestMs: figures.map(({ longestMs, waitingMs }) => Math.max(longestMs, waitingMs)),
    p99Ms: figures.map(({ p99Ms }) => p99Ms),
    requests: figures.map(({ requests }) => requests),
    refused: figures.map(({ refused }) => refused),
    counted: figures.map(({ counted }) => counted),
  };
}

interface Clients {
  /** Tells which nodes there are. */
  show(urls: readonly string[]): void;
  figures(): Promise<ClientsFigures>;
  stop(): Promise<void>;
}

function startClients(options: ClientsOptions): Clients {
  const child = spawnOn(LOAD_CORE, [process.execPath, CLIENTS, JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const say = (command: Command): void => void child.send(command);
  return {
    show: (urls) => say({ urls }),
    async figures() {
      const answered = once(child, "message");
      say("figures");
      const [figures] = (await answered) as [ClientsFigures];
      return figures;
    },
    stop: () => end(child),
  };
}
