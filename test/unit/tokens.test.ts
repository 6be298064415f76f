/** What is remembered of tokens, for how long, and how many wait to be verified. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calculateJwkThumbprint, type JWK } from "jose";
import { describe, expect, onTestFinished, test } from "vitest";
import { KeySet, type KeySetPorts } from "../../node/access/key-set.ts";
import { type Judgement, REMEMBERED_MAX, type TokenHolder, Tokens, WAITING_MAX } from "../../node/access/tokens.ts";
import verifyTokens, { type Rules, type Verdict, type VerifyTask } from "../../node/access/verify-worker.ts";
import type { KeySource } from "../../node/token-settings.ts";
import { take } from "../../simulator/item-at.ts";
import { until } from "../support/until.ts";

const NOW_S = 2_000_000_000;
const RULES: Rules = { issuer: "i", audience: "a", algorithms: ["RS256", "EdDSA"], toleranceMs: 5000 };
const WEB: KeySource = { kind: "url", url: "https://login.example/keys" };
const jwkOf = (publicKey: KeyObject): JWK => publicKey.export({ format: "jwk" });
const [ONE, TWO] = [jwkOf(generateKeyPairSync("ed25519").publicKey), jwkOf(generateKeyPairSync("ed25519").publicKey)];
const [ID_ONE, ID_TWO] = [await calculateJwkThumbprint(ONE), await calculateJwkThumbprint(TWO)];
const VALID = {
  kind: "valid",
  sub: "01234567-89ab-4def-8123-456789abcdef",
  expiresS: NOW_S + 60,
  keyId: ID_ONE,
  entitlements: ["season-pass", "no form!", "beta"],
} as const;
const WHY = "one whose signature is wrong";
const REFUSED: Judgement = { kind: "refused", why: WHY };
const NOT_KNOWN: Judgement = { kind: "refused", why: "one whose key is not known" };
const textOf = (...keys: JWK[]): string => JSON.stringify({ keys });
const newHolder = (): TokenHolder => ({ lastToken: undefined });
const valid = (): Verdict => ({ ...VALID, scope: "admin" });
const invalid = (): Verdict => ({ kind: "invalid", why: WHY });
const unknown = (): Verdict => ({ kind: "unknown key" });
const knownLater = (_token: string, { keys }: VerifyTask): Verdict =>
  keys.version === 1 ? unknown() : { ...VALID, scope: "", keyId: ID_TWO };

describe("Tokens.judge()", () => {
  test("grants what the token says", async () => {
    const { tokens, keys } = await Subject.open();
    const judgement = await tokens.judge("a token");
    if (judgement.kind !== "granted") throw new Error(`It was ${judgement.kind}`);
    const { player, scopes, expiresS, key } = judgement.grant;
    expect(Array.from(player ?? [])).toEqual([0x01234567, 0x89ab4def | 0, 0x81234567 | 0, 0x89abcdef | 0]);
    expect([[...scopes], expiresS, key === keys.key(ID_ONE)]).toEqual([["admin"], NOW_S + 60, true]);
  });
  test("verifies a token once, however often it is asked for at once", async () => {
    const { tokens, verified } = await Subject.open();
    const [first, ...others] = await Promise.all(Array.from({ length: 100 }, () => tokens.judge("a token")));
    for (const other of [...others, await tokens.judge("a token")]) expect(other).toEqual(first);
    expect(verified).toEqual(["a token"]);
    expect(tokens.judged).toEqual({ "by connection": 0, "by hash": 1, verified: 1, refused: 0, busy: 0 });
  });
  test("remembers a token until it expires, and the tolerance", async () => {
    const subject = await Subject.open();
    const holder = await subject.holderOf("a token");
    subject.nowMs = (NOW_S + 65) * 1000 - 1;
    expect([subject.isKnown("a token", holder), subject.isKnown("a token")]).toEqual([true, true]);
    expect([await subject.kindOf("a token"), subject.verified.length]).toEqual(["granted", 1]);
    subject.nowMs += 1;
    subject.verdictOf = invalid;
    expect([subject.isKnown("a token", holder), subject.isKnown("a token")]).toEqual([false, false]);
    expect(await subject.tokens.judge("a token")).toEqual(REFUSED);
  });
  test("remembers a refusal for five seconds, and until the keys change", async () => {
    const subject = await Subject.open();
    subject.verdictOf = invalid;
    for (const token of ["a token", "another"]) expect(await subject.tokens.judge(token)).toEqual(REFUSED);
    subject.verdictOf = valid;
    subject.nowMs += 4999;
    expect([subject.isKnown("a token"), await subject.tokens.judge("a token")]).toEqual([false, REFUSED]);
    expect(subject.tokens.judged.refused).toBe(3);
    await subject.replaceKeys(ONE, TWO);
    expect(await subject.kindOf("another")).toBe("granted");
  });
  test.each([0, 3_600_000])("remembers a refusal no longer, where the clock is set back by %i ms", async (backMs) => {
    const subject = await Subject.open();
    subject.verdictOf = invalid;
    await subject.tokens.judge("a token");
    subject.verdictOf = valid;
    subject.nowMs -= backMs;
    await subject.tokens.judge("a token");
    subject.nowMs += 5000;
    expect(await subject.kindOf("a token")).toBe("granted");
  });
  test("refuses a token that is too long, and does not verify it", async () => {
    const { tokens, verified } = await Subject.open();
    const why = "one that is longer than 8192 characters";
    expect(await tokens.judge("a".repeat(8193))).toEqual({ kind: "refused", why });
    expect(verified).toEqual([]);
    expect((await tokens.judge("a".repeat(8192))).kind).toBe("granted");
  });
  test("says that there are no keys until there are", async () => {
    const subject = await Subject.open(WEB);
    expect(await subject.tokens.judge("a token")).toEqual({ kind: "no keys" });
    subject.answer = async () => new Response(textOf(ONE));
    await subject.readAgain();
    expect(await subject.kindOf("a token")).toBe("granted");
  });
});

describe("Tokens, where there are many,", () => {
  test("remember half of the most that there is room for, those that were used last", async () => {
    const subject = await Subject.open();
    const half = REMEMBERED_MAX / 2;
    for (let from = 0; from < half; from += WAITING_MAX) await subject.kindsOf(WAITING_MAX, from);
    await subject.tokens.judge("one more"); // those before are the old ones now
    expect(subject.isKnown("token 0")).toBe(true);
    for (let from = half; from < REMEMBERED_MAX; from += WAITING_MAX) await subject.kindsOf(WAITING_MAX, from);
    expect(subject.tokens.rememberedCount).toBeLessThanOrEqual(REMEMBERED_MAX);
    const isKnown = ["token 0", "one more", "token 1", `token ${half}`].map((token) => subject.isKnown(token));
    expect(isKnown).toEqual([true, false, false, true]);
  });
  test("forget no good one for bad ones", async () => {
    const subject = await Subject.open();
    await subject.tokens.judge("a token");
    subject.verdictOf = invalid;
    await subject.kindsOf(WAITING_MAX);
    expect([subject.isKnown("a token"), subject.tokens.rememberedCount]).toEqual([true, 1]);
  });
  test("go in batches of 64, of which two are verified at once", async () => {
    const subject = await Subject.open();
    subject.isHeld = true;
    const kinds = subject.kindsOf(200);
    await subject.untilRunning(2);
    expect([subject.tokens.waitingCount, subject.sizes]).toEqual([72, [64, 64]]);
    for (const size of [64, 8]) {
      subject.finish();
      await subject.untilRunning(2);
      expect(subject.sizes.at(-1)).toBe(size);
    }
    while (subject.running.length > 0) subject.finish();
    expect(new Set(await kinds)).toEqual(new Set(["granted"]));
    expect(subject.verified).toEqual(Array.from({ length: 200 }, (_, index) => `token ${index}`));
  });
  test("wait 16,384 at the most, any more get busy", async () => {
    const subject = await Subject.open();
    subject.isHeld = true;
    const kinds = subject.kindsOf(WAITING_MAX);
    await subject.untilRunning(2);
    const again = subject.kindOf("token 16383");
    expect(await subject.kindOf("one more")).toBe("busy");
    expect(subject.tokens.judged.busy).toBe(1);
    subject.isHeld = false;
    while (subject.running.length > 0) subject.finish();
    expect(new Set([...(await kinds), await again])).toEqual(new Set(["granted"]));
    expect([await subject.kindOf("one more"), subject.tokens.waitingCount]).toEqual(["granted", 0]);
  });
  test("get busy where the thread fails, and later ones are verified", async () => {
    const subject = await Subject.open();
    subject.isHeld = true;
    const kinds = subject.kindsOf(65);
    await subject.untilRunning(2);
    subject.isHeld = false;
    subject.running.shift()?.reject(new Error("the thread ended"));
    subject.finish();
    expect(await kinds).toEqual([...Array.from({ length: 64 }, () => "busy"), "granted"]);
    expect(subject.errors).toEqual([{ reason: "the thread ended" }, "could not verify tokens"]);
    expect(await subject.kindOf("token 0")).toBe("granted");
  });
});

describe("Tokens.known()", () => {
  test("knows a token by its connection, and on another by its hash", async () => {
    const subject = await Subject.open();
    expect(subject.isKnown("a token")).toBe(false);
    const holder = await subject.holderOf("a token");
    expect([subject.isKnown("a token", holder), subject.isKnown("a token")]).toEqual([true, true]);
    expect(subject.tokens.judged).toMatchObject({ "by connection": 1, "by hash": 2 });
  });
  test("takes no other token on the connection for the first", async () => {
    const subject = await Subject.open();
    const holder = await subject.holderOf("a token");
    for (const other of ["a tokem", "a toke", "a token2", "", "A token", "a token "])
      expect(subject.isKnown(other, holder), other).toBe(false);
    expect(subject.isKnown("a token", holder)).toBe(true);
  });
  test("grants what each of two tokens on one connection allows", async () => {
    const subject = await Subject.open();
    const holder = await subject.holderOf("a token");
    subject.verdictOf = () => ({ ...VALID, scope: "profiles:read" });
    await subject.tokens.judge("another");
    const granted = ["another", "a token", "another", "another"].map((token) =>
      subject.tokens.known(Buffer.from(token), holder)?.scopes.has("admin"),
    );
    expect(granted).toEqual([false, true, false, false]);
    expect(subject.tokens.judged["by connection"]).toBe(1);
  });
  test("keeps bytes that the caller may overwrite", async () => {
    const subject = await Subject.open();
    await subject.tokens.judge("a token");
    const [bytes, holder] = [Buffer.from("a token"), newHolder()];
    subject.tokens.known(bytes, holder);
    bytes.write("another");
    expect(subject.tokens.known(bytes, holder)).toBeUndefined();
    expect(subject.isKnown("a token", holder)).toBe(true);
    expect(subject.tokens.judged["by connection"]).toBe(1);
  });
});

describe("Tokens of a key that is removed", () => {
  test("are good no more, by hash or by connection, though the key comes back", async () => {
    const subject = await Subject.open();
    const [holder, other] = [await subject.holderOf("a token"), await subject.holderOf("another")];
    subject.verdictOf = invalid;
    await subject.replaceKeys(TWO);
    expect([subject.isKnown("a token", holder), subject.isKnown("a token")]).toEqual([false, false]);
    await subject.replaceKeys(ONE);
    expect([subject.isKnown("another", other), subject.isKnown("another")]).toEqual([false, false]);
    expect(await subject.tokens.judge("a token")).toEqual(REFUSED);
  });
  test("stay good where they are of a key that stays", async () => {
    const subject = await Subject.open();
    const holder = await subject.holderOf("a token");
    await subject.replaceKeys(TWO, ONE);
    expect([subject.isKnown("a token", holder), subject.isKnown("a token")]).toEqual([true, true]);
    expect([await subject.kindOf("a token"), subject.verified.length]).toEqual(["granted", 1]);
  });
  test("are refused where that happens while they are verified", async () => {
    const subject = await Subject.open();
    subject.isHeld = true;
    const judged = subject.tokens.judge("a token");
    await subject.untilRunning(1);
    await subject.replaceKeys(TWO);
    subject.finish();
    expect(await judged).toEqual({ kind: "refused", why: "one whose key was removed" });
  });
});

describe("Tokens of a key that is not known", () => {
  test("are verified again with the set that has it, which is read once", async () => {
    const subject = await Subject.open();
    subject.verdictOf = knownLater;
    subject.write(ONE, TWO);
    subject.keysNowMs += 1000;
    expect(await subject.kindsOf(3)).toEqual(["granted", "granted", "granted"]);
    expect([subject.sizes, subject.keys.reads]).toEqual([[3, 3], { changed: 2, unchanged: 0, failed: 0 }]);
    expect(subject.tokens.judged).toMatchObject({ verified: 3, refused: 0 });
  });
  test("are refused where the set has it not, and for five seconds", async () => {
    const subject = await Subject.open();
    subject.verdictOf = unknown;
    subject.keysNowMs += 1000;
    for (let time = 0; time < 3; time++) expect(await subject.tokens.judge("a token")).toEqual(NOT_KNOWN);
    expect([subject.verified.length, subject.keys.reads]).toEqual([1, { changed: 1, unchanged: 1, failed: 0 }]);
    subject.nowMs += 5000;
    subject.verdictOf = valid;
    expect(await subject.kindOf("a token")).toBe("granted");
  });
  test("are refused where the newer set has it not, though the set changes again", async () => {
    const subject = await Subject.open();
    subject.verdictOf = () => {
      subject.write(...(subject.verified.length === 1 ? [TWO] : [ONE, TWO]));
      subject.keysNowMs += 1000;
      return unknown();
    };
    expect(await subject.tokens.judge("a token")).toEqual(NOT_KNOWN);
    expect(subject.verified).toEqual(["a token", "a token"]);
    expect(subject.tokens.judged).toMatchObject({ verified: 0, refused: 1 });
  });
  test("are verified again where the set changed meanwhile, though it was read just now", async () => {
    const subject = await Subject.open();
    subject.verdictOf = knownLater;
    subject.isHeld = true;
    const kind = subject.kindOf("a token");
    await subject.untilRunning(1);
    await subject.replaceKeys(TWO);
    subject.isHeld = false;
    subject.finish();
    expect([await kind, subject.verified, subject.keys.reads.changed]).toEqual(["granted", ["a token", "a token"], 2]);
  });
  test("wait for the set 256 at the most, and others are verified meanwhile", async () => {
    const subject = await Subject.open(WEB);
    subject.answer = async () => new Response(textOf(ONE));
    await subject.readAgain();
    const { promise, resolve } = Promise.withResolvers<Response>();
    subject.answer = () => promise;
    subject.keysNowMs += 30_000;
    subject.verdictOf = knownLater;
    const kinds = subject.kindsOf(300);
    await until("some get busy", () => subject.tokens.judged.busy === 44);
    subject.verdictOf = (token, task) => (token === "a good one" ? valid() : knownLater(token, task));
    expect(await subject.kindOf("a good one")).toBe("granted");
    resolve(new Response(textOf(TWO)));
    expect((await kinds).filter((kind) => kind === "granted").length).toBe(256);
  });
});

test.each([
  ["with a zero before it", (bytes: Buffer) => Buffer.concat([Buffer.alloc(1), bytes]).toString("base64url")],
  ["with padding", (bytes: Buffer) => `${bytes.toString("base64url")}==`],
])("Tokens are good by a key whose modulus is written %s, RFC 7518 section 6.3.1.1", async (_what, spell) => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const subject = await Subject.open();
  const key = jwkOf(publicKey);
  await subject.replaceKeys({ ...key, n: spell(Buffer.from(String(key.n), "base64url")) });
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "RS256" })}.${part({ iss: "i", aud: "a", exp: Date.now() })}`;
  const token = `${signed}.${sign("sha256", Buffer.from(signed), privateKey).toString("base64url")}`;
  const tokens = new Tokens(subject.keys, RULES, { ...subject.ports, verify: verifyTokens });
  expect(await tokens.judge(token)).toMatchObject({ kind: "granted" });
});

/** Tokens whose thread is the test, with keys in a file. */
class Subject {
  nowMs = NOW_S * 1000;
  keysNowMs = 0;
  keys!: KeySet;
  tokens!: Tokens;
  path = "";
  /** Of the keys on the web. */
  answer = async (): Promise<Response> => new Response("");
  verdictOf: (token: string, task: VerifyTask) => Verdict = valid;
  /** The thread works until finish(). */
  isHeld = false;
  readonly running: (PromiseWithResolvers<Verdict[]> & { readonly task: VerifyTask })[] = [];
  readonly verified: string[] = [];
  /** How many were verified at once. */
  readonly sizes: number[] = [];
  readonly errors: unknown[] = [];
  readonly ports = {
    verify: async (task: VerifyTask): Promise<Verdict[]> => {
      for (const token of task.tokens) this.verified.push(token);
      this.sizes.push(task.tokens.length);
      if (!this.isHeld) return this.verdictsOf(task);
      const running = { ...Promise.withResolvers<Verdict[]>(), task };
      this.running.push(running);
      return running.promise;
    },
    log: { info: () => undefined, warn: () => undefined, error: (...line: unknown[]) => this.errors.push(...line) },
    wallMs: () => this.nowMs,
  };

