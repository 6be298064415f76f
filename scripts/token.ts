/**
 * `npm run token -- --sub <player's id> --scope "reports:batch profiles:read"`: makes a token to try with, and at first the key
 * that signs it. Only the token goes to standard output. In production your login service signs tokens, with a key of its own.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { ENTITLEMENTS_MAX, isEntitlement } from "../engine/entitlement.ts";
import { playerOf, SCOPES } from "../node/access/grant.ts";

const ALGORITHM = "EdDSA";
const [ISSUER, AUDIENCE] = ["headcount-try", "headcount"];
const HELP = `Usage: npm run token -- [--sub <UUID>] [--scope "<${SCOPES.join("|")}> ..."]
                         [--entitlements "<name> ..."] [--hours <n>] [--folder <folder>]

  --sub     the player for whom the token speaks
  --scope   what else it allows; several with spaces between them (scores:write means nothing yet)
  --entitlements  what the player has that modes may ask for: several with spaces between them
  --hours   how long it is good, 24 if left out; below 0 (--hours=-1): one that has expired
  --folder  where the key is kept, and made at first: .token-keys if left out
`;

const values = readOptions();
if (values.help) console.log(HELP);
else
  try {
    console.log(await makeToken());
  } catch (error) {
    console.error(error instanceof RangeError ? error.message : error);
    process.exitCode = 1;
  }

function readOptions() {
  const options = {
    sub: { type: "string" },
    scope: { type: "string" },
    entitlements: { type: "string" },
    hours: { type: "string", default: "24" },
    folder: { type: "string", default: ".token-keys" },
    help: { type: "boolean", short: "h", default: false },
  } as const;
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${(error as Error).message.split(". ")[0]} (--help lists the options)`);
    return process.exit(1);
  }
}

async function makeToken(): Promise<string> {
  const hours = Number(values.hours);
  if (!Number.isFinite(hours)) throw new RangeError(`--hours must be a number, got ${JSON.stringify(values.hours)}`);
  const unknown = (values.scope ?? "")
    .split(" ")
    .find((each) => each !== "" && !(SCOPES as readonly string[]).includes(each));
  if (unknown !== undefined)
    throw new RangeError(`--scope must be of ${SCOPES.join(", ")}, got ${JSON.stringify(unknown)}`);
  if (values.sub !== undefined && playerOf(values.sub) === undefined)
    throw new RangeError(`--sub must be a player's id (a UUID), got ${JSON.stringify(values.sub)}`);
  const entitlements = values.entitlements?.split(" ").filter((each) => each !== "");
  const wrong = entitlements?.find((each) => !isEntitlement(each));
  if (wrong !== undefined)
    throw new RangeError(`--entitlements must be of A-Z a-z 0-9 . _ : -, each 1 to 64, got ${JSON.stringify(wrong)}`);
  if ((entitlements?.length ?? 0) > ENTITLEMENTS_MAX)
    throw new RangeError(`--entitlements must be ${ENTITLEMENTS_MAX} at the most, got ${entitlements?.length}`);
  const privateKey = await keyIn(values.folder);
  const nowS = Math.floor(Date.now() / 1000);
  const rights = { ...(values.scope !== undefined && { scope: values.scope }), ...(entitlements && { entitlements }) };
  const token = new SignJWT(rights)
    .setProtectedHeader({ alg: ALGORITHM, kid: privateKey.kid as string })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + Math.round(hours * 3600));
  if (values.sub !== undefined) token.setSubject(values.sub);
  return token.sign(await importJWK(privateKey, ALGORITHM));
}

/** The private key in the folder; made where there is none, with the public set beside it. */
async function keyIn(folder: string): Promise<JWK> {
  const [set, secret] = [join(folder, "keys.json"), join(folder, "private.json")];
  if (!existsSync(secret)) {
    const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
    const shown = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(shown);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(set, `${JSON.stringify({ keys: [{ ...shown, kid, alg: ALGORITHM, use: "sig" }] }, null, 2)}\n`);
    writeFileSync(secret, `${JSON.stringify({ ...(await exportJWK(privateKey)), kid })}\n`, { mode: 0o600 });
    console.error(`made a key in ${folder}; a node that takes its tokens:\n`);
  } else console.error(`signed with the key in ${folder}; a node that takes its tokens:\n`);
  const path = relative(".", set);
  console.error(
    `  HEADCOUNT_AUTH=jwt HEADCOUNT_JWT_JWKS=${path} HEADCOUNT_JWT_ISSUER=${ISSUER} HEADCOUNT_JWT_AUDIENCE=${AUDIENCE} npm start\n`,
  );
  return JSON.parse(readFileSync(secret, "utf8")) as JWK;
}
