/** The keys of whoever signs tokens, from a web that fails and lies, and from a file that is written meanwhile. */
import { createSecretKey, generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calculateJwkThumbprint, type JWK } from "jose";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { KeySet, type KeySetPorts, SET_BYTES_MAX } from "../../node/access/key-set.ts";
import { SettingError } from "../../node/setting-error.ts";
import type { KeySource } from "../../node/token-settings.ts";

type Answer = (init: RequestInit) => Response | Promise<Response>;

const { publicKey: FIRST, privateKey } = generateKeyPairSync("ed25519");
const { publicKey: SECOND } = generateKeyPairSync("ed25519");
const textOf = (...keys: JWK[]): string => JSON.stringify({ keys });
const onAbort = (signal: AbortSignal | null | undefined, then: (why: Error) => void): void =>
  signal?.addEventListener("abort", () => then(signal.reason as Error));
const good: Answer = () => new Response(textOf(ONE));
const [ONE, TWO, PRIVATE] = [FIRST, SECOND, privateKey].map((key) => key.export({ format: "jwk" })) as [JWK, JWK, JWK];
const OCT: JWK = createSecretKey(Buffer.alloc(32, 7)).export({ format: "jwk" });
const [ID_ONE, ID_TWO] = [await calculateJwkThumbprint(ONE), await calculateJwkThumbprint(TWO)];
const CANNOT = "could not read the keys of tokens: tokens cannot be verified";
const AWAY = "connect ECONNREFUSED";
const FAULTS: readonly (readonly [string, Answer])[] = [
  ["cannot be reached", () => Promise.reject(new TypeError("fetch failed", { cause: new Error(AWAY) }))],
  ["answers 500", () => new Response(textOf(TWO), { status: 500 })],
  ["answers 404", () => new Response(null, { status: 404 })],
  ["answers 204", () => new Response(null, { status: 204 })],
  ["answers 206", () => new Response(textOf(TWO), { status: 206 })],
  ["redirects", ({ redirect }) => (redirect === "error" ? Promise.reject(new TypeError("redirect")) : good({}))],
  ["answers with HTML", () => new Response("<!doctype html><title>Log in</title>")],
  ["answers with nothing", () => new Response("")],
  ["answers with half a set", () => new Response(textOf(TWO).slice(0, 40))],
  ["answers without keys", () => new Response("{}")],
  ["answers with null", () => new Response("null")],
  ["answers with a list", () => new Response(JSON.stringify([TWO]))],
  ["answers with keys that are no list", () => new Response(JSON.stringify({ keys: TWO }))],
  ["answers with secrets only", () => new Response(textOf(OCT))],
  ["answers with private keys only", () => new Response(textOf(PRIVATE))],
  ["answers with 65,537 bytes", () => tooLong({ "content-length": String(SET_BYTES_MAX + 1) })],
  ["answers with 65,537 bytes, and does not say so", () => tooLong({})],
  ["breaks in the middle", () => new Response(bodyOf((body) => body.error(new Error("other side closed"))))],
];

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers().restoreAllMocks());

