/**
 * Who may talk to a node's peer port: nodes of the same cluster that know its secret, speak its protocol and number places alike. What the
 * caller says of itself, and how it is checked and told.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { PROTOCOL } from "../../cluster/ports/transport.ts";
import { PLACES_VERSION } from "../../engine/place-table.ts";
import type { Certificate } from "../tls/certificate.ts";
import { shown } from "../values.ts";

export interface PeerCredentials {
  readonly cluster: string;
  /** `undefined`: none is asked for, which is for loopback only. */
  readonly secret: string | undefined;
  /** Shown to peers, who show theirs; without it there is no TLS here. */
  readonly certificate?: Certificate | undefined;
}

/** Why a caller is not let in. */
export interface DoorRefusal {
  readonly status: 401 | 409 | 426;
  readonly message: string;
}

const CLUSTER_HEADER = "headcount-cluster";
const NO_SECRET = "";
const PROTOCOL_HEADER = "headcount-protocol";
/** Messages name a place by its number in the table. */
const PLACES_HEADER = "headcount-places";

/** In every answer of the peer port, so that nobody takes a stranger's answer for a node's. */
export const DOOR_MARK: Readonly<Record<string, string>> = { [PROTOCOL_HEADER]: String(PROTOCOL) };

/** What a node says of itself to a peer. */
export function doorHeaders({ cluster, secret }: PeerCredentials): Record<string, string> {
  const about = {
    [CLUSTER_HEADER]: cluster,
    [PROTOCOL_HEADER]: String(PROTOCOL),
    [PLACES_HEADER]: PLACES_VERSION,
  };
  return secret === undefined ? about : { ...about, authorization: `Bearer ${secret}` };
}

export class Door {
  private readonly cluster: string;
  private readonly authorization: Buffer;

  constructor(credentials: PeerCredentials) {
    this.cluster = credentials.cluster;
    this.authorization = digest(doorHeaders(credentials)["authorization"] ?? NO_SECRET);
  }

  /** Why this caller may not come in; `undefined` where it may. The secret comes first: nothing is told without. */
  refusal(headers: IncomingHttpHeaders): DoorRefusal | undefined {
    if (!timingSafeEqual(digest(headers.authorization ?? NO_SECRET), this.authorization))
      return { status: 401, message: "HEADCOUNT_PEER_SECRET must be the same at all nodes of a cluster, got another" };
    const protocol = headers[PROTOCOL_HEADER];
    if (protocol !== String(PROTOCOL))
      return { status: 426, message: `the version's peer protocol must be ${PROTOCOL}, got ${shown(protocol)}` };
    const places = headers[PLACES_HEADER];
    if (places !== PLACES_VERSION)
      return { status: 426, message: `the version's table of places must be ${PLACES_VERSION}, got ${shown(places)}` };
    const cluster = headers[CLUSTER_HEADER];
    if (cluster !== this.cluster)
      return { status: 409, message: `HEADCOUNT_CLUSTER must be ${shown(this.cluster)}, got ${shown(cluster)}` };
    return undefined;
  }
}

/** Of equal length whatever came, so that the comparison takes equal time. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
