/**
 * A certificate with its key, and the authority of those that the other side shows. Read from files, and again when they
 * change: what is in use stands until the files hold what may take its place.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { Logger } from "pino";
import { readBeginning } from "../environment.ts";
import type { Metrics } from "../metrics.ts";
import { classOf, PacedLog } from "../paced-log.ts";
import { reasonOf } from "../reason.ts";
import { SettingError } from "../setting-error.ts";
import type { TlsFile, TlsFiles } from "../tls-settings.ts";
import { WatchedFiles } from "../watched-files.ts";

export interface CertificatePorts {
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  readonly nowMs: () => number;
}

/** What is in use. */
interface Loaded {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  readonly leaf: X509Certificate;
}

const FILE_BYTES_MAX = 262_144;
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** In the head of a key that takes a password: PKCS #8, and the older form. */
const LOCKED = /BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/;
/** Longest way from a certificate to its authority. */
const CHAIN_MAX = 10;
/** Of a certificate that is for some purposes only (RFC 5280, 4.2.1.12). A node is both to its peers. */
const PURPOSES = { "1.3.6.1.5.5.7.3.1": "serverAuth", "1.3.6.1.5.5.7.3.2": "clientAuth" };

export class Certificate {
  /** Reads of files that had changed, by what came of them. */
  readonly reads = { taken: 0, failed: 0 };
  private readonly files: TlsFiles;
  private readonly ports: CertificatePorts;
  private readonly paced: PacedLog;
  private readonly listeners = new Set<() => void>();
  private readonly watch: WatchedFiles;
  private loaded: Loaded;
  private hasFailed = false;

  /** @throws {SettingError} where the files hold nothing that can be used */
  constructor(files: TlsFiles, ports: CertificatePorts) {
    this.files = files;
    this.ports = ports;
    this.paced = new PacedLog(ports.log, () => performance.now());
    this.watch = new WatchedFiles(pathsOf(files), { onLook: (haveChanged) => this.look(haveChanged) });
    this.loaded = load(files, ports.nowMs());
    this.watch.start();
  }

  /** What a server is made with; a change is told. */
  get options(): SecureContextOptions {
    return this.loaded.options;
  }

  /** What a connection is made with. */
  get context(): SecureContext {
    return this.loaded.context;
  }

  /** Whether the other side has to show a certificate too. */
  get isMutual(): boolean {
    return this.files.ca !== undefined;
  }

  /** DNS names for which it is. */
  get names(): readonly string[] {
    return namesOf(this.loaded.leaf);
  }

  /** Whether it is for a host by which it may be reached: a name, or an address. */
  isFor(host: string): boolean {
    const { leaf } = this.loaded;
    return (isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) !== undefined;
  }

  get expiresAtMs(): number {
    return this.loaded.leaf.validToDate.getTime();
  }

  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  /** @param prefix of the names of metrics: `tls` */
  registerMetrics(metrics: Metrics, prefix: string): void {
    metrics.gauge(
      `${prefix}_certificate_expires_timestamp_seconds`,
      "When the certificate in use expires, in seconds since 1970",
      () => this.expiresAtMs / 1000,
    );
    metrics.labelledCounter(
      `${prefix}_certificate_reads_total`,
      "Changed files of the certificate by what came of reading them; after a failure they are read each second",
      "outcome",
      () => this.reads,
    );
  }

  close(): void {
    this.watch.close();
    this.listeners.clear();
  }

  private look(haveChanged: boolean): void {
    const { ports, paced } = this;
    paced.tick();
    if (haveChanged || this.hasFailed) this.readAgain();
    if (this.expiresAtMs <= ports.nowMs())
      paced.write("error", "expired", this.about, "the TLS certificate has expired: who verifies it breaks off");
  }

  /** Whoever replaces a certificate and its key writes one first: until the other fits, what is in use stands. */
  private readAgain(): void {
    try {
      this.loaded = load(this.files, this.ports.nowMs());
    } catch (error) {
      this.hasFailed = true;
      this.reads.failed++;
      const reason = reasonOf(error);
      this.paced.write(
        "warn",
        classOf(reason),
        { reason },
        "could not take the changed TLS certificate: the old one stands",
      );
      return;
    }
    this.hasFailed = false;
    this.reads.taken++;
    this.ports.log.info(this.about, "took the changed TLS certificate: new connections get it");
    for (const listener of this.listeners) listener();
  }