describe("KeySet of a URL", () => {
  test("takes the first set", async () => {
    const { keys } = await World.open(good);
    expect([keys.keys?.kind, keys.keys?.version, numbersIn(keys)]).toEqual(["set", 1, [ONE.x]]);
    expect([keys.key(ID_ONE)?.isRemoved, keys.key(ID_TWO)]).toEqual([false, undefined]);
    expect(keys.reads).toEqual({ changed: 1, unchanged: 0, failed: 0 });
  });
  test("is asked for without following redirects, and for five seconds at the most", async () => {
    const timeout = vi.spyOn(AbortSignal, "timeout");
    const { asked } = await World.open(good);
    expect(asked).toMatchObject([{ url: "https://login.example/keys", init: { redirect: "error" } }]);
    expect(timeout.mock.calls).toEqual([[5000]]);
    expect(asked[0]?.init.signal).toBe(timeout.mock.results[0]?.value);
  });
  test("keeps its version while the keys stay the same", async () => {
    const world = await World.open(good);
    const first = world.keys.keys;
    await world.readAgain(() => new Response(JSON.stringify({ keys: [OCT, { ...ONE, ext: true }], more: 1 }, null, 2)));
    expect(world.keys.keys).toBe(first);
    expect(world.keys.reads).toEqual({ changed: 1, unchanged: 1, failed: 0 });
  });
  test("has another version where the keys change, and says which were removed", async () => {
    const world = await World.open(() => new Response(textOf(ONE, TWO)));
    const { keys } = world;
    const [one, two] = [keys.key(ID_ONE), keys.key(ID_TWO)];
    await world.readAgain(() => new Response(textOf({ ...TWO, kid: "two" })));
    expect([keys.keys?.version, numbersIn(keys)]).toEqual([2, [TWO.x]]);
    expect([one, keys.key(ID_ONE)]).toEqual([{ isRemoved: true }, undefined]);
    expect(keys.key(ID_TWO)).toBe(two);
    expect(two).toEqual({ isRemoved: false });
  });
  test("takes a key that comes back for another", async () => {
    const world = await World.open(good);
    const first = world.keys.key(ID_ONE);
    await world.readAgain(() => new Response(textOf(TWO)));
    await world.readAgain(good);
    expect([first, world.keys.key(ID_ONE)]).toEqual([{ isRemoved: true }, { isRemoved: false }]);
    expect(world.keys.keys?.version).toBe(3);
  });
  test.each([
    ["the list is empty", textOf()],
    ["only one for encryption is left", textOf({ ...TWO, use: "enc" })],
  ])("takes all keys back where %s, but none at the start", async (_, text) => {
    const world = await World.open(good);
    const one = world.keys.key(ID_ONE);
    await world.readAgain(() => new Response(text));
    expect([numbersIn(world.keys), one?.isRemoved, world.keys.reads.failed]).toEqual([[], true, 0]);
    const { keys } = await World.open(() => new Response(text));
    expect([keys.keys, keys.reads.failed]).toEqual([undefined, 1]);
  });
  test("leaves out what no signature can be verified with", async () => {
    const others = [OCT, PRIVATE, { ...TWO, use: "enc" }, { ...TWO, key_ops: ["sign"] }, null, "key", 1, [], {}];
    const { keys } = await World.open(() => new Response(JSON.stringify({ keys: [...others, ONE] })));
    expect(numbersIn(keys)).toEqual([ONE.x]);
  });
  test.each([
    ["lacks a number", { kty: "RSA", e: "AQAB" }],
    ["lacks a curve", { kty: "EC", x: "AA", y: "AA" }],
    ["has operations that are no list", { ...TWO, key_ops: 1 }],
    ["has a type that is not known", { kty: "AKP", alg: "ML-DSA-44", pub: "AA" }],
  ])("takes the others where one key %s, RFC 7517 section 5", async (_what, key) => {
    const { keys } = await World.open(() => new Response(JSON.stringify({ keys: [key, ONE] })));
    expect([keys.reads, keys.key(ID_ONE)]).toEqual([{ changed: 1, unchanged: 0, failed: 0 }, { isRemoved: false }]);
  });
  test("takes a set of 65,536 bytes", async () => {
    const { keys } = await World.open(() => new Response(textOf(ONE).padEnd(SET_BYTES_MAX)));
    expect(keys.reads.changed).toBe(1);
  });
});

