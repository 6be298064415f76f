/** Verifies tokens, in a thread of its own: a signature costs some 0.1 ms. */
import { createPublicKey, type KeyObject } from "node:crypto";
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  errors,
  exportJWK,
  type JSONWebKeySet,
  type JWTHeaderParameters,
  type FlattenedJWSInput,
  type JWTPayload,
  jwtVerify,
} from "jose";
import type { TokenSettings } from "../token-settings.ts";

/** What tokens are verified with. Of a set: its text, and a number that changes with it. */
export interface Keys {
  readonly kind: "set" | "pem" | "secret";
  readonly text: string;
  readonly version: number;
}

export type Rules = Pick<TokenSettings, "issuer" | "audience" | "algorithms" | "toleranceMs">;

export interface VerifyTask {
  readonly tokens: readonly string[];
  readonly keys: Keys;
  readonly rules: Rules;
}

export type Verdict =
  | {
      readonly kind: "valid";
      readonly sub: string | undefined;
      readonly scope: string;
      /** As the token has them: any values. */
      readonly entitlements: readonly unknown[];
      readonly expiresS: number;
      /** Tells the keys of a set apart; "" of the one key. */
      readonly keyId: string;
    }
  /** `why` completes "a token must be …, got" and holds nothing of the token. */
  | { readonly kind: "invalid"; readonly why: string }
  | { readonly kind: "unknown key" };

type Verified = { readonly payload: JWTPayload; readonly keyId: string };
type Verify = (token: string, rules: Rules) => Promise<Verified>;
type SetKey = Awaited<ReturnType<ReturnType<typeof createLocalJWKSet>>>;

/** Where a token without `kid` fits several keys, each is tried: a small set is usual, and a large one would be work for nothing. */
const TRIED_MAX = 8;
const NO_JWT = "one that is no signed JWT, or has a crit that is not known here";

/** For the keys that came last. */
let verify: { readonly text: string; readonly run: Verify } | undefined;
const ids = new WeakMap<object, string>();

export default async function verifyTokens({ tokens, keys, rules }: VerifyTask): Promise<Verdict[]> {
  if (verify?.text !== keys.text) verify = { text: keys.text, run: verifierWith(keys) };
  const { run } = verify;
  return Promise.all(tokens.map((token) => verdictOf(run, token, rules)));
}

async function verdictOf(run: Verify, token: string, rules: Rules): Promise<Verdict> {
  if (!isCompact(token)) return { kind: "invalid", why: NO_JWT };
  try {
    const { payload, keyId } = await run(token, rules);
    const { sub, exp, scope, entitlements } = payload;
    const scopes = typeof scope === "string" ? scope : "";
    return {
      kind: "valid",
      sub: typeof sub === "string" ? sub : undefined,
      scope: scopes,
      entitlements: Array.isArray(entitlements) ? entitlements : [],
      expiresS: exp as number,
      keyId,
    };
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return { kind: "unknown key" };
    return { kind: "invalid", why: whyInvalid(error, rules) };
  }
}

/** RFC 7515, 3.1. The library also takes padding, spaces and bits that mean nothing: one token would have many spellings. */
function isCompact(token: string): boolean {
  const parts = token.split(".");
  return parts.length === 3 && parts.every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
}

function verifierWith({ kind, text }: Keys): Verify {
  if (kind === "set") return verifierOfSet(JSON.parse(text) as JSONWebKeySet);
  const key: KeyObject | Uint8Array = kind === "pem" ? createPublicKey(text) : new TextEncoder().encode(text);
  return async (token, rules) => ({ payload: (await jwtVerify(token, key, optionsOf(rules))).payload, keyId: "" });
}

function verifierOfSet(set: JSONWebKeySet): Verify {
  const keyFor = createLocalJWKSet(set);
  const verifyWith = async (token: string, key: SetKey, rules: Rules): Promise<Verified> => {
    const { payload } = await jwtVerify(token, key, optionsOf(rules));
    return { payload, keyId: await idOf(key) };
  };
  return async (token, rules) => {
    let used: SetKey | undefined;
    const choose = async (header: JWTHeaderParameters, input: FlattenedJWSInput): Promise<SetKey> =>
      (used = await keyFor(header, input));
    try {
      const { payload } = await jwtVerify(token, choose, optionsOf(rules));
      return { payload, keyId: await idOf(used as SetKey) };
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      return firstThatFits(error as AsyncIterable<SetKey> & Error, (key) => verifyWith(token, key, rules));
    }
  };
}

async function firstThatFits(
  keys: AsyncIterable<SetKey> & Error,
  verifyWith: (key: SetKey) => Promise<Verified>,
): Promise<Verified> {
  let tried = 0;
  for await (const key of keys) {
    if (++tried > TRIED_MAX) break;
    try {
      return await verifyWith(key);
    } catch (error) {
      // The signature was right; else another key may fit.
      if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}

/** The thumbprint of a key (RFC 7638). */
async function idOf(key: SetKey): Promise<string> {
  let id = ids.get(key);
  if (id === undefined) ids.set(key, (id = await calculateJwkThumbprint(await exportJWK(key))));
  return id;
}

function optionsOf({ issuer, audience, algorithms, toleranceMs }: Rules) {
  return {
    issuer,
    audience,
    algorithms: [...algorithms],
    clockTolerance: toleranceMs / 1000,
    requiredClaims: ["exp"],
  };
}

function whyInvalid(error: unknown, { algorithms }: Rules): string {
  if (error instanceof errors.JWTExpired) return "one that has expired";
  if (error instanceof errors.JWTClaimValidationFailed) return whyClaim(error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return "one whose signature is wrong";
  if (error instanceof errors.JOSEAlgNotAllowed) return `one whose alg is none of ${algorithms.join(", ")}`;
  return NO_JWT;
}

function whyClaim({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === "missing") return `one without ${claim}`;
  return claim === "nbf" ? "one that is not valid yet" : `one whose ${claim} is not the one that is taken here`;
}
