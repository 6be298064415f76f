import { expect, test } from "vitest";
import { seal, unseal } from "../../cluster/peers/envelope.ts";
import { PeerError } from "../../cluster/ports/transport.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";
import { BODY, MARK, Subject } from "../support/peers-subject.ts";

test("R17: a message for another incarnation is refused and handled by nobody", async () => {
  const subject = new Subject();
  const answer = unseal("answer", await subject.receive({ to: incarnationOf(7) }), MARK);
  expect([answer.verdict, subject.handled]).toEqual(["stranger", []]);
});
test("R17: whoever asks under an older view is answered with the newer one", async () => {
  const subject = new Subject();
  expect(unseal("answer", await subject.receive({ epoch: 4 }), MARK).view).toEqual(subject.view);
  expect(unseal("answer", await subject.receive({ epoch: 5 }), MARK).view).toBeUndefined();
});
test("R17: a newer view that comes with a request is adopted before the request is handled", async () => {
  const subject = new Subject();
  const newer = viewOfMembers(6, [1, 2]);
  await subject.receive({ epoch: 6, view: newer });
  expect(subject.adopted).toEqual([newer]);
});
test("R9: another view under the same epoch is told, an older one is not", async () => {
  const subject = new Subject();
  await subject.receive({ view: viewOfMembers(4, [1]) });
  expect(subject.adopted).toEqual([]);
  const other = viewOfMembers(5, [1, 2], { nonce: "another" });
  await subject.receive({ view: other });
  expect(subject.adopted).toEqual([other]);
});
test("R17: the first request to a peer brings the view, later ones do not", async () => {
  const subject = new Subject();
  for (let call = 0; call < 2; call++) await subject.peers.call(incarnationOf(2), "rows", BODY, 100);
  expect(subject.sent.map((message) => unseal("request", message, MARK).view?.epoch)).toEqual([5, undefined]);
});
test("R19: a request is as old as the stamp that it echoes, at the most, whatever its sender's clock says", async () => {
  const subject = new Subject();
  await subject.receive({ sentAtMs: 5, echoMs: 940 });
  await subject.receive({ sentAtMs: 1e9, echoMs: 990 });
  await subject.receive({ echoMs: 1001 });
  expect(subject.handled.map(({ delayMs }) => delayMs)).toEqual([60, 10, 0]);
});
test("R19: each message echoes the newest stamp of its receiver, from requests and from answers, and none is 0", async () => {
  const subject = new Subject();
  const echoes = async (): Promise<[number, number]> => {
    await subject.peers.call(incarnationOf(2), "rows", BODY, 100);
    const [sent] = take(
      1,
      subject.sent.splice(0).map((message) => unseal("request", message, MARK)),
    );
    return [sent.sentAtMs, sent.echoMs];
  };
  subject.stampMs = 0;
  expect(await echoes()).toEqual([1000, 0]);
  const answer = unseal("answer", await subject.receive({ sentAtMs: 500 }), MARK);
  expect([answer.sentAtMs, answer.echoMs]).toEqual([1000, 500]);
  await subject.receive({ sentAtMs: 400 });
  subject.stampMs = 700;
  expect(await echoes(), "an older stamp that comes late counts for nothing").toEqual([1000, 500]);
  expect(await echoes()).toEqual([1000, 700]);
});
test("R19: a step of this node's clock makes each peer's messages look old only until the peer has heard of it", async () => {
  const subject = new Subject();
  await subject.receive({ echoMs: 998 });
  subject.nowMs += 4000;
  const answer = unseal("answer", await subject.receive({ echoMs: 998 }), MARK);
  await subject.receive({ echoMs: answer.sentAtMs });
  expect(subject.handled.map(({ delayMs }) => delayMs)).toEqual([2, 4002, 0]);
});
test("R19: counts are as old as the peer's clock and the closest echo allow, or as the echo does where that is less", async () => {
  const subject = new Subject();
  await subject.receive({ sentAtMs: 900, echoMs: 990 }, "counts");
  subject.nowMs = 1200;
  await subject.receive({ sentAtMs: 1000, echoMs: 800 }, "counts");
  subject.nowMs = 2200; // a step of the clock
  await subject.receive({ sentAtMs: 1100, echoMs: 2190 }, "counts");
  expect(subject.handled.map(({ delayMs }) => delayMs)).toEqual([10, 110, 10]);
});
test("R19: counts that are all late do not look fresh", async () => {
  const subject = new Subject();
  await subject.peers.call(incarnationOf(2), "counts", BODY, 100);
  for (const sentAtMs of [1000, 1100, 1200]) {
    subject.nowMs = sentAtMs + 2000; // the clocks are the same
    await subject.receive({ sentAtMs, echoMs: 900 }, "counts");
  }
  for (const { delayMs } of subject.handled) expect(delayMs).toBeGreaterThanOrEqual(2000);
});
test("R17: a node of another cluster is not listened to, and counts as a port where nobody listens", async () => {
  const subject = new Subject();
  const envelope = {
    verdict: "done" as const,
    epoch: 9,
    sentAtMs: 0,
    echoMs: 0,
    from: incarnationOf(2),
    to: incarnationOf(1),
  };
  const foreign = { ...envelope, view: viewOfMembers(9, [2]), body: BODY };
  await expect(subject.peers.receive("rows", seal({ kind: "request", ...foreign }, [8, 8]))).rejects.toThrow(PeerError);
  subject.answer = async () => seal({ kind: "answer", ...foreign }, [8, 8]);
  await expect(subject.peers.call(incarnationOf(2), "rows", BODY, 100)).rejects.toThrow("two clusters");
  expect([subject.adopted, subject.handled, subject.closed]).toEqual([[], [], [incarnationOf(2)]]);
});
test("R10: who was not heard of for a while is named, who was heard or answered is not", async () => {
  const subject = new Subject();
  subject.peers.onView();
  subject.nowMs += 3001;
  expect(subject.peers.unheard(3000)).toEqual([incarnationOf(2), incarnationOf(3)]);
  await subject.receive({ from: incarnationOf(2) });
  await subject.peers.call(incarnationOf(3), "rows", BODY, 100);
  expect(subject.peers.unheard(3000)).toEqual([]);
});
test("a member whose address is none is like one that does not answer: call() rejects with a PeerError", async () => {
  const subject = new Subject();
  subject.answer = () => {
    throw new TypeError("Invalid URL");
  };
  await expect(subject.peers.call(incarnationOf(2), "counts", BODY, 100)).rejects.toThrow(PeerError);
  expect(subject.closed).toEqual([]);
});
const REFUSING = (): Promise<Uint8Array> => Promise.reject(new PeerError("nobody listens", true));
const STRANGER = async (): Promise<Uint8Array> =>
  seal(
    {
      kind: "answer",
      verdict: "stranger",
      epoch: 5,
      sentAtMs: 0,
      echoMs: 0,
      from: incarnationOf(8),
      to: incarnationOf(1),
      view: undefined,
      body: BODY,
    },
    MARK,
  );
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("R10: a port that refuses, or where another incarnation answers, is told once until it answers again", async () => {
  const subject = new Subject();
  const { answer, peers } = subject;
  const call = async (number: number): Promise<unknown> =>
    peers.call(incarnationOf(number), "rows", BODY, 100).catch((error: unknown) => error);
  subject.answer = REFUSING;
  for (let count = 0; count < 3; count++) await call(2);
  subject.answer = STRANGER;
  for (let count = 0; count < 3; count++) await call(3);
  expect(subject.closed).toEqual([2, 3].map(incarnationOf));
  subject.answer = answer;
  await call(2);
  subject.answer = REFUSING;
  await call(2);
  expect(subject.closed).toEqual([2, 3, 2].map(incarnationOf));
});
test("R10: where a connection ended the port is asked at once, and again until that tells something", async () => {
  const subject = new Subject();
  const { peerUrl } = itemAt(subject.view.members, 1);
  subject.peers.onView();
  subject.answer = () => Promise.reject(new PeerError("did not answer", false));
  subject.transport.onEnded(peerUrl);
  await turn();
  expect([subject.sent.length, subject.closed]).toEqual([1, []]);
  subject.answer = REFUSING;
  subject.peers.tick(3_000_000);
  await turn();
  expect(subject.closed).toContain(incarnationOf(2));
});
test("R10: while a port that is asked does not answer, it is not asked again; nor soon after, unless a connection ended", async () => {
  const subject = new Subject();
  subject.answer = () => new Promise(() => undefined);
  for (let count = 0; count < 3; count++, subject.nowMs += 300) subject.peers.tick(3000);
  expect(subject.sent.length, "one question under way to each").toBe(2);
  const other = new Subject();
  other.answer = () => Promise.reject(new PeerError("did not answer", false));
  for (let count = 0; count < 3; count++, other.nowMs += 40) {
    other.peers.tick(3000);
    await turn();
  }
  expect(other.sent.length, "after 100 ms each is asked again, not before").toBe(2);
});
test("R18: the caller is told whether somebody else answered, and never by that alone that nothing arrived", async () => {
  const subject = new Subject();
  const errorOf = async (number: number): Promise<unknown> =>
    subject.peers.call(incarnationOf(number), "rows", BODY, 100).catch((error: unknown) => error);
  subject.answer = () => Promise.reject(new TypeError("Invalid URL"));
  expect(await errorOf(2)).toMatchObject({
    isRefused: false,
    isAnother: false,
    message: expect.stringContaining("Invalid URL"),
  });
  subject.answer = STRANGER;
  expect(await errorOf(2)).toMatchObject({ isRefused: false, isAnother: true });
  expect(await errorOf(9)).toMatchObject({ isRefused: false, isAnother: false });
});
test.each(["from", "to"] as const)("R17: an answer whose %s is another incarnation is no answer", async (side) => {
  const subject = new Subject();
  const answer = {
    kind: "answer",
    verdict: "done",
    epoch: 5,
    sentAtMs: 0,
    echoMs: 0,
    view: undefined,
    body: BODY,
  } as const;
  const sides = { from: incarnationOf(2), to: incarnationOf(1), [side]: incarnationOf(8) };
  subject.answer = async () => seal({ ...answer, ...sides }, MARK);
  await expect(subject.peers.call(incarnationOf(2), "rows", BODY, 100)).rejects.toMatchObject({ isAnother: true });
});
test("R10: who was heard exactly as long ago as is allowed still counts as heard", () => {
  const subject = new Subject();
  subject.peers.onView();
  subject.nowMs += 3000;
  expect([subject.peers.unheard(3000), subject.peers.heardCount(3000)]).toEqual([[], 2]);
  subject.nowMs++;
  expect([subject.peers.unheard(3000).length, subject.peers.heardCount(3000)]).toEqual([2, 0]);
});
test("of those who are not listed, 64 are remembered, and all who are", async () => {
  const subject = new Subject();
  subject.peers.onView();
  const joined = subject.view;
  for (let number = 10; number < 10 + 80; number++) {
    subject.view = { ...joined, members: [...joined.members, memberNumber(number)] };
    subject.peers.onView(); // they come and go
  }
  subject.view = viewOfMembers(6, [1, 2, 3]);
  subject.peers.onView();
  const isReached = async (number: number): Promise<boolean> =>
    subject.peers.call(incarnationOf(number), "rows", BODY, 100).then(
      () => true,
      () => false,
    );
  const reached = await Promise.all(Array.from({ length: 80 }, (_, index) => isReached(index + 10)));
  expect(reached).toEqual(Array.from({ length: 80 }, (_, index) => index >= 16));
  expect(await isReached(2)).toBe(true);
});
test("R10: a connection that ended while the peer still answers accuses nobody", async () => {
  const subject = new Subject();
  subject.transport.onEnded(itemAt(subject.view.members, 1).peerUrl);
  subject.transport.onEnded("http://somebody-else:1");
  await turn();
  expect([subject.sent.length, subject.closed]).toEqual([1, []]);
});
test("R10: who does not answer at its address for a while is accused, although it is heard", async () => {
  const subject = new Subject();
  subject.peers.onView();
  subject.nowMs += 3001;
  await subject.receive({ from: incarnationOf(2) });
  await subject.receive({ from: incarnationOf(3) });
  expect([subject.peers.unheard(3000), subject.peers.accused(3000)]).toEqual([[], [2, 3].map(incarnationOf)]);
  await subject.peers.call(incarnationOf(3), "rows", BODY, 100);
  expect(subject.peers.accused(3000)).toEqual([incarnationOf(2)]);
});
test("R10: whoever has been quiet is called with nothing to say, which no part of the node needs to handle", async () => {
  const subject = new Subject();
  const sentIn = async (ms: number): Promise<number> => {
    const before = subject.sent.length;
    subject.nowMs += ms;
    subject.peers.tick(3000);
    await turn();
    return subject.sent.length - before;
  };
  expect([await sentIn(0), await sentIn(900), await sentIn(200), await sentIn(200)]).toEqual([2, 0, 2, 0]);
  const body = new Uint8Array(0);
  const request = {
    kind: "request" as const,
    verdict: "done" as const,
    epoch: 5,
    sentAtMs: 0,
    echoMs: 0,
    view: undefined,
    body,
  };
  const message = seal({ ...request, from: incarnationOf(2), to: incarnationOf(1) }, MARK);
  const answer = unseal("answer", await subject.peers.receive("control", message), MARK);
  expect([answer.verdict, answer.body.length]).toEqual(["done", 0]);
});
test("R14: who has not heard half of the others is alone; who joins does not count", async () => {
  const subject = new Subject();
  subject.view = viewOfMembers(5, [1, 2, 3, 4]);
  const joiner = { ...itemAt(subject.view.members, 3), isJoining: true };
  subject.view = { ...subject.view, members: [...subject.view.members.slice(0, 3), joiner] };
  subject.peers.onView();
  subject.nowMs += 3001;
  expect([subject.peers.isAlone(3000), subject.peers.unheard(3000).length]).toEqual([true, 2]);
  await subject.receive({ from: incarnationOf(4) });
  expect(subject.peers.isAlone(3000)).toBe(true);
  await subject.receive({ from: incarnationOf(2) });
  expect(subject.peers.isAlone(3000)).toBe(false);
});
test("a joiner is called, and counts as called back once it has answered", async () => {
  const subject = new Subject();
  const [me, , joiner] = take(3, subject.view.members);
  subject.view = { ...subject.view, members: [me, { ...joiner, isJoining: true }] };
  const { answer } = subject;
  subject.answer = REFUSING;
  subject.peers.tick(3000);
  await turn();
  expect(subject.peers.called()).toEqual([]);
  subject.answer = answer;
  subject.nowMs += 100;
  subject.peers.tick(3000);
  await turn();
  expect(subject.peers.called()).toEqual([joiner.incarnation]);
});
test("R8: reachesHalf() wants half of the others, and one at least; with nobody else it is so", async () => {
  const subject = new Subject();
  const { answer } = subject;
  subject.answer = (message) =>
    unseal("request", message, MARK).to === incarnationOf(2) ? answer(message) : REFUSING();
  expect(await subject.peers.reachesHalf(100)).toBe(true);
  subject.answer = REFUSING;
  expect(await subject.peers.reachesHalf(100)).toBe(false);
  subject.view = viewOfMembers(5, [1]);
  expect(await subject.peers.reachesHalf(100)).toBe(true);
});
test("Peers.call() reaches nobody who was never listed", async () => {
  await expect(new Subject().peers.call(incarnationOf(9), "rows", BODY, 100)).rejects.toThrow(PeerError);
});
test("R18: a member that left by itself can still be called, one that was expelled cannot; neither is told as closed", async () => {
  for (const expelled of [[], [incarnationOf(2)]]) {
    const subject = new Subject();
    subject.peers.onView();
    subject.view = viewOfMembers(6, [1, 3], { expelled });
    subject.peers.onView();
    const called = subject.peers.call(incarnationOf(2), "rows", BODY, 100);
    if (expelled.length === 0) await expect(called).resolves.toEqual(BODY);
    else await expect(called).rejects.toThrow("is listed");
    expect(subject.sent).toHaveLength(1 - expelled.length);
    subject.answer = () => Promise.reject(new PeerError("nobody listens", true));
    await expect(subject.peers.call(incarnationOf(2), "rows", BODY, 100)).rejects.toThrow(PeerError);
    await expect(subject.peers.call(incarnationOf(4), "rows", BODY, 100), "never listed").rejects.toThrow("is listed");
    expect(subject.closed).toEqual([]);
  }
});
