import { expect, test } from "vitest";
import { type DisagreementError, Founding } from "../../cluster/members/founding.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { ClusterKey } from "../../cluster/ports/shared-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import { memberNumber, viewOfMembers } from "../support/members.ts";
import { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";

const LEASE_MS = 3000;
const PROPOSAL: ClusterKey = {
  partitions: 16,
  hashKey: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  sessionMs: 90_000,
  graceMs: 50_000,
  leaseMs: LEASE_MS,
  deadlineMs: 2000,
  durability: "log",
  modesMax: 1024,
  placement: 1,
};
const OTHER_KEY = { ...PROPOSAL, hashKey: new Uint8Array(8).fill(9) };

class Subject {
  nowMs = 0;
  isStoreAway = false;
  readonly found: ClusterKey[] = [];
  readonly views: View[] = [];
  readonly disagreements: DisagreementError[] = [];
  private readonly founding: Founding;

  constructor(store: SharedStoreModel, proposal = PROPOSAL) {
    this.founding = new Founding(
      {
        store: store.connect(async ({ apply }) => {
          if (this.isStoreAway) throw new StoreUnavailableError("away");
          return apply();
        }),
        nowMs: () => this.nowMs,
        randomId: () => memberNumber(99).incarnation,
        onFound: (key, view) => {
          this.found.push(key);
          this.views.push(view);
        },
        onFault: () => undefined,
        onDisagreement: (error) => this.disagreements.push(error),
      },
      memberNumber(1),
      proposal,
    );
  }

  async pass(ms: number): Promise<void> {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += 100) {
      this.founding.tick();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

test("R12: a founder waits two leases for somebody who knows better, then founds, once", async () => {
  const store = new SharedStoreModel();
  const subject = new Subject(store);
  await subject.pass(2 * LEASE_MS - 200);
  expect([subject.found, store.isFounded]).toEqual([[], false]);
  await subject.pass(1500);
  expect([subject.found, store.isFounded, store.records.size]).toEqual([[PROPOSAL], true, 16]);
});
test("R12: a key that comes while a founder waits is taken", async () => {
  const store = new SharedStoreModel();
  const subject = new Subject(store);
  await subject.pass(LEASE_MS);
  store.restoreKey(store.run, OTHER_KEY);
  await subject.pass(LEASE_MS);
  expect(subject.found).toEqual([OTHER_KEY]);
});
test("R12: what is left in the records of a key that is gone is taken, and the founding completed", async () => {
  const store = new SharedStoreModel();
  store.createRecords(store.run, 0, OTHER_KEY);
  const subject = new Subject(store);
  await subject.pass(500);
  expect([subject.found, store.isFounded]).toEqual([[OTHER_KEY], true]);
});
test("R9: whoever finds the key is told who is listed", async () => {
  const store = new SharedStoreModel();
  store.restoreKey(store.run, OTHER_KEY);
  store.restore(store.run, viewOfMembers(7, [2, 3]), "fresh", LEASE_MS);
  const subject = new Subject(store);
  await subject.pass(500);
  expect(subject.views).toEqual([viewOfMembers(7, [2, 3])]);
});
test("R12: who cannot look has not waited", async () => {
  const store = new SharedStoreModel();
  const subject = new Subject(store);
  await subject.pass(LEASE_MS);
  subject.isStoreAway = true;
  await subject.pass(2 * LEASE_MS);
  subject.isStoreAway = false;
  await subject.pass(LEASE_MS);
  expect(subject.found).toEqual([]);
});
test("what a node brings must agree with what stands, but for the hash key", async () => {
  const store = new SharedStoreModel();
  store.restoreKey(store.run, OTHER_KEY);
  const subject = new Subject(store, { ...PROPOSAL, sessionMs: 60_000 });
  await subject.pass(500);
  expect(subject.found).toEqual([]);
  expect(subject.disagreements.map(({ message }) => message)).toEqual([
    "sessionMs must be 90000, as when the cluster was founded, got 60000",
  ]);
});
