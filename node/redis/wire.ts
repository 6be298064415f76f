/** What the scripts take and answer, as texts and bytes (`lua/` says what they mean). */
import type { AppendAnswer, Claim, PartitionRecord, SnapshotAnswer } from "../../cluster/ports/record-store.ts";
import type { ModeNamesAnswer } from "../../cluster/ports/mode-name-store.ts";
import type {
  ClusterKey,
  Listed,
  MemberList,
  RenewalAnswer,
  Run,
  Standing,
  TakenAnswer,
} from "../../cluster/ports/shared-store.ts";
import type { Member } from "../../cluster/ports/view.ts";

const ANSWERS = { L: "landed", S: "superseded", B: "behind", O: "outnumbered" } as const;

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

/** Of answerList(): revision, epoch, nonce, expelled, then JSON, run and held of each member. */
export function decodeList(values: readonly Buffer[]): MemberList {
  const [revision, epoch, nonce, expelled, ...rest] = values.map(String);
  const listed: Listed[] = [];
  for (let at = 0; at < rest.length; at += 3) {
    listed.push({ member: JSON.parse(rest[at]) as Member, run: rest[at + 1], held: rest[at + 2] });
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

/** Of renew-1.lua, behind its kind: the revision of the modes' names (R28), then the list where it is told. */
export function decodeRenewed(run: Run, [modesRevision, ...list]: readonly Buffer[]): RenewalAnswer {
  const revision = Number(modesRevision.toString());
  const told = list.length === 0 ? undefined : decodeList(list);
  return { kind: "renewed", run, list: told, ...(revision > 0 && { modesRevision: revision }) };
}

/** Of answerModes(). */
export function decodeModes([revision, isWhole, added, gone, marked]: readonly Buffer[]): ModeNamesAnswer {
  return {
    revision: Number(revision.toString()),
    isWhole: isWhole.toString() === "1",
    added: namesIn(added),
    gone: namesIn(gone),
    marked: namesIn(marked),
  };
}

/** Names with a space between each two. */
export function namesIn(line: Buffer): string[] {
  return line.length === 0 ? [] : line.toString().split(" ");
}

export function encodeClaim({ term, incarnation }: Claim): string {
  return `${term} ${incarnation}`;
}

/** The state of records.lua. */
export function decodeStanding(state: Buffer | null): Standing {
  if (state === null) return { claim: undefined, raisedTo: 0, length: 0 };
  const [length, , term, incarnation, raisedTo] = state.toString().split(" ");
  const claim = term === "0" ? undefined : { term: Number(term), incarnation };
  return { claim, raisedTo: Number(raisedTo), length: Number(length) };
}

export function decodeTaken(answer: readonly (Buffer | null)[], isLoaded: boolean): TakenAnswer {
  const [state, lost, ...content] = answer;
  const before = decodeStanding(state);
  if (lost === undefined) return { kind: "refused", standing: before };
  const record = isLoaded ? decodeRecord(content) : undefined;
  return { kind: "claimed", before, record, isLost: lost?.toString() === "1" };
}

function decodeRecord([snapshot, ...log]: readonly (Buffer | null)[]): PartitionRecord {
  return { snapshot: snapshot === null ? undefined : asBytes(snapshot), log: (log as Buffer[]).map(asBytes) };
}

/** A letter for each. */
export function decodeAnswers(letters: Buffer): AppendAnswer[] {
  return Array.from(letters, (letter) => ANSWERS[String.fromCharCode(letter) as "L" | "S" | "B"]);
}

export function decodeSnapshotAnswer(letter: Buffer): SnapshotAnswer {
  return ANSWERS[letter.toString() as keyof typeof ANSWERS];
}

/** The same bytes as a Buffer; nothing is copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** No Buffer, so that nobody comes to rely on one; nothing is copied. */
function asBytes(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
