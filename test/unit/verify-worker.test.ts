/** Which tokens are good: against published vectors, and against what forgers try. */
import { createHmac, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { type JWK, SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import verifyTokens, { type Keys, type Rules, type Verdict } from "../../node/access/verify-worker.ts";
import { itemAt, take } from "../../simulator/item-at.ts";

const NOW_S = 2_000_000_000;
const SECRET = "a secret of thirty-two bytes or more, of tests";
const SIGNED = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];
const SHARED = ["HS256", "HS384", "HS512"];
const STANDARD = ["RS256", "ES256", "EdDSA"];
const RULES: Rules = {
  issuer: "https://login.example",
  audience: "headcount",
  algorithms: STANDARD,
  toleranceMs: 5000,
};
const SHARED_RULES: Rules = { ...RULES, algorithms: ["HS256"] };
const CLAIMS = { iss: RULES.issuer, aud: RULES.audience, exp: NOW_S + 60, sub: "a player", scope: "reports:batch" };
const VALID = { kind: "valid", sub: CLAIMS.sub, scope: CLAIMS.scope, entitlements: [], expiresS: CLAIMS.exp };
const FORM = "one that is no signed JWT, or has a crit that is not known here";
const SIGNATURE = "one whose signature is wrong";
const ALGORITHM = "one whose alg is none of RS256, ES256, EdDSA";

const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 });
const P256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const P384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const P521 = generateKeyPairSync("ec", { namedCurve: "P-521" });
const ED = generateKeyPairSync("ed25519");
const OTHER = generateKeyPairSync("ed25519");

/** RFC 7515 A.1 to A.3: one payload, three signatures. It has iss and exp, and no aud. */
const RFC_PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RFC_7515_A1 = {
  token: `eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.${RFC_PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk`,
  key: { kty: "oct", k: "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" },
};
const RFC_7515_A2 = {
  token:
    `eyJhbGciOiJSUzI1NiJ9.${RFC_PAYLOAD}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh` +
    "-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb" +
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9F" +
    "s98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
  key: {
    kty: "RSA",
    n:
      "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ" +
      "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2" +
      "R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD" +
      "TW9gb54h4FRWyuXpoQ",
    e: "AQAB",
  },
};
const X = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const RFC_7515_A3 = {
  token:
    `eyJhbGciOiJFUzI1NiJ9.${RFC_PAYLOAD}.` +
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
  key: { kty: "EC", crv: "P-256", x: X, y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" },
};
/** Its payload is no JSON. */
const RFC_8037_A4 = {
  token:
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
  key: { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
};
const RFC_KEY = createPrivateKey({
  key: { ...RFC_8037_A4.key, d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" },
  format: "jwk",
});
/** The first example of jwt.io, whose secret is text; that of RFC 7515 A.1 is none. */
const JWT_IO = {
  token:
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ." +
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
  secret: "your-256-bit-secret",
};

let version = 0;
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: NOW_S * 1000 }));
afterEach(() => void vi.useRealTimers().unstubAllGlobals());

const VECTORS = [
  ["RFC 7515 A.2", RFC_7515_A2.token, () => setOf(RFC_7515_A2.key), RULES, "one without aud"],
  ["RFC 7515 A.3", RFC_7515_A3.token, () => setOf(RFC_7515_A3.key), RULES, "one without aud"],
  ["RFC 8037 A.4", RFC_8037_A4.token, () => setOf(RFC_8037_A4.key), RULES, FORM],
  ["jwt.io", JWT_IO.token, () => keysOf("secret", JWT_IO.secret), SHARED_RULES, "one without iss"],
] as const;

