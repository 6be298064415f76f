import { expect, test } from "vitest";

import { type Kept, KEPT_MS, KeptAnswers } from "../../cluster/counts/kept-answers.ts";

interface Answer {
  readonly term: number;
  readonly version: number;
}

const TICK_MS = 20;

/** Answers of an owner that takes its time, or says nothing. */
class Subject {
  nowMs = 0;
  answersAfterMs = 5;
  isSilent = false;
  answer: Answer = { term: 1, version: 1 };
  /** The places of each question, and when it came. */
  readonly questions: (readonly [atMs: number, places: readonly number[]])[] = [];
  readonly kept = new KeptAnswers<Answer>({ nowMs: () => this.nowMs, ask: (places) => this.ask(places) });
  private readonly events: { readonly atMs: number; readonly run: () => void }[] = [];

  async pass(ms: number, each: () => void = () => undefined): Promise<void> {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs;) {
      this.nowMs += TICK_MS;
      for (const event of this.events.filter(({ atMs }) => atMs <= this.nowMs)) {
        this.events.splice(this.events.indexOf(event), 1);
        event.run();
      }
      await new Promise(setImmediate);
      this.kept.tick();
      each();
    }
  }

  /** What who waits is told, once it is. */
  wait(place: number, forMs: number): (Kept<Answer> | undefined)[] {
    const told: (Kept<Answer> | undefined)[] = [];
    this.kept.ask(place, this.nowMs + forMs, (kept) => told.push(kept));
    return told;
  }

  private ask(places: readonly number[]): Promise<ReadonlyMap<number, Answer>> {
    this.questions.push([this.nowMs, places]);
    const { answer, isSilent } = this;
    return new Promise((resolve) => {
      const run = (): void => resolve(isSilent ? new Map() : new Map(places.map((place) => [place, answer])));
      this.events.push({ atMs: this.nowMs + this.answersAfterMs, run });
    });
  }
}

test("KeptAnswers asks once, whoever waits, and tells all of them", async () => {
  const subject = new Subject();
  const told = [subject.wait(7, 1000), subject.wait(7, 1000), subject.wait(8, 1000)];
  await subject.pass(2 * TICK_MS);
  expect(subject.questions).toEqual([[TICK_MS, [7, 8]]]);
  expect(told.map((each) => each.length)).toEqual([1, 1, 1]);
  expect(told[0]?.[0]).toEqual({ answer: subject.answer, askedAtMs: TICK_MS });
});
test("KeptAnswers has one question under way for a place, however long it takes", async () => {
  const subject = new Subject();
  subject.answersAfterMs = 2000;
  const told = subject.wait(7, 3000);
  await subject.pass(1500, () => subject.kept.of(7));
  expect([subject.questions.length, told]).toEqual([1, []]);
  await subject.pass(600);
  expect(told).toHaveLength(1);
});
test("KeptAnswers asks again while somebody wants to know, so that what it has is never too old", async () => {
  const subject = new Subject();
  subject.wait(7, 1000);
  await subject.pass(100);
  await subject.pass(5000, () => {
    const kept = subject.kept.of(7);
    expect(subject.nowMs - (kept?.askedAtMs ?? -Infinity)).toBeLessThan(KEPT_MS);
    expect(subject.wait(7, 1000), "at once").toHaveLength(1);
  });
  expect(subject.questions.length, "twice or three times a second").toBeLessThan(16);
});
test("KeptAnswers forgets what nobody wants to know any more", async () => {
  const subject = new Subject();
  subject.wait(7, 1000);
  await subject.pass(3500);
  const { length } = subject.questions;
  await subject.pass(5000);
  expect([subject.questions.length, subject.kept.size]).toEqual([length, 0]);
});
test("KeptAnswers tells who waits in vain when the time is over: nothing, or what it heard last", async () => {
  const subject = new Subject();
  subject.isSilent = true;
  const told = subject.wait(7, 300);
  await subject.pass(400);
  expect(told).toEqual([undefined]);
  expect(subject.questions.length, "it goes on asking meanwhile, with pauses").toBeLessThan(8);
  subject.isSilent = false;
  await subject.pass(200);
  const [known] = subject.wait(7, 300);
  subject.isSilent = true;
  await subject.pass(KEPT_MS + 400, () => subject.kept.of(7));
  const late = subject.wait(7, 300);
  await subject.pass(400);
  expect(late).toEqual([known]);
});
test("KeptAnswers takes nothing that is older than what it knows", async () => {
  const subject = new Subject();
  subject.answer = { term: 3, version: 9 };
  subject.wait(7, 1000);
  await subject.pass(100);
  for (const answer of [
    { term: 2, version: 99 },
    { term: 3, version: 8 },
  ]) {
    subject.answer = answer;
    await subject.pass(500, () => subject.kept.of(7));
    expect(subject.kept.of(7)?.answer).toEqual({ term: 3, version: 9 });
  }
});
test("KeptAnswers keeps all places that there are fresh, and asks for many less often than for few", async () => {
  const subject = new Subject();
  const places = 5040;
  const look = (): void => {
    let oldestMs = Infinity;
    for (let place = 0; place < places; place++)
      oldestMs = Math.min(oldestMs, subject.kept.of(place)?.askedAtMs ?? -Infinity);
    if (subject.nowMs > 100) expect(subject.nowMs - oldestMs).toBeLessThan(KEPT_MS);
  };
  look();
  await subject.pass(6000, look);
  const asked = subject.questions.reduce((sum, [, each]) => sum + each.length, 0);
  expect(asked / places, "less than twice a second").toBeLessThan(11);
});
test("KeptAnswers tells who still waits when it ends", async () => {
  const subject = new Subject();
  subject.wait(7, 1000);
  await subject.pass(100);
  subject.isSilent = true;
  await subject.pass(2 * KEPT_MS, () => subject.kept.of(7));
  const [known, unknown] = [subject.wait(7, 1000), subject.wait(8, 1000)];
  subject.kept.close();
  expect(known).toEqual([expect.objectContaining({ answer: subject.answer })]);
  expect(unknown).toEqual([undefined]);
});
