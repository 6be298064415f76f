/** The settings of who may ask: which tokens are taken, and who signs them. */
import { createPublicKey } from "node:crypto";
import type { Environment } from "./environment.ts";
import { SettingError } from "./setting-error.ts";
import { isKeyFor, readSigningKey, RSA_BITS_MIN, SECRET_BYTES_MIN, type SigningKey } from "./signing-key.ts";
import { choice, confidential, optional, read, type Setting, shown, whole } from "./setting.ts";

/** Where the keys are with which tokens are verified. */
export type KeySource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "url"; readonly url: string }
  | SigningKey;

export interface TokenSettings {
  readonly keys: KeySource;
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** How far clocks may differ. */
  readonly toleranceMs: number;
}

const SIGNED = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];
const SHARED = ["HS256", "HS384", "HS512"];
const SIGNED_STANDARD = ["RS256", "ES256", "EdDSA"];
const SHARED_STANDARD = ["HS256"];
const ANY = /^[^\p{Cc}]{1,1024}$/u;
const KEY = /^[^\0]{1,65536}$/;

export const TOKEN_SETTINGS = {
  auth: choice(
    "HEADCOUNT_AUTH",
    "off",
    ["off", "jwt"],
    "jwt: whoever reports a player, or looks one up, shows a signed token",
  ),
  reads: choice(
    "HEADCOUNT_AUTH_READS",
    "off",
    ["off", "jwt"],
    "jwt: whoever asks for modes, regions or players shows a token too",
  ),
  jwks: {
    ...optional("HEADCOUNT_JWT_JWKS", "a file or an https URL", ANY),
    about: "the public keys of whoever signs tokens, as a JSON Web Key Set; it is read again when it changes",
  },
  key: {
    ...confidential("HEADCOUNT_JWT_KEY", `a PEM file, or a secret of at least ${SECRET_BYTES_MIN} bytes`, KEY),
    about: "instead of a set: the one public key, or the secret that is shared with whoever signs tokens",
  },
  issuer: { ...optional("HEADCOUNT_JWT_ISSUER", "1 to 1024 characters", ANY), about: "who signs tokens: their iss" },
  audience: {
    ...optional("HEADCOUNT_JWT_AUDIENCE", "1 to 1024 characters", ANY),
    about: "for whom tokens are: one of their aud",
  },
  algorithms: {
    name: "HEADCOUNT_JWT_ALGORITHMS",
    form: `of ${SIGNED.join(", ")}, or of ${SHARED.join(", ")}, comma-separated`,
    standard: undefined,
    parse: parseAlgorithms,
    about: `the alg of tokens; without it ${SIGNED_STANDARD.join(",")}, or ${SHARED_STANDARD.join(",")} with a secret`,
  } as Setting<readonly string[] | undefined>,
  toleranceMs: whole("HEADCOUNT_JWT_CLOCK_TOLERANCE_MS", "5000", 0, 300_000, "how far clocks may differ"),
};

/**
 * @param isKeyFromFile whether the one key was read from the file that its `_FILE` names
 * @returns undefined where no tokens are asked for
 * @throws {SettingError}
 */
export function readTokens(environment: Environment, isKeyFromFile: boolean): TokenSettings | undefined {
  const { auth, reads, jwks, key, issuer, audience, algorithms, toleranceMs } = TOKEN_SETTINGS;
  const refuse = (name: string, why: string): never => {
    throw new SettingError(`${name} must ${why}`);
  };
  if (read(auth, environment) === "off") {
    for (const { name } of [reads, jwks, key, issuer, audience, algorithms, toleranceMs])
      if (environment[name] !== undefined) refuse(name, `not be set without ${auth.name}=jwt`);
    return undefined;
  }
  const required = (setting: Setting<string | undefined>): string =>
    read(setting, environment) ?? refuse(setting.name, `be set where ${auth.name} is jwt (${setting.about})`);
  const [set, one] = [read(jwks, environment), read(key, environment)];
  if (set !== undefined && one !== undefined) refuse(key.name, `not be set where ${jwks.name} is set`);
  const keys =
    set !== undefined
      ? setSource(set)
      : readSigningKey(
          one ?? refuse(jwks.name, `be set where ${auth.name} is jwt (or ${key.name})`),
          key.name,
          key.form,
          isKeyFromFile,
        );
  const taken = readAlgorithms(keys, environment);
  if (keys.kind === "pem" && !taken.some((each) => isKeyFor(createPublicKey(keys.text), each)))
    refuse(key.name, `be a key for one of ${taken.join(", ")}, RSA of at least ${RSA_BITS_MIN} bits; it is another`);
  return {
    keys,
    issuer: required(issuer),
    audience: required(audience),
    algorithms: taken,
    toleranceMs: read(toleranceMs, environment),
  };
}

function readAlgorithms({ kind }: KeySource, environment: Environment): readonly string[] {
  const { algorithms, key, jwks } = TOKEN_SETTINGS;
  const isShared = kind === "secret";
  const named = read(algorithms, environment);
  if (named === undefined) return isShared ? SHARED_STANDARD : SIGNED_STANDARD;
  if (SHARED.includes(named[0] as string) === isShared) return named;
  const [of, family] = isShared ? [`a secret in ${key.name}`, SHARED] : [`keys in ${jwks.name} or ${key.name}`, SIGNED];
  throw new SettingError(
    `${algorithms.name} must be of ${family.join(", ")} for ${isShared ? of : `public ${of}`}, got ${shown(named.join(","))}`,
  );
}

/** Of one family: a public key that were taken for a secret would let everybody sign. */
function parseAlgorithms(value: string): readonly string[] | undefined {
  const named = value.split(",").map((each) => each.trim());
  const isOf = (family: readonly string[]): boolean => named.every((each) => family.includes(each));
  return isOf(SIGNED) || isOf(SHARED) ? named : undefined;
}

function setSource(value: string): KeySource {
  if (!/^[a-z][a-z\d+.-]*:\/\//i.test(value)) return { kind: "file", path: value };
  const { name, form } = TOKEN_SETTINGS.jwks;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol === "https:" && url.username === "" && url.password === "") return { kind: "url", url: value };
  const got = value.includes("@") ? "one with a login" : shown(value);
  throw new SettingError(`${name} must be ${form} without a login, got ${got}`);
}
