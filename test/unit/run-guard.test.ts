import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { heldText, RunGuard } from "../../cluster/records/run-guard.ts";
import type { MemberList } from "../../cluster/ports/shared-store.ts";
import { SharedStoreModel, type Step } from "../../simulator/redis/shared-store-model.ts";
import { memberNumber, viewOfMembers } from "../support/members.ts";

const RUN = "first run";
const CLAIM = { term: 3, incarnation: memberNumber(1).incarnation };

function listOf(...held: string[]): MemberList {
  const numbers = held.map((_, index) => index + 1);
  const listed = held.map((text, index) => ({ member: memberNumber(index + 1), run: RUN, held: text, licenceMs: 400 }));
  return { view: viewOfMembers(3, numbers), listed, revision: 1 };
}

test("R15: nothing passes before every listed member has renewed under the run", async () => {
  const guard = new RunGuard(new SharedStoreModel().connect());
  guard.close(RUN);
  expect(guard.look(listOf(heldText(RUN, []), heldText("an older run", [[1, 2]])))).toBeUndefined();
  await expect(guard.take([0], CLAIM, true)).rejects.toThrow(StoreUnavailableError);
  expect(guard.look(listOf(heldText(RUN, []), ""))).toBeUndefined();
  expect(guard.look(listOf(heldText(RUN, []), heldText(RUN, [])))).toEqual(new Map());
  expect((await guard.take([0], CLAIM, true))[0].kind).toBe("claimed");
});
test("R15: look() tells the highest term that anybody holds of each partition", () => {
  const guard = new RunGuard(new SharedStoreModel().connect());
  guard.close(RUN);
  const held = [heldText(RUN, [[0, 4], [7, 2]]), heldText(RUN, [[7, 9]])]; // prettier-ignore
  expect(guard.look(listOf(...held))).toEqual(new Map([[0, 4], [7, 9]])); // prettier-ignore
  expect(guard.look(listOf(...held)), "told once").toBeUndefined();
});
test("R15: an answer under a run that is over counts as unheard", async () => {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const through = async <T>({ apply }: Step<T>): Promise<T> => {
    const answer = apply();
    await released;
    return answer;
  };
  const guard = new RunGuard(new SharedStoreModel().connect(through));
  guard.close(RUN);
  guard.look(listOf(heldText(RUN, [])));
  const taking = guard.take([0], CLAIM, true);
  guard.close("second run");
  release();
  await expect(taking).rejects.toThrow("under a run that is over");
});
test("R15: a run's own name may hold anything", () => {
  const guard = new RunGuard(new SharedStoreModel().connect());
  const odd = "a\nb:1,2:3";
  guard.close(odd);
  expect(guard.look(listOf(heldText(odd, [[5, 6]])))).toEqual(new Map([[5, 6]]));
});
test("R15: a record below a table that some member names is to be waited for, as of the newest list", () => {
  const guard = new RunGuard(new SharedStoreModel().connect());
  guard.close(RUN);
  guard.look(listOf(heldText(RUN, []), heldText(RUN, [[7, 9]]))); // prettier-ignore
  expect([8, 9].map((term) => guard.isNamedAbove(7, term))).toEqual([true, false]);
  guard.look(listOf(heldText(RUN, []), heldText(RUN, [])));
  expect(guard.isNamedAbove(7, 8), "it was dropped since").toBe(false);
});
test("R4: a member names what is ahead of its record", () => {
  const guard = new RunGuard(new SharedStoreModel().connect());
  guard.close(RUN);
  guard.look(listOf(heldText(RUN, [[7, 9, true], [8, 9]]), heldText(RUN, []))); // prettier-ignore
  const ahead = [7, 8].map((partition) => guard.isNamedAhead(partition, CLAIM.incarnation));
  expect([...ahead, guard.isNamedAhead(7, memberNumber(2).incarnation)]).toEqual([true, false, false]);
});
