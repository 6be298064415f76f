import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { MemberList } from "../../cluster/ports/shared-store.ts";
import { type NamedTable, namedTables, namingText } from "../../cluster/records/held-tables.ts";
import { RunGuard } from "../../cluster/records/run-guard.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { SharedStoreModel, type Step } from "../../simulator/redis/shared-store-model.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";

const [RUN, LATER] = ["run-1 - -", "run-2 - -"];
const CLAIM = { term: 3, incarnation: incarnationOf(1), founding: "f" };

function table(term: number, isAhead = false): NamedTable {
  return { term, isAhead };
}

/** What a member names where all tags are under one run. */
function naming(run: string, tables: Readonly<Record<number, NamedTable>> = {}, tags = [0]): string {
  const all = Object.entries(tables).map(([partition, each]) => [Number(partition), each] as const);
  return namingText(
    tags.map((tag) => ({ run, tag, tables: all.filter(([partition]) => partition % tags.length === tag) })),
  );
}

function listOf(...held: string[]): MemberList {
  const numbers = held.map((_, index) => index + 1);
  const listed = held.map((text, index) => ({ member: memberNumber(index + 1), run: "", held: text, licenceMs: 400 }));
  return { view: viewOfMembers(3, numbers), listed, revision: 1 };
}

function guardOf(model: SharedStoreModel, clock = { bareMs: 0 }): RunGuard {
  return new RunGuard(model.connect(), () => clock.bareMs);
}

test("R15: nothing passes before every listed member has renewed under the run", async () => {
  const guard = guardOf(new SharedStoreModel());
  expect(guard.learn([RUN]), "the first run puts nothing in doubt").toEqual([]);
  expect(guard.look(listOf(naming(RUN), naming(LATER, { 1: table(2) })))).toEqual([]);
  await expect(guard.take([0], CLAIM, true)).rejects.toThrow(StoreUnavailableError);
  expect(guard.look(listOf(naming(RUN), ""))).toEqual([]);
  expect(guard.look(listOf(naming(RUN), naming(RUN)))).toEqual([0]);
  expect(itemAt(await guard.take([0], CLAIM, true), 0).kind).toBe("claimed");
  expect(guard.look(listOf(naming(RUN), naming(RUN))), "told once").toEqual([]);
});
test("R15: a new run of one tag closes that tag only", async () => {
  const guard = guardOf(new SharedStoreModel({ tagsCount: 2 }));
  guard.learn([RUN, RUN]);
  guard.look(listOf(naming(RUN, {}, [0, 1])));
  expect(guard.learn([RUN, LATER])).toEqual([1]);
  expect([guard.isOpenFor(0), guard.isOpenFor(1), guard.isOpen]).toEqual([true, false, false]);
  expect(itemAt(await guard.take([0], CLAIM, true), 0).kind).toBe("claimed");
  await expect(guard.take([1], CLAIM, true)).rejects.toThrow("of another run");
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
  const guard = new RunGuard(new SharedStoreModel().connect(through), () => 0);
  guard.learn([RUN]);
  guard.look(listOf(naming(RUN)));
  const taking = guard.take([0], CLAIM, true);
  guard.learn([LATER]);
  release();
  await expect(taking).rejects.toThrow("under a run that is over");
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
test("R15: openForMs() counts by the bare clock since the gate opened", () => {
  const clock = { bareMs: 100 };
  const guard = guardOf(new SharedStoreModel(), clock);
  guard.learn([RUN]);
  expect(guard.openForMs(0)).toBe(0);
  guard.look(listOf(naming(RUN)));
  clock.bareMs = 350;
  expect(guard.openForMs(0)).toBe(250);
});
test.each(["", "null", "[1]", '[["run",1,"0:1"]]', '[["run",["a"],"0:1"]]', "[[", '{"run":1}'])(
  "namedTables() takes %j for nothing named",
  (text) => {
    expect([...namedTables(text, 1)]).toEqual([]);
  },
);
test("namingText() and namedTables() agree, whatever a run is called", () => {
  const odd = 'a\n"b":1,2:3';
  const named = namedTables(naming(odd, { 5: table(6), 7: table(8, true) }, [0, 1]), 2);
  expect(named.get(0)).toEqual({ run: odd, tables: new Map() });
  expect(named.get(1)?.tables).toEqual(new Map([[5, table(6)], [7, table(8, true)]])); // prettier-ignore
});
