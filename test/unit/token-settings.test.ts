import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSettings } from "../../node/settings.ts";
import { temporaryFolder } from "../support/node-process.ts";

const BASE = { HEADCOUNT_AUTH: "jwt", HEADCOUNT_JWT_ISSUER: "https://login.example", HEADCOUNT_JWT_AUDIENCE: "game" };
const SECRET = "a secret of thirty-two bytes or more";

/** Of nobody, made with openssl, in DER and base64. */
const CERTIFICATE = [
  "MIIBbzCCARWgAwIBAgIUPILgUdSirWFEW4esuM+MwV/oLUowCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBeDAgFw0yNjExMjcyMDMw",
  "MjVaGA8yMTI2MTEwMzIwMzAyNVowDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGiMvQy5V9lxoVmMSoQT",
  "HGRrXohD6OXG6AkzNJHNjX22d6GzkyZ4fuzVJtFlyv2caGTUttQq/76n+AGc9IPkJaijUzBRMB0GA1UdDgQWBBSUTRPHUpYJim7i",
  "0LzdhN6k0QTG5TAfBgNVHSMEGDAWgBSUTRPHUpYJim7i0LzdhN6k0QTG5TAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gA",
  "MEUCIFh+zNtbhKC/HaYzTLnZEo9bAt7BPKeSsNFxv7bDLIfnAiEA7b+RuOzgGSvi4G3YIb+DID/3gTssvXdYSXoyONO0sR4=",
].join("");

const tokensOf = (more: Readonly<Record<string, string>>) => readSettings({ ...BASE, ...more }).tokens;
const keyOf = (key: string, more: Readonly<Record<string, string>> = {}) =>
  tokensOf({ HEADCOUNT_JWT_KEY: key, ...more });

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ed = generateKeyPairSync("ed25519");
const p256 = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" });

function pem(key: KeyObject): string {
  return key.export({ type: key.type === "private" ? "pkcs8" : "spki", format: "pem" }).toString();
}
function der(key: KeyObject, type: "spki" | "pkcs1" = "spki"): string {
  return (key.export({ type, format: "der" }) as Buffer).toString("base64");
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => void (folder = await temporaryFolder()));
afterAll(() => folder[Symbol.asyncDispose]());
function file(name: string, text: string): string {
  const path = join(folder.path, name);
  writeFileSync(path, text);
  return path;
}

test("no tokens are asked for unless the operator says so", () => {
  expect(readSettings({}).tokens).toBeUndefined();
  expect(() => readSettings({ HEADCOUNT_JWT_ISSUER: "x" })).toThrow("must not be set without HEADCOUNT_AUTH=jwt");
  expect(() => readSettings({ HEADCOUNT_AUTH_READS: "jwt" })).toThrow("must not be set without HEADCOUNT_AUTH=jwt");
});

test.each(["HEADCOUNT_JWT_ISSUER", "HEADCOUNT_JWT_AUDIENCE", "HEADCOUNT_JWT_JWKS"])("%s is required", (name) => {
  const { [name]: _left, ...rest } = { ...BASE, HEADCOUNT_JWT_JWKS: "keys.json" } as Record<string, string>;
  expect(() => readSettings(rest)).toThrow(`${name} must be set where HEADCOUNT_AUTH is jwt`);
});

