import fc from "fast-check";
import { expect, test } from "vitest";
import { type Envelope, seal, unseal } from "../../cluster/envelope.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";

const envelope: Envelope = {
  kind: "request",
  verdict: "done",
  epoch: 7,
  sentAtMs: 1234.5,
  from: incarnationOf(1),
  to: incarnationOf(2),
  view: viewOfMembers(7, [1, 2], { expelled: [incarnationOf(9)] }),
  body: Uint8Array.of(1, 2, 3),
};

test("R17: unseal() gives what seal() was given", () => {
  expect(unseal("request", seal(envelope))).toEqual(envelope);
  const answer: Envelope = {
    ...envelope,
    kind: "answer",
    verdict: "stranger",
    view: undefined,
    body: new Uint8Array(0),
  };
  expect(unseal("answer", seal(answer))).toEqual(answer);
});
test("unseal() puts the body where its words are aligned", () => {
  expect(unseal("request", seal(envelope)).body.byteOffset % 8).toBe(0);
});
test("unseal() refuses another kind and another protocol version", () => {
  expect(() => unseal("answer", seal(envelope))).toThrow(MalformedMessageError);
  const other = seal(envelope);
  other[0] = 2;
  expect(() => unseal("request", other)).toThrow("must hold: protocol 1, not 2");
});
test("unseal() refuses a view that is none", () => {
  const bad = { ...envelope, view: { ...viewOfMembers(1, [1]), members: [memberNumber(1, { weight: 0 })] } };
  expect(() => unseal("request", seal(bad))).toThrow("must hold: a view");
});
test("unseal() of anything gives an envelope or throws MalformedMessageError, and nothing else", () => {
  const sound = seal(envelope);
  const changed = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
    const bytes = sound.slice();
    for (const [at, value] of changes) bytes[at] = value;
    return bytes;
  });
  const cut = fc.nat(sound.length).map((length) => sound.slice(0, length));
  fc.assert(
    fc.property(fc.oneof(changed, cut, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      try {
        unseal("request", bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMessageError);
      }
    }),
  );
});
