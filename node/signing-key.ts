/** The one key that tokens are verified with, as an operator gives it: a public key, or a secret that is told from what is none. */
import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { readBeginning } from "./environment.ts";
import { lengthOf } from "./setting.ts";
import { SettingError } from "./setting-error.ts";

export type SigningKey =
  /** A public key or a certificate. */
  | { readonly kind: "pem"; readonly text: string }
  /** Shared with whoever makes tokens. */
  | { readonly kind: "secret"; readonly text: string };

export const SECRET_BYTES_MIN = 32;
/** RFC 7518, 3.3. */
export const RSA_BITS_MIN = 2048;
const PEM_BYTES_MAX = 65_536;
const PEM_LABEL = /-----BEGIN ([A-Z0-9 ]+)-----/g;
/** What is no secret, since others may know it: names of files, addresses, keys in other forms, sets of keys. */
const PATH_LIKE = /^[./~]|\.(?:pem|pub|key|crt|cer|der|jwk|json)\s*$/i;
const NO_SECRET = /^[a-z][a-z\d+.-]*:\/\/|^(?:ssh|sk|ecdsa-sha2)-|^----|^\s*</i;
const BASE64 = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/;
const CURVES: Readonly<Record<string, string>> = { ES256: "prime256v1", ES384: "secp384r1", ES512: "secp521r1" };

/**
 * @param name of the setting, @param form what it may be
 * @param isFromFile whether it was read from the file that its `_FILE` names: then it is no file's name
 * @throws {SettingError}
 */
export function readSigningKey(value: string, name: string, form: string, isFromFile: boolean): SigningKey {
  const refuse = (got: string): never => {
    throw new SettingError(`${name} must be ${form}, got ${got}`);
  };
  if (hasPem(value)) return pemKey(value, name);
  if (!isFromFile && isPath(value)) {
    const text = textOf(value);
    if (text === undefined) refuse(`a file that cannot be read; a secret that looks like a file's name: ${name}_FILE`);
    if (hasPem(text as string)) return pemKey(text as string, name);
    refuse(`a file that is no PEM; a secret in a file: ${name}_FILE`);
  }
  if (NO_SECRET.test(value) || isBareKey(value) || isJson(value))
    refuse("an address, or a public key in another form: others may know it");
  if (Buffer.byteLength(value) < SECRET_BYTES_MIN) refuse(lengthOf(value));
  return { kind: "secret", text: value };
}

/** Whether signatures by that algorithm can be verified with the key. Source: RFC 7518, 3.1; RFC 8037, 3.1. */
export function isKeyFor({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, algorithm: string): boolean {
  const { modulusLength = 0, namedCurve } = asymmetricKeyDetails ?? {};
  if (/^[RP]S/.test(algorithm)) return asymmetricKeyType === "rsa" && modulusLength >= RSA_BITS_MIN;
  if (algorithm.startsWith("Ed")) return asymmetricKeyType === "ed25519";
  return asymmetricKeyType === "ec" && namedCurve === CURVES[algorithm];
}

function pemKey(text: string, name: string): SigningKey {
  const labels = Array.from(text.matchAll(PEM_LABEL), ([, label = ""]) => label);
  if (labels.some((label) => label.includes("PRIVATE")))
    throw new SettingError(`${name} must be a public key, got a private one`);
  try {
    createPublicKey(text);
  } catch {
    const got = JSON.stringify(labels.join(", "));
    throw new SettingError(`${name} must be a public key or a certificate in PEM, got ${got} that cannot be read`);
  }
  return { kind: "pem", text };
}

function hasPem(text: string): boolean {
  return text.search(PEM_LABEL) >= 0;
}

function isPath(value: string): boolean {
  return (
    PATH_LIKE.test(value) || existsSync(value) || (value.includes("/") && !BASE64.test(value) && !NO_SECRET.test(value))
  );
}

function textOf(path: string): string | undefined {
  try {
    return readBeginning(path, PEM_BYTES_MAX).toString();
  } catch {
    return undefined;
  }
}

/** A public key or a certificate in base64 without the lines around it, as some login services show it. */
function isBareKey(value: string): boolean {
  const key = Buffer.from(value.replaceAll(/\s/g, ""), "base64");
  const readings = [
    () => createPublicKey({ key, format: "der", type: "spki" }),
    () => createPublicKey({ key, format: "der", type: "pkcs1" }),
    () => new X509Certificate(key),
  ];
  return readings.some(succeeds);
}

/** A key of a set, or a set. */
function isJson(value: string): boolean {
  return /^\s*[{[]/.test(value) && succeeds(() => JSON.parse(value) as unknown);
}

function succeeds(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