describe("HEADCOUNT_JWT_KEY", () => {
  test("may be a public key, a certificate's place, or a secret", () => {
    expect(keyOf(pem(rsa.publicKey))).toMatchObject({ keys: { kind: "pem" }, algorithms: ["RS256", "ES256", "EdDSA"] });
    expect(keyOf(file("key.pem", pem(ed.publicKey)))).toMatchObject({ keys: { kind: "pem" } });
    expect(keyOf(SECRET)).toMatchObject({ keys: { kind: "secret", text: SECRET }, algorithms: ["HS256"] });
  });

  test("in a file of its own: whatever it begins with is no file's name", () => {
    const secret = `/${randomBytes(33).toString("base64").slice(1)}`;
    expect(tokensOf({ HEADCOUNT_JWT_KEY_FILE: file("secret", secret) })).toMatchObject({
      keys: { kind: "secret", text: secret },
    });
    expect(() => keyOf(secret)).toThrow("a secret that looks like a file's name: HEADCOUNT_JWT_KEY_FILE");
  });

  test.each([
    ["a public key without the lines around it", () => der(ed.publicKey)],
    ["the same of another kind", () => der(rsa.publicKey, "pkcs1")],
    ["the same in lines", () => der(rsa.publicKey).replaceAll(/.{64}/g, "$& ")],
    ["a certificate without the lines around it", () => CERTIFICATE],
    ["a key of ssh of another kind", () => "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY"],
    ["a key of .NET", () => `<RSAKeyValue><Modulus>${"x".repeat(40)}</Modulus></RSAKeyValue>`],
    ["an address", () => "https://www.googleapis.com/oauth2/v3/certs"],
    ["a file's address", () => "file:///etc/headcount/keys/jwt_public_key"],
    ["a set", () => JSON.stringify({ keys: [p256.publicKey.export({ format: "jwk" })] })],
    ["a key of a set", () => JSON.stringify(p256.publicKey.export({ format: "jwk" }))],
    ["a key of ssh", () => "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJtPq8 someone@somewhere"],
    ["a key of ssh with lines", () => "---- BEGIN SSH2 PUBLIC KEY ---- AAAAC3NzaC1lZDI1NTE5AAAAIJtPq8"],
    ["a file that is not there", () => "/run/secrets/headcount/jwt_public_key"],
    ["one with a space behind its name", () => "deploy/keys/production-issuer-of-tokens.pem "],
    ["one without an ending", () => "run/secrets/headcount-jwt-public-key"],
    ["a file that is there and no PEM", () => file("other", SECRET)],
    ["too short", () => "x".repeat(31)],
  ])("is never a secret that others may know: %s", (_, key) => {
    expect(() => keyOf(key())).toThrow(/^HEADCOUNT_JWT_KEY must be a PEM file, or a secret of at least 32 bytes, got /);
  });

  test.each([
    ["private", () => pem(ed.privateKey)],
    [
      "private, behind its parameters",
      () => `-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n${pem(p256.privateKey)}`,
    ],
    ["private, behind a public one", () => pem(ed.publicKey) + pem(ed.privateKey)],
  ])("is never %s", (_, key) => {
    expect(() => keyOf(key())).toThrow("HEADCOUNT_JWT_KEY must be a public key, got a private one");
  });

  test.each([
    ["RSA of 1,024 bits", pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey), {}],
    ["X25519", pem(generateKeyPairSync("x25519").publicKey), {}],
    ["P-384 for the usual algorithms", pem(p384.publicKey), {}],
    ["RSA for ES256", pem(rsa.publicKey), { HEADCOUNT_JWT_ALGORITHMS: "ES256" }],
  ])("is one that can verify what is taken, not %s", (_, key, more) => {
    expect(() => keyOf(key, more)).toThrow("HEADCOUNT_JWT_KEY must be a key for one of");
  });

  test("fits P-384 where that is asked for", () => {
    expect(keyOf(pem(p384.publicKey), { HEADCOUNT_JWT_ALGORITHMS: "ES384" })).toMatchObject({ algorithms: ["ES384"] });
  });

  test("is not shown where it is bad", () => {
    expect(() => keyOf("short and secret")).toThrow("got 16 characters");
  });
});

test.each([
  ["HS256 for public keys", { HEADCOUNT_JWT_JWKS: "keys.json", HEADCOUNT_JWT_ALGORITHMS: "HS256" }],
  ["RS256 for a secret", { HEADCOUNT_JWT_KEY: SECRET, HEADCOUNT_JWT_ALGORITHMS: "RS256" }],
  ["both", { HEADCOUNT_JWT_KEY: SECRET, HEADCOUNT_JWT_ALGORITHMS: "RS256,HS256" }],
  ["none", { HEADCOUNT_JWT_JWKS: "keys.json", HEADCOUNT_JWT_ALGORITHMS: "none" }],
])("HEADCOUNT_JWT_ALGORITHMS are of one family, the keys' own: not %s", (_, more) => {
  expect(() => tokensOf(more as unknown as Record<string, string>)).toThrow(/^HEADCOUNT_JWT_ALGORITHMS must be of /);
});

test.each([
  ["http", "http://login.example/keys"],
  ["another scheme", "ftp://login.example/keys"],
  ["a password", "https://user:hunter@2secret@login.example/keys"],
  ["a login without one", "https://ghp_secret@login.example/keys"],
])("HEADCOUNT_JWT_JWKS is a file or an https URL, not one with %s, and no login is shown", (_, url) => {
  const act = (): unknown => tokensOf({ HEADCOUNT_JWT_JWKS: url });
  expect(act).toThrow(/^HEADCOUNT_JWT_JWKS must be a file or an https URL/);
  expect(act).not.toThrow(/secret|hunter/);
});

test("HEADCOUNT_JWT_JWKS and HEADCOUNT_JWT_KEY are not both set", () => {
  expect(() => keyOf(SECRET, { HEADCOUNT_JWT_JWKS: "keys.json" })).toThrow(
    "HEADCOUNT_JWT_KEY must not be set where HEADCOUNT_JWT_JWKS is set",
  );
});