  private get about() {
    const { serialNumber, subjectAltName, validToDate } = this.loaded.leaf;
    return { file: this.files.cert.path, names: subjectAltName, serialNumber, expires: validToDate.toISOString() };
  }
}

export function namesOf({ subjectAltName }: Pick<X509Certificate, "subjectAltName">): string[] {
  return Array.from((subjectAltName ?? "").matchAll(/DNS:([^,\s]+)/g), ([, name]) => name as string);
}

function pathsOf({ cert, key, ca }: TlsFiles): string[] {
  return [cert, key, ca].flatMap((file) => (file === undefined ? [] : [file.path]));
}

function load(files: TlsFiles, nowMs: number): Loaded {
  const { cert, key, ca } = files;
  const chain = certificatesIn(cert);
  const [leaf] = chain;
  const keyText = textOf(key);
  if (!leaf.checkPrivateKey(keyIn(key, keyText)))
    refuse(key, `the key of the (first) certificate in ${cert.name}`, "the key of another");
  refuseOutdated(cert, leaf, nowMs);
  const options: SecureContextOptions = {
    cert: chain.map(String).join(""),
    key: keyText,
    minVersion: "TLSv1.2",
  };
  if (ca !== undefined) {
    const authorities = certificatesIn(ca);
    refuseForeign(cert, chain, ca, authorities);
    options.ca = authorities.map(String);
  }
  try {
    return { options, context: createSecureContext(options), leaf };
  } catch (error) {
    return refuse(cert, "a certificate that TLS can use", reasonOf(error)); // such as one whose key is too short
  }
}

/** @throws {SettingError} where peers, who verify as this node does, would refuse it */
function refuseForeign(
  cert: TlsFile,
  chain: readonly [X509Certificate, ...X509Certificate[]],
  ca: TlsFile,
  authorities: readonly X509Certificate[],
): void {
  const [leaf] = chain;
  // Node gives no list, against its types, where the certificate is for any purpose.
  const purposes = leaf.keyUsage as readonly string[] | undefined;
  for (const [oid, purpose] of Object.entries(PURPOSES))
    if (purposes?.includes(oid) === false)
      refuse(cert, "for serverAuth and clientAuth, or for any use", `no ${purpose}`);
  let at: X509Certificate = leaf;
  for (let length = 0; length < CHAIN_MAX; length++) {
    if (authorities.some((each) => isBy(at, each))) return;
    const next = chain.find((each) => each !== at && isBy(at, each));
    if (next === undefined) break;
    at = next;
  }
  refuse(cert, `a certificate by the authority in ${ca.name}, with those between them`, "one by another");
}

function isBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function refuseOutdated(cert: TlsFile, { validFromDate, validToDate }: X509Certificate, nowMs: number): void {
  const form = `a certificate that is valid now (${new Date(nowMs).toISOString()})`;
  if (validToDate.getTime() <= nowMs) refuse(cert, form, `it expired at ${validToDate.toISOString()}`);
  if (validFromDate.getTime() > nowMs) refuse(cert, form, `it is valid from ${validFromDate.toISOString()} on`);
}

function certificatesIn(file: TlsFile): readonly [X509Certificate, ...X509Certificate[]] {
  const form = "a PEM file with a certificate";
  const [first, ...rest] = textOf(file).match(PEM) ?? refuse(file, form, "there is none in it");
  const read = (text: string): X509Certificate => {
    try {
      return new X509Certificate(text);
    } catch {
      return refuse(file, form, "one in it is damaged");
    }
  };
  return [read(first), ...rest.map(read)];
}

function keyIn(file: TlsFile, text: string): KeyObject {
  const form = "a PEM file with a private key, not encrypted";
  if (LOCKED.test(text)) return refuse(file, form, "it is encrypted");
  try {
    return createPrivateKey(text);
  } catch {
    return refuse(file, form, "there is none in it");
  }
}

function textOf(file: TlsFile): string {
  let bytes: Buffer;
  try {
    bytes = readBeginning(file.path, FILE_BYTES_MAX + 1);
  } catch (error) {
    return refuse(file, "a PEM file", (error as NodeJS.ErrnoException).code ?? reasonOf(error));
  }
  if (bytes.length > FILE_BYTES_MAX) refuse(file, `a PEM file of at most ${FILE_BYTES_MAX} bytes`, "it is longer");
  return bytes.toString("latin1");
}

function refuse({ name, path }: TlsFile, form: string, got: string): never {
  throw new SettingError(`${name} must be ${form}, got ${JSON.stringify(path)} (${got})`);
}
