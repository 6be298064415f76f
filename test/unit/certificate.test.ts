/** What may be in the files of a certificate, and what becomes of it when they change. */
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Certificate } from "../../node/tls/certificate.ts";
import { SettingError } from "../../node/setting-error.ts";
import { type Authority, hasOpenssl, makeAuthority, type Pair } from "../support/certificates.ts";
import { temporaryFolder } from "../support/node-process.ts";
import { until } from "../support/until.ts";

const DAY_MS = 86_400_000;
const WHY = hasOpenssl ? "" : " (skipped: there is no openssl here)";

describe.skipIf(!hasOpenssl)(`Certificate${WHY}`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let authority: Authority;
  let other: Authority;
  let pair: Pair;
  let count = 0;
  beforeAll(async () => {
    folder = await temporaryFolder();
    [authority, other] = await Promise.all([makeAuthority(), makeAuthority()]);
    pair = authority.issue("DNS:game.example,DNS:*.game.example,IP:127.0.0.1");
  });
  afterAll(async () => {
    for (const each of [authority, other, folder]) await each?.[Symbol.asyncDispose]();
  });

  function fileOf(text: string): string {
    const path = join(folder.path, `${count++}.pem`);
    writeFileSync(path, text);
    return path;
  }
  function textsOf(...paths: string[]): string {
    return paths.map((path) => readFileSync(path, "utf8")).join("");
  }
  const lines: object[] = [];
  const log = {
    info: () => {},
    warn: (fields: object) => lines.push(fields),
    error: (fields: object) => lines.push(fields),
  };
  function open({ cert, key }: Pair, ca?: string, nowMs = Date.now): Certificate {
    const files = {
      cert: { name: "CERT", path: cert },
      key: { name: "KEY", path: key },
      ca: ca === undefined ? undefined : { name: "CA", path: ca },
    };
    const certificate = new Certificate(files, { log: log as never, nowMs });
    onTestFinished(() => certificate.close());
    return certificate;
  }
  function refusalOf(...args: Parameters<typeof open>): string {
    try {
      open(...args);
    } catch (error) {
      expect(error).toBeInstanceOf(SettingError);
      return (error as SettingError).message;
    }
    return "taken";
  }

  test("says for whom it is, and until when", () => {
    const certificate = open(pair);
    expect(certificate.names).toEqual(["game.example", "*.game.example"]);
    expect(["game.example", "eu.game.example", "127.0.0.1"].map((host) => certificate.isFor(host))).toEqual([
      true,
      true,
      true,
    ]);
    expect(["example", "127.0.0.2", "::1"].map((host) => certificate.isFor(host))).toEqual([false, false, false]);
    expect(Math.abs(certificate.expiresAtMs - Date.now() - 2 * DAY_MS)).toBeLessThan(DAY_MS / 24);
    expect(certificate.isMutual).toBe(false);
  });

  test("refuses files that do not hold what they should, and says which and why", () => {
    const [nothing, vast] = [join(folder.path, "none"), fileOf("x".repeat(300_000))];
    expect(refusalOf({ ...pair, cert: nothing })).toBe(`CERT must be a PEM file, got "${nothing}" (ENOENT)`);
    expect(refusalOf({ ...pair, cert: folder.path })).toContain("(EISDIR)");
    expect(refusalOf({ ...pair, cert: vast })).toContain("CERT must be a PEM file of at most 262144 bytes");
    expect(refusalOf({ ...pair, cert: pair.key })).toMatch(
      /^CERT must be a PEM file with a certificate, got .*none in it/,
    );
    const broken = fileOf(textsOf(pair.cert).replace(/\n[A-Za-z]{2}/, "\nzz"));
    expect(refusalOf({ ...pair, cert: broken })).toContain("(one in it is damaged)");
    expect(refusalOf({ ...pair, key: pair.cert })).toMatch(/^KEY must be a PEM file with a private key, not encrypted/);
    expect(refusalOf(pair, pair.key)).toMatch(/^CA must be a PEM file with a certificate/);
  });

  test("refuses a key that is encrypted, and one of another certificate", () => {
    const locked = fileOf("");
    execFileSync("openssl", ["pkey", "-in", pair.key, "-aes256", "-passout", "pass:secret", "-out", locked]);
    expect(refusalOf({ ...pair, key: locked })).toContain("(it is encrypted)");
    const { key } = authority.issue("DNS:a");
    expect(refusalOf({ ...pair, key })).toBe(
      `KEY must be the key of the (first) certificate in CERT, got "${key}" (the key of another)`,
    );
  });

  test("refuses one that is not valid now, at the very instants", () => {
    const { expiresAtMs } = open(pair);
    expect(refusalOf(pair, undefined, () => expiresAtMs - 1)).toBe("taken");
    expect(refusalOf(pair, undefined, () => expiresAtMs)).toMatch(
      /^CERT must be a certificate that is valid now .*\(it expired at /,
    );
    expect(refusalOf(pair, undefined, () => expiresAtMs - 2 * DAY_MS - 1)).toContain("(it is valid from ");
  });

  test("of a peer must be by the authority, with those between them, and for both sides", async () => {
    expect(open(pair, authority.path).isMutual).toBe(true);
    expect(refusalOf(pair, other.path)).toMatch(
      /^CERT must be a certificate by the authority in CA, .*\(one by another\)$/,
    );
    expect(refusalOf(pair, fileOf(textsOf(other.path, authority.path)))).toBe("taken");
    await using between = await authority.below();
    const below = between.issue("DNS:a");
    expect(refusalOf(below, authority.path)).toContain("(one by another)");
    expect(refusalOf({ ...below, cert: fileOf(textsOf(below.cert, between.path)) }, authority.path)).toBe("taken");
    const usage = (value: string) => refusalOf(authority.issue("DNS:a", `extendedKeyUsage=${value}`), authority.path);
    expect(usage("serverAuth")).toContain("for serverAuth and clientAuth, or for any use, got");
    expect(usage("clientAuth")).toContain("(no serverAuth)");
    expect(usage("serverAuth,clientAuth")).toBe("taken");
  });

  /** Which certificate a server with it shows. */
  async function shownBy(certificate: Certificate): Promise<string> {
    const server = createServer(certificate.options);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket: TLSSocket = connect({
      port: (server.address() as AddressInfo).port,
      servername: "a",
      rejectUnauthorized: false,
    });
    await once(socket, "secureConnect");
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    server.close();
    return serialNumber;
  }

  test("is read again when its files change; what does not fit leaves the old one standing", async () => {
    const [cert, key] = [fileOf(textsOf(pair.cert)), fileOf(textsOf(pair.key))];
    const certificate = open({ cert, key });
    const [next, first] = [authority.issue("DNS:next.example"), await shownBy(certificate)];
    let told = 0;
    certificate.onChange(() => told++);
    writeFileSync(cert, textsOf(next.cert));
    await until("it is read", () => certificate.reads.failed > 0);
    expect([certificate.names[0], told, await shownBy(certificate)]).toEqual(["game.example", 0, first]);
    writeFileSync(key, textsOf(next.key));
    await until("it is taken", () => certificate.reads.taken === 1);
    expect([certificate.names, told]).toEqual([["next.example"], 1]);
    expect(await shownBy(certificate)).not.toBe(first);
    rmSync(key);
    const { failed } = certificate.reads;
    await until("it is missed", () => certificate.reads.failed > failed);
    writeFileSync(`${key}.new`, textsOf(next.key));
    renameSync(`${key}.new`, key);
    await until("it is found again", () => certificate.reads.taken === 2);
    expect(certificate.names).toEqual(["next.example"]);
    expect(lines.length).toBeGreaterThan(0);
    expect(JSON.stringify(lines)).not.toContain("PRIVATE");
  });

  test("is read again where it is mounted as Kubernetes does: a link to a folder is turned", async () => {
    const mount = join(folder.path, "mount");
    const next = authority.issue("DNS:next.example");
    for (const [name, { cert, key }] of Object.entries({ "..old": pair, "..new": next })) {
      mkdirSync(join(mount, name), { recursive: true });
      writeFileSync(join(mount, name, "tls.crt"), textsOf(cert));
      writeFileSync(join(mount, name, "tls.key"), textsOf(key));
    }
    symlinkSync("..old", join(mount, "..data"));
    for (const name of ["tls.crt", "tls.key"]) symlinkSync(join("..data", name), join(mount, name));
    const certificate = open({ cert: join(mount, "tls.crt"), key: join(mount, "tls.key") });
    symlinkSync("..new", join(mount, "..turned"));
    renameSync(join(mount, "..turned"), join(mount, "..data"));
    await until("it is taken", () => certificate.reads.taken === 1);
    expect([certificate.names, certificate.reads.failed]).toEqual([["next.example"], 0]);
  });

  test("is told while it is used although it has expired", async () => {
    let nowMs = Date.now();
    const certificate = open(pair, undefined, () => nowMs);
    lines.length = 0;
    nowMs = certificate.expiresAtMs;
    await until("it is told", () => lines.length > 0);
    expect(lines[0]).toMatchObject({ names: expect.stringContaining("game.example") });
  });
});
