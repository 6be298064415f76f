/** The Lua scripts as files, and at sizes that the contract does not reach. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FoundedClaim, NO_HEAD } from "../../cluster/ports/record-store.ts";
import { RedisStore } from "../../node/redis/redis-store.ts";
import { scriptNamed } from "../../node/redis/scripts.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { KEY } from "../support/bound-store.ts";
import { type RedisServer, hasRedis, startRedis } from "../support/redis-server.ts";
import { memberNamed, renewalOf, runOf } from "../support/renewals.ts";

const FOLDER = join(import.meta.dirname, "../../node/redis/lua");
const SHARED = ["key.lua", "members.lua", "modes.lua", "records.lua", "run.lua"];
const RUN_CHECK = ["local other = isOtherRun(KEYS[1], ARGV[1])", "if other then return other end"];
const RENEWAL_CHECK = [
  "local list, mark, history, kept = readList(KEYS[1], ARGV[3])",
  "local news = newsFor(ARGV[1], mark, history, kept)",
  "if news then return news end",
];
const MASTER_CHECK = ["if isOtherMaster(ARGV[1]) then return OTHER_RUN end"];
/** What another run lost of these is written again by whoever knows it. */
const WITHOUT_RUN = new Set(["publish-2.lua", "read-text-1.lua", "write-text-1.lua"]);
const files = readdirSync(FOLDER);
const scriptFiles = files.filter((file) => !SHARED.includes(file));

