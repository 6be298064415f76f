/** What the scripts take and answer, as texts and bytes (`lua/` says what they mean). */
import {
  type AppendAnswer,
  type FoundedClaim,
  NO_HEAD,
  type PartitionRecord,
  type SnapshotAnswer,
} from "../../cluster/ports/record-store.ts";
import type { ModeNamesAnswer } from "../../cluster/ports/mode-name-store.ts";
import type { FoundRecord, SharedClaimAnswer, Standing, TakenBackAnswer } from "../../cluster/ports/shared-records.ts";
import type { ClusterKey, Listed, MemberList, RenewalAnswer, Runs } from "../../cluster/ports/shared-store.ts";
import { EXPELLED_MAX, type Member, type View } from "../../cluster/ports/view.ts";

const ANSWERS = { L: "landed", S: "superseded", B: "behind" } as const;

/** The key as it is kept: with the number of tags that the records are spread over. */
export interface KeptKey {
  readonly key: ClusterKey;
  readonly tagsCount: number;
}

export function encodeKey({ key, tagsCount }: KeptKey): string {
  return JSON.stringify({ ...key, hashKey: Buffer.from(key.hashKey).toString("hex"), tagsCount });
}

export function decodeKey(bytes: Buffer): KeptKey {
  const { hashKey, tagsCount, ...rest } = JSON.parse(bytes.toString()) as Omit<ClusterKey, "hashKey"> & {
    hashKey: string;
    tagsCount: number;
  };
  return { key: { ...rest, hashKey: Uint8Array.from(Buffer.from(hashKey, "hex")) }, tagsCount };
}

/** Always the same text for the same member: the scripts compare it. */
export function encodeMember(member: Member): string {
  const { incarnation, id, url, peerUrl, weight, isLeaving } = member;
  return JSON.stringify({ incarnation, id, url, peerUrl, weight, isLeaving });
}

/** Of each member: incarnation, JSON, '1' where it joins. */
export function encodeMembers({ members }: View): string[] {
  return members.flatMap((member) => {
    return [member.incarnation, encodeMember(member), member.isJoining === true ? "1" : "0"];
  });
}

/** R8: as the list has them, the newest only. */
export function encodeExpelled({ expelled }: View): string {
  return expelled
    .slice(-EXPELLED_MAX)
    .map((name) => `${name} `)
    .join("");
}

type ListWords = [string, string, string, string, string, ...string[]];

/** Of answerList(), from the revision on: epoch, nonce, expelled, joiners, then JSON, run, held and lease of each member. */
export function decodeList(values: readonly Buffer[]): MemberList {
  const [revision, epoch, nonce, expelled, joiners, ...rest] = values.map(String) as ListWords;
  const areJoining = new Set(joiners.split(" "));
  const listed: Listed[] = [];
  for (let at = 0; at < rest.length; at += 4) {
    const member = JSON.parse(rest[at] as string) as Member;
    listed.push({
      member: areJoining.has(member.incarnation) ? { ...member, isJoining: true } : member,
      run: rest[at + 1] as string,
      held: rest[at + 2] as string,
      licenceMs: Number((rest[at + 3] as string).split(" ")[2]),
    });
  }
  listed.sort((one, other) => (one.member.incarnation < other.member.incarnation ? -1 : 1));
  return {
    view: {
      epoch: Number(epoch),
      nonce,
      members: listed.map(({ member }) => member),
      expelled: expelled.split(" ").filter((name) => name !== ""),
    },
    listed,
    revision: Number(revision),
  };
}

type Renewed = Exclude<RenewalAnswer, { readonly kind: "other key" }>;

/**
 * What a renewal was answered but for the runs: whether it must name what it holds, the revision of the modes' names (R28),
 * and the list where it is told.
 */
