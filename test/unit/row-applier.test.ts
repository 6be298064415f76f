import { describe, expect, test } from "vitest";
import { PlayerRates } from "../../cluster/records/player-rates.ts";
import type { Partition } from "../../engine/partition.ts";
import { regionOf } from "../../engine/places.ts";
import { idOf, RecorderBench } from "../support/recorder-bench.ts";
import { incarnationOf, viewOfMembers } from "../support/members.ts";

import { ApplierSubject as Subject, servingUnder } from "../support/applier-subject.ts";

const elsewhere = (reason: string, holder?: string): object[] => [{ kind: "elsewhere", reason, holder }];

test("R5: a report is done when its row has landed; what changes nothing, at once", async () => {
  const subject = await Subject.open();
  const changed = subject.ask("report", 1, "GM01");
  expect(changed).toEqual([]);
  await subject.bench.settle();
  expect(changed).toMatchObject([{ kind: "done", effect: "changed", isRemembered: true }]);
  expect(subject.ask("report", 1, "GM01")).toMatchObject([{ effect: "renewed", isRemembered: true }]);
  expect(subject.ask("find", 1)).toMatchObject([{ effect: "found", place: { mode: "GM01", region: regionOf("CA") } }]);
  expect(subject.ask("find", 2)).toMatchObject([{ effect: "nowhere" }]);
});
test("R5, R18: a row whose time is over while its append is under way is counted, also where it came late", async () => {
  for (const isLicensed of [true, false]) {
    const subject = await Subject.open();
    subject.membership.isLicensed = isLicensed;
    subject.bench.store.hang();
    subject.untilMs = 500;
    const [changed, unchanged] = [subject.ask("report", 1, "GM01"), subject.ask("renew", 1)];
    await subject.bench.pass(400);
    expect([changed, unchanged]).toEqual([[], []]);
    await subject.bench.pass(200);
    expect(changed).toMatchObject([{ kind: "done", effect: "changed", isRemembered: false }]);
    expect(unchanged).toMatchObject([{ kind: "done", effect: "renewed", isRemembered: false }]);
    expect(subject.bench.recorder.aheadCount, "an append that others still wait for").toBe(0);
  }
});
test("R12, R27: a look-up tells when a player was removed, as long as that is known", async () => {
  const subject = await Subject.open();
  await subject.answered("report", 1, "GM01");
  await subject.answered("remove", 1);
  await subject.bench.pass(700);
  const [answer] = subject.ask("find", 1);
  expect(answer).toMatchObject({ effect: "nowhere", place: { region: -1 } });
  const { ageMs = 0 } = answer?.kind === "done" ? (answer.place ?? {}) : {};
  expect(ageMs).toBeGreaterThanOrEqual(600);
  expect(ageMs).toBeLessThan(1000);
});
test("R14: without a licence what changes nothing is answered after an append that proves the claim", async () => {
  const subject = await Subject.open();
  await subject.answered("report", 1, "GM01");
  subject.membership.isLicensed = false;
  for (const [operation, effect] of [
    ["renew", "renewed"],
    ["find", "found"],
    ["report", "renewed"],
  ] as const) // prettier-ignore
  {
    const appends = subject.bench.store.calls.append;
    const outcomes = subject.ask(operation, 1, operation === "report" ? "GM01" : "");
    expect(outcomes).toEqual([]);
    await subject.bench.settle();
    expect(outcomes).toMatchObject([{ effect, isRemembered: true }]);
    expect(subject.bench.store.calls.append).toBe(appends + 1);
  }
});
test("R27: a removal whose seq is older than the player's newest is late, and answered as remembered", async () => {
  const subject = await Subject.open();
  await subject.answered("report", 1, "GM01");
  subject.seq = 7;
  await subject.answered("report", 1, "GM01");
  subject.seq = 6;
  expect(await subject.answered("remove", 1)).toMatchObject([{ effect: "late", isRemembered: true }]);
  subject.seq = 7;
  expect(await subject.answered("remove", 1)).toMatchObject([{ effect: "removed", isRemembered: true }]);
});
test("R14: a removal of nobody is proven too", async () => {
  const subject = await Subject.open();
  await subject.answered("remove", 1);
  subject.membership.isLicensed = false;
  const outcomes = subject.ask("remove", 1);
  expect(outcomes).toEqual([]);
  await subject.bench.settle();
  expect(outcomes).toMatchObject([{ effect: "removed", isRemembered: true }]);
});
test("R14: with neither licence nor store, places and absences are not told, reports and heartbeats are counted", async () => {
  const subject = await Subject.open();
  await subject.answered("report", 1, "GM01");
  subject.membership.isLicensed = false;
  subject.bench.store.goAway();
  await subject.answered("report", 1, "GM02");
  expect(subject.ask("report", 1, "GM02")).toMatchObject([{ effect: "renewed", isRemembered: false }]);
  expect(subject.ask("renew", 1)).toMatchObject([{ effect: "renewed", isRemembered: false }]);
  expect(subject.ask("renew", 2)).toEqual(elsewhere("loading"));
  expect(subject.ask("find", 1)).toEqual(elsewhere("loading"));
});
test("R14: a claim that was not raised to the newest epoch, or that the view gives to another, brings no licence", async () => {
  const subject = await Subject.open();
  await subject.answered("report", 1, "GM01");
  subject.membership.view = viewOfMembers(2, [1]);
  expect(subject.ask("find", 1)).toEqual([]);
  subject.membership.view = viewOfMembers(1, [2]);
  expect(subject.ask("find", 1)).toEqual([]);
});
test("R6: who was superseded while the append was under way answers `moved`", async () => {
  const subject = await Subject.open();
  const outcomes = subject.ask("report", 1, "GM01");
  for (let partition = 0; partition < 16; partition++) subject.bench.recorder.drop(partition);
  expect(outcomes).toEqual(elsewhere("moved"));
});
test("R17: a row that was sent under a view from before the claim is not applied", async () => {
  const subject = await Subject.open();
  subject.hold((partition) => {
    subject.holdings.take(partition);
    subject.holdings.serve(partition, servingUnder(5));
  });
  expect(subject.ask("report", 1, "GM01", 4)).toEqual(elsewhere("moved"));
  expect(subject.bench.modeOf(1)).toBeUndefined();
});
test("a heartbeat says where the player stands where that is asked, and only then", async () => {
  const subject = await Subject.open();
  await subject.answered("report", 1, "GM01");
  expect(await subject.answered("renew", 1)).toEqual([{ kind: "done", effect: "renewed", isRemembered: true }]);
  subject.isPlaceAsked = true;
  const place = { region: regionOf("CA"), mode: "GM01" };
  expect(await subject.answered("renew", 1)).toMatchObject([{ effect: "renewed", isRemembered: true, place }]);
  expect(await subject.answered("renew", 2)).toEqual([{ kind: "done", effect: "nowhere", isRemembered: true }]);
});
test("R28: a player whose mode's name was lost cannot be looked up, renews, and reports itself out of it", async () => {
  const subject = await Subject.open();
  const { engine } = subject.bench;
  const partition = engine.partitionOf(engine.hash(idOf(1)));
  const words = Int32Array.of(...idOf(1), 0, 0, 0);
  engine.recover(partition, [{ writtenAtMs: 0, count: 1, regions: [regionOf("CA")], modes: [""], words }], 0);
  expect(await subject.answered("find", 1)).toEqual([{ kind: "refused", reason: "mode not known" }]);
  subject.isPlaceAsked = true;
  expect(await subject.answered("renew", 1)).toEqual([{ kind: "done", effect: "renewed", isRemembered: true }]);
  expect(await subject.answered("report", 1, "GM01")).toMatchObject([{ kind: "done", effect: "changed" }]);
  expect(await subject.answered("find", 1)).toMatchObject([{ effect: "found", place: { mode: "GM01" } }]);
});
test("R18: what is not served here is told at once, and why", async () => {
  const subject = await Subject.open();
  const { holdings } = subject;
  const states: [what: string, bring: (partition: number) => void, reason: string, holder?: string][] = [
    ["elsewhere", () => undefined, "loading"],
    ["wanted", (partition) => holdings.want(partition), "loading"],
    ["wanted of", (partition) => holdings.want(partition, incarnationOf(2)), "held by", incarnationOf(2)],
    ["taking", (partition) => holdings.take(partition), "loading"],
    ["taking of", (partition) => holdings.take(partition, incarnationOf(2)), "held by", incarnationOf(2)],
    [
      "settling",
      (partition) => {
        holdings.take(partition);
        holdings.settle(partition, servingUnder(1), 1);
      },
      "loading",
    ],
    [
      "letting go",
      (partition) => {
        holdings.take(partition);
        holdings.serve(partition, servingUnder(1));
        holdings.letGo(partition);
      },
      "loading",
    ],
  ];
  for (const [what, bring, reason, holder] of states) {
    subject.hold(bring);
    expect(subject.ask("report", 1, "GM01"), what).toEqual(elsewhere(reason, holder));
  }
  subject.hold(() => undefined);
  subject.membership.view = viewOfMembers(1, [2]);
  expect(subject.ask("report", 1, "GM01")).toEqual(elsewhere("moved"));
  expect(subject.ask("report", 1, "GM01", 7), "the sender knows a newer view").toEqual(elsewhere("loading"));
});