describe("node/redis/lua", () => {
  test("holds scripts named by what they do and their count of KEYS, and the parts that they share", () => {
    expect(files).toEqual(expect.arrayContaining(SHARED));
    for (const file of scriptFiles) expect(file).toMatch(/^[a-z-]+-\d\.lua$/);
  });
  test.each(scriptFiles)("%s uses as many KEYS as its name says, and says so in its head", (file) => {
    const text = readFileSync(join(FOLDER, file), "utf8");
    const { name, keysCount, source } = scriptNamed(file.replace(/-\d\.lua$/, ""));
    expect(file).toBe(`${name}-${keysCount}.lua`);
    const used = [...text.slice(text.indexOf("]]")).matchAll(/KEYS\[(?<number>\d)\]/g)];
    expect(Math.max(...used.map((match) => Number(match.groups?.["number"])))).toBe(keysCount);
    expect(text).toMatch(/^#!lua( flags=(allow-oom|no-writes))?\n--\[\[ node\/redis\/lua\//);
    expect(text).toContain(`node/redis/lua/${file}:`);
    for (const part of ["KEYS[1]", "ARGV[1]", "Clock:", "Returns"]) expect(text.split("]]\n")[0]).toContain(part);
    expect(source.split("\n")[0]).toBe(text.split("\n")[0]);
  });
  test("R12, R15 every script checks the run first, but those of published boards and of texts that all follow", () => {
    // Who does not know the key yet, or writes it, names the masters only.
    const checks = new Map([
      ["look-1.lua", MASTER_CHECK],
      ["read-copy-1.lua", MASTER_CHECK],
      ["found-1.lua", MASTER_CHECK],
      ["vote-1.lua", MASTER_CHECK],
      ["adopt-tag-1.lua", MASTER_CHECK],
      ["renew-1.lua", [...MASTER_CHECK, ...RENEWAL_CHECK]],
    ]);
    for (const file of scriptFiles) {
      const text = readFileSync(join(FOLDER, file), "utf8");
      const lines = text
        .slice(text.search(/^-- with/m))
        .split("\n")
        .slice(1);
      const expected = checks.get(file) ?? RUN_CHECK;
      if (!WITHOUT_RUN.has(file)) expect(lines.slice(0, expected.length)).toEqual(expected);
    }
  });
  test("scriptNamed() names a script that is not there", () => {
    expect(() => scriptNamed("nothing")).toThrow("no file is named nothing-<keys>.lua");
  });
});

describe.skipIf(!hasRedis)("RedisStore at size", () => {
  const ALICE: FoundedClaim = { term: 1, incarnation: "alice", founding: "f" };
  let redis: RedisServer;
  let store: RedisStore;
  let run: string;
  let count = 0;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.[Symbol.asyncDispose]());
  /** A cluster of its own. */
  async function open(partitions = 16): Promise<string> {
    count += 1;
    await store?.close();
    store = RedisStore.connect({ url: redis.url, cluster: `size-${count}`, timeoutMs: 20_000 });
    await store.check();
    run = await runOf(store);
    await store.found(run, { ...KEY, partitions }, "anew", "founded");
    run = await runOf(store);
    return `size-${count}`;
  }
  afterAll(() => store?.close());
  const all = (partitions: number) => Array.from({ length: partitions }, (_, partition) => partition);

  test("every key begins with the cluster's prefix, and goes with it", async () => {
    const cluster = await open();
    await store.renew(renewalOf("alice"), 3000);
    await store.claim(run, [0], ALICE, false);
    const players = [{ mode: "a", players: 1 }];
    await store.publish("CA", { term: 1, version: 1, modes: 1, since: undefined, players, gone: [] });
    const keys = await redis.ask((direct) => direct.keys("*"));
    expect(keys.filter((key) => key.includes(cluster)).toSorted()).toEqual([
      `headcount:${cluster}:members`,
      `headcount:${cluster}:published:{headcount:${cluster}:regions:CA}`,
      `headcount:${cluster}:regions:CA`,
      `headcount:${cluster}:{${cluster}-0}:records`,
    ]);
    expect(keys.filter((key) => !key.startsWith("headcount:"))).toEqual([]);
  });

  test("calls for 4,096 partitions at once are answered in the order asked", async () => {
    await open(4096);
    const partitions = all(4096).toReversed();
    const claimed = await store.claim(run, partitions, ALICE, true);
    expect(claimed.every((answer) => answer.kind === "claimed")).toBe(true);
    const appends = partitions.map((partition) => ({
      partition,
      claim: ALICE,
      from: 0,
      message: Buffer.from(`to ${partition}`),
    }));
    expect(new Set(await store.append(run, appends))).toEqual(new Set(["landed"]));
    const claims = partitions.map((partition) => ({ partition, claim: ALICE }));
    expect(new Set(await store.raise(run, claims, 2))).toEqual(new Set(["landed"]));
    const standing = await store.standing(run, partitions);
    expect(standing.map(({ length }) => length)).toEqual(appends.map(({ message }) => message.length));
    const loaded = await store.claim(run, [7, 4095], ALICE, true);
    const logs = loaded.map((answer) => (answer.kind === "claimed" ? answer.record?.log : undefined));
    expect(logs).toEqual(
      [7, 4095].map((partition) => [{ head: NO_HEAD, bytes: new TextEncoder().encode(`to ${partition}`) }]),
    );
  });

  test("a log of 9,000 messages is loaded whole, and covered in parts", async () => {
    await open();
    await store.claim(run, [0], ALICE, false);
    const message = (index: number) => Uint8Array.of(index & 255, index >>> 8, 0, 255);
    const sent = Array.from({ length: 9000 }, async (_, index) =>
      store.append(run, [{ partition: 0, claim: ALICE, from: 4 * index, message: message(index) }]),
    );
    expect(new Set((await Promise.all(sent)).flat())).toEqual(new Set(["landed"]));
    const logOf = async (claim: FoundedClaim) => {
      const [answer] = take(1, await store.claim(run, [0], claim, true));
      return answer.kind === "claimed" ? answer.record?.log.map(({ bytes }) => bytes) : undefined;
    };
    expect(await logOf(ALICE)).toEqual(Array.from({ length: 9000 }, (_, index) => message(index)));
    const snapshot = { number: 1, covers: 4 * 8500, coversAll: false, bytes: new Uint8Array(1) };
    expect(await store.snapshot(run, 0, ALICE, snapshot)).toBe("landed");
    expect(await logOf({ ...ALICE, term: 2 })).toEqual(
      Array.from({ length: 500 }, (_, index) => message(8500 + index)),
    );
  });

  test("lengths past what Lua writes as a plain number stay whole", async () => {
    await open();
    await store.claim(run, [0], ALICE, false);
    const covers = 2 ** 53 - 3;
    const snapshot = { number: 1, covers, coversAll: true, bytes: new Uint8Array(0) };
    expect(await store.snapshot(run, 0, ALICE, snapshot)).toBe("landed");
    expect(await store.standing(run, [0])).toEqual([
      { claim: ALICE, raisedTo: 1, length: covers, snapshotNumber: 1, isAbsent: false },
    ]);
    expect(await store.append(run, [{ partition: 0, claim: ALICE, from: covers, message: Buffer.from("ab") }])).toEqual(
      ["landed"],
    );
    expect(await store.standing(run, [0])).toEqual([
      { claim: ALICE, raisedTo: 1, length: covers + 2, snapshotNumber: 1, isAbsent: false },
    ]);
    await store.raise(run, [{ partition: 0, claim: ALICE }], 2 ** 53 - 1);
    expect(await store.standing(run, [0])).toEqual([
      { claim: ALICE, raisedTo: 2 ** 53 - 1, length: covers + 2, snapshotNumber: 1, isAbsent: false },
    ]);
  });

  test("a list of 1,500 members is written back, told and renewed", async () => {
    await open();
    const names = all(1500).map((number) => `member-${String(number).padStart(4, "0")}`);
    const view = { epoch: 3, nonce: "n", members: names.map(memberNamed), expelled: [] };
    await store.restore(run, view, KEY, "restored", 3000);
    const answer = await store.renew(renewalOf(itemAt(names, 7), { epoch: 3, nonce: "n" }), 3000);
    expect(answer).toMatchObject({ kind: "renewed", list: { view } });
    await store.leave(await runOf(store), itemAt(names, 8), "left");
    const later = await store.renew(renewalOf(itemAt(names, 9), { epoch: 3, nonce: "n" }), 3000);
    expect(later.kind === "renewed" && later.list?.view.members.length).toBe(1499);
  });

  test("renew() reads a list of nodes that did not number their renewals", async () => {
    const list = `headcount:${await open()}:members`;
    await store.renew(renewalOf("ann"), 3000);
    const lease = await redis.ask((direct) => direct.hget(list, "l:ann"));
    const [upToLicence = ""] = /^\d+ 0 400/.exec(lease ?? "") ?? [];
    await redis.ask((direct) => direct.hset(list, "l:ann", upToLicence));
    expect(await store.renew(renewalOf("ann", { number: 1 }), 3000)).toMatchObject({ kind: "renewed" });
    expect(await redis.ask((direct) => direct.hget(list, "l:ann"))).toMatch(/^\d+ 0 400 1$/);
  });

  test("renew() by Redis' own clock lets a lease lapse", async () => {
    await open();
    await store.renew(renewalOf("ann"), 90);
    await store.renew(renewalOf("bea"), 90);
    let names: readonly string[] = ["ann", "bea"];
    while (names.length > 1) {
      const answer = await store.renew(renewalOf("ann"), 90);
      names =
        answer.kind === "renewed" ? (answer.list?.view.members.map(({ incarnation }) => incarnation) ?? names) : [];
    }
    expect(names).toEqual(["ann"]);
  });
});