describe("verifyTokens() of published vectors", () => {
  test.each(VECTORS)("takes the signature of %s, and refuses the claims", async (_name, token, keys, rules, why) => {
    expect(await outcome(token, keys(), rules)).toBe(why);
  });
  test.each(VECTORS)("refuses %s with any byte changed", async (_name, token, keys, rules) => {
    const [standing, parts] = [keys(), token.split(".").map((part) => Buffer.from(part, "base64url"))];
    for (const [index, part] of parts.entries())
      for (let at = 0; at < part.length; at++) {
        const changed = Buffer.from(part);
        changed.writeUInt8(itemAt(part, at) ^ (1 << (at % 8)), at);
        const why = await outcome(parts.with(index, changed).map(encoded).join("."), standing, rules);
        const expected = index === 0 ? /^one (?:whose|that)/ : /^one whose signature is wrong$/;
        expect(why, `byte ${at} of part ${index}`).toMatch(expected);
      }
  });
  const good = tokenOf();
  test.each([
    ["padding", `${good}==`],
    ["a space after it", `${good} `],
    ["a line's end after it", `${good}\n`],
    ["a space in its signature", good.replace(/(?=.{9}$)/, " ")],
    ["bits after its last byte", good.slice(0, -1) + String.fromCharCode(good.charCodeAt(good.length - 1) + 1)],
    ["a space before it", ` ${good}`],
    ["a space before its claims", good.replace(".", ". ")],
  ])("refuses a good token with %s", async (_what, token) => {
    expect(await outcome(token, setOf(jwk(ED)))).not.toBe("valid");
  });
  test("takes no secret of a set, RFC 7515 A.1", async () => {
    const { token, key } = RFC_7515_A1;
    expect(await outcome(token, setOf(key))).toBe(ALGORITHM);
    expect(await outcome(token, setOf(key), SHARED_RULES)).toBe(FORM);
  });
  test("names a key by its thumbprint, RFC 8037 A.3", async () => {
    const verdict = await verdictOf(tokenOf(CLAIMS, {}, RFC_KEY), setOf({ ...RFC_8037_A4.key, kid: "any" }));
    expect(verdict).toEqual({ ...VALID, keyId: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" });
  });
});

describe("verifyTokens() of an algorithm", () => {
  test.each(SIGNED)("takes %s by a set and by a PEM", async (alg) => {
    const { publicKey, privateKey } = pairOf(alg);
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg, kid: "one" }).sign(privateKey);
    const rules = { ...RULES, algorithms: SIGNED };
    expect(await verdictOf(token, setOf({ ...jwk({ publicKey }), kid: "one" }), rules)).toMatchObject(VALID);
    expect(await verdictOf(token, keysOf("pem", pem(publicKey)), rules)).toEqual({ ...VALID, keyId: "" });
  });
  test.each(SHARED)("takes %s by a secret", async (alg) => {
    const secret = `${SECRET}, of tests that have a longer one`;
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg }).sign(Buffer.from(secret));
    const rules = { ...RULES, algorithms: SHARED };
    expect(await verdictOf(token, keysOf("secret", secret), rules)).toEqual({ ...VALID, keyId: "" });
    expect(await outcome(token, keysOf("secret", `${secret}!`), rules)).toBe(SIGNATURE);
  });
  test.each(["none", "None", "NONE", "nOnE", "", null, 1, ["EdDSA"], undefined].map((alg) => ({ alg })))(
    "refuses %j",
    async (alg) => {
      const [header, payload, signature] = take(3, tokenOf(CLAIMS, alg).split("."));
      for (const token of [`${header}.${payload}.`, `${header}.${payload}.${signature}`, `${header}.${payload}`]) {
        for (const keys of [setOf(jwk(ED)), keysOf("pem", pem(ED.publicKey))])
          expect(await outcome(token, keys)).toMatch(/^one (?:whose alg|that is no)/);
        const why = await outcome(token, keysOf("secret", SECRET), SHARED_RULES);
        expect(why).toMatch(/^one (?:whose alg|that is no)/);
      }
    },
  );
  test.each(Object.entries({ RSA, P256, ED }))("takes no public key for a secret, %s", async (_name, { publicKey }) => {
    const [text, der] = [pem(publicKey), publicKey.export({ type: "spki", format: "der" })];
    const numbers = Buffer.from(String(jwk({ publicKey }).n ?? jwk({ publicKey }).x), "base64url");
    const secrets = [text, text.trim(), der, numbers, JSON.stringify(jwk({ publicKey }))];
    const forged = secrets.flatMap((secret) => [hmacToken(secret, "one"), hmacToken(secret)]);
    for (const token of forged)
      for (const keys of [setOf({ ...jwk({ publicKey }), kid: "one" }), keysOf("pem", text)]) {
        expect(await outcome(token, keys)).toBe(ALGORITHM);
        expect(await outcome(token, keys, { ...RULES, algorithms: [...SIGNED, ...SHARED] })).toBe(FORM);
      }
  });
  test("refuses an algorithm that is not taken here", async () => {
    const rules = { ...RULES, algorithms: ["ES256", "RS256"] };
    expect(await outcome(tokenOf(), setOf(jwk(ED)), rules)).toBe("one whose alg is none of ES256, RS256");
    expect(await outcome(tokenOf(), keysOf("secret", SECRET), SHARED_RULES)).toBe("one whose alg is none of HS256");
  });
  test.each([
    ["RS256", P256],
    ["ES384", P256],
    ["EdDSA", RSA],
  ])("refuses %s where the key is for another", async (alg, { publicKey }) => {
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg, kid: "one" }).sign(pairOf(alg).privateKey);
    const rules = { ...RULES, algorithms: SIGNED };
    expect(await outcome(token, setOf({ ...jwk({ publicKey }), kid: "one" }), rules)).toBe("unknown key");
    expect(await outcome(token, keysOf("pem", pem(publicKey)), rules)).toBe(FORM);
  });
});

