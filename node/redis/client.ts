/** Makes the client of ioredis for a URL: one server, the master that Sentinel names, or a Redis Cluster. */
import { Cluster, Redis, type RedisOptions } from "ioredis";
import { isOfReplica } from "./redis-errors.ts";
import type { RedisUrl } from "./redis-url.ts";
import { identityOf, tlsOptions } from "./tls.ts";

export interface ClientOptions {
  /** For `CLIENT LIST`. */
  readonly name: string;
  /** Longest wait for an answer. */
  readonly timeoutMs: number;
}

type CommonOptions = Omit<RedisOptions, "replyMapping">;

const RECONNECT_FIRST_MS = 50;
export const RECONNECT_LAST_MS = 500;
const SLOTS_REFRESH_MS = 1000;
const REDIRECTIONS_MAX = 4;
/** Redis' own name of the user who needs no name. Named, it is let in also where Redis asks for no password. */
const USER_BY_DEFAULT = "default";

export function openClient(url: RedisUrl, { name, timeoutMs }: ClientOptions): Redis | Cluster {
  const common: CommonOptions = {
    connectionName: name,
    ...loginOf(url),
    ...tlsOptions(url),
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1000),
    socketTimeout: 2 * timeoutMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // It would ask INFO, and print a line on standard error where the user may not. What it finds out, calls tell as well.
    enableReadyCheck: false,
  };
  return url.kind === "cluster" ? openCluster(url, common) : openRedis(url, common);
}

function openRedis(url: RedisUrl & { readonly kind: "standalone" | "sentinel" }, common: CommonOptions): Redis {
  const options: CommonOptions = { ...common, enableOfflineQueue: false, retryStrategy: reconnectDelayMs };
  if (url.kind === "standalone") return new Redis({ ...options, ...url.address, db: url.database });
  const sentinelPassword = url.sentinelPassword ?? url.password;
  return new Redis({
    ...options,
    sentinels: url.sentinels.map((address) => ({ ...address })),
    name: url.master,
    role: "master",
    sentinelRetryStrategy: reconnectDelayMs,
    sentinelCommandTimeout: common.commandTimeout,
    ...(sentinelPassword !== undefined && { sentinelUsername: USER_BY_DEFAULT, sentinelPassword }),
    ...(url.isEncrypted && { enableTLSForSentinelMode: true, sentinelTLS: identityOf(url) }),
  });
}

function openCluster(url: RedisUrl & { readonly kind: "cluster" }, common: CommonOptions): Cluster {
  const cluster = new Cluster(
    url.addresses.map((address) => ({ ...address })),
    {
      // A master that became a replica: its connection is made anew. The command is not sent again.
      redisOptions: { ...common, reconnectOnError: (error) => isOfReplica(error.message) },
      enableOfflineQueue: false,
      enableReadyCheck: false,
      clusterRetryStrategy: reconnectDelayMs,
      clusterNodeRetryStrategy: reconnectDelayMs,
      slotsRefreshInterval: SLOTS_REFRESH_MS,
      maxRedirections: REDIRECTIONS_MAX,
      // Nobody knows whether a command landed whose connection broke: it is not sent again.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      // The client would connect to the address behind the URL's name, and no certificate names that.
      ...(url.isEncrypted && { dnsLookup: (host, found) => found(null, host) }),
    },
  );
  // Without a queue, a connection that is only being made refuses every call but the first.
  cluster.on("+node", (node: Redis) => void node.connect().catch(() => {}));
  return cluster;
}

function loginOf({ username, password }: RedisUrl): CommonOptions {
  if (username === undefined && password === undefined) return {};
  return { username: username ?? USER_BY_DEFAULT, password: password ?? "" };
}

function reconnectDelayMs(times: number): number {
  return Math.min(RECONNECT_FIRST_MS * times, RECONNECT_LAST_MS);
}
