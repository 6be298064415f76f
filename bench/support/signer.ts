/** A key of the benchmark's own, the settings of a node that trusts it, and tokens signed with it. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./children.ts";

const [ISSUER, AUDIENCE] = ["https://login.example", "headcount"];

export class Signer {
  readonly settings: Readonly<Record<string, string>>;
  private readonly key: KeyObject;
  private readonly head = part({ alg: "EdDSA", kid: "bench" });
  private readonly expiresS = Math.floor(Date.now() / 1000) + 86_400;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    this.key = privateKey;
    const path = join(temporaryFolder(), "keys.json");
    writeFileSync(path, JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "bench" }] }));
    this.settings = {
      HEADCOUNT_AUTH: "jwt",
      HEADCOUNT_JWT_JWKS: path,
      HEADCOUNT_JWT_ISSUER: ISSUER,
      HEADCOUNT_JWT_AUDIENCE: AUDIENCE,
    };
  }

  token(claims: object): string {
    const signed = `${this.head}.${part({ iss: ISSUER, aud: AUDIENCE, exp: this.expiresS, ...claims })}`;
    return `${signed}.${sign(null, Buffer.from(signed), this.key).toString("base64url")}`;
  }
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

export function bearer(token: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${token}` };
}
