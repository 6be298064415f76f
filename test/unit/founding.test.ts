import { expect, test } from "vitest";
import { type DisagreementError, Founding } from "../../cluster/members/founding.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { markOf } from "../../cluster/ports/mark.ts";
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
const keptAs = (key: ClusterKey, generation = 1) => ({ key, mark: markOf(key.hashKey), generation });

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
        bareMs: () => this.nowMs,
        randomId: () => memberNumber(99).incarnation,
        onFound: (key, view) => {
          this.found.push(key);
          this.views.push(view);
        },
        onFault: () => undefined,
        onDisagreement: (error) => this.disagreements.push(error),
      },
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
  expect([subject.found, store.key]).toEqual([[], undefined]);
  await subject.pass(1500);
  expect([subject.found, store.key, store.records.size]).toEqual([[PROPOSAL], PROPOSAL, 16]);
});
test("R12: a key that comes while a founder waits is taken", async () => {
  const store = new SharedStoreModel();
  const subject = new Subject(store);
  await subject.pass(LEASE_MS);
  store.found(store.run, keptAs(OTHER_KEY), 0, "founded");
  await subject.pass(LEASE_MS);
  expect(subject.found).toEqual([OTHER_KEY]);
});
test("R12: a key that lies beside records is founded with, at once, and no record is made", async () => {
  const store = new SharedStoreModel();
  store.createRecords(store.runOf(keptAs(OTHER_KEY).mark), 0, keptAs(OTHER_KEY));
  store.records.delete(3);
  const subject = new Subject(store);
  await subject.pass(500);
  expect([subject.found, store.key, store.records.has(3)]).toEqual([[OTHER_KEY], OTHER_KEY, false]);
});
test("R12: of two keys that lie beside records the one of the higher generation is founded with", async () => {
  const store = new SharedStoreModel({ tagsCount: 2 });
  store.createRecords(store.runOf(keptAs(PROPOSAL).mark), 0, keptAs(PROPOSAL));
  store.createRecords(store.runOf(keptAs(OTHER_KEY).mark), 1, keptAs(OTHER_KEY, 2));
  const subject = new Subject(store);
  await subject.pass(500);
  expect([subject.found, store.key]).toEqual([[OTHER_KEY], OTHER_KEY]);
});
test("R12: what a founder began and did not finish, another goes on with", async () => {
  const store = new SharedStoreModel();
  store.found(store.run, keptAs(OTHER_KEY), 0, "founded");
  const subject = new Subject(store);
  await subject.pass(500);
  expect([subject.found, store.records.size]).toEqual([[OTHER_KEY], 16]);
});
test("R12: of two founders at once one founds, and the other takes its key", async () => {
  const store = new SharedStoreModel();
  const [one, other] = [new Subject(store), new Subject(store, OTHER_KEY)];
  for (let passedMs = 0; passedMs < 3 * LEASE_MS; passedMs += 100) {
    await one.pass(100);
    await other.pass(100);
  }
  expect([one.found, other.found]).toEqual([[PROPOSAL], [PROPOSAL]]);
});
test("R9: whoever finds the key is told who is listed", async () => {
  const store = new SharedStoreModel();
  store.found(store.run, keptAs(OTHER_KEY), 0, "founded");
  store.restore(store.run, viewOfMembers(7, [2, 3]), keptAs(OTHER_KEY), "fresh", LEASE_MS);
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
  store.found(store.run, keptAs(OTHER_KEY), 0, "founded");
  const subject = new Subject(store, { ...PROPOSAL, sessionMs: 60_000 });
  await subject.pass(500);
  expect(subject.found).toEqual([]);
  expect(subject.disagreements.map(({ message }) => message)).toEqual([
    "sessionMs must be 90000, as when the cluster was founded, got 60000",
  ]);
});
