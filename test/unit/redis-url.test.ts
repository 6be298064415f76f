import { expect, test } from "vitest";
import { parseRedisUrl, redactRedisUrl } from "../../node/redis/redis-url.ts";

const nobody = { username: undefined, password: undefined, isEncrypted: false };

test.each([
  ["redis://localhost", { ...nobody, kind: "standalone", address: { host: "localhost", port: 6379 }, database: 0 }],
  [
    "redis://10.0.0.7:7000/3",
    { ...nobody, kind: "standalone", address: { host: "10.0.0.7", port: 7000 }, database: 3 },
  ],
  ["redis://[::1]:7000", { ...nobody, kind: "standalone", address: { host: "::1", port: 7000 }, database: 0 }],
  [
    "rediss://ann:p%40ss:w@redis.example",
    {
      username: "ann",
      password: "p@ss:w",
      isEncrypted: true,
      kind: "standalone",
      address: { host: "redis.example", port: 6379 },
      database: 0,
    },
  ],
  [
    "redis://:secret@a:1,b:2,redis://c",
    {
      ...nobody,
      password: "secret",
      kind: "cluster",
      addresses: [
        { host: "a", port: 1 },
        { host: "b", port: 2 },
        { host: "c", port: 6379 },
      ],
    },
  ],
  [
    "redis+sentinel://secret@a,b:2/my-master.1",
    {
      ...nobody,
      password: "secret",
      kind: "sentinel",
      sentinels: [
        { host: "a", port: 26379 },
        { host: "b", port: 2 },
      ],
      master: "my-master.1",
    },
  ],
  [
    "rediss+sentinel://ann:secret@a/m",
    {
      username: "ann",
      password: "secret",
      isEncrypted: true,
      kind: "sentinel",
      sentinels: [{ host: "a", port: 26379 }],
      master: "m",
    },
  ],
  [
    "redis://ann:@a",
    { ...nobody, username: "ann", kind: "standalone", address: { host: "a", port: 6379 }, database: 0 },
  ],
  [
    "redis://:is?it@a",
    { ...nobody, password: "is?it", kind: "standalone", address: { host: "a", port: 6379 }, database: 0 },
  ],
])("parseRedisUrl(%j)", (url, expected) => {
  expect(parseRedisUrl(url)).toEqual(expected);
});

test.each([
  ["http://a", "none of the forms"],
  ["localhost:6379", "does not begin with redis://"],
  ["redis://", "none of the forms"],
  ["redis://a:70000", "a port must be 1 to 65535"],
  ["redis://a:0", "a port must be 1 to 65535"],
  ["redis://a b", "an address must be host:port"],
  ["redis://a,rediss://b", "all must be of one scheme"],
  ["redis://:hush@a,redis://:other@b", "all must have one password"],
  ["redis://:hush@a/1,b", "Redis Cluster has no databases"],
  ["redis://:hu%sh@a", "must be written as %25"],
  ["redis://a?password=hush", "it must not have a query"],
  ["redis://a:1/2?password=hush&username=ann", "it must not have a query"],
  ["redis://a?password=hush@hush", "it must not have a query"],
  ["redis://a,redis://b?password=hush", "it must not have a query"],
  ["redis+sentinel://a/m?sentinelPassword=hush", "it must not have a query"],
  ["redis://a#hush", "it must not have a query"],
  ["redis+sentinel://a:26379", "Sentinel needs its addresses and the master's name"],
  ["redis+sentinel://hush@a:26379/", "Sentinel needs its addresses and the master's name"],
])("parseRedisUrl(%j) says what is wrong, and no secret", (url, reason) => {
  expect(() => parseRedisUrl(url)).toThrow(reason);
  expect(() => parseRedisUrl(url)).not.toThrow("hu");
});

test.each([
  ["redis://ann:secret@a:1,b", "redis://***@a:1,b"],
  ["redis://:s@a,redis://:s@b", "redis://***@b"],
  ["redis+sentinel://secret@a,b/m", "redis+sentinel://***@a,b/m"],
  ["redis://a:1", "redis://a:1"],
  ["redis://a:1/2?password=secret", "redis://a:1/2?***"],
  ["redis://ann:secret@a:1?password=secret#secret", "redis://***@a:1?***"],
  ["redis://a?password=se@cret", "redis://***"],
  ["redis://ann:se?cret@a", "redis://***"],
  ["redis://ann%3Asecret%40a", "redis://***@a"],
  ["a?password=secret", "a?***"],
  ["ann:secret@a", "***@a"],
  ["redis://ann:se@cret,with/all@a", "redis://***@a"],
])("redactRedisUrl(%j)", (url, redacted) => {
  expect(redactRedisUrl(url)).toBe(redacted);
});
