/** The environment as far as it holds settings: without what Kubernetes puts there, and with secrets read from their files. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { SettingError } from "./setting-error.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "HEADCOUNT_";
const FILE_SUFFIX = "_FILE";
const SECRET_BYTES_MAX = 16_384;

/**
 * What Kubernetes sets in every container for a service whose name begins with `headcount`, and what Docker's links set:
 * `HEADCOUNT_SERVICE_HOST`, `HEADCOUNT_WEB_SERVICE_PORT_HTTP`, `HEADCOUNT_PORT_8080_TCP_ADDR`; and by its value
 * `HEADCOUNT_PORT=tcp://10.0.0.1:8080`, which would else be taken for the setting of that name.
 */
const SERVICE_NAME = /^HEADCOUNT_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)$/;
const SERVICE_PORT_NAME = /^HEADCOUNT_(?:\w+_)?PORT$/;
const SERVICE_PORT_VALUE = /^(?:tcp|udp|sctp):\/\//;

/** @returns the variables that begin with `HEADCOUNT_`, but for those that Kubernetes made */
export function settingsIn(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name, value]) => isSetting(name, value ?? "")));
}

/** The variable that names a file with a secret. */
export function fileVariable(name: string): string {
  return `${name}${FILE_SUFFIX}`;
}

/**
 * @param names of the secrets, each of which may be given as a file instead
 * @throws {SettingError} where one is given in both ways, or its file cannot be read
 */
export function withSecretsRead(environment: Environment, names: readonly string[]): Environment {
  const read: Record<string, string | undefined> = { ...environment };
  for (const name of names) {
    const variable = fileVariable(name);
    const path = environment[variable];
    if (path === undefined) continue;
    if (environment[name] !== undefined) throw new SettingError(`${variable} must not be set where ${name} is set`);
    delete read[variable];
    read[name] = readSecret(variable, path);
  }
  return read;
}

function isSetting(name: string, value: string): boolean {
  if (!name.startsWith(PREFIX) || SERVICE_NAME.test(name)) return false;
  return !(SERVICE_PORT_NAME.test(name) && SERVICE_PORT_VALUE.test(value));
}

function readSecret(variable: string, path: string): string {
  const refuse = (what: string): never => {
    throw new SettingError(`${variable} must name a file with the secret, got ${JSON.stringify(path)} (${what})`);
  };
  let bytes: Buffer;
  try {
    bytes = readBeginning(path, SECRET_BYTES_MAX + 1);
  } catch (error) {
    return refuse((error as NodeJS.ErrnoException).code ?? "cannot be read");
  }
  if (bytes.length > SECRET_BYTES_MAX) return refuse(`longer than ${SECRET_BYTES_MAX} bytes`);
  const secret = bytes.toString().replace(/\r?\n$/, "");
  return secret === "" ? refuse("empty") : secret;
}

/** Bounded, since a pipe or a device may never end. */
export function readBeginning(path: string, bytesMax: number): Buffer {
  const bytes = Buffer.alloc(bytesMax);
  const file = openSync(path, "r");
  try {
    let filled = 0;
    while (filled < bytesMax) {
      const count = readSync(file, bytes, filled, bytesMax - filled, null);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

/** Changes with the file, also where another takes its place, as in a mounted secret. */
export function fileMark(path: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code); // to read it tells more
  }
}
