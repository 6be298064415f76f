/** Goal 2: how long clients wait, retries included, while a node is killed, joins, or drains. */
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { end, LOAD_CORE, spawnOn } from "../support/children.ts";
import { fillByBatches } from "../support/fill.ts";
import type { ClientsFigures, ClientsOptions, Command } from "./clients-child.ts";
import { Cluster, type RunningNode } from "./nodes.ts";
import type { EventName, EventWaits, FailoverResult } from "./results.ts";
import { CALM_MS, type FailoverSettings } from "./settings.ts";
import { LONG_SESSION } from "./systems.ts";

/** As a cluster has it without being told. */
const LEASE_MS = 3_000;
const NODE_COUNT = 3;
/** An event is over where nobody waited longer than this lately; one that never ends is told as it is then. */
const OVER_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 250;
const EVENTS: readonly EventName[] = ["nothing", "kill -9", "join", "drain", "rolling restart"];
const CLIENTS = fileURLToPath(new URL("clients-child.ts", import.meta.url));

export async function measureFailover(settings: FailoverSettings): Promise<FailoverResult> {
  const { players, requestsPerSecond, rounds, settleSeconds, seconds } = settings;
  const cluster = await Cluster.start(NODE_COUNT, LONG_SESSION);
  await fillByBatches({ url: cluster.urls[0] as string }, players);
  const clients = startClients({ players, requestsPerSecond });
  const waits = new Map<EventName, ClientsFigures[]>(EVENTS.map((name) => [name, []]));
  const watch = async (name: EventName, happen: () => Promise<void>): Promise<void> => {
    await clients.figures();
    await happen();
    await pause(seconds * 1000);
    await untilCalm(clients);
    waits.get(name)?.push(await clients.figures());
  };
  clients.show(cluster.urls);
  for (let round = 0; round < rounds; round++) {
    await pause(settleSeconds * 1000);
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

/** What an event leaves behind is its own, not the next one's: nodes that have just started work it off. */
async function untilCalm(clients: Clients): Promise<void> {
  const limitMs = performance.now() + OVER_WITHIN_MS;
  while ((await clients.longestWaitLately()) > CALM_MS && performance.now() < limitMs) await pause(LOOK_EVERY_MS);
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
  /** In milliseconds. */
  longestWaitLately(): Promise<number>;
  stop(): Promise<void>;
}

function startClients(options: ClientsOptions): Clients {
  const child = spawnOn(LOAD_CORE, [process.execPath, CLIENTS, JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const say = (command: Command): void => void child.send(command);
  const ask = async <Answer>(command: Command): Promise<Answer> => {
    const answered = once(child, "message");
    say(command);
    return ((await answered) as [Answer])[0];
  };
  return {
    show: (urls) => say({ urls }),
    figures: () => ask<ClientsFigures>("figures"),
    longestWaitLately: () => ask<number>("longest wait lately"),
    stop: () => end(child),
  };
}