test("a player who reports or sends heartbeats too often is told when to come again; removals and look-ups are not counted", async () => {
  const bench = await RecorderBench.open();
  const subject = new Subject(bench, new PlayerRates({ count: 2, windowMs: 10_000 }, () => bench.nowMs));
  const tooOften = [{ kind: "refused", reason: "too often", waitS: 5 }];
  expect(await subject.answered("report", 1, "GM01")).toMatchObject([{ effect: "changed" }]);
  expect(await subject.answered("renew", 1)).toMatchObject([{ effect: "renewed" }]);
  expect(subject.ask("report", 1, "GM02")).toEqual(tooOften);
  expect(subject.ask("renew", 1)).toEqual(tooOften);
  subject.isBulk = true;
  expect(await subject.answered("report", 1, "GM01"), "of a batch").toMatchObject([{ effect: "renewed" }]);
  subject.isBulk = false;
  expect(await subject.answered("find", 1)).toMatchObject([{ effect: "found", place: { mode: "GM01" } }]);
  expect(await subject.answered("remove", 1)).toMatchObject([{ effect: "removed" }]);
  expect(subject.ask("report", 1, "GM02")).toEqual(tooOften);
  expect(await subject.answered("report", 2, "GM01")).toMatchObject([{ effect: "changed" }]);
});

