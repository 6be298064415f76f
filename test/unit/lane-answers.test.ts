import { expect, test, vi } from "vitest";

import { LaneAnswers } from "../../node/http/connections/lane-answers.ts";

const KEPT = "kept\r\n\r\n";
const CLOSED = "closed\r\n\r\n";
const unheard = (): LaneAnswers => new LaneAnswers(() => undefined);

test("answers leave in the order of their requests", () => {
  const onSettled = vi.fn<() => void>();
  const answers = new LaneAnswers(onSettled);
  const [first, second] = [answers.begin(), answers.begin()];
  second.code(204).send();
  expect(answers.take(KEPT, KEPT)).toBe("");
  first.header("etag", '"1"').send("one");
  expect(onSettled).toHaveBeenCalledTimes(2);
  expect(answers.take(KEPT, CLOSED)).toBe(
    `HTTP/1.1 200 OK\r\netag: "1"\r\ncontent-length: 3\r\n${KEPT}oneHTTP/1.1 204 No Content\r\n${CLOSED}`,
  );
  expect(answers.isEmpty).toBe(true);
});
test("an answer is the last one only where no request is unanswered", () => {
  const answers = unheard();
  const [first, second] = [answers.begin(), answers.begin()];
  first.send("one");
  expect(answers.take(KEPT, CLOSED)).toContain(KEPT);
  second.send("two");
  expect(answers.take(KEPT, CLOSED)).toContain(CLOSED);
});
test("an answer stands, whatever comes after it", () => {
  const answers = unheard();
  const reply = answers.begin();
  reply.send("one");
  reply.send("x".repeat(65_536));
  expect(answers.take(KEPT, KEPT)).toContain("content-length: 3");
  answers.begin();
  expect(answers.hasRoom(false)).toBe(true);
});
test("no other answer comes behind one that is to be the last", () => {
  const answers = unheard();
  expect(answers.hasRoom(true)).toBe(true);
  answers.begin();
  expect(answers.hasRoom(true)).toBe(false);
});
test("there is room for so many answers, and for so many characters that wait", () => {
  const many = unheard();
  const replies = Array.from({ length: 63 }, () => many.begin());
  expect(many.hasRoom(false)).toBe(true);
  replies.push(many.begin());
  expect(many.hasRoom(false)).toBe(false);
  for (const reply of replies) reply.send("");
  many.take(KEPT, KEPT);
  expect(many.hasRoom(false)).toBe(true);

  const large = unheard();
  const [first, second] = [large.begin(), large.begin()];
  second.send("x".repeat(65_536));
  expect(large.take(KEPT, KEPT)).toBe("");
  expect(large.hasRoom(false), "they wait for the one before them").toBe(false);
  first.send();
  large.take(KEPT, KEPT);
  expect(large.hasRoom(false)).toBe(true);
});
