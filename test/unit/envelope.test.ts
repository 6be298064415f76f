import fc from "fast-check";
import { expect, test } from "vitest";
import { type Envelope, seal, unseal } from "../../cluster/peers/envelope.ts";
import { PeerError } from "../../cluster/ports/transport.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";

const MARK = [7, 0xffffffff] as const;
const envelope: Envelope = {
  kind: "request",
  verdict: "done",
  epoch: 7,
  sentAtMs: 1234.5,
  echoMs: 17.25,
  from: incarnationOf(1),
  to: incarnationOf(2),
  view: viewOfMembers(7, [1, 2], { expelled: [incarnationOf(9)] }),
  body: Uint8Array.of(1, 2, 3),
};

test("R17: unseal() gives what seal() was given", () => {
  expect(unseal("request", seal(envelope, MARK), MARK)).toEqual(envelope);
  const answer: Envelope = {
    ...envelope,
    kind: "answer",
    verdict: "stranger",
    view: undefined,
    body: new Uint8Array(0),
  };
  expect(unseal("answer", seal(answer, MARK), MARK)).toEqual(answer);
});
test("a message of another cluster is refused, whatever is in it", () => {
  expect(() => unseal("request", seal(envelope, MARK), [7, 8])).toThrow("Nodes of two clusters");
  expect(unseal("request", seal(envelope, [7, -1]), MARK), "a hash may be negative").toEqual(envelope);
});
test("unseal() puts the body where its words are aligned", () => {
  expect(unseal("request", seal(envelope, MARK), MARK).body.byteOffset % 8).toBe(0);
});
test("unseal() refuses another kind and another protocol version", () => {
  expect(() => unseal("answer", seal(envelope, MARK), MARK)).toThrow(MalformedMessageError);
  const other = seal(envelope, MARK);
  other[0] = 1;
  expect(() => unseal("request", other, MARK)).toThrow("must hold: protocol 5, not 1");
});
test.each([
  ["a verdict that is none", (bytes: Uint8Array) => (bytes[2] = 2), "a known verdict"],
  ["a byte that is kept for later", (bytes: Uint8Array) => (bytes[3] = 1), "a known verdict"],
  [
    "a view longer than the message",
    (bytes: Uint8Array) => headOf(bytes).setUint32(4, bytes.length, true),
    "ends within",
  ],
  ["half an epoch", (bytes: Uint8Array) => headOf(bytes).setFloat64(8, 6.5, true), "a whole epoch"],
  ["an epoch below 0", (bytes: Uint8Array) => headOf(bytes).setFloat64(8, -1, true), "a whole epoch"],
  [
    "a time that is no number",
    (bytes: Uint8Array) => headOf(bytes).setFloat64(16, NaN, true),
    "a finite time of sending",
  ],
  ["an echo without end", (bytes: Uint8Array) => headOf(bytes).setFloat64(104, Infinity, true), "a finite echo"],
  ["a sender who is none", (bytes: Uint8Array) => (bytes[32] = 0), "two incarnations"],
  ["a receiver who is none", (bytes: Uint8Array) => (bytes[68] = 0), "two incarnations"],
])("unseal() refuses %s, and says what must hold", (_what, damage, told) => {
  const bytes = seal(envelope, MARK);
  damage(bytes);
  expect(() => unseal("request", bytes, MARK)).toThrow(told);
});
test("epoch 0, before the first list, is one", () => {
  expect(unseal("request", seal({ ...envelope, epoch: 0 }, MARK), MARK).epoch).toBe(0);
});
test("unseal() refuses a view that is none", () => {
  const bad = { ...envelope, view: { ...viewOfMembers(1, [1]), members: [memberNumber(1, { weight: 0 })] } };
  expect(() => unseal("request", seal(bad, MARK), MARK)).toThrow("must hold: a view");
});
test("unseal() of anything gives an envelope, or throws MalformedMessageError or PeerError, and nothing else", () => {
  const sound = seal(envelope, MARK);
  const changed = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
    const bytes = sound.slice();
    for (const [at, value] of changes) bytes[at] = value;
    return bytes;
  });
  const cut = fc.nat(sound.length).map((length) => sound.slice(0, length));
  fc.assert(
    fc.property(fc.oneof(changed, cut, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      try {
        unseal("request", bytes, MARK);
      } catch (error) {
        expect(error instanceof MalformedMessageError || error instanceof PeerError).toBe(true);
      }
    }),
  );
});

function headOf({ buffer }: Uint8Array): DataView {
  return new DataView(buffer);
}
