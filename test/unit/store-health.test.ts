import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { StoreHealth, type StoreHealthEvent } from "../../cluster/records/store-health.ts";

class Subject {
  nowMs = 5000;
  partitionsAhead = 0;
  isLicensed = true;
  private events: StoreHealthEvent[] = [];
  readonly health = new StoreHealth({
    nowMs: () => this.nowMs,
    partitionsAhead: () => this.partitionsAhead,
    isLicensed: () => this.isLicensed,
    tell: (event) => void this.events.push(event),
  });

  /** What was told since it was last asked. */
  told(): StoreHealthEvent[] {
    return this.events.splice(0);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.health.tick();
  }
}

test("StoreHealth tells nothing where nothing failed", () => {
  const subject = new Subject();
  subject.pass(5000);
  expect([subject.told(), subject.health.reason]).toEqual([[], undefined]);
});
test("StoreHealth tells a fault once, and another fault again", () => {
  const subject = new Subject();
  subject.partitionsAhead = 3;
  subject.health.onFault(new Error("no connection"));
  subject.health.onFault(new Error("no connection"));
  subject.health.onFault("no room");
  expect(subject.told()).toEqual([
    { kind: "store fault", reason: "no connection", partitionsAhead: 3 },
    { kind: "store fault", reason: "no room", partitionsAhead: 3 },
  ]);
  expect(subject.health.reason).toBe("no room");
});
test("StoreHealth has what anybody may be told of the fault, until all is well", () => {
  const subject = new Subject();
  subject.health.onFault(new StoreUnavailableError("Cannot append: 10.0.0.1:6379 is away", "Cannot append"));
  expect(subject.health.told).toBe("Cannot append");
  subject.health.onFault(new Error("10.0.0.1:6379"));
  expect(subject.health.told).not.toContain("10.0.0.1");
  subject.pass(2000);
  expect(subject.health.told).toBeUndefined();
});
test("StoreHealth tells that all is well once nothing has failed for more than a second", () => {
  const subject = new Subject();
  subject.health.onFault(new Error("no connection"));
  subject.pass(900);
  subject.health.onFault(new Error("no connection"));
  subject.told();
  subject.pass(1000);
  expect(subject.told()).toEqual([]);
  subject.pass(1);
  expect([subject.told(), subject.health.reason]).toEqual([[{ kind: "store healed" }], undefined]);
  subject.pass(5000);
  expect(subject.told(), "once").toEqual([]);
  subject.health.onFault(new Error("no connection"));
  expect(subject.told(), "the same fault, after all was well").toHaveLength(1);
});
test("StoreHealth does not call it well while a partition is ahead (R4), nor without a licence (R14)", () => {
  const subject = new Subject();
  subject.health.onFault(new Error("no connection"));
  subject.told();
  subject.partitionsAhead = 1;
  subject.pass(2000);
  subject.partitionsAhead = 0;
  subject.isLicensed = false;
  subject.pass(2000);
  expect(subject.told()).toEqual([]);
  subject.isLicensed = true;
  subject.pass(20);
  expect(subject.told()).toEqual([{ kind: "store healed" }]);
});
