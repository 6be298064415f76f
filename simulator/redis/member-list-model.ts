/**
 * The list of members in memory: the plain model of what `node/redis/lua/` does with one hash (R7 to R11). Nothing here
 * is clever; every method is one script.
 */
import type { Listed, MemberList, Renewal, RenewalAnswer, Run } from "../../cluster/ports/shared-store.ts";
import { EXPELLED_MAX, type Member, type View } from "../../cluster/ports/view.ts";

/** A member as it stands in the list, with its lease and what it said. */
interface ListedMember {
  member: Member;
  /** By the observed clock. */
  leaseMs: number;
  /** R7: renewed after a silence of all, and has not renewed itself since. */
  isExcused: boolean;
  /** R14: the licence that it named last. */
  licenceMs: number;
  /** Of the last renewal that came. */
  number: number;
  /** The run under which it named what it holds. */
  run: Run;
  held: string;
  /** It owns nothing until the others have called it back. */
  isJoining: boolean;
  /** Those who did. */
  callers: readonly string[];
  accused: readonly string[];
  accusedBefore: readonly string[];
  /** R10: who found its port closed since it renewed last, and under which run. */
  closed: { readonly run: Run; readonly by: readonly string[] };
}

interface List {
  epoch: number;
  nonce: string;
  revision: number;
  /** R7: observed time. */
  clockMs: number;
  /** Of the last call, by the store's own clock. */
  timeMs: number;
  /** In the order of joining. */
  listed: ListedMember[];
  /** R8: the latest last. */
  expelled: string[];
}

export class MemberListModel {
  /** `undefined` where nobody ever joined, or all was lost. */
  #list: List | undefined;

