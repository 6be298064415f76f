import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { MemberList } from "../../cluster/ports/shared-store.ts";
import { type NamedTable, namedTables, namingText } from "../../cluster/records/held-tables.ts";
import { RunGuard } from "../../cluster/records/run-guard.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { emptyRecord } from "../../simulator/redis/record-model.ts";
import { SharedStoreModel, type Step } from "../../simulator/redis/shared-store-model.ts";
import { KEY } from "../support/bound-store.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";
import { MARK } from "../support/renewals.ts";

const [RUN, LATER] = ["run-1 - -", "run-2 - -"];
const LEASE_MS = 3000;
const CLAIM = { term: 3, incarnation: incarnationOf(1), founding: "f" };

function table(term: number, isAhead = false): NamedTable {
  return { term, isAhead };
}

/** What a member names where all tags are under one run. */
function naming(
  run: string,
  tables: Readonly<Record<number, NamedTable>> = {},
  { tags = [0], namesAll = true } = {},
): string {
  const all = Object.entries(tables).map(([partition, each]) => [Number(partition), each] as const);
  return namingText(
    tags.map((tag) => ({ run, tag, namesAll, tables: all.filter(([partition]) => partition % tags.length === tag) })),
  );
}

function listOf(...held: string[]): MemberList {
  const numbers = held.map((_, index) => index + 1);
  const listed = held.map((text, index) => ({ member: memberNumber(index + 1), run: "", held: text, licenceMs: 400 }));
  return { view: viewOfMembers(3, numbers), listed, revision: 1 };
}

function guardOf(model: SharedStoreModel, clock = { bareMs: 0 }): RunGuard {
  return new RunGuard(model.connect(), () => clock.bareMs, LEASE_MS);
}

test("R15: nothing passes before every listed member has renewed under the run", async () => {
  const model = new SharedStoreModel();
  model.records.set(0, emptyRecord());
  const guard = guardOf(model);
  expect(guard.learn([RUN]), "nothing is lost under the first run").toEqual([]);
  expect(guard.look(listOf(naming(RUN), naming(LATER, { 1: table(2) })))).toEqual([]);
  await expect(guard.claim([0], CLAIM, true)).rejects.toThrow(StoreUnavailableError);
  expect(guard.look(listOf(naming(RUN), ""))).toEqual([]);
  expect(guard.look(listOf(naming(RUN), naming(RUN)))).toEqual([0]);
  expect(itemAt(await guard.claim([0], CLAIM, true), 0).kind).toBe("claimed");
  expect(guard.look(listOf(naming(RUN), naming(RUN))), "told once").toEqual([]);
});
test("R15: a new run of one tag closes that tag only", async () => {
  const model = new SharedStoreModel({ tagsCount: 2 });
  model.records.set(0, emptyRecord());
  const guard = guardOf(model);
  guard.learn([RUN, RUN]);
  guard.look(listOf(naming(RUN, {}, { tags: [0, 1] })));
  expect(guard.learn([RUN, LATER])).toEqual([1]);
  expect([guard.isOpenFor(0), guard.isOpenFor(1), guard.isOpen]).toEqual([true, false, false]);
  expect(itemAt(await guard.claim([0], CLAIM, true), 0).kind).toBe("claimed");
  await expect(guard.claim([1], CLAIM, true)).rejects.toThrow("of another run");
});
test("R15: newestOf() is whoever names the highest term, of equal ones the lowest incarnation", () => {
  const guard = guardOf(new SharedStoreModel());
  guard.learn([RUN]);
  guard.look(listOf(naming(RUN, { 0: table(4), 7: table(2), 8: table(5) }), naming(RUN, { 7: table(9), 8: table(5) })));
  expect([0, 7, 8, 9].map((partition) => guard.newestOf(partition))).toEqual([
    { term: 4, incarnation: incarnationOf(1) },
    { term: 9, incarnation: incarnationOf(2) },
    { term: 5, incarnation: [incarnationOf(1), incarnationOf(2)].toSorted()[0] },
    undefined,
  ]);
});
test("R15: an answer under a run that is over counts as unheard", async () => {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const through = async <T>({ apply }: Step<T>): Promise<T> => {
    const answer = apply();
    await released;
    return answer;
  };
  const guard = new RunGuard(new SharedStoreModel().connect(through), () => 0, LEASE_MS);
  guard.learn([RUN]);
  guard.look(listOf(naming(RUN)));
  const claiming = guard.claim([0], CLAIM, true);
  guard.learn([LATER]);
  release();
  await expect(claiming).rejects.toThrow("under a run that is over");
});
test("R15: read() tells the run under which it read, also where another is learned before that is looked at", async () => {
  const model = new SharedStoreModel();
  model.records.set(0, emptyRecord());
  const guard = guardOf(model);
  guard.learn([RUN]);
  guard.look(listOf(naming(RUN)));
  const read = await guard.read([0]);
  guard.learn([LATER]);
  expect(read).toMatchObject({ run: RUN, found: [{ standing: { isAbsent: false } }] });
});
test("R15: a record below a table that some member names is to be waited for, as of the newest list", () => {
  const guard = guardOf(new SharedStoreModel());
  guard.learn([RUN]);
  guard.look(listOf(naming(RUN), naming(RUN, { 7: table(9) })));
  expect([8, 9].map((term) => guard.isNamedAbove(7, term))).toEqual([true, false]);
  guard.look(listOf(naming(RUN), naming(RUN)));
  expect(guard.isNamedAbove(7, 8), "it was dropped since").toBe(false);
  guard.look(listOf(naming(RUN), ""));
  expect(guard.isNamedAbove(7, 8), "who was written back has not named anything yet").toBe(true);
});
test("R4: what a member names as ahead is for nobody else to take", () => {
  const guard = guardOf(new SharedStoreModel());
  guard.learn([RUN]);
  guard.look(listOf(naming(RUN, { 7: table(9, true), 8: table(9) }), naming(RUN)));
  expect([7, 8].map((partition) => guard.isNamedAhead(partition, incarnationOf(2)))).toEqual([true, false]);
  expect(guard.isNamedAhead(7, incarnationOf(1)), "but for itself").toBe(false);
});