export function decodeRenewal(
  kind: string,
  answer: readonly Buffer[],
): Renewed extends infer Each ? (Each extends Runs ? Omit<Each, keyof Runs> : never) : never {
  const [mustName, modesRevision, ...values] = answer as readonly [Buffer, Buffer, ...Buffer[]];
  switch (kind) {
    case "renewed":
    case "accused": {
      const revision = Number(modesRevision.toString());
      const list = values.length === 0 ? undefined : decodeList(values);
      return { kind, mustName: mustName.toString() === "1", list, ...(revision > 0 && { modesRevision: revision }) };
    }
    case "expelled":
    case "absent":
      return { kind, list: decodeList(values) };
    case "late":
      return { kind };
    default:
      return { kind: "gone" };
  }
}

/** What answerModes() says, and after it the names that were refused or returned. */
export type ModesAnswer = readonly [
  revision: Buffer,
  isFullList: Buffer,
  added: Buffer,
  gone: Buffer,
  marked: Buffer,
  names: Buffer,
];

/** Of answerModes(). */
export function decodeModes([revision, isFullList, added, gone, marked]: ModesAnswer): ModeNamesAnswer {
  return {
    revision: Number(revision.toString()),
    isFullList: isFullList.toString() === "1",
    added: namesIn(added),
    gone: namesIn(gone),
    marked: namesIn(marked),
  };
}

/** Names with a space between each two. */
export function namesIn(line: Buffer): string[] {
  return line.length === 0 ? [] : line.toString().split(" ");
}

/** Names without spaces. */
export function encodeClaim({ term, incarnation, founding }: FoundedClaim): string {
  return `${term} ${incarnation} ${founding}`;
}

/** As records.lua says it, with spaces between. */
type StandingWords = [string, string, string, string, string, string, string];

/** The state of records.lua. */
export function decodeStanding(state: Buffer | null): Standing {
  if (state === null) return { claim: undefined, raisedTo: 0, length: 0, snapshotNumber: 0, isAbsent: true };
  const words = state.toString().split(" ");
  const [length, , term, incarnation, founding, raisedTo, number] = words as StandingWords;
  const claim = term === "0" ? undefined : { term: Number(term), incarnation, founding };
  const numbers = { raisedTo: Number(raisedTo), length: Number(length), snapshotNumber: Number(number) };
  return { claim, ...numbers, isAbsent: false };
}

/** The standing; where the record was taken also whether it was lost, and what was loaded. */
export type TakingAnswer = readonly [state: Buffer | null, ...(Buffer | null)[]];

export function decodeClaimAnswer(answer: TakingAnswer, isLoaded: boolean): SharedClaimAnswer {
  const [state, lost, ...content] = answer;
  const before = decodeStanding(state);
  if (lost === undefined) return { kind: "refused", standing: before };
  const record = isLoaded ? decodeRecord(content as [Buffer | null, ...Buffer[]]) : undefined;
  return { kind: "claimed", before, record, isLost: lost?.toString() === "1" };
}

export function decodeFound([state, , ...content]: TakingAnswer): FoundRecord {
  const standing = decodeStanding(state);
  if (standing.isAbsent) return { standing, record: undefined };
  return { standing, record: decodeRecord(content as [Buffer | null, ...Buffer[]]) };
}

export function decodeTakenBack([state, isTaken]: TakingAnswer): TakenBackAnswer {
  return isTaken === undefined ? { kind: "refused", standing: decodeStanding(state) } : { kind: "claimed" };
}

function decodeRecord([snapshot, ...log]: [Buffer | null, ...Buffer[]]): PartitionRecord {
  return {
    snapshot: snapshot === null ? undefined : asBytes(snapshot),
    log: log.map((bytes) => ({ head: NO_HEAD, bytes: asBytes(bytes) })),
  };
}

/** A letter for each. */
export function decodeAnswers(letters: Buffer): AppendAnswer[] {
  return Array.from(letters, (letter) => ANSWERS[String.fromCharCode(letter) as "L" | "S" | "B"]);
}

export function decodeSnapshotAnswer(answer: Buffer): SnapshotAnswer {
  const text = answer.toString();
  return text.startsWith("O") ? { standing: Number(text.slice(1)) } : ANSWERS[text as keyof typeof ANSWERS];
}

/** The same bytes as a Buffer; nothing is copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** No Buffer, so that nobody comes to rely on one; nothing is copied. */
function asBytes(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