describe("KeySet of a URL that", () => {
  test.each(FAULTS)("%s: keeps the last good set", async (_what, answer) => {
    const world = await World.open(good);
    const { keys, lines } = world;
    const [set, one] = [keys.keys, keys.key(ID_ONE)];
    await world.readAgain(answer);
    expect(keys.keys).toBe(set);
    expect([keys.key(ID_ONE), one?.isRemoved]).toEqual([one, false]);
    expect(keys.reads).toEqual({ changed: 1, unchanged: 0, failed: 1 });
    expect(lines.at(-1)?.message).toBe("could not read the keys of tokens: the last good ones stand");
    await world.readAgain(() => new Response(textOf(TWO)));
    expect([keys.keys?.version, one?.isRemoved]).toEqual([2, true]);
  });
  test.each(FAULTS)("%s at the start: has no keys, and asks on", async (_what, answer) => {
    const world = await World.open(answer);
    expect([world.keys.keys, world.keys.reads.failed]).toEqual([undefined, 1]);
    expect(world.lines).toMatchObject([{ level: "error", message: CANNOT }]);
    world.answer = good;
    await world.pass(2);
    expect(world.keys.keys?.version).toBe(1);
  });
  test("streams for ever: ends the stream", async () => {
    const cancel = vi.fn<() => void>();
    let sent = 0;
    const pull = (body: ReadableStreamDefaultController): void =>
      body.enqueue(Buffer.alloc(1000, sent++ > 0 ? " " : "{"));
    const { keys } = await World.open(() => new Response(new ReadableStream({ pull, cancel })));
    expect([keys.reads.failed, cancel.mock.calls.length]).toEqual([1, 1]);
    expect(sent).toBeLessThan(70);
  });
  test("answers 500 with a body: ends the stream", async () => {
    const cancel = vi.fn<() => void>();
    await World.open(() => new Response(new ReadableStream({ cancel }), { status: 500 }));
    expect(cancel).toHaveBeenCalledOnce();
  });
  test.each<[string, Answer]>([
    ["does not answer", ({ signal }) => new Promise((_, reject) => onAbort(signal, reject))],
    [
      "does not end its answer",
      ({ signal }) => new Response(bodyOf((body) => onAbort(signal, (why) => body.error(why)))),
    ],
  ])("%s: keeps the last good set when the time is over", async (_what, answer) => {
    const world = await World.open(good);
    const limit = new AbortController();
    vi.spyOn(AbortSignal, "timeout").mockReturnValue(limit.signal);
    const reading = world.readAgain(answer);
    limit.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
    await reading;
    expect([world.keys.reads.failed, world.keys.keys?.version]).toEqual([1, 1]);
    expect(world.lines.at(-1)?.fields).toEqual({ reason: "The operation was aborted due to timeout" });
  });
});

describe("KeySet.refresh()", () => {
  test.each<[string, Answer]>([
    ["good", good],
    ["bad", () => new Response("")],
  ])("asks a URL once in 30 s at the most, where the answers are %s", async (_what, answer) => {
    const world = await World.open(answer);
    const counts: number[] = [];
    for (const afterMs of [0, 29_999, 1, 0, 29_999, 1]) {
      world.nowMs += afterMs;
      await world.keys.refresh();
      counts.push(world.asked.length);
    }
    expect(counts).toEqual([1, 1, 2, 2, 2, 3]);
  });
  test("shares one answer among all who ask at once, and is done when it is taken", async () => {
    const world = await World.open(good);
    const answer = Promise.withResolvers<Response>();
    world.answer = () => answer.promise;
    const versionAfter = async (): Promise<number | undefined> => {
      await world.keys.refresh();
      return world.keys.keys?.version;
    };
    world.nowMs += 30_000;
    const versions = Array.from({ length: 100 }, versionAfter);
    world.nowMs += 600_000;
    vi.advanceTimersByTime(1000);
    versions.push(versionAfter());
    answer.resolve(new Response(textOf(TWO)));
    expect(new Set(await Promise.all(versions))).toEqual(new Set([2]));
    expect(world.asked.length).toBe(2);
  });
  test.each<KeySource>([
    { kind: "pem", text: "a public key" },
    { kind: "secret", text: "a secret" },
  ])("does nothing for one key, which is always known: $kind", async (source) => {
    const world = await World.open(good, source);
    await world.readAgain(good);
    await world.pass(600);
    expect(world.keys.keys).toEqual({ ...source, version: 0 });
    expect([world.keys.key(""), world.asked]).toEqual([{ isRemoved: false }, []]);
  });
});

