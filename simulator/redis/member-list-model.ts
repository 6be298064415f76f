/**
 * The list of members in memory: the plain model of what `node/redis/lua/` does with one hash (R7 to R11). Nothing here
 * is clever; every method is one script.
 */
import type { Listed, MemberList, Renewal, RenewalAnswer, Run } from "../../cluster/ports/shared-store.ts";
import type { Member, View } from "../../cluster/ports/view.ts";

const EXPELLED_MAX = 256;

interface Entry {
  member: Member;
  /** By the observed clock. */
  leaseMs: number;
  /** R7: renewed after a silence of all, and has not renewed itself since. */
  isExcused: boolean;
  run: Run;
  held: string;
  accused: readonly string[];
  accusedBefore: readonly string[];
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
  entries: Entry[];
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
    const isFirst = this.#list === undefined && renewal.isJoining && renewal.epoch === 0;
    if (!isFirst && (this.#list === undefined || this.#list.epoch < renewal.epoch)) return { kind: "gone", run };
    this.#list ??= emptyList(nowMs);
    const list = this.#list;
    observe(list, leaseMs, nowMs);
    const own = renewal.member.incarnation;
    let isChanged = list.epoch === renewal.epoch && renewal.nonce !== "" && list.nonce !== renewal.nonce;

    const lapsed = list.entries.filter((entry) => entry.leaseMs < list.clockMs);
    isChanged = expel(list, lapsed) || isChanged;
    let entry = find(list, own);
    const isExpelled = list.expelled.includes(own);
    if (entry === undefined && !isExpelled && renewal.isJoining) {
      entry = { ...FRESH, member: renewal.member };
      list.entries.push(entry);
      isChanged = true;
    }
    if (entry === undefined) {
      if (isChanged) raise(list, list.epoch + 1, renewal.freshNonce);
      return { kind: isExpelled ? "expelled" : "absent", run, list: answered(list) };
    }

    const isKnown = list.revision === renewal.revision;
    const isTold = entry.run !== run || entry.held !== renewal.held;
    isChanged = !isSameMember(entry.member, renewal.member) || isChanged;
    Object.assign(entry, {
      member: { ...renewal.member },
      leaseMs: list.clockMs + leaseMs,
      isExcused: false,
      run,
      held: renewal.held,
      accused: [...renewal.accused],
      accusedBefore: entry.accused,
    });
    for (const refused of list.entries) {
      const name = refused.member.incarnation;
      if (name === own || !renewal.refused.includes(name)) continue;
      const shortMs = list.clockMs + Math.floor(leaseMs / 2) + Math.floor(leaseMs / 6);
      refused.leaseMs = Math.min(refused.leaseMs, shortMs);
    }
    const condemned = list.entries.filter((target) => isCondemned(list, entry, target));
    isChanged = expel(list, condemned) || isChanged;

    if (isChanged) raise(list, list.epoch + 1, renewal.freshNonce);
    else if (isTold) list.revision += 1;
    const isLeftOut = isKnown && !isChanged && !isTold;
    return { kind: "renewed", run, list: isLeftOut ? undefined : answered(list) };
  }

  /** @returns whether it wrote the list back */
  restore(view: View, freshNonce: string, leaseMs: number, nowMs: number): boolean {
    const standing = this.#list;
    if (standing !== undefined && standing.epoch >= view.epoch) {
      const isForked = standing.epoch === view.epoch && view.nonce !== "" && standing.nonce !== view.nonce;
      if (isForked) raise(standing, standing.epoch + 1, freshNonce);
      return false;
    }
    const list = standing ?? emptyList(nowMs);
    this.#list = list;
    observe(list, leaseMs, nowMs);
    list.entries = view.members.map((member) => ({
      ...FRESH,
      member: { ...member },
      leaseMs: list.clockMs + leaseMs,
    }));
    list.expelled = view.expelled.slice(-EXPELLED_MAX);
    raise(list, view.epoch, view.nonce);
    return true;
  }

  raiseEpoch(above: number, freshNonce: string): void {
    if (this.#list !== undefined && this.#list.epoch <= above) raise(this.#list, above + 1, freshNonce);
  }

  leave(incarnation: string, freshNonce: string): void {
    const list = this.#list;
    if (list === undefined || find(list, incarnation) === undefined) return;
    list.entries = list.entries.filter((entry) => entry.member.incarnation !== incarnation);
    raise(list, list.epoch + 1, freshNonce);
  }
}

const FRESH = { leaseMs: 0, isExcused: false, run: "", held: "", accused: [], accusedBefore: [] };

function emptyList(nowMs: number): List {
  return { epoch: 0, nonce: "", revision: 0, clockMs: 0, timeMs: nowMs, entries: [], expelled: [] };
}

/** R7: no call moves the clock by more than one renewal interval, and a silence of all is nobody's death. */
function observe(list: List, leaseMs: number, nowMs: number): void {
  const passedMs = nowMs - list.timeMs;
  list.clockMs += Math.min(Math.max(passedMs, 0), Math.floor(leaseMs / 3));
  list.timeMs = nowMs;
  if (passedMs <= leaseMs) return;
  for (const entry of list.entries) {
    if (entry.isExcused) continue;
    entry.isExcused = true;
    entry.leaseMs = Math.max(entry.leaseMs, list.clockMs + leaseMs);
  }
}

/** R10: more than half of the others name the target in both their last two renewals, and one alone expels nobody. */
function isCondemned(list: List, accuser: Entry, target: Entry): boolean {
  const others = list.entries.filter((entry) => entry !== target);
  const accusers = others.filter((other) => namesTwice(other, target));
  return accusers.includes(accuser) && accusers.length > 1 && accusers.length > others.length / 2;
}

function namesTwice(entry: Entry, target: Entry): boolean {
  const name = target.member.incarnation;
  return entry.accused.includes(name) && entry.accusedBefore.includes(name);
}

/** Whether anybody was. */
function expel(list: List, expelled: readonly Entry[]): boolean {
  list.entries = list.entries.filter((entry) => !expelled.includes(entry));
  list.expelled = [...list.expelled, ...expelled.map((entry) => entry.member.incarnation)].slice(-EXPELLED_MAX);
  return expelled.length > 0;
}

function raise(list: List, epoch: number, nonce: string): void {
  Object.assign(list, { epoch, nonce, revision: list.revision + 1 });
}

function find(list: List, incarnation: string): Entry | undefined {
  return list.entries.find((entry) => entry.member.incarnation === incarnation);
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
  const entries = list.entries.toSorted((one, other) => (one.member.incarnation < other.member.incarnation ? -1 : 1));
  const listed: Listed[] = entries.map(({ member, run, held }) => ({ member: { ...member }, run, held }));
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
