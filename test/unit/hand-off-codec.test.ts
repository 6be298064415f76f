import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type CopyAnswer,
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  type LastRound,
} from "../../cluster/moves/hand-off-codec.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { incarnationOf } from "../support/members.ts";

const bytes = new TextEncoder().encode("rows of any kind");
const last: LastRound = {
  rounds: 3,
  rows: 17,
  checksum: [4_294_967_295, 0],
  claim: { term: 4, incarnation: incarnationOf(1), founding: incarnationOf(9) },
  length: 120,
  graceLeftMs: 300,
  doubtLeftMs: 0,
  standings: { firstTerm: 3, unsureUntil: 0, words: new Int32Array(0) },
};
const standing = { firstTerm: 3, unsureUntil: 70, words: Int32Array.from({ length: 14 }, (_, word) => word - 7) };
const answers: CopyAnswer[] = [
  { kind: "rows", copy: 7, round: 0, asOf: 99, last: undefined, bytes },
  { kind: "rows", copy: 7, round: 3, asOf: 99, last, bytes: new Uint8Array(0) },
  { kind: "rows", copy: 7, round: 3, asOf: 99, last: { ...last, standings: standing }, bytes },
  { kind: "busy" },
  { kind: "not held" },
  { kind: "not yet" },
];

/** As it comes from a socket: in the midst of a buffer that is others' too. */
function pooled(message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from("abc"), message]).subarray(3);
}

test("R13: requests and answers come back as they were", () => {
  const copy = { kind: "copy", partition: 15, copy: 7, round: 3, isLast: true } as const;
  const served = { kind: "served", partitions: [3, 15], terms: [8, 9] } as const;
  expect(decodeRequest(encodeRequest(copy), 16)).toEqual(copy);
  expect(decodeRequest(encodeRequest(served), 16)).toEqual(served);
  for (const answer of answers)
    for (const message of [encodeAnswer(answer), pooled(encodeAnswer(answer))]) {
      const decoded = decodeAnswer(message);
      const plain = decoded.kind === "rows" ? { ...decoded, bytes: new Uint8Array(decoded.bytes) } : decoded;
      expect(plain).toEqual(answer);
    }
});
test.each([
  ["a partition that the cluster has not", { kind: "copy", partition: 16, copy: 1, round: 0, isLast: false }],
  ["a round that is none", { kind: "copy", partition: 1, copy: 1, round: -1, isLast: false }],
  ["a copy without a number", { kind: "copy", partition: 1, round: 0, isLast: false }],
  ["a round that may be the last or not", { kind: "copy", partition: 1, copy: 1, round: 0 }],
  ["an unknown kind", { kind: "give me", partitions: [1], terms: [1] }],
  ["no partitions", { kind: "served", terms: [] }],
  ["a term too few", { kind: "served", partitions: [1, 2], terms: [3] }],
])("decodeRequest() refuses %s", (_what, request) => {
  const message = new TextEncoder().encode(JSON.stringify(request));
  expect(() => decodeRequest(message, 16)).toThrow(MalformedMessageError);
});
test.each([
  ["a claim without incarnation", { claim: { term: 1, founding: incarnationOf(9) } }],
  ["a claim without founding", { claim: { term: 1, incarnation: incarnationOf(1) } }],
  ["a length below nothing", { length: -1 }],
  ["half of a checksum", { checksum: [1] }],
  ["grace that is no number", { graceLeftMs: "much" }],
])("decodeAnswer() refuses a last round with %s", (_what, changed) => {
  const answer = { ...answers[1], last: { ...last, ...changed } } as unknown as CopyAnswer;
  expect(() => decodeAnswer(encodeAnswer(answer))).toThrow(MalformedMessageError);
});
test("decodeAnswer() refuses rows behind an answer that has none", () => {
  expect(() => decodeAnswer(Uint8Array.from([...encodeAnswer({ kind: "busy" }), 0]))).toThrow("nothing behind");
});
test("decodeAnswer() of anything gives an answer or throws MalformedMessageError, and nothing else", () => {
  const sound = encodeAnswer(itemAt(answers, 1));
  const changed = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 3 }).map((changes) => {
    const message = sound.slice();
    for (const [at, value] of changes) message[at] = value;
    return message;
  });
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 200 })), (message) => {
      try {
        decodeAnswer(message);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMessageError);
      }
    }),
  );
});