describe("KeySet by itself", () => {
  test("asks a URL every 2 s until there is a set, then every 5 minutes, every 30 s where that fails", async () => {
    const world = await World.open(() => new Response(""));
    const countsAfter = async (...pauses: number[]): Promise<number[]> => {
      const counts: number[] = [];
      for (const seconds of pauses) {
        await world.pass(seconds);
        counts.push(world.asked.length);
      }
      return counts;
    };
    expect(await countsAfter(1, 1, 1, 1)).toEqual([1, 2, 2, 3]);
    world.answer = good;
    expect(await countsAfter(2, 299, 1, 299, 1)).toEqual([4, 4, 5, 5, 6]);
    world.answer = () => new Response("");
    expect(await countsAfter(300, 29, 1)).toEqual([7, 7, 8]);
    world.keys.close();
    expect(await countsAfter(600)).toEqual([8]);
  });
  test("writes a fault that lasts once a minute, and its reason", async () => {
    const world = await World.open(() => Promise.reject(new TypeError("fetch failed", { cause: new Error(AWAY) })));
    await world.pass(59);
    expect(world.lines).toEqual([{ level: "error", message: CANNOT, fields: { reason: AWAY } }]);
    await world.pass(1);
    expect(world.lines.at(-1)?.fields).toEqual({ reason: AWAY, times: 29 });
  });
});

describe("KeySet of a file", () => {
  test.each([
    ["is missing", undefined, "ENOENT"],
    ["is empty", "", "it is no JSON"],
    ["is half-written", textOf(ONE).slice(0, 30), "it is no JSON"],
    ["has no keys", "{}", 'it has no list of "keys"'],
    ["has an empty list", textOf(), "it has no public key"],
    ["has secrets only", textOf(OCT), "it has no public key"],
    ["has private keys only", textOf(PRIVATE), "it has no public key"],
    ["is too long", textOf(ONE).padEnd(SET_BYTES_MAX + 1), "the set is longer than 65536 bytes"],
  ])("stops the start where it %s, and says so", async (_what, text, why) => {
    const path = join(temporaryFolder(), "keys.json");
    if (text !== undefined) writeFileSync(path, text);
    await expectRefused(path, why);
  });
  test("stops the start where it is a folder, or has no end", async () => {
    await expectRefused(temporaryFolder(), "EISDIR");
    await expectRefused("/dev/zero", "the set is longer than 65536 bytes");
  });
  test("is not read again while it stays the same", async () => {
    const { world } = await openFile();
    await world.pass(600);
    expect(world.keys.reads).toEqual({ changed: 1, unchanged: 0, failed: 0 });
  });
  test("is read within a second after another takes its place", async () => {
    const { world, path } = await openFile();
    const one = world.keys.key(ID_ONE);
    writeFileSync(`${path}.new`, textOf(TWO));
    renameSync(`${path}.new`, path);
    await world.pass(1);
    expect([world.keys.keys?.version, numbersIn(world.keys), one?.isRemoved]).toEqual([2, [TWO.x], true]);
  });
  test("is read where a link to its folder is replaced, as Kubernetes does", async () => {
    const folder = temporaryFolder();
    for (const [name, key] of Object.entries({ first: ONE, second: TWO })) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "keys.json"), textOf(key));
    }
    symlinkSync("first", join(folder, "data"));
    const world = await World.open(good, { kind: "file", path: join(folder, "data", "keys.json") });
    symlinkSync("second", join(folder, "next"));
    renameSync(join(folder, "next"), join(folder, "data"));
    await world.pass(1);
    expect(numbersIn(world.keys)).toEqual([TWO.x]);
  });
  test("keeps the last good set while it is half-written", async () => {
    const { world, path } = await openFile();
    writeFileSync(path, textOf(TWO).slice(0, 30));
    await world.pass(1);
    expect([world.keys.keys?.version, world.keys.reads.failed]).toEqual([1, 1]);
    expect(world.keys.key(ID_ONE)).toEqual({ isRemoved: false });
    writeFileSync(path, textOf(TWO));
    await world.pass(1);
    expect([numbersIn(world.keys), world.keys.reads]).toEqual([[TWO.x], { changed: 2, unchanged: 0, failed: 1 }]);
  });
  test("keeps the last good set while it is gone", async () => {
    const { world, path } = await openFile();
    rmSync(path);
    await world.pass(60);
    expect([numbersIn(world.keys), world.keys.reads.changed]).toEqual([[ONE.x], 1]);
    expect(world.keys.reads.failed).toBeGreaterThan(0);
    writeFileSync(path, textOf(TWO));
    await world.pass(1);
    expect(numbersIn(world.keys)).toEqual([TWO.x]);
  });
  test("is read by refresh() once a second at the most", async () => {
    const { world, path } = await openFile();
    writeFileSync(path, textOf(TWO));
    world.nowMs += 999;
    await world.keys.refresh();
    expect(world.keys.reads.changed).toBe(1);
    world.nowMs += 1;
    await Promise.all([world.keys.refresh(), world.keys.refresh()]);
    await world.keys.refresh();
    expect(world.keys.reads).toEqual({ changed: 2, unchanged: 0, failed: 0 });
  });
});

