/** Tokens signed with a shared secret, made at once; and the settings of a node that takes them. */
import { createHmac } from "node:crypto";

export const SECRET = "a secret of the tests, thirty-two bytes or more";
export const [ISSUER, AUDIENCE] = ["https://login.example", "headcount"];
export const TOKEN_SETTINGS_GIVEN = {
  HEADCOUNT_AUTH: "jwt",
  HEADCOUNT_JWT_KEY: SECRET,
  HEADCOUNT_JWT_ISSUER: ISSUER,
  HEADCOUNT_JWT_AUDIENCE: AUDIENCE,
} as const;

/** @param claims beside those that every good token has, or instead of them */
export function signedToken(claims: object, header: object = {}, secret = SECRET): string {
  const nowS = Math.floor(Date.now() / 1000);
  const all = { iss: ISSUER, aud: AUDIENCE, exp: nowS + 3600, ...claims };
  const signed = `${encoded({ alg: "HS256", ...header })}.${encoded(all)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
