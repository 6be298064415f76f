import { expect, test } from "vitest";
import { HeldRecord } from "../../cluster/records/held-record.ts";
import { isSnapshotDue, type SnapshotOptions } from "../../cluster/records/snapshot-due.ts";

const OPTIONS: SnapshotOptions = { durability: "log", snapshotMs: 10_000, sessionMs: 90_000 };

interface Case {
  readonly loggedBytes?: number;
  readonly snapshotBytes?: number;
  /** Since the last snapshot. */
  readonly pausedMs?: number;
  readonly isTouched?: boolean;
  readonly durability?: SnapshotOptions["durability"];
}

function recordOf({ loggedBytes = 0, snapshotBytes = 0 }: Case): HeldRecord {
  const record = new HeldRecord({ partition: 3, claim: { term: 1, incarnation: "a", founding: "f" } }, 0);
  record.loggedBytes = loggedBytes;
  record.snapshotBytes = snapshotBytes;
  return record;
}

function isDue(each: Case): boolean {
  const { pausedMs = 10_000, isTouched = true, durability = "log" } = each;
  return isSnapshotDue(recordOf(each), isTouched, { ...OPTIONS, durability }, pausedMs);
}

test.each<[what: string, of: Case, due: boolean]>([
  ["a log of the shortest length that matters", { loggedBytes: 4096 }, false],
  ["a longer log", { loggedBytes: 4097 }, true],
  ["a longer log too soon after the last snapshot", { loggedBytes: 4097, pausedMs: 9999 }, false],
  ["a log of a quarter of the snapshot", { loggedBytes: 10_000, snapshotBytes: 40_000 }, false],
  ["a log of more than a quarter of the snapshot", { loggedBytes: 10_001, snapshotBytes: 40_000 }, true],
  ["a log past all bounds, at once", { loggedBytes: 65_537, pausedMs: 0 }, true],
  ["a log at the bound, too soon", { loggedBytes: 65_536, pausedMs: 0 }, false],
  ["a log as long as a large snapshot, too soon", { loggedBytes: 100_000, snapshotBytes: 100_000, pausedMs: 0 }, false],
  ["a log longer than a large snapshot, at once", { loggedBytes: 100_001, snapshotBytes: 100_000, pausedMs: 0 }, true],
  ["a third of the session's life, and no more", { pausedMs: 30_000 }, false],
  ["more than a third of the session's life", { pausedMs: 30_001 }, true],
  ["a partition in which nothing changed", { loggedBytes: 65_537, pausedMs: 30_001, isTouched: false }, false],
  ["durability none", { loggedBytes: 65_537, pausedMs: 30_001, durability: "none" }, false],
  ["durability snapshot after the pause", { durability: "snapshot" }, true],
  ["durability snapshot before it", { durability: "snapshot", pausedMs: 9999 }, false],
])("R3: isSnapshotDue(): %s", (_, of, due) => {
  expect(isDue(of)).toBe(due);
});
test("R4: isSnapshotDue() at once where a record is ahead, unless a snapshot is under way or has landed", () => {
  const record = recordOf({});
  const due = (): boolean => isSnapshotDue(record, false, OPTIONS, 0);
  record.fall();
  expect(due()).toBe(true);
  const copy = record.beginCopy();
  expect(due(), "one at a time").toBe(false);
  record.endCopy(copy);
  record.beginHealing();
  expect(due()).toBe(false);
  record.beginProving();
  expect(due()).toBe(false);
  record.loseClaim();
  expect(due(), "R15: nothing is written before the claim is taken again").toBe(false);
});
test("R3: isSnapshotDue() gives one snapshot of a partition at a time, however long its log is", () => {
  const record = recordOf({ loggedBytes: 65_537 });
  record.beginCopy();
  expect(isSnapshotDue(record, true, OPTIONS, 30_001)).toBe(false);
});
