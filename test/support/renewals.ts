/** Renewals for tests. */
import { markOf } from "../../cluster/ports/mark.ts";
import type { Renewal, Run, SharedStore } from "../../cluster/ports/shared-store.ts";
import { type Member, NO_VIEW, type View } from "../../cluster/ports/view.ts";

export const LEASE_MS = 3000;
/** Of the hash key that tests found with. */
export const HASH_KEY = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
export const MARK = markOf(HASH_KEY);

export function memberNamed(incarnation: string): Member {
  const [url, peerUrl] = [`http://${incarnation}:8080`, `http://${incarnation}:9090`];
  return { incarnation, id: `id of ${incarnation}`, url, peerUrl, weight: 1, isLeaving: false };
}

/** Of the last renewal that a test made: each is later than those before, unless it says otherwise. */
let lastNumber = 0;

export function renewalOf(incarnation: string, rest: Partial<Renewal> = {}): Renewal {
  const member = memberNamed(incarnation);
  const known = { epoch: 0, nonce: "", freshNonce: `by ${incarnation}`, revision: 0 };
  const named = { accused: [], closed: [], closedStill: [], called: [], held: "" };
  return { member, mark: MARK, isJoining: true, ...known, licenceMs: 400, number: ++lastNumber, ...named, ...rest };
}

/** The store's run under the key that tests found with, from a renewal that changes nothing: the list that it knows is newer than any (R9). */
export async function runOf(store: SharedStore): Promise<Run> {
  const { run } = await store.renew(
    renewalOf("nobody", { isJoining: false, epoch: Number.MAX_SAFE_INTEGER }),
    LEASE_MS,
  );
  return run;
}

/** The same of all masters, as a founder reads it: a Redis Cluster founds and writes records under no less. */
export async function wholeRunOf(store: SharedStore): Promise<Run> {
  return (await store.look()).run;
}

/** The list as it stands, from a renewal by nobody: absent, it changes no more than the time. */
export async function viewOf(store: SharedStore): Promise<View> {
  const answer = await store.renew(renewalOf("nobody", { isJoining: false }), LEASE_MS);
  return answer.kind === "absent" ? answer.list.view : NO_VIEW;
}