  static async open(source?: KeySource): Promise<Subject> {
    const subject = new Subject();
    const folder = mkdtempSync(join(tmpdir(), "headcount-tokens-"));
    subject.path = join(folder, "keys.json");
    subject.write(ONE);
    const { log } = subject.ports;
    const [nowMs, fetch] = [() => subject.keysNowMs, () => subject.answer()];
    const ports: KeySetPorts = { algorithms: RULES.algorithms, log, nowMs, fetch };
    subject.keys = await KeySet.open(source ?? { kind: "file", path: subject.path }, ports);
    subject.tokens = new Tokens(subject.keys, RULES, subject.ports);
    onTestFinished(() => {
      subject.keys.close();
      rmSync(folder, { recursive: true });
    });
    return subject;
  }

  async kindOf(token: string): Promise<string> {
    return (await this.tokens.judge(token)).kind;
  }

  /** Of tokens that are asked for at once. */
  kindsOf(count: number, from = 0): Promise<string[]> {
    return Promise.all(Array.from({ length: count }, (_, index) => this.kindOf(`token ${from + index}`)));
  }

  isKnown(token: string, holder = newHolder()): boolean {
    return this.tokens.known(Buffer.from(token), holder) !== undefined;
  }

  /** A connection that sent the token. */
  async holderOf(token: string): Promise<TokenHolder> {
    const holder = newHolder();
    await this.tokens.judge(token);
    this.tokens.known(Buffer.from(token), holder);
    return holder;
  }

  write(...keys: JWK[]): void {
    writeFileSync(this.path, textOf(...keys));
  }

  async readAgain(): Promise<void> {
    this.keysNowMs += 30_000;
    await this.keys.refresh();
  }

  async replaceKeys(...keys: JWK[]): Promise<void> {
    this.write(...keys);
    await this.readAgain();
  }

  async untilRunning(count: number): Promise<void> {
    await until(`${count} batches are verified`, () => this.running.length === count);
  }

  /** The thread is done with the batch that it began first. */
  finish(): void {
    const { task, resolve } = take(1, this.running.splice(0, 1))[0];
    resolve(this.verdictsOf(task));
  }

  private verdictsOf(task: VerifyTask): Verdict[] {
    return task.tokens.map((token) => this.verdictOf(token, task));
  }
}