/** A set of keys, and what it sees of the world. */
class World {
  nowMs = 1000;
  keys!: KeySet;
  answer: Answer;
  readonly asked: { readonly url: unknown; readonly init: RequestInit }[] = [];
  readonly lines: { readonly level: string; readonly fields: unknown; readonly message: unknown }[] = [];

  private constructor(answer: Answer) {
    this.answer = answer;
  }

  static async open(answer: Answer, source: KeySource = { kind: "url", url: "https://login.example/keys" }) {
    const world = new World(answer);
    const level = (name: string) => (fields: unknown, message?: unknown) =>
      void world.lines.push({ level: name, fields, message });
    const ports: KeySetPorts = {
      algorithms: ["RS256", "ES256", "EdDSA"],
      log: { info: level("info"), warn: level("warn"), error: level("error") },
      nowMs: () => world.nowMs,
      fetch: async (url, init = {}) => {
        world.asked.push({ url, init });
        return world.answer(init);
      },
    };
    world.keys = await KeySet.open(source, ports);
    onTestFinished(() => world.keys.close());
    return world;
  }

  /** Seconds, and what is read in each of them. */
  async pass(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed++) {
      const nowMs = (this.nowMs += 1000);
      vi.advanceTimersByTime(1000);
      this.nowMs = -Infinity; // refresh() waits for what is read already, and reads no more
      await this.keys.refresh();
      this.nowMs = nowMs;
    }
  }

  async readAgain(answer: Answer): Promise<void> {
    this.answer = answer;
    this.nowMs += 30_000;
    await this.keys.refresh();
  }
}

async function openFile(): Promise<{ readonly world: World; readonly path: string }> {
  const path = join(temporaryFolder(), "keys.json");
  writeFileSync(path, textOf(ONE));
  return { world: await World.open(good, { kind: "file", path }), path };
}

async function expectRefused(path: string, why: string): Promise<void> {
  const error: unknown = await World.open(good, { kind: "file", path }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SettingError);
  expect(String(error)).toContain("HEADCOUNT_JWT_JWKS must be a file or an https URL with a set of keys: ");
  expect(String(error)).toContain(why);
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "headcount-keys-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function tooLong(headers: Record<string, string>): Response {
  return new Response(new Blob([textOf(TWO).padEnd(SET_BYTES_MAX + 1)]).stream(), { headers });
}

function bodyOf(start: (body: ReadableStreamDefaultController<Uint8Array>) => void): ReadableStream<Uint8Array> {
  return new ReadableStream({ start });
}

/** The numbers of its public keys: who they are. */
function numbersIn({ keys }: KeySet): unknown[] {
  return (JSON.parse(String(keys?.text)) as { readonly keys: JWK[] }).keys.map(({ x }) => x);
}
