/** The view: the agreed list of members under an ever-rising epoch. Placement is a function of it alone. */

/** A process that is a node of the cluster; a fresh incarnation each time it starts or rejoins. */
export interface Member {
  /** A UUID, lower case. */
  readonly incarnation: string;
  /** The node's name, for people; the same through all its incarnations. */
  readonly id: string;
  /** Where clients reach it. */
  readonly url: string;
  /** Where peers reach it. */
  readonly peerUrl: string;
  /** Its share of the work compared to the others': a whole number, 1 to 100. */
  readonly weight: number;
  /** R11: it owns nothing new while others are listed. */
  readonly isLeaving: boolean;
  /** It owns nothing yet: the store says so until half of the others have called it back at its `peerUrl`. Absent: no. */
  readonly isJoining?: boolean;
}

export interface View {
  /** R9: rises whenever the list changes; 0 where none is known yet. */
  readonly epoch: number;
  /** R9: tells apart two lists under one number. */
  readonly nonce: string;
  /** Sorted by incarnation. */
  readonly members: readonly Member[];
  /** R8: incarnations that were expelled, the latest last; bounded. */
  readonly expelled: readonly string[];
}

export const NO_VIEW: View = { epoch: 0, nonce: "", members: [], expelled: [] };

export function memberOf(view: View, incarnation: string): Member | undefined {
  return view.members.find((member) => member.incarnation === incarnation);
}

export function isListed(view: View, incarnation: string): boolean {
  return memberOf(view, incarnation) !== undefined;
}

/** Whether somebody else than this node is listed as `incarnation`. */
export function isListedPeer(view: View, me: string, incarnation: string): boolean {
  return incarnation !== me && isListed(view, incarnation);
}

/** R9: whether `other` should be taken over by a node that knows `view`. */
export function isNewer(other: View, view: View): boolean {
  return other.epoch > view.epoch;
}

/** The most members a list may have; a view with more is refused. */
export const MEMBERS_MAX = 1000;
/** R8: names of expelled members that are kept. */
export const EXPELLED_MAX = 256;
const TEXT_MAX = 512;
const INCARNATION = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isIncarnation(value: unknown): value is string {
  return typeof value === "string" && INCARNATION.test(value);
}

/**
 * Reads a view that came as JSON.
 * @returns undefined where it is anything but a view
 */
export function viewOf(json: string): View | undefined {
  try {
    const value = JSON.parse(json) as Partial<Record<keyof View, unknown>> | null;
    const { epoch, nonce, members, expelled } = value ?? {};
    if (!isCount(epoch) || !isText(nonce) || !Array.isArray(members) || !Array.isArray(expelled)) return undefined;
    if (members.length > MEMBERS_MAX || expelled.length > EXPELLED_MAX) return undefined;
    if (!members.every(isMember) || !expelled.every(isIncarnation)) return undefined;
    return { epoch, nonce, members, expelled };
  } catch {
    return undefined;
  }
}

/** Whether a value has the form of a member. */
export function isMember(value: unknown): value is Member {
  const { incarnation, id, url, peerUrl, weight, isLeaving, isJoining } = (value ?? {}) as Partial<
    Record<keyof Member, unknown>
  >;
  const isWeight = isCount(weight) && weight >= 1 && weight <= 100;
  return (
    isIncarnation(incarnation) &&
    isText(id) &&
    isText(url) &&
    isText(peerUrl) &&
    isWeight &&
    typeof isLeaving === "boolean" &&
    (isJoining === undefined || typeof isJoining === "boolean")
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_MAX;
}
