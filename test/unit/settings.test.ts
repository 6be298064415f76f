/** Settings of a cluster's node; those of a node alone are proven from outside, in `test/e2e/api-settings.test.ts`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

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
    "redis://host?password=hunter2",
    "redis://host:6379/0?username=ann&password=hunter2",
    "redis://host?password=hunter2@hunter2",
    "redis+sentinel://host/m?password=hunter2",
    "rediss://host#hunter2",
    "redis://user%3Ahunter2%40host",
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

describe("readSettings() of the login at Redis", () => {
  const SENTINEL = { HEADCOUNT_REDIS_URL: "redis+sentinel://a/m" };

  test("takes user and passwords beside the URL", () => {
    const login = {
      HEADCOUNT_REDIS_USERNAME: "ann",
      HEADCOUNT_REDIS_PASSWORD: "p: ?@ß",
      HEADCOUNT_REDIS_SENTINEL_PASSWORD: "s",
    };
    expect(readSettings({ ...SENTINEL, ...login })).toMatchObject({
      redisUsername: "ann",
      redisPassword: "p: ?@ß",
      redisSentinelPassword: "s",
    });
  });

  test("takes what both say alike, and what one says of the user and the other of the password", () => {
    const url = { HEADCOUNT_REDIS_URL: "redis://ann:hunter2@a" };
    const both = { HEADCOUNT_REDIS_USERNAME: "ann", HEADCOUNT_REDIS_PASSWORD: "hunter2" };
    expect(readSettings({ ...url, ...both }).redisPassword).toBe("hunter2");
    const split = { HEADCOUNT_REDIS_URL: "redis://ann:@a", HEADCOUNT_REDIS_PASSWORD: "hunter2" };
    expect(readSettings(split).redisPassword).toBe("hunter2");
  });

  test.each([
    ["HEADCOUNT_REDIS_USERNAME", "bea"],
    ["HEADCOUNT_REDIS_PASSWORD", "hunter3"],
  ])("refuses a %s that differs from the URL's, and shows neither", (name, value) => {
    const message = messageOf({ HEADCOUNT_REDIS_URL: "redis://ann:hunter2@a", [name]: value });
    expect(message).toMatch(new RegExp(`^${name} must not be set where HEADCOUNT_REDIS_URL carries another`));
    expect(message).not.toMatch(/hunter|bea|ann/);
  });

  test("refuses Sentinel's password where there is no Sentinel", () => {
    const message = messageOf({ ...REDIS, HEADCOUNT_REDIS_SENTINEL_PASSWORD: "hunter2" });
    expect(message).toBe(
      "HEADCOUNT_REDIS_SENTINEL_PASSWORD must not be set where HEADCOUNT_REDIS_URL names no Sentinel",
    );
  });

  test.each(["HEADCOUNT_REDIS_USERNAME", "HEADCOUNT_REDIS_PASSWORD", "HEADCOUNT_REDIS_SENTINEL_PASSWORD"])(
    "refuses %s to a node alone",
    (name) => {
      expect(messageOf({ [name]: "hunter2" })).toBe(
        `${name} must not be set without HEADCOUNT_REDIS_URL: a node alone keeps nothing in Redis`,
      );
    },
  );

  test.each(["HEADCOUNT_REDIS_PASSWORD", "HEADCOUNT_REDIS_SENTINEL_PASSWORD"])("never shows a bad %s", (name) => {
    expect(messageOf({ ...SENTINEL, [name]: "hunter2\n" })).toBe(
      `${name} must be 1 to 1024 characters, got 8 characters`,
    );
    expect(messageOf({ ...SENTINEL, [name]: "" })).toContain(name);
  });

  test("says what is wrong with a URL", () => {
    expect(messageOf({ HEADCOUNT_REDIS_URL: "redis://a?password=hunter2" })).toMatch(
      /got "redis:\/\/a\?\*\*\*": it must not have a query: user and password go before the host/,
    );
  });
});

describe("readSettings() of a secret in a file", () => {
  function fileWith(content: string): string {
    const folder = mkdtempSync(join(tmpdir(), "headcount-secret-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "secret"), content);
    return join(folder, "secret");
  }

  test.each([
    ["HEADCOUNT_PEER_SECRET", "peerSecret", SECRET],
    ["HEADCOUNT_REDIS_PASSWORD", "redisPassword", " with spaces "],
    ["HEADCOUNT_REDIS_SENTINEL_PASSWORD", "redisSentinelPassword", "s"],
  ] as const)("takes %s_FILE, without the newline at its end", (name, key, value) => {
    const url = { HEADCOUNT_REDIS_URL: "redis+sentinel://a/m" };
    for (const end of ["", "\n", "\r\n"])
      expect(readSettings({ ...url, [`${name}_FILE`]: fileWith(`${value}${end}`) })[key]).toBe(value);
  });

  test("takes the URL from one, since it may carry a password", () => {
    const path = fileWith("redis://:hunter2@a\n");
    expect(readSettings({ HEADCOUNT_REDIS_URL_FILE: path }).redisUrl).toBe("redis://:hunter2@a");
  });

  test.each([
    ["missing", "/nowhere/at/all", "ENOENT"],
    ["a folder", tmpdir(), "EISDIR"],
    ["without an end", "/dev/zero", "longer than 16384 bytes"],
  ])("refuses a file that is %s", (_what, path, reason) => {
    expect(messageOf({ ...REDIS, HEADCOUNT_PEER_SECRET_FILE: path })).toBe(
      `HEADCOUNT_PEER_SECRET_FILE must name a file with the secret, got "${path}" (${reason})`,
    );
  });

  test.each(["", "\n"])("refuses an empty one, %j", (content) => {
    const message = messageOf({ ...REDIS, HEADCOUNT_REDIS_PASSWORD_FILE: fileWith(content) });
    expect(message).toMatch(/^HEADCOUNT_REDIS_PASSWORD_FILE must name a file with the secret, .* \(empty\)$/);
  });

  test("refuses a bad secret in one, and does not show it", () => {
    const message = messageOf({ ...REDIS, HEADCOUNT_PEER_SECRET_FILE: fileWith("two hunter2\n") });
    expect(message).toMatch(/^HEADCOUNT_PEER_SECRET must be .*, got 11 characters$/);
  });

  test("refuses both ways at once", () => {
    const both = { HEADCOUNT_PEER_SECRET: SECRET, HEADCOUNT_PEER_SECRET_FILE: fileWith(SECRET) };
    const message = messageOf({ ...REDIS, ...both });
    expect(message).toBe("HEADCOUNT_PEER_SECRET_FILE must not be set where HEADCOUNT_PEER_SECRET is set");
  });

  test("knows no files for what is no secret", () => {
    expect(messageOf({ HEADCOUNT_PORT_FILE: "x" })).toContain("HEADCOUNT_PORT_FILE");
  });
});

describe("readSettings() beside Kubernetes' services", () => {
  test.each([
    ["HEADCOUNT_SERVICE_HOST", "10.0.0.1"],
    ["HEADCOUNT_SERVICE_PORT", "8080"],
    ["HEADCOUNT_SERVICE_PORT_HTTP", "8080"],
    ["HEADCOUNT_PEERS_SERVICE_HOST", "10.0.0.1"],
    ["HEADCOUNT_PEERS_SERVICE_PORT_FRAMES", "8081"],
    ["HEADCOUNT_PEERS_PORT", "tcp://10.0.0.1:8081"],
    ["HEADCOUNT_PEERS_PORT_8081_TCP", "tcp://10.0.0.1:8081"],
    ["HEADCOUNT_PEERS_PORT_8081_TCP_PROTO", "tcp"],
    ["HEADCOUNT_PEERS_PORT_8081_TCP_PORT", "8081"],
    ["HEADCOUNT_PEERS_PORT_8081_TCP_ADDR", "10.0.0.1"],
    ["HEADCOUNT_DNS_PORT_53_UDP_ADDR", "10.0.0.1"],
    ["HEADCOUNT_PORT", "tcp://10.0.0.1:8080"],
    ["HEADCOUNT_PORT_8080_TCP_ADDR", "10.0.0.1"],
    ["HEADCOUNT_PEER_PORT", "tcp://10.0.0.1:8081"],
  ])("leaves %s=%s alone", (name, value) => {
    expect(readSettings({ ...REDIS, [name]: value })).toEqual(readSettings(REDIS));
    expect(readSettings({ [name]: value })).toEqual(readSettings({}));
  });

  test.each([
    ["HEADCOUNT_SERVICE", "x"],
    ["HEADCOUNT_PEERS_PORT", "8081"],
    ["HEADCOUNT_PORT_8080", "x"],
    ["HEADCOUNT_PORT", "http://10.0.0.1:8080"],
  ])("refuses %s=%s as before", (name, value) => {
    expect(messageOf({ [name]: value })).toContain(name);
  });
});

test("helpText() lists every setting of a cluster's node", () => {
  for (const name of ["REDIS_URL", "PEER_HOST", "PEER_PORT", "PEER_URL", "PEER_SECRET", "WEIGHT", "ID"])
    expect(helpText()).toContain(`HEADCOUNT_${name} `);
  for (const name of ["REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD"])
    expect(helpText()).toContain(`HEADCOUNT_${name} `);
  expect(helpText()).toContain("HEADCOUNT_PEER_SECRET_FILE");
});
