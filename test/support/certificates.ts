/** An authority of the tests' own and certificates by it, made with the openssl command, gone when the scope ends. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { take } from "../../simulator/item-at.ts";
import { temporaryFolder } from "./node-process.ts";

export const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

/** A certificate and its key, in files. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends AsyncDisposable {
  /** Its own certificate: a file, and its text. */
  readonly path: string;
  readonly text: string;
  /** Settings of a Redis server that shows a certificate for these names (`DNS:localhost,IP:127.0.0.1`) and listens with TLS. */
  certify(names: string): Readonly<Record<string, string>>;
  /** @param more lines of extensions: `extendedKeyUsage=serverAuth` */
  issue(names: string, more?: string): Pair;
  /** One below this one. */
  below(): Promise<Authority>;
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export async function makeAuthority(above?: (request: string, certificate: string) => void): Promise<Authority> {
  const folder = await temporaryFolder();
  const file = (name: string): string => join(folder.path, name);
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { stdio: "pipe" });
  const itself = [...KEY, "-subj", "/CN=authority of a test", "-keyout", file("ca.key")];
  if (above === undefined) openssl("req", "-x509", ...itself, "-days", "2", "-out", file("ca.crt"));
  else {
    openssl("req", "-new", ...itself, "-out", file("ca.csr"));
    above(file("ca.csr"), file("ca.crt"));
  }
  const sign = (request: string, certificate: string, extensions: string): void => {
    writeFileSync(`${certificate}.ext`, extensions);
    const by = ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
    openssl("x509", "-req", "-in", request, ...by, "-extfile", `${certificate}.ext`, "-out", certificate);
  };
  let count = 0;
  const authority: Authority = {
    path: file("ca.crt"),
    text: readFileSync(file("ca.crt"), "utf8"),
    certify(names) {
      const { cert, key } = authority.issue(names);
      return {
        "tls-cert-file": cert,
        "tls-key-file": key,
        "tls-ca-cert-file": file("ca.crt"),
        "tls-auth-clients": "no",
      };
    },
    issue(names, more = "") {
      const [key, request, cert] = take(
        3,
        ["key", "csr", "crt"].map((end) => file(`${count}.${end}`)),
      );
      count++;
      openssl("req", "-new", ...KEY, "-subj", "/CN=of a test", "-keyout", key, "-out", request);
      sign(request, cert, `subjectAltName=${names}\n${more}\n`);
      return { cert, key };
    },
    below: () =>
      makeAuthority((request, certificate) => sign(request, certificate, "basicConstraints=critical,CA:TRUE\n")),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  return authority;
}