describe("verifyTokens() of a key", () => {
  test("knows no key by another kid", async () => {
    const keys = setOf({ ...jwk(ED), kid: "one" }, { ...jwk(OTHER), kid: "two" });
    expect(await outcome(tokenOf(CLAIMS, { kid: "one" }), keys)).toBe("valid");
    expect(await outcome(tokenOf(CLAIMS, { kid: "two" }), keys)).toBe(SIGNATURE);
    for (const kid of ["three", "One", "", "__proto__"])
      expect(await outcome(tokenOf(CLAIMS, { kid }), keys), kid).toBe("unknown key");
    for (const kid of [1, null, ["one"]]) expect(await outcome(tokenOf(CLAIMS, { kid }), keys)).not.toBe("valid");
  });
  test("takes a token without kid by the one key that fits", async () => {
    expect(await outcome(tokenOf(), setOf({ ...jwk(ED), kid: "one" }, jwk(RSA), jwk(P256)))).toBe("valid");
    expect(await outcome(tokenOf(), setOf(jwk(RSA), jwk(P256)))).toBe("unknown key");
  });
  test("tries eight keys that fit a token without kid, and no more", async () => {
    const pairs = Array.from({ length: 9 }, () => generateKeyPairSync("ed25519"));
    const keys = setOf(...pairs.map(jwk));
    const outcomes = pairs.map(({ privateKey }) => outcome(tokenOf(CLAIMS, {}, privateKey), keys));
    expect(await Promise.all(outcomes)).toEqual([...Array.from({ length: 8 }, () => "valid"), SIGNATURE]);
    expect(await outcome(tokenOf(), setOf(...pairs.slice(0, 2).map(jwk)))).toBe(SIGNATURE);
  });
  test("names the one of several keys that fits, and judges the claims", async () => {
    const keys = setOf(jwk(OTHER), jwk(ED));
    expect(await verdictOf(tokenOf(), keys)).toEqual(await verdictOf(tokenOf(), setOf(jwk(ED))));
    expect(await outcome(tokenOf({ ...CLAIMS, exp: NOW_S - 60 }), keys)).toBe("one that has expired");
  });
  test("tries the keys after one that is too weak", async () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: "RS256" }).sign(RSA.privateKey);
    expect(await outcome(token, setOf(jwk(RSA), jwk(weak)))).toBe("valid");
    expect(await outcome(token, setOf(jwk(weak), jwk(RSA)))).toBe("valid");
  });
  test.each([{ use: "enc" }, { key_ops: ["sign"] }, { alg: "ES256" }, { alg: "Ed25519" }])(
    "does not use a key that is for something else, %j",
    async (purpose) => {
      expect(await outcome(tokenOf(), setOf({ ...jwk(ED), ...purpose }))).toBe("unknown key");
    },
  );
  test.each([{ use: "sig" }, { key_ops: ["verify"] }, { alg: "EdDSA" }])("uses a key for %j", async (purpose) => {
    expect(await outcome(tokenOf(), setOf({ ...jwk(ED), ...purpose }))).toBe("valid");
  });
  test("replaces the keys by those of another version", async () => {
    const [older, newer] = [setOf({ ...jwk(ED), kid: "one" }), setOf({ ...jwk(OTHER), kid: "one" })];
    const tokens = [tokenOf(CLAIMS, { kid: "one" }), tokenOf(CLAIMS, { kid: "one" }, OTHER.privateKey)];
    const outcomesWith = (keys: Keys) => Promise.all(tokens.map((token) => outcome(token, keys)));
    expect(await outcomesWith(older)).toEqual(["valid", SIGNATURE]);
    expect(await outcomesWith(newer)).toEqual([SIGNATURE, "valid"]);
    expect(await outcomesWith(older)).toEqual(["valid", SIGNATURE]);
  });
});

