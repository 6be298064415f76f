/**
 * TLS between peers: both sides show a certificate by the authority of the nodes. Whoever calls also checks for whom the
 * other's certificate is: another service of the same authority must not get the secret.
 */
import { type ClientRequest, request as requestHttp, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { hostOf } from "../place.ts";
import { SettingError } from "../setting-error.ts";
import { TLS_SETTINGS } from "../tls-settings.ts";
import type { Certificate } from "../tls/certificate.ts";
import { doorHeaders, type PeerCredentials } from "./peer-door.ts";

/** The peer's address begins with `http://`, and this node speaks TLS only. */
class PlainPeerError extends Error {
  constructor() {
    super(`${TLS_SETTINGS.peerCert.name} must be set at all nodes of a cluster or at none: that one has none`);
  }
}

/** A certificate that is by an authority which this machine trusts would do without, as that of a proxy. */
const UNSET = `${TLS_SETTINGS.peerCert.name} must be set at all nodes of a cluster or at none: this one has none`;

/** By the code or the message of the error, what an operator can mend. */
const FAULTS: readonly (readonly [RegExp, string])[] = [
  [
    /ERR_TLS_CERT_ALTNAME_INVALID/,
    "its certificate must be for the host of its HEADCOUNT_PEER_URL, and is for another",
  ],
  [/CERT_HAS_EXPIRED/, "its certificate must be valid now, and has expired"],
  [
    /SELF_SIGNED|UNABLE_TO_|SIGNATURE|INVALID_CA|CERT_UNTRUSTED|INVALID_PURPOSE/,
    `its certificate must be by the authority in ${TLS_SETTINGS.peerCa.name}, and is by another`,
  ],
  [/wrong.version.number|packet.length|http.request/i, "TLS must be spoken by both sides, and one speaks none"],
  [
    /alert.(unknown.ca|bad.certificate|certificate)/i,
    `this node's certificate must be by the authority in ${TLS_SETTINGS.peerCa.name} of the other, and is not taken there`,
  ],
  [/ERR_SSL|ERR_TLS|^CERT_|SSL routines/, "no TLS connection can be made"],
];

interface PeerRequest extends Pick<RequestOptions, "signal"> {
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request to a peer; nothing is sent where this node speaks TLS and the peer does not. */
export function requestPeer(url: URL, credentials: PeerCredentials, more: PeerRequest = {}): ClientRequest {
  const { certificate } = credentials;
  const options = { ...more, headers: { ...doorHeaders(credentials), ...more.headers } };
  if (url.protocol === "https:")
    return requestHttps(url, { agent: false, ...options, ...(certificate !== undefined && verifying(certificate)) });
  if (certificate === undefined) return requestHttp(url, { agent: false, ...options });
  return requestHttp(url, {
    ...options,
    createConnection: (_, done) => {
      done(new PlainPeerError(), undefined as never);
      return undefined;
    },
  });
}

/**
 * What of TLS keeps two nodes apart; `undefined` where it is something else.
 * @param certificate this node's
 */
export function tlsFault(error: NodeJS.ErrnoException, certificate: Certificate | undefined): string | undefined {
  if (error instanceof PlainPeerError) return error.message;
  const { code = "", message } = error;
  const said = code === "EPROTO" ? message : code; // by whoever noticed: TLS, or a write that TLS could not do
  const fault = FAULTS.find(([pattern]) => pattern.test(said))?.[1];
  if (fault === undefined) return undefined;
  return `${certificate === undefined ? UNSET : fault} (${code})`;
}

/**
 * @param peerUrl at which this node is reached
 * @throws {SettingError} where peers would not take its certificate for this node's
 */
export function refuseUnnamed({ certificate }: PeerCredentials, peerUrl: string): void {
  if (certificate === undefined) return;
  const host = hostOf(peerUrl);
  if (certificate.isFor(host) || (isIP(host) !== 0 && certificate.names.length > 0)) return;
  const form = isIP(host) === 0 ? `for ${host}` : `for ${host}, or for a name that all nodes' certificates have`;
  const got = certificate.names.join(", ") || "no name";
  throw new SettingError(
    `${TLS_SETTINGS.peerCert.name} must be ${form}, by which the others reach it, got one for ${got}`,
  );
}

function verifying(certificate: Certificate) {
  const check = (host: string, shown: PeerCertificate): Error | undefined => {
    const error = checkServerIdentity(host, shown);
    if (error === undefined || isIP(host) === 0) return error;
    // Addresses come and go with containers: there one name will do that all nodes have.
    return certificate.names.some((name) => checkServerIdentity(name, shown) === undefined) ? undefined : error;
  };
  return { secureContext: certificate.context, rejectUnauthorized: true, checkServerIdentity: check };
}
