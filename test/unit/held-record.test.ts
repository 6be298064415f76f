import { expect, test } from "vitest";
import { HeldRecord, type RecordState } from "../../cluster/records/held-record.ts";
import { InvariantError } from "../../engine/invariant.ts";

const CLAIM = { term: 3, incarnation: "one", founding: "f" };

/** Brings a record into each state. */
const PATHS: Readonly<Record<RecordState, readonly ((record: HeldRecord) => void)[]>> = (() => {
  const fall = (record: HeldRecord): void => record.fall();
  const heal = (record: HeldRecord): void => record.beginHealing();
  const prove = (record: HeldRecord): void => record.beginProving();
  const lose = (record: HeldRecord): void => record.loseClaim();
  return { level: [], ahead: [fall], healing: [fall, heal], proving: [fall, heal, prove], "claim lost": [lose] };
})();

function recordIn(state: RecordState): HeldRecord {
  const record = new HeldRecord({ partition: 3, claim: CLAIM, length: 100 }, 0);
  for (const step of PATHS[state]) step(record);
  expect(record.state).toBe(state);
  return record;
}

test.each<[state: RecordState, isAhead: boolean, isKeeping: boolean]>([
  ["level", false, false],
  ["ahead", true, false],
  ["healing", true, true],
  ["proving", true, true],
  ["claim lost", true, false],
])(
  "R4: a record that is %s: ahead %s, keeps rows for the append behind its snapshot %s",
  (state, isAhead, isKeeping) => {
    const record = recordIn(state);
    expect([record.isAhead, record.isKeeping]).toEqual([isAhead, isKeeping]);
  },
);
test.each<[state: RecordState, fallen: RecordState, regained: RecordState]>([
  ["level", "ahead", "level"],
  ["ahead", "ahead", "ahead"],
  ["healing", "ahead", "healing"],
  ["proving", "ahead", "proving"],
  ["claim lost", "claim lost", "ahead"],
])(
  "R4, R15: a record that is %s is %s after a fault, and %s where its claim is known again",
  (state, fallen, regained) => {
    const [faulty, known] = [recordIn(state), recordIn(state)];
    faulty.fall();
    known.regainClaim();
    expect([faulty.state, known.state]).toEqual([fallen, regained]);
  },
);
test("R4: each step to level comes from the one before it, and from no other", () => {
  const from = (step: (record: HeldRecord) => void): RecordState[] =>
    (Object.keys(PATHS) as RecordState[]).filter((state) => {
      const record = recordIn(state);
      try {
        step(record);
        return true;
      } catch (error) {
        expect(error).toBeInstanceOf(InvariantError);
        return false;
      }
    });
  expect(from((record) => record.beginHealing())).toEqual(["ahead", "claim lost"]);
  expect(from((record) => record.beginProving())).toEqual(["healing"]);
  expect(from((record) => record.level())).toEqual(["proving"]);
});
test("R2: a snapshot that heals sets the log's end past every length that was sent", () => {
  const record = recordIn("healing");
  expect([record.length, record.healings]).toEqual([104, 1]);
});
test("R15: a record that is taken again goes on under the other claim, from its first snapshot", () => {
  const record = recordIn("claim lost");
  record.retake({ ...CLAIM, term: 7 });
  expect([record.claim.term, record.raisedTo, record.snapshotNumber]).toEqual([7, 7, 1]);
});
