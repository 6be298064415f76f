import { expect, test } from "vitest";

import { NO_SEQ } from "../../engine/partition.ts";
import type { Stamp } from "../../engine/standings.ts";
import { ApplierSubject as Subject } from "../support/applier-subject.ts";

async function played(subject: Subject, number: number, mode: string): Promise<Stamp> {
  subject.isPlay = true;
  const [outcome] = await subject.answered("report", number, mode);
  subject.isPlay = false;
  expect(outcome).toMatchObject({ kind: "done", isRemembered: true });
  return (outcome as { stamp: Stamp }).stamp;
}

/** What becomes of a renewal or an end that names the stamp. */
function named(subject: Subject, operation: "renew" | "end", number: number, stamp: Stamp): string | undefined {
  subject.stamp = stamp;
  const [outcome] = subject.ask(operation, number);
  subject.stamp = undefined;
  return outcome?.kind === "done" ? outcome.effect : outcome?.kind;
}

test("R30: who played last stands; a report without a connection, and a removal, end the standing", async () => {
  const subject = await Subject.open();
  const first = await played(subject, 1, "GM01");
  const second = await played(subject, 1, "GM01");
  expect([named(subject, "renew", 1, first), named(subject, "renew", 1, second)]).toEqual(["superseded", "renewed"]);
  await subject.answered("report", 1, "GM02");
  expect(named(subject, "renew", 1, second)).toBe("superseded");
  const third = await played(subject, 1, "GM02");
  await subject.answered("remove", 1);
  expect(named(subject, "renew", 1, third)).toBe("nowhere");
  await subject.answered("report", 1, "GM01");
  expect(named(subject, "renew", 1, third)).toBe("superseded");
});
test("R30: what comes late does not stand, unless it says again what stands: its answer was lost", async () => {
  const subject = await Subject.open();
  subject.seq = 5;
  const stamp = await played(subject, 1, "GM01");
  subject.seq = 4;
  expect(await played(subject, 1, "GM02")).toBeUndefined();
  subject.seq = 5;
  expect(await played(subject, 1, "GM02"), "another place under the same seq").toBeUndefined();
  subject.seq = NO_SEQ;
  expect(named(subject, "renew", 1, stamp)).toBe("renewed");
  subject.seq = 5;
  const again = await played(subject, 1, "GM01");
  subject.seq = NO_SEQ;
  expect([named(subject, "renew", 1, stamp), named(subject, "renew", 1, again)]).toEqual(["superseded", "renewed"]);
});
test("R30: what a stamp is told depends on this node being the owner, so without a licence it is proven first", async () => {
  const subject = await Subject.open();
  const stamp = await played(subject, 1, "GM01");
  await played(subject, 1, "GM01");
  subject.membership.isLicensed = false;
  expect(named(subject, "renew", 1, stamp), "not yet").toBeUndefined();
});
test("R30: a player whose connection ended is removed after the grace, and that is logged", async () => {
  const subject = await Subject.open();
  const stamp = await played(subject, 1, "GM01");
  expect(named(subject, "end", 1, stamp)).toBe("noted");
  expect(named(subject, "end", 2, stamp), "an unknown one").toBe("superseded");
  await subject.passGrace(9_000);
  expect(subject.ask("find", 1)).toMatchObject([{ effect: "found" }]);
  const { rows } = subject.bench.recorder.totals;
  await subject.passGrace(3_000);
  expect(subject.ask("find", 1)).toMatchObject([{ effect: "nowhere" }]);
  expect(subject.bench.recorder.totals.rows).toBe(rows + 1);
});
test("R30: nobody is removed for a connection that ended where the partition is not served", async () => {
  const subject = await Subject.open();
  const stamp = await played(subject, 1, "GM01");
  named(subject, "end", 1, stamp);
  subject.hold(() => undefined);
  await subject.passGrace(20_000);
  expect(subject.presences.standings.figures.removed).toBe(0);
});
