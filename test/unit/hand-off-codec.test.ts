import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeAnswers,
  decodeRequest,
  encodeAnswers,
  encodeRequest,
  type HandOffAnswer,
} from "../../cluster/moves/hand-off-codec.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { incarnationOf } from "../support/members.ts";

const handedOver = (table: string): HandOffAnswer => ({
  kind: "handed over",
  claim: { term: 4, incarnation: incarnationOf(1), founding: incarnationOf(9) },
  length: 120,
  graceLeftMs: 300,
  doubtLeftMs: 0,
  table: new TextEncoder().encode(table),
});
const answers: HandOffAnswer[] = [handedOver("first table"), { kind: "busy" }, { kind: "not held" }, handedOver("")];

test("R13: requests and answers come back as they were", () => {
  const letGo = { kind: "let go", partitions: [3, 15] } as const;
  const served = { kind: "served", partitions: [3, 15], terms: [8, 9] } as const;
  expect(decodeRequest(encodeRequest(letGo), 16)).toEqual(letGo);
  expect(decodeRequest(encodeRequest(served), 16)).toEqual(served);
  expect(decodeAnswers(encodeAnswers(answers), 4)).toEqual(answers);
});
test.each([
  ["a partition that the cluster has not", { kind: "let go", partitions: [16] }],
  ["too many partitions", { kind: "let go", partitions: Array.from({ length: 17 }, () => 1) }],
  ["no partitions", { kind: "let go" }],
  ["an unknown kind", { kind: "give me", partitions: [1] }],
  ["a term too few", { kind: "served", partitions: [1, 2], terms: [3] }],
])("decodeRequest() refuses %s", (_what, request) => {
  const bytes = new TextEncoder().encode(JSON.stringify(request));
  expect(() => decodeRequest(bytes, 16)).toThrow(MalformedMessageError);
});
test("decodeAnswers() refuses another number of answers than was asked for, and bytes behind the tables", () => {
  expect(() => decodeAnswers(encodeAnswers(answers), 3)).toThrow("an answer for each partition");
  const longer = Uint8Array.from([...encodeAnswers(answers), 0]);
  expect(() => decodeAnswers(longer, 4)).toThrow("nothing behind the tables");
});
test("decodeAnswers() of anything gives answers or throws MalformedMessageError, and nothing else", () => {
  const sound = encodeAnswers(answers);
  const changed = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 3 }).map((changes) => {
    const bytes = sound.slice();
    for (const [at, value] of changes) bytes[at] = value;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      try {
        decodeAnswers(bytes, 4);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMessageError);
      }
    }),
  );
});
