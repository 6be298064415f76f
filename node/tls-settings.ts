/** The settings of TLS: which files hold certificates, their keys, and the authority of the peers' ones. */
import type { Environment } from "./environment.ts";
import { SettingError } from "./setting-error.ts";
import { optional, read, type Setting, shown } from "./setting.ts";

/** A file of PEM, and the setting that names it. */
export interface TlsFile {
  readonly name: string;
  readonly path: string;
}

export interface TlsFiles {
  /** The certificate, then those between it and its authority. */
  readonly cert: TlsFile;
  readonly key: TlsFile;
  /** By whom the other side's certificate must be; `undefined`: the other side is asked for none. */
  readonly ca: TlsFile | undefined;
}

export interface TlsSettings {
  /** `undefined`: clients are answered without TLS. */
  readonly tls: TlsFiles | undefined;
  /** `undefined`: peers are talked to without certificates. */
  readonly peerTls: TlsFiles | undefined;
}

export const TLS_SETTINGS = {
  cert: file("HEADCOUNT_TLS_CERT", "certificate of the public and the admin listener, which then speak https only"),
  key: file("HEADCOUNT_TLS_KEY", "its private key; both are read again when they change"),
  peerCert: file("HEADCOUNT_PEER_TLS_CERT", "certificate that this node shows the others, as server and as client"),
  peerKey: file("HEADCOUNT_PEER_TLS_KEY", "its private key"),
  peerCa: file("HEADCOUNT_PEER_TLS_CA", "authority by which the other nodes' certificates must be"),
};
/** Which a node without peers has no use for. */
export const PEER_TLS_SETTINGS = [TLS_SETTINGS.peerCert, TLS_SETTINGS.peerKey, TLS_SETTINGS.peerCa];

/**
 * @param peerUrl the setting's value
 * @throws {SettingError} where only some of the files that belong together are named
 */
export function readTls(environment: Environment, peerUrl: string | undefined): TlsSettings {
  const { cert, key, peerCert, peerKey, peerCa } = TLS_SETTINGS;
  const [ownCert, ownKey] = filesOf([cert, key], environment);
  const [certOfPeer, keyOfPeer, ca] = filesOf([peerCert, peerKey, peerCa], environment);
  const peerTls = certOfPeer && keyOfPeer && { cert: certOfPeer, key: keyOfPeer, ca };
  if (peerTls !== undefined && peerUrl?.startsWith("https:") === false)
    throw new SettingError(
      `HEADCOUNT_PEER_URL must begin with https:// where ${peerCert.name} is set, got ${shown(peerUrl)}`,
    );
  return { tls: ownCert && ownKey && { cert: ownCert, key: ownKey, ca: undefined }, peerTls };
}

/** All of them, or none. */
function filesOf(
  settings: readonly Setting<string | undefined>[],
  environment: Environment,
): readonly (TlsFile | undefined)[] {
  const paths = settings.map((setting) => read(setting, environment));
  const given = settings.find((_, index) => paths[index] !== undefined);
  return settings.map(({ name, form, about }, index) => {
    const path = paths[index];
    if (path === undefined && given !== undefined)
      throw new SettingError(`${name} must be ${form} where ${given.name} is set (${about}), got nothing`);
    return path === undefined ? undefined : { name, path };
  });
}

function file(name: string, about: string): Setting<string | undefined> {
  return { ...optional(name, "a PEM file", /^[^\0]{1,4096}$/), about };
}