describe("R29 the rules of modes", () => {
  const refused = (reason: string): unknown[] => [{ kind: "refused", reason }];

  test("a report is judged by where the player stands; what is refused changes nothing and renews nothing", async () => {
    const subject = await Subject.open();
    expect(await subject.answered("report", 1, "GM01")).toMatchObject([{ effect: "changed" }]);
    subject.rules.set([{ mode: "GM02", from: ["GM03"] }], { refusesUnknown: true });
    const { unlogged } = subject.bench.engine.partitions[subject.bench.partitionOf(1)] as Partition;
    const [rows, before] = [unlogged.count, subject.bench.presenceOf(1)];
    expect(subject.ask("report", 1, "GM02")).toEqual(refused("switch forbidden"));
    expect(subject.ask("report", 1, "GM04")).toEqual(refused("unknown mode"));
    expect([unlogged.count, subject.bench.presenceOf(1)]).toEqual([rows, before]);
    expect(await subject.answered("renew", 1)).toMatchObject([{ effect: "renewed" }]);
    expect(await subject.answered("remove", 1)).toMatchObject([{ effect: "removed" }]);
  });

  test("R14: that a player stands where it may not come from is told under a licence, or once the claim is proven", async () => {
    const subject = await Subject.open();
    await subject.answered("report", 1, "GM01");
    subject.rules.set([
      { mode: "GM02", from: [] },
      { mode: "GM03", requires: ["pass"] },
    ]);
    subject.membership.isLicensed = false;
    expect(subject.ask("report", 1, "GM03"), "what does not depend on that").toEqual(refused("not entitled"));
    const { append } = subject.bench.store.calls;
    const outcomes = subject.ask("report", 1, "GM02");
    expect(outcomes).toEqual([]);
    await subject.bench.settle();
    expect(outcomes).toEqual(refused("switch forbidden"));
    expect(subject.bench.store.calls.append).toBe(append + 1);
    Object.assign(subject.membership, { isAlone: true });
    expect(await subject.answered("report", 1, "GM02"), "alone with a store that may be none").toEqual(
      elsewhere("loading"),
    );
    subject.membership.isLicensed = true;
    expect(await subject.answered("report", 1, "GM02")).toEqual(refused("switch forbidden"));
  });

  test("a report that comes late is answered as late, whatever the rules say of it", async () => {
    const subject = await Subject.open();
    subject.seq = 7;
    await subject.answered("report", 1, "GM01");
    subject.rules.set([], { refusesUnknown: true });
    expect(await subject.answered("report", 1, "GM01")).toMatchObject([{ effect: "late", place: { mode: "GM01" } }]);
    subject.seq = 8;
    expect(subject.ask("report", 1, "GM01")).toEqual(refused("unknown mode"));
  });

  test("what a player has comes with the row", async () => {
    const subject = await Subject.open();
    subject.rules.set([{ mode: "GM10", requires: ["season-pass"] }]);
    expect(subject.ask("report", 1, "GM10")).toEqual(refused("not entitled"));
    subject.entitlements = ["season-pass"];
    expect(await subject.answered("report", 1, "GM10")).toMatchObject([{ effect: "changed" }]);
  });

  test("the player's rate comes first: who reports too often is told that", async () => {
    const bench = await RecorderBench.open();
    const subject = new Subject(bench, new PlayerRates({ count: 1, windowMs: 10_000 }, () => bench.nowMs));
    subject.rules.set([], { refusesUnknown: true });
    expect(subject.ask("report", 1, "GM01")).toEqual(refused("unknown mode"));
    expect(subject.ask("report", 1, "GM01")).toMatchObject([{ reason: "too often" }]);
  });

  test("an owner that knows older rules than the entry asks for the newest, and applies nothing until it knows them", async () => {
    const bench = await RecorderBench.open();
    const subject = new Subject(bench, new PlayerRates({ count: 1, windowMs: 10_000 }, () => bench.nowMs));
    subject.rulesVersion = 1;
    expect(subject.ask("report", 1, "GM01")).toEqual(elsewhere("loading"));
    expect(subject.ask("report", 1, "GM01")).toEqual(elsewhere("loading"));
    expect([subject.rules.refreshes, bench.presenceOf(1)]).toEqual([2, undefined]);
    expect(await subject.answered("renew", 2), "what is no report waits for no rules").toMatchObject([
      { effect: "nowhere" },
    ]);
    subject.rules.set([{ mode: "GM01", retiredMs: 0 }]);
    expect(subject.ask("report", 1, "GM01"), "neither the rules nor the rate were asked before").toEqual(
      refused("retired"),
    );
    expect(subject.rules.refreshes).toBe(2);
  });

  test("an owner that knows newer rules than the entry judges by its own", async () => {
    const subject = await Subject.open();
    subject.rules.set([]).set([{ mode: "GM01", retiredMs: 0 }]);
    subject.rulesVersion = 1;
    expect(subject.ask("report", 1, "GM01")).toEqual(refused("retired"));
    expect(subject.rules.refreshes).toBe(0);
  });

  test("R12 a player who was counted already is taken as told, under whatever rules", async () => {
    const subject = await Subject.open();
    subject.rules.set([], { refusesUnknown: true });
    Object.assign(subject, { isRetold: true, rulesVersion: 9 });
    expect(await subject.answered("report", 1, "GM01")).toMatchObject([{ effect: "changed" }]);
    expect(subject.rules.refreshes).toBe(0);
  });
});
