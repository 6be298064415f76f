/** An authority of the tests' own and certificates by it, made with the openssl command, gone when the scope ends. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { take } from "../../simulator/item-at.ts";
import { temporaryFolder } from "./node-process.ts";

export const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

export interface Authority extends AsyncDisposable {
  /** Its own certificate: a file, and its text. */
  readonly path: string;
  readonly text: string;
  /** Settings of a Redis server that shows a certificate for these names (`DNS:localhost,IP:127.0.0.1`) and listens with TLS. */
  certify(names: string): Readonly<Record<string, string>>;
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export async function makeAuthority(): Promise<Authority> {
  const folder = await temporaryFolder();
  const file = (name: string): string => join(folder.path, name);
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { stdio: "pipe" });
  openssl(
    "req",
    "-x509",
    ...KEY,
    "-days",
    "2",
    "-subj",
    "/CN=authority of a test",
    "-keyout",
    file("ca.key"),
    "-out",
    file("ca.crt"),
  );
  let count = 0;
  return {
    path: file("ca.crt"),
    text: readFileSync(file("ca.crt"), "utf8"),
    certify(names) {
      const [key, request, certificate, extensions] = take(
        4,
        ["key", "csr", "crt", "ext"].map((end) => file(`${++count}.${end}`)),
      );
      openssl("req", "-new", ...KEY, "-subj", "/CN=redis", "-keyout", key, "-out", request);
      writeFileSync(extensions, `subjectAltName=${names}\n`);
      const by = ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
      openssl("x509", "-req", "-in", request, ...by, "-extfile", extensions, "-out", certificate);
      return {
        "tls-cert-file": certificate,
        "tls-key-file": key,
        "tls-ca-cert-file": file("ca.crt"),
        "tls-auth-clients": "no",
      };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