describe("verifyTokens() of a header", () => {
  test.each([["unheard-of"], ["exp"], ["b64"], ["toString"], [], "exp"].map((crit) => ({ crit })))(
    "refuses %j",
    async (header) => {
      const values = { "unheard-of": true, exp: NOW_S, b64: false };
      expect(await outcome(tokenOf(CLAIMS, { ...values, ...header }), setOf(jwk(ED)))).toBe(FORM);
    },
  );
  test.each([
    ["jwk", jwk(OTHER)],
    ["jku", "https://forger.example/keys"],
    ["x5u", "https://forger.example/certificate"],
    ["x5c", [OTHER.publicKey.export({ type: "spki", format: "der" }).toString("base64")]],
  ])("does not use its %s", async (name, value) => {
    const fetched = vi.fn<typeof fetch>();
    vi.stubGlobal("fetch", fetched);
    const keys = setOf({ ...jwk(ED), kid: "one" });
    const forged = (kid?: string) => tokenOf(CLAIMS, { kid, [name]: value }, OTHER.privateKey);
    expect(await outcome(forged("one"), keys)).toBe(SIGNATURE);
    expect(await outcome(forged("two"), keys)).toBe("unknown key");
    expect(await outcome(forged(), keys)).toBe(SIGNATURE);
    expect(await outcome(forged(), keysOf("pem", pem(ED.publicKey)))).toBe(SIGNATURE);
    expect(await outcome(tokenOf(CLAIMS, { kid: "one", [name]: value }), keys)).toBe("valid");
    expect(fetched).not.toHaveBeenCalled();
  });
});

describe("verifyTokens() of claims", () => {
  const keys = setOf(jwk(ED));
  const outcomeOf = (claims: object, rules = RULES): Promise<string> =>
    outcome(tokenOf({ ...CLAIMS, ...claims }), keys, rules);
  test("requires exp to be a number", async () => {
    expect(await outcomeOf({ exp: undefined })).toBe("one without exp");
    for (const exp of ["2000000060", null, true, [NOW_S], {}])
      expect(await outcomeOf({ exp })).toMatch(/^one whose exp/);
  });
  test("takes a token until its exp and the tolerance are over", async () => {
    expect(await outcomeOf({ exp: NOW_S - 5 })).toBe("one that has expired");
    expect(await outcomeOf({ exp: NOW_S - 4 })).toBe("valid");
    vi.setSystemTime(NOW_S * 1000 + 999);
    expect(await outcomeOf({ exp: NOW_S - 4 })).toBe("valid");
    expect(await outcomeOf({ exp: NOW_S }, { ...RULES, toleranceMs: 0 })).toBe("one that has expired");
    expect(await outcomeOf({ exp: NOW_S + 1 }, { ...RULES, toleranceMs: 0 })).toBe("valid");
  });
  test("takes a token from its nbf on, and the tolerance before", async () => {
    expect(await outcomeOf({ nbf: NOW_S + 6 })).toBe("one that is not valid yet");
    expect(await outcomeOf({ nbf: NOW_S + 5 })).toBe("valid");
    expect(await outcomeOf({ nbf: NOW_S + 1 }, { ...RULES, toleranceMs: 0 })).toBe("one that is not valid yet");
    expect(await outcomeOf({ nbf: String(NOW_S) })).not.toBe("valid");
  });
  test("takes one iss", async () => {
    expect(await outcomeOf({ iss: undefined })).toBe("one without iss");
    for (const iss of ["https://login.example/", "https://LOGIN.example", "", 1, null, [RULES.issuer]])
      expect(await outcomeOf({ iss })).toBe("one whose iss is not the one that is taken here");
  });
  test("takes an aud that is its own, or has it", async () => {
    for (const aud of ["headcount", ["headcount"], ["another", "headcount"], [1, "headcount"]])
      expect(await outcomeOf({ aud })).toBe("valid");
    expect(await outcomeOf({ aud: undefined })).toBe("one without aud");
    for (const aud of ["another", "headcount2", "Headcount", "", [], ["another"], [["headcount"]], null, 1, {}])
      expect(await outcomeOf({ aud })).toBe("one whose aud is not the one that is taken here");
  });
  test.each([undefined, 1, null, true, ["admin"], {}])("takes no sub and no scope that are %j", async (value) => {
    const verdict = await verdictOf(tokenOf({ ...CLAIMS, sub: value, scope: value }), keys);
    expect(verdict).toMatchObject({ ...VALID, sub: undefined, scope: "" });
  });
  test.each(["[]", "null", "1", '"text"', "", "{", '{"exp":2000000060}x', "\u00ff"])("refuses %j", async (payload) => {
    expect(await outcome(tokenOf(payload), keys)).toBe(FORM);
  });
});

