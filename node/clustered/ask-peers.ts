/**
 * Before a node joins, it asks the listed members whether they let it in: nodes that refuse each other would only hinder
 * the cluster. A refusal stops the start only where it comes from a member that lives: the address of a dead one may by now
 * be that of another cluster's node, and the list forgets the dead within two leases or so.
 */
import type { Member } from "../../cluster/ports/view.ts";
import type { HelloAnswer } from "../peers/peer-hello.ts";

export interface AskPeersPorts {
  /** Who is listed just now; asking lets the list forget who has lapsed. */
  readonly listed: () => Promise<readonly Member[]>;
  readonly sayHello: (peerUrl: string) => Promise<HelloAnswer>;
  readonly pause: (ms: number) => Promise<void>;
  /** Told once of each address at which something else answers. */
  readonly onStranger: (peerUrl: string, status: number) => void;
  /** Told once of each member that refuses, while we wait whether it is still there. */
  readonly onRefusal: (peerUrl: string, reason: string) => void;
}

/** R7: the list's clock goes on by a third of a lease a call at most, and after a silence of all everybody is renewed once. */
const LOOKS_A_LEASE = 3;
const LEASES = 3;

/** @returns why this node may not join, and who says so; `undefined` where it may */
export async function askPeers(
  { listed, sayHello, pause, onStranger, onRefusal }: AskPeersPorts,
  leaseMs: number,
): Promise<string | undefined> {
  const strangers = new Set<string>();
  const told = new Set<string>();
  /** What members said last: one that refused and is silent now, since it is busy, has not changed its mind. */
  const refusals = new Map<string, string>();
  for (let look = 0; ; look++) {
    const answers = await Promise.all(
      (await listed()).map(async (member) => ({ member, answer: await sayHello(member.peerUrl) })),
    );
    let refusal: string | undefined;
    for (const {
      member: { peerUrl },
      answer,
    } of answers) {
      if (answer.kind === "stranger" && !strangers.has(peerUrl)) onStranger(peerUrl, answer.status);
      if (answer.kind === "stranger") strangers.add(peerUrl);
      if (answer.kind === "refused") refusals.set(peerUrl, answer.reason);
      else if (answer.kind !== "silent") refusals.delete(peerUrl);
      const reason = refusals.get(peerUrl);
      if (reason === undefined) continue;
      refusal ??= `${reason} (the node at ${peerUrl})`;
      if (!told.has(peerUrl)) onRefusal(peerUrl, reason);
      told.add(peerUrl);
    }
    if (refusal === undefined || look >= LOOKS_A_LEASE * LEASES) return refusal;
    await pause(leaseMs / LOOKS_A_LEASE);
  }
}