/** A store whose record 7 was lost, seen by a member that learns of a new run and of what the others name under it. */
async function afterLoss(...held: string[]) {
  const clock = { bareMs: 0 };
  const model = new SharedStoreModel();
  await model.connect().found(model.run, KEY, "anew", "founded");
  model.records.delete(7);
  const guard = guardOf(model, clock);
  const before = model.runOf(MARK);
  guard.learn([before]);
  model.master = "run-2";
  const run = model.runOf(MARK);
  guard.learn([run]);
  const look = (...named: string[]): number[] => guard.look(listOf(...named.map((each) => each.replace(RUN, run))));
  look(...held);
  const mayTake = async (): Promise<boolean> => {
    await guard.standing([7]);
    return guard.mayTakeAbsent(7);
  };
  return { clock, model, guard, run, look, mayTake };
}

test("R15: an absent record may be taken a lease after all named what they have, and nobody a table of it", async () => {
  const { clock, guard, mayTake } = await afterLoss(naming(RUN), naming(RUN, { 6: table(9) }));
  expect([await mayTake(), guard.isKnownAbsent(7)]).toEqual([false, true]);
  expect(await guard.claim([7], CLAIM, true)).toMatchObject([{ kind: "refused", standing: { isAbsent: true } }]);
  clock.bareMs = LEASE_MS;
  expect(await mayTake()).toBe(true);
  expect(await guard.claim([7], CLAIM, true)).toMatchObject([{ kind: "claimed", isLost: true }]);
  expect(guard.isKnownAbsent(7), "should it be absent again, then it was lost under this run").toBe(false);
});
test("R15: a record that was there, or that is first looked at later, is not known to be absent", async () => {
  const { clock, model, guard } = await afterLoss(naming(RUN), naming(RUN));
  await guard.standing([6]);
  model.records.delete(6);
  await guard.standing([6]);
  clock.bareMs = LEASE_MS;
  await guard.standing([6, 7]);
  expect([guard.isKnownAbsent(6), guard.isKnownAbsent(7)]).toEqual([false, false]);
  expect(await guard.claim([6, 7], CLAIM, true)).toMatchObject([{ kind: "refused" }, { kind: "refused" }]);
});
test("R15: that a record is absent is to be looked at again within two leases", async () => {
  const { clock, guard, mayTake } = await afterLoss(naming(RUN));
  await mayTake();
  clock.bareMs = 2 * LEASE_MS;
  expect(guard.isKnownAbsent(7)).toBe(true);
  clock.bareMs++;
  expect([guard.isKnownAbsent(7), await mayTake()], "somebody may have made it meanwhile").toEqual([false, false]);
});
test("R15: what somebody named a table of when the gate opened is not known to be absent, also once it is named no more", async () => {
  const { guard, look } = await afterLoss(naming(RUN), naming(RUN, { 7: table(9) }));
  look(naming(RUN), naming(RUN));
  await guard.standing([7]);
  expect(guard.isKnownAbsent(7)).toBe(false);
});
test("R15: what is named only in part, as by members that settled, tells nobody which record is absent", async () => {
  const { guard } = await afterLoss(naming(RUN), naming(RUN, {}, { namesAll: false }));
  await guard.standing([7]);
  expect(guard.isKnownAbsent(7)).toBe(false);
});
test("R15: isAllNamed() until a lease after a new run was opened; after the first run only until it is open", async () => {
  const { clock, guard, look } = await afterLoss(naming(RUN), "");
  expect(guard.isAllNamed(0)).toBe(true);
  look(naming(RUN), naming(RUN));
  clock.bareMs = LEASE_MS - 1;
  expect(guard.isAllNamed(0)).toBe(true);
  clock.bareMs = LEASE_MS;
  expect(guard.isAllNamed(0)).toBe(false);
  const newcomer = guardOf(new SharedStoreModel());
  newcomer.learn([RUN]);
  expect(newcomer.isAllNamed(0)).toBe(true);
  newcomer.look(listOf(naming(RUN)));
  expect(newcomer.isAllNamed(0)).toBe(false);
});
test.each(["", "null", "[1]", '[["run",1,"0:1"]]', '[["run",["a"],"0:1"]]', "[[", '{"run":1}'])(
  "namedTables() takes %j for nothing named",
  (text) => {
    expect([...namedTables(text, 1)]).toEqual([]);
  },
);
test("namingText() and namedTables() agree, whatever a run is called", () => {
  const odd = 'a\n"b":1,2:3';
  const named = namedTables(naming(odd, { 5: table(6), 7: table(8, true) }, { tags: [0, 1] }), 2);
  expect(named.get(0)).toEqual({ run: odd, namesAll: true, tables: new Map() });
  expect(named.get(1)?.tables).toEqual(new Map([[5, table(6)], [7, table(8, true)]])); // prettier-ignore
});