describe("verifyTokens() of a text", () => {
  const [header, payload, signature] = take(3, tokenOf().split("."));
  test.each([
    ["empty", ""],
    ["without JSON", "a.b.c"],
    ["of empty parts", ".."],
    ["of one part", header],
    ["of two parts", `${header}.${payload}`],
    ["of four parts", `${header}.${payload}.${signature}.`],
    ["of five parts", `${encoded({ alg: "dir", enc: "A128GCM" })}..${"a".repeat(16)}.${payload}.${"a".repeat(22)}`],
    ["whose header is a list", `${encoded("[]")}.${payload}.${signature}`],
    ["whose header is null", `${encoded("null")}.${payload}.${signature}`],
    ["whose header is no UTF-8", `${Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")}.${payload}.${signature}`],
    ["with a scheme before it", `Bearer ${header}.${payload}.${signature}`],
    ["beyond ASCII", `${header}.${payload}ÿ.${signature}`],
    ["in JSON", JSON.stringify({ protected: header, payload, signature })],
  ])("refuses one %s", async (_what, token) => {
    for (const keys of [setOf(jwk(ED)), keysOf("pem", pem(ED.publicKey))])
      expect(await outcome(token, keys)).toBe(FORM);
    expect(await outcome(token, keysOf("secret", SECRET), SHARED_RULES)).not.toBe("valid");
  });
  test("answers each of several in their order", async () => {
    const tokens = [tokenOf(), "", tokenOf({ ...CLAIMS, sub: "another" }), tokenOf(CLAIMS, { kid: "two" })];
    const verdicts = await verifyTokens({ tokens, keys: setOf(jwk(ED)), rules: RULES });
    const refused = { kind: "invalid", why: FORM };
    expect(verdicts).toMatchObject([VALID, refused, { ...VALID, sub: "another" }, { kind: "unknown key" }]);
  });
  test("says nothing of a token that it refuses", async () => {
    const told = "hunter2hunter2";
    const claims = { ...CLAIMS, [told]: told };
    const headers = [{ alg: told }, { kid: told }, { crit: [told], [told]: told }, { typ: told, alg: "none" }];
    const bad = [{ iss: told }, { aud: told }, { exp: told }, { nbf: told }, { iat: told }, { exp: 1, sub: told }];
    const tokens = [
      ...headers.map((each) => tokenOf(claims, each)),
      ...bad.map((each) => tokenOf({ ...claims, ...each })),
      tokenOf(claims, {}, OTHER.privateKey),
      tokenOf(told),
      `${told}.${told}.${told}`,
    ];
    for (const token of tokens) expect(await outcome(token, setOf(jwk(ED)))).not.toMatch(/hunter2|valid$/);
  });
});

/** The kind of the verdict; where it is "invalid", why: that must hold no eight characters of the token. */
async function outcome(token: string, keys: Keys, rules = RULES): Promise<string> {
  const verdict = await verdictOf(token, keys, rules);
  if (verdict.kind !== "invalid") return verdict.kind;
  const texts = [token, ...token.split(".").map((part) => Buffer.from(part, "base64url").toString())];
  const pieces = texts.flatMap((text) => Array.from({ length: text.length }, (_, at) => text.slice(at, at + 8)));
  expect(pieces.filter((piece) => piece.length === 8 && verdict.why.includes(piece))).toEqual([]);
  return verdict.why;
}

async function verdictOf(token: string, keys: Keys, rules = RULES): Promise<Verdict> {
  return itemAt(await verifyTokens({ tokens: [token], keys, rules }), 0);
}

function keysOf(kind: Keys["kind"], text: string): Keys {
  return { kind, text, version: ++version };
}

function setOf(...keys: JWK[]): Keys {
  return keysOf("set", JSON.stringify({ keys }));
}

function jwk({ publicKey }: { readonly publicKey: KeyObject }): JWK {
  return publicKey.export({ format: "jwk" });
}

function pem(publicKey: KeyObject): string {
  return String(publicKey.export({ type: "spki", format: "pem" }));
}

function pairOf(alg: string): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (alg.startsWith("Ed")) return ED;
  return alg.startsWith("ES") ? itemAt({ ES256: P256, ES384: P384, ES512: P521 }, alg) : RSA;
}

/** Signed with Ed25519, whatever it says. */
function tokenOf(claims: object | string = CLAIMS, header: object = {}, key = ED.privateKey): string {
  const signed = `${encoded({ alg: "EdDSA", ...header })}.${encoded(claims)}`;
  return `${signed}.${encoded(sign(null, Buffer.from(signed), key))}`;
}

function hmacToken(secret: string | Buffer, kid?: string): string {
  const signed = `${encoded({ alg: "HS256", kid })}.${encoded(CLAIMS)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

function encoded(value: object | string): string {
  const isBytes = typeof value === "string" || Buffer.isBuffer(value);
  return Buffer.from(isBytes ? value : JSON.stringify(value)).toString("base64url");
}
