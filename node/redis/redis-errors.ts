/** What goes wrong with Redis, in plain words. */
import { StoreFullError, StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { OtherKeyError, OtherRunError } from "../../cluster/ports/shared-store.ts";
import { reasonOf } from "../reason.ts";
import { commandNamedIn, type Script } from "./scripts.ts";

/** This Redis may not be used, now or later, until somebody changes how it is set up. */
export class UnfitRedisError extends Error {
  override readonly name = "UnfitRedisError";
}

/** Said by whoever is no master. */
const REPLICA = /^(READONLY|MASTERDOWN)\b/;
/** The client's way to say that there is no connection, and not why. */
const DISCONNECTED = /isn't writeable|isn't ready|is closed|slots cache|startup nodes/;
/** It names a setting of the client, which is none of ours. */
const RETRIED = /max retries per request/;
export const NO_MASTER = "a part of the Redis Cluster has no master";

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^LOADING\b/, "Redis is still loading its data"],
  [REPLICA, "this Redis is a replica just now"],
  [/^NOREPLICAS\b/, "Redis has too few replicas (min-replicas-to-write)"],
  [/^MISCONF\b/, "Redis cannot save to its disk"],
  [/^BUSY\b/, "Redis is busy with a script"],
  [/sentinels? .*\b(NOAUTH|WRONGPASS)\b/, "Sentinel does not accept the password (HEADCOUNT_REDIS_SENTINEL_PASSWORD)"],
  [/sentinels? .*\bNOPERM\b/, "Sentinel lacks a right for its user (deploy/README.md has all that it needs)"],
  [/^(NOAUTH|WRONGPASS)\b/, "Redis does not accept the user or the password"],
  [
    /\bNOPERM\b|ACL failure in script|^ERR The user executing the script can't/,
    "Redis' user lacks a right (deploy/README.md has all that it needs)",
  ],
  [/altnames/, "the certificate of Redis names another host than it is reached by"],
  [
    /certificate|self.signed/,
    "the certificate of Redis is not trusted here (NODE_EXTRA_CA_CERTS names more authorities)",
  ],
  [
    /SSL routines|wrong version number|TLS connection was established/,
    "Redis does not speak TLS there (rediss:// is with TLS, redis:// without)",
  ],
  [/WRONGTYPE/, "something that no node wrote lies under one of its keys"],
  [/^CLUSTERDOWN\b/, NO_MASTER],
  [/cluster support disabled/, "it is no Redis Cluster: name one address alone"],
  [/Command timed out|Socket timeout/, "Redis has not answered in time"],
  [/All sentinels are unreachable/, "no Sentinel can be reached"],
  [RETRIED, "the connection to Redis broke"],
  [DISCONNECTED, "Redis cannot be reached"],
  [/ECONN|EHOST|ENET|ENOTFOUND|EPIPE|ETIMEDOUT/, "Redis cannot be reached"],
];

/** By this answer whoever gave it is no master: what we want is somewhere else by now. */
export function isOfReplica(message: string): boolean {
  return REPLICA.test(message);
}

export interface About {
  /** The last error of the connection: why it is not there. */
  readonly connectionError: Error | undefined;
  /** What was called. */
  readonly script?: Script | undefined;
}

/** @param action what could not be done, for the message */
export function unavailable(action: string, error: unknown, { connectionError, script }: About): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error;
  const message = rootOf(error, connectionError);
  if (message.startsWith("RUN ")) return new OtherRunError(`Cannot ${action}: Redis restarted or failed over`);
  if (message.startsWith("KEY ")) return new OtherKeyError(`Cannot ${action}: the cluster has another key`);
  if (message.startsWith("OOM ")) {
    const told = `Cannot ${action}: Redis is full (maxmemory)`;
    return new StoreFullError(`${told}: ${message}`, told);
  }
  const reason = REASONS.find(([pattern]) => pattern.test(message))?.[1];
  if (reason !== undefined && (isDisconnection(message) || RETRIED.test(message)))
    return new StoreUnavailableError(`Cannot ${action}: ${reason}`);
  const command = script === undefined ? undefined : commandNamedIn(script, message);
  const ofCommand = command === undefined ? "" : ` (the command '${command}')`;
  const said = `${reason === undefined ? "" : `${reason}: `}${message}${ofCommand}`;
  const told = `${reason ?? "Redis refuses it, and the log says why"}${ofCommand}`;
  return new StoreUnavailableError(`Cannot ${action}: ${said}`, `Cannot ${action}: ${told}`);
}

/** Whether it says only that there is no connection, and not why. */
export function isDisconnection(message: string): boolean {
  return DISCONNECTED.test(message);
}

function rootOf(error: unknown, connectionError: Error | undefined): string {
  const message = reasonOf(error);
  return connectionError !== undefined && isDisconnection(message) ? connectionError.message : message;
}
