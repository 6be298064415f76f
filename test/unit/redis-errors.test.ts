/** What an operator reads when Redis fails: the reason in plain words, and nothing of the client's own settings. */
import { expect, test } from "vitest";

import { toldOf } from "../../cluster/ports/record-store.ts";
import { unavailable } from "../../node/redis/redis-errors.ts";

/** What ioredis says of itself. No such setting is ours, so no reader can change it. */
const CLIENTS_WORDS = [
  ["Stream isn't writeable and enableOfflineQueue options is false", "Redis cannot be reached"],
  ["Cluster isn't ready and enableOfflineQueue options is false", "Redis cannot be reached"],
  ["Connection is closed.", "Redis cannot be reached"],
  ["Failed to refresh slots cache.", "Redis cannot be reached"],
  [
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    "the connection to Redis broke",
  ],
] as const;

test.each(CLIENTS_WORDS)("unavailable() gives the reason instead of the client's words: %s", (said, reason) => {
  const error = unavailable("append", new Error(said), { connectionError: undefined });
  expect(error.message).toBe(`Cannot append: ${reason}`);
});

test("unavailable() says why there is no connection, where that is known", () => {
  const [error, connectionError] = [new Error(CLIENTS_WORDS[0][0]), new Error("connect ECONNREFUSED 127.0.0.1:6379")];
  expect(unavailable("append", error, { connectionError }).message).toBe(
    "Cannot append: Redis cannot be reached: connect ECONNREFUSED 127.0.0.1:6379",
  );
});

test.each([
  ["connect ECONNREFUSED 10.0.0.1:6379", "Cannot append: Redis cannot be reached"],
  ["getaddrinfo ENOTFOUND redis.internal", "Cannot append: Redis cannot be reached"],
  [
    "NOREPLICAS Not enough good replicas to write.",
    "Cannot append: Redis has too few replicas (min-replicas-to-write)",
  ],
  ["OOM command not allowed when used memory > 'maxmemory'.", "Cannot append: Redis is full (maxmemory)"],
  [
    "WRONGTYPE Operation against a key holding the wrong kind of value script: 1234, on @user_script:5.",
    "Cannot append: something that no node wrote lies under one of its keys",
  ],
  ["WRONGPASS invalid username-password pair", "Cannot append: Redis does not accept the user or the password"],
  ["ERR at 10.0.0.1:6379: something new", "Cannot append: Redis refuses it, and the log says why"],
])("unavailable() tells nobody addresses and what Redis said: %s", (said, told) => {
  const error = unavailable("append", new Error(said), { connectionError: undefined });
  expect(toldOf(error)).toBe(told);
  expect(error.message).toContain(said);
});

test("toldOf() tells nothing of what is no fault of the store's", () => {
  expect(toldOf(new Error("/secret/path"))).toBe("the store fails: the log says how");
});

test("unavailable() keeps what Redis said", () => {
  const error = new Error("NOREPLICAS Not enough good replicas to write.");
  expect(unavailable("append", error, { connectionError: undefined }).message).toBe(
    "Cannot append: Redis has too few replicas (min-replicas-to-write): NOREPLICAS Not enough good replicas to write.",
  );
});
