/** What a node has of a partition: every verb says from where it may come, and refuses the rest (docs/protocols.md). */
import { expect, test } from "vitest";
import { Holdings, type Holding, type Serving } from "../../cluster/moves/holdings.ts";

const SERVING = { kind: "serving", record: { claim: { term: 1 } }, doubtUntilMs: 0 } as unknown as Serving;
type Kind = Holding["kind"];

/** One partition in each state. */
function holdingsIn(kind: Kind): Holdings {
  const holdings = new Holdings(1, {
    membership: { me: { incarnation: "me" } } as never,
    placement: () => ({ partitionOwner: () => "me" }) as never,
    nowMs: () => 0,
    onServing: () => undefined,
    onStopped: () => undefined,
  });
  const ways: Record<Kind, (() => void)[]> = {
    elsewhere: [],
    wanted: [() => holdings.want(0, "holder")],
    taking: [() => holdings.take(0, "holder")],
    settling: [() => holdings.take(0), () => holdings.settle(0, SERVING, 1)],
    serving: [() => holdings.take(0), () => holdings.serve(0, SERVING)],
    "letting go": [() => holdings.take(0), () => holdings.serve(0, SERVING), () => holdings.letGo(0)],
    kept: [() => holdings.take(0), () => holdings.serve(0, SERVING), () => holdings.keep(0, 1)],
  };
  for (const go of ways[kind]) go();
  expect(holdings.get(0).kind).toBe(kind);
  return holdings;
}

const KINDS: readonly Kind[] = ["elsewhere", "wanted", "taking", "settling", "serving", "letting go", "kept"];

test.each<[verb: string, run: (holdings: Holdings) => void, from: readonly Kind[]]>([
  ["want()", (holdings) => holdings.want(0), ["elsewhere", "wanted"]],
  ["take()", (holdings) => holdings.take(0), ["elsewhere", "wanted", "kept"]],
  ["stopHolder()", (holdings) => holdings.stopHolder(0), ["taking"]],
  ["noteClaimed()", (holdings) => holdings.noteClaimed(0, 3), ["taking"]],
  ["giveUp()", (holdings) => holdings.giveUp(0), ["taking"]],
  ["settle()", (holdings) => holdings.settle(0, SERVING, 1), ["taking"]],
  ["serve()", (holdings) => holdings.serve(0, SERVING), ["taking", "settling", "letting go", "kept"]],
  ["letGo()", (holdings) => holdings.letGo(0), ["serving"]],
  ["keep()", (holdings) => holdings.keep(0, 1), ["serving", "settling", "letting go", "kept"]],
  ["forget()", (holdings) => holdings.forget(0), ["wanted", "serving", "settling", "letting go", "kept"]],
  ["abandon()", (holdings) => holdings.abandon(), KINDS],
])("Holdings.%s comes from these states alone", (_, run, from) => {
  for (const kind of KINDS) {
    const holdings = holdingsIn(kind);
    if (from.includes(kind)) run(holdings);
    else expect(() => run(holdings), kind).toThrow(`not ${kind}`);
  }
});

test("Holdings.giveUp() has what was before: the holder as long as it was not asked to stop, or the table that was kept", () => {
  const wanted = holdingsIn("taking");
  wanted.giveUp(0);
  expect(wanted.get(0)).toEqual({ kind: "wanted", holder: "holder" });
  const stopped = holdingsIn("taking");
  stopped.stopHolder(0);
  stopped.giveUp(0);
  expect(stopped.get(0)).toEqual({ kind: "wanted", holder: undefined });
  const kept = holdingsIn("kept");
  kept.take(0);
  kept.giveUp(0);
  expect(kept.get(0).kind).toBe("kept");
});