  save(): unknown {
    return structuredClone(this.#list);
  }

  load(saved: unknown): void {
    this.#list = structuredClone(saved) as List | undefined;
  }

  /** The list as it stands, for tests to look at. */
  peek(): MemberList | undefined {
    return this.#list === undefined ? undefined : answered(this.#list);
  }

  renew(renewal: Renewal, leaseMs: number, run: Run, nowMs: number): RenewalAnswer {
    const list = this.#list;
    if (list === undefined || list.epoch < renewal.epoch) return { kind: "gone", run, tagRuns: [] };
    const own = renewal.member.incarnation;
    if (renewal.number <= (find(list, own)?.number ?? 0)) return { kind: "late", run, tagRuns: [] };
    observe(list, leaseMs, nowMs);
    let isChanged = list.epoch === renewal.epoch && renewal.nonce !== "" && list.nonce !== renewal.nonce;

    const lapsed = list.listed.filter((listed) => listed.leaseMs < list.clockMs);
    isChanged = expel(list, lapsed) || isChanged;
    let listed = find(list, own);
    const isExpelled = list.expelled.includes(own);
    if (listed === undefined && !isExpelled && renewal.isJoining) {
      listed = { ...FRESH, member: renewal.member, isJoining: true };
      list.listed.push(listed);
      isChanged = true;
    }
    if (listed === undefined) {
      if (isChanged) raise(list, list.epoch + 1, renewal.freshNonce);
      return { kind: isExpelled ? "expelled" : "absent", run, tagRuns: [], list: answered(list) };
    }

    const isKnown = list.revision === renewal.revision;
    const { held } = renewal;
    const mustName = held === undefined && listed.run !== run;
    const isNamed = held !== undefined && (listed.run !== run || listed.held !== held);
    isChanged = !isSameMember(listed.member, renewal.member) || isChanged;
    Object.assign(listed, {
      member: { ...renewal.member },
      licenceMs: renewal.licenceMs,
      number: renewal.number,
      accused: [...renewal.accused],
      accusedBefore: listed.accused,
      closed: NOBODY,
    });
    if (held !== undefined) Object.assign(listed, { run, held });
    const isMarked = markedOf(list).includes(listed);
    if (!isMarked) Object.assign(listed, { leaseMs: list.clockMs + leaseMs, isExcused: false });
    noteClosed(list, own, renewal.closed, run);
    isChanged = expel(list, stillClosed(list, own, renewal.closedStill, run)) || isChanged;
    isChanged = admit(list, own, renewal.called) || isChanged;

    if (isChanged) raise(list, list.epoch + 1, renewal.freshNonce);
    else if (isNamed) list.revision += 1;
    const isLeftOut = isKnown && !isChanged && !isNamed && renewal.closed.length === 0;
    const kind = isMarked ? "accused" : "renewed";
    return { kind, run, tagRuns: [], mustName, list: isLeftOut ? undefined : answered(list) };
  }

  /** R12: an empty list, where none stands. */
  found(epoch: number, nonce: string, nowMs: number): void {
    this.#list ??= { ...emptyList(nowMs), epoch, nonce };
  }

  /** @returns whether it was written, as the list was gone or older */
  restore(view: View, freshNonce: string, leaseMs: number, nowMs: number): boolean {
    const standing = this.#list;
    if (standing !== undefined && standing.epoch >= view.epoch) {
      const isForked = standing.epoch === view.epoch && view.nonce !== "" && standing.nonce !== view.nonce;
      if (isForked) raise(standing, standing.epoch + 1, freshNonce);
      return false;
    }
    this.replace(view, leaseMs, nowMs);
    return true;
  }

  /** Lets time pass. @returns how many leases have not lapsed, and the observed clock */
  observe(leaseMs: number, nowMs: number): { readonly living: number; readonly clockMs: number } {
    const list = this.#list;
    if (list === undefined) return { living: 0, clockMs: 0 };
    observe(list, leaseMs, nowMs);
    return { living: list.listed.filter((listed) => listed.leaseMs >= list.clockMs).length, clockMs: list.clockMs };
  }

  /** Writes a view in the place of what stands, with fresh leases. */
  replace(view: View, leaseMs: number, nowMs: number): void {
    const list = this.#list ?? emptyList(nowMs);
    this.#list = list;
    observe(list, leaseMs, nowMs);
    list.listed = view.members.map(({ isJoining = false, ...member }) => ({
      ...FRESH,
      member,
      isJoining,
      leaseMs: list.clockMs + leaseMs,
    }));
    list.expelled = view.expelled.slice(-EXPELLED_MAX);
    raise(list, view.epoch, view.nonce);
  }

  raiseEpoch(above: number, freshNonce: string): void {
    if (this.#list !== undefined && this.#list.epoch <= above) raise(this.#list, above + 1, freshNonce);
  }

  leave(incarnation: string, freshNonce: string): void {
    const list = this.#list;
    if (list === undefined || find(list, incarnation) === undefined) return;
    list.listed = list.listed.filter((listed) => listed.member.incarnation !== incarnation);
    raise(list, list.epoch + 1, freshNonce);
  }
}

const NOBODY = { run: "", by: [] };
const FRESH = {
  leaseMs: 0,
  isExcused: false,
  licenceMs: 0,
  number: 0,
  run: "",
  held: "",
  isJoining: false,
  callers: [],
  accused: [],
  accusedBefore: [],
  closed: NOBODY,
};

function emptyList(nowMs: number): List {
  return { epoch: 0, nonce: "", revision: 0, clockMs: 0, timeMs: nowMs, listed: [], expelled: [] };
}

/** R7: no call moves the clock by more than a third of a lease, and a silence of all is nobody's death. */
function observe(list: List, leaseMs: number, nowMs: number): void {
  const passedMs = nowMs - list.timeMs;
  list.clockMs += Math.min(Math.max(passedMs, 0), Math.floor(leaseMs / 3));
  list.timeMs = nowMs;
  if (passedMs <= leaseMs) return;
  for (const listed of list.listed) {
    if (listed.isExcused) continue;
    listed.isExcused = true;
    listed.leaseMs = Math.max(listed.leaseMs, list.clockMs + leaseMs);
  }
}

/**
 * R10: whom more than half of the others name twice running. The youngest are looked at first, and the word of who is
 * marked does not count, so of members that all fail to hear each other one is left. Who joins is left out.
 */
function markedOf(list: List): ListedMember[] {
  const marked: ListedMember[] = [];
  for (const target of list.listed.toReversed().filter(({ isJoining }) => !isJoining)) {
    const others = list.listed.filter((listed) => listed !== target && !listed.isJoining && !marked.includes(listed));
    const accusers = others.filter((other) => namesTwice(other, target));
    if (accusers.length > others.length / 2) marked.push(target);
  }
  return marked;
}

function namesTwice(listed: ListedMember, target: ListedMember): boolean {
  const name = target.member.incarnation;
  return listed.accused.includes(name) && listed.accusedBefore.includes(name);
}

/** R10: a closed port, said once. Its owner's next renewal takes it back. */
function noteClosed(list: List, own: string, closed: readonly string[], run: Run): void {
  for (const listed of list.listed) {
    const { incarnation } = listed.member;
    if (incarnation === own || !closed.includes(incarnation)) continue;
    const by = listed.closed.run === run ? listed.closed.by : [];
    listed.closed = { run, by: [...by, own] };
  }
}

/** R10: and said again, under the same run: whoever has not renewed in between is dead. */
function stillClosed(list: List, own: string, closedStill: readonly string[], run: Run): ListedMember[] {
  return list.listed.filter(
    ({ member, closed }) => closedStill.includes(member.incarnation) && closed.run === run && closed.by.includes(own),
  );
}

/** Who joins is in once half of those who are in have called it back; with nobody else there, at once. */
function admit(list: List, own: string, called: readonly string[]): boolean {
  let isAny = false;
  for (const joiner of list.listed) {
    const { incarnation } = joiner.member;
    const isCalled = joiner.isJoining && incarnation !== own && called.includes(incarnation);
    if (isCalled) joiner.callers = [...joiner.callers, own];
  }
  for (const joiner of list.listed.filter(({ isJoining }) => isJoining)) {
    const inside = list.listed.filter(({ isJoining }) => !isJoining);
    const callers = inside.filter(({ member }) => joiner.callers.includes(member.incarnation));
    if (2 * callers.length < inside.length) continue;
    Object.assign(joiner, { isJoining: false, callers: [] });
    isAny = true;
  }
  return isAny;
}

/** Whether anybody was. */
function expel(list: List, expelled: readonly ListedMember[]): boolean {
  list.listed = list.listed.filter((listed) => !expelled.includes(listed));
  list.expelled = [...list.expelled, ...expelled.map((listed) => listed.member.incarnation)].slice(-EXPELLED_MAX);
  return expelled.length > 0;
}

function raise(list: List, epoch: number, nonce: string): void {
  Object.assign(list, { epoch, nonce, revision: list.revision + 1 });
}

function find(list: List, incarnation: string): ListedMember | undefined {
  return list.listed.find((listed) => listed.member.incarnation === incarnation);
}

function isSameMember(one: Member, other: Member): boolean {
  return (
    one.incarnation === other.incarnation &&
    one.id === other.id &&
    one.url === other.url &&
    one.peerUrl === other.peerUrl &&
    one.weight === other.weight &&
    one.isLeaving === other.isLeaving
  );
}

function answered(list: List): MemberList {
  const sorted = list.listed.toSorted((one, other) => (one.member.incarnation < other.member.incarnation ? -1 : 1));
  const listed: Listed[] = sorted.map(({ member, isJoining, run, held, licenceMs }) => ({
    member: isJoining ? { ...member, isJoining } : { ...member },
    run,
    held,
    licenceMs,
  }));
  return {
    view: {
      epoch: list.epoch,
      nonce: list.nonce,
      members: listed.map(({ member }) => member),
      expelled: [...list.expelled],
    },
    listed,
    revision: list.revision,
  };
}
