/** Settings of a cluster's node; those of a node alone are proven from outside, in `test/e2e/api-settings.test.ts`. */
import { describe, expect, test } from "vitest";

import { helpText, readSettings, SettingError } from "../../node/settings.ts";

const REDIS = { HEADCOUNT_REDIS_URL: "redis://127.0.0.1:6379" };
const SECRET = "0123456789abcdef";

function messageOf(environment: Record<string, string>): string {
  try {
    readSettings(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingError);
    return (error as SettingError).message;
  }
  throw new Error("The settings were taken");
}

describe("readSettings() of a cluster's node", () => {
  test("takes a Redis, and has standards for the rest", () => {
    expect(readSettings(REDIS)).toMatchObject({
      redisUrl: REDIS.HEADCOUNT_REDIS_URL,
      peerHost: "127.0.0.1",
      peerPort: 0,
      peerUrl: undefined,
      peerSecret: undefined,
      weight: 1,
      id: undefined,
    });
  });

  test.each([
    "redis://localhost",
    "redis://:pass@10.0.0.1:6379/2",
    "rediss://user:p%40ss@redis.example.com:6380",
    "redis://[::1]:6379",
    "redis://one:7000,redis://two:7001,redis://three:7002",
    "redis://:pass@one:7000,two:7001",
    "redis+sentinel://one:26379,two:26379,three:26379/headcount",
    "redis+sentinel://:pass@one:26379/my-master.1",
  ])("takes HEADCOUNT_REDIS_URL=%s", (url) => {
    expect(readSettings({ HEADCOUNT_REDIS_URL: url }).redisUrl).toBe(url);
  });

  test.each([
    "",
    "localhost:6379",
    "http://localhost",
    "redis://",
    "redis://a b",
    "redis+sentinel://one:26379",
    "redis://one,",
    "redis://host:port",
  ])("refuses HEADCOUNT_REDIS_URL=%j", (url) => {
    expect(messageOf({ HEADCOUNT_REDIS_URL: url })).toMatch(/^HEADCOUNT_REDIS_URL must be redis:\/\/.*, got "/);
  });

  test.each([
    "redis://user:hunter2@host:port",
    "redis://user:hunter2@one:1,redis://user:hunter2@two:x",
    "redis://:hunter2@x@host:1",
    "//:hunter2@\n@host",
    "user:hunter2@host",
    "redis://user:hunter2,hunter2@host",
  ])("never shows a password, %j", (url) => {
    const message = messageOf({ HEADCOUNT_REDIS_URL: url });
    expect(message).not.toContain("hunter2");
    expect(message).toContain("***");
  });

  test.each([
    ["HEADCOUNT_PEER_HOST", "not a host", /host name/],
    ["HEADCOUNT_PEER_PORT", "65536", /65535/],
    ["HEADCOUNT_PEER_URL", "host:1", /http:\/\/host:port/],
    ["HEADCOUNT_PEER_URL", "http://host:1/path", /http:\/\/host:port/],
    ["HEADCOUNT_PEER_URL", "http://host:70000", /http:\/\/host:port/],
    ["HEADCOUNT_PEER_URL", "http://10.0.0.256:1", /http:\/\/host:port/],
    ["HEADCOUNT_WEIGHT", "0", /1 to 100/],
    ["HEADCOUNT_WEIGHT", "101", /1 to 100/],
    ["HEADCOUNT_ID", "a name", /1 to 64/],
    ["HEADCOUNT_ID", "a".repeat(65), /1 to 64/],
  ])("refuses %s=%j", (name, value, expected) => {
    const message = messageOf({ ...REDIS, [name]: value });
    expect(message).toContain(`${name} must be`);
    expect(message).toMatch(expected);
  });

  test("requires a secret of 16 characters beyond loopback, and never shows it", () => {
    const beyond = { ...REDIS, HEADCOUNT_PEER_HOST: "0.0.0.0" };
    expect(messageOf(beyond)).toMatch(/^HEADCOUNT_PEER_SECRET must be 16 .* where HEADCOUNT_PEER_HOST is "0.0.0.0"/);
    const short = messageOf({ ...beyond, HEADCOUNT_PEER_SECRET: "hunter2" });
    expect(short).toContain("HEADCOUNT_PEER_SECRET");
    expect(short).not.toContain("hunter2");
    expect(messageOf({ ...beyond, HEADCOUNT_PEER_SECRET: "hunter2 hunter2 hunter2" })).not.toContain("hunter2");
    expect(readSettings({ ...beyond, HEADCOUNT_PEER_SECRET: SECRET }).peerSecret).toBe(SECRET);
  });

  test.each(["127.0.0.1", "127.9.9.9", "localhost", "::1"])("requires none on %s", (host) => {
    expect(readSettings({ ...REDIS, HEADCOUNT_PEER_HOST: host }).peerSecret).toBeUndefined();
  });

  test.each(["::", "::2", "10.0.0.1", "127.0.0.1.example.com", "128.0.0.1"])("requires one on %s", (host) => {
    expect(messageOf({ ...REDIS, HEADCOUNT_PEER_HOST: host })).toContain("HEADCOUNT_PEER_SECRET");
  });
});

describe("readSettings() of a node alone", () => {
  test.each([
    ["HEADCOUNT_PEER_HOST", "127.0.0.1"],
    ["HEADCOUNT_PEER_PORT", "1"],
    ["HEADCOUNT_PEER_URL", "http://host:1"],
    ["HEADCOUNT_PEER_SECRET", SECRET],
    ["HEADCOUNT_WEIGHT", "2"],
  ])("refuses %s, which is for a cluster", (name, value) => {
    const message = messageOf({ [name]: value });
    expect(message).toBe(`${name} must not be set without HEADCOUNT_REDIS_URL: a node alone has no peers`);
  });

  test("takes a name", () => {
    expect(readSettings({ HEADCOUNT_ID: "node-1.eu_west:a" })).toMatchObject({
      id: "node-1.eu_west:a",
      redisUrl: undefined,
    });
  });
});

test("helpText() lists every setting of a cluster's node", () => {
  for (const name of ["REDIS_URL", "PEER_HOST", "PEER_PORT", "PEER_URL", "PEER_SECRET", "WEIGHT", "ID"])
    expect(helpText()).toContain(`HEADCOUNT_${name} `);
});
