import { expect, test } from "vitest";
import { KEY } from "../support/bound-store.ts";
import { viewOfMembers } from "../support/members.ts";
import { joined, KEPT, LEASE_MS } from "../support/membership-bench.ts";

test("R8: nodes that join learn the same view, under the same epoch", async () => {
  const [, one, other] = await joined(2);
  expect(one.members.sort()).toEqual(["node-1", "node-2"]);
  expect(other.membership.view).toEqual(one.membership.view);
});
test("R7: who falls silent is expelled after a lease, and not sooner", async () => {
  const [, one] = await joined(2);
  await one.pass(2000);
  expect(one.members).toHaveLength(2);
  await one.pass(2500);
  expect(one.members).toEqual(["node-1"]);
});
test("R7: an outage of the store longer than a lease is nobody's death", async () => {
  const [world, one, other] = await joined(2);
  world.isStoreAway = true;
  await one.pass(20_000, other);
  world.isStoreAway = false;
  await one.pass(3000, other);
  expect(one.members).toHaveLength(2);
  expect([one.membership.expulsions, other.membership.expulsions]).toEqual([0, 0]);
});
test("R9: who joins when the store has just lost the list writes back who was listed, and founds none of its own", async () => {
  const [world, one] = await joined(1);
  const { view } = one.membership;
  world.store.forgetAll();
  const newcomer = world.node(2);
  newcomer.membership.join(view);
  await newcomer.pass(500);
  expect(world.store.key).toEqual(KEY);
  expect(newcomer.members.sort()).toEqual(["node-1", "node-2"]);
  expect(newcomer.membership.view.epoch).toBeGreaterThan(view.epoch);
});
test("R8: who was expelled meanwhile drops all and joins as a new incarnation, by itself", async () => {
  const [, one, other] = await joined(2);
  const before = other.me;
  await one.pass(5000);
  expect(one.membership.view.expelled).toEqual([before]);
  await other.pass(3000, one);
  expect(other.events).toContain("expelled");
  expect(other.me).not.toBe(before);
  expect(one.members.sort()).toEqual(["node-1", "node-2"]);
});
test("R8: who was expelled and reaches none of its peers joins only when it does", async () => {
  const [, one, other] = await joined(2);
  await one.pass(5000);
  other.canReachPeers = false;
  await other.pass(5000, one);
  expect([other.membership.expulsions, one.members]).toEqual([1, ["node-1"]]);
  other.canReachPeers = true;
  await other.pass(2500, one);
  expect(one.members.sort()).toEqual(["node-1", "node-2"]);
});
test("R8: who is absent without having been named joins again as the same", async () => {
  const [world, one, other] = await joined(2);
  const before = other.me;
  world.store.leave(world.store.run, before, "a nonce");
  await one.pass(3000, other);
  expect([one.members.length, other.me, other.membership.expulsions]).toEqual([2, before, 0]);
});
test("R9: a list that is gone is written back, and the epoch never falls", async () => {
  const [world, one, other] = await joined(2);
  const { epoch } = one.membership.view;
  world.store.forgetAll();
  world.store.master = "second";
  await one.pass(3000, other);
  expect(world.store.key).toEqual(KEY);
  expect(one.membership.view.epoch).toBeGreaterThanOrEqual(epoch);
  expect(one.members).toHaveLength(2);
  expect(other.events).toContain("run after run-1");
});
test("R10: whom more than half of the others name is told so, has no licence, and is expelled a lease after", async () => {
  const [, one, other, third] = await joined(3);
  one.accused = other.accused = [third.me];
  await one.pass(500, other, third);
  expect([third.state, third.membership.isLicensed]).toEqual(["accused", false]);
  expect(one.members).toHaveLength(3);
  third.canReachPeers = false;
  await one.pass(LEASE_MS + 500, other, third);
  expect([one.members, third.state]).toEqual([["node-1", "node-2"], "reaching"]);
});
test("R10: one of two that names the other is not enough where there is a third", async () => {
  const [, one, other, third] = await joined(3);
  one.accused = [third.me];
  await one.pass(3 * LEASE_MS, other, third);
  expect([one.members.length, third.state]).toEqual([3, "listed"]);
});
test("R10: who is accused no more has its licence back, and nobody was expelled", async () => {
  const [, one, other, third] = await joined(3);
  one.accused = other.accused = [third.me];
  await one.pass(2000, other, third);
  one.accused = other.accused = [];
  await one.pass(500, other, third);
  expect([third.state, third.membership.isLicensed]).toEqual(["listed", true]);
  await one.pass(2 * LEASE_MS, other, third);
  expect([one.members.length, third.membership.expulsions]).toEqual([3, 0]);
});
test("R10: who crashed is expelled a licence and 100 ms after its port was found closed, by one node's word", async () => {
  const [world, one, other] = await joined(2);
  const [diedAtMs, dead] = [world.nowMs, other.me];
  one.membership.noteClosed(dead);
  await one.pass(500);
  expect(one.members).toHaveLength(2);
  while (one.members.length > 1) await one.pass(20);
  expect(one.membership.view.expelled).toEqual([dead]);
  expect(world.nowMs - diedAtMs).toBeLessThanOrEqual(560);
});
test("R10: what was found closed is said at once, and not at the next tick", async () => {
  const [, one, other] = await joined(2);
  await one.pass(20);
  const { renewals } = one;
  one.membership.noteClosed(other.me);
  expect(one.renewals).toBe(renewals + 1);
});
test("R10: who renews is not expelled, however often its port seems closed", async () => {
  const [, one, other] = await joined(2);
  for (let count = 0; count < 10; count++) {
    one.membership.noteClosed(other.me);
    await one.pass(700, other);
  }
  expect([one.members.length, other.membership.expulsions]).toEqual([2, 0]);
});
test("R10: a step of the wakeful clock does not shorten the wait for the licence of who crashed", async () => {
  const [world, one, other] = await joined(2);
  one.membership.noteClosed(other.me);
  await one.pass(40);
  world.nowMs += 60_000;
  world.standstillMs += 60_000;
  world.store.restore(world.store.run, { ...one.membership.view, epoch: 50 }, KEPT, "again", LEASE_MS); // its leases run anew
  await one.pass(400);
  expect(one.members).toHaveLength(2);
  await one.pass(160);
  expect(one.members).toHaveLength(2);
});
test("R14: a licence lasts 400 ms from the sending of the last renewal that was answered, and renewals come every third", async () => {
  const [world, one] = await joined(1);
  const { renewals } = one;
  await one.pass(1400);
  expect(one.renewals - renewals).toBe(10);
  expect(one.membership.isLicensed).toBe(true);
  world.isStoreAway = true;
  const fromMs = world.nowMs;
  while (one.membership.isLicensed) await one.pass(20);
  expect(world.nowMs - fromMs).toBeGreaterThan(200);
  expect(world.nowMs - fromMs).toBeLessThanOrEqual(400);
});
test.each([50, 120, 300, 600, 1000])(
  "R14: with a store that takes %i ms a licence is kept by its pace",
  async (storeMs) => {
    const [world, one] = await joined(1);
    world.storeMs = storeMs;
    await one.pass(4 * storeMs + 3000);
    for (let step = 0; step < 150; step++) {
      await one.pass(20);
      expect(one.membership.isLicensed, `at ${world.nowMs}`).toBe(true);
    }
    const licenceMs = Math.min(LEASE_MS / 2, Math.max(400, 4 * storeMs));
    expect(Math.abs(world.licenceNamedBy(one) - licenceMs)).toBeLessThan(100);
  },
);
test("R14: a shorter licence is named only once the longer one is replaced, since an answer may be lost", async () => {
  const [world, one] = await joined(1);
  world.storeMs = 300;
  await one.pass(3000);
  world.storeMs = 0;
  await one.pass(8000);
  expect(world.licenceNamedBy(one)).toBeGreaterThan(1000);
  const named: number[] = [];
  for (const { renewals } = one; one.renewals < renewals + 12;) {
    await one.pass(20);
    named.push(world.licenceNamedBy(one));
  }
  const first = named.indexOf(400);
  expect(first, "at last").toBeGreaterThan(0);
});
test("R14: the licence of who is not in the newest list that is known counts as half a lease", async () => {
  const [, one, other] = await joined(2);
  expect(one.membership.licenceOf(other.me)).toBe(400);
  expect(one.membership.licenceOf("somebody else")).toBe(LEASE_MS / 2);
  one.membership.adopt({ ...one.membership.view, epoch: 70 });
  expect(one.membership.licenceOf(other.me)).toBe(LEASE_MS / 2);
});
test("R14: who hears fewer than half of the others has no licence, whatever the store answers", async () => {
  const [, one] = await joined(1);
  one.isAlone = true;
  await one.pass(20);
  expect([one.membership.isAlone, one.membership.isLicensed]).toEqual([true, false]);
  one.isAlone = false;
  await one.pass(20);
  expect(one.membership.isLicensed).toBe(true);
});
test("who joins is listed and awaits the calls of the others", async () => {
  const [world, one] = await joined(1);
  const newcomer = world.node(2);
  newcomer.membership.join();
  await newcomer.pass(500, one);
  expect([newcomer.state, newcomer.membership.isListed, newcomer.membership.listing.isAwaitingCalls]).toEqual([
    "listed",
    true,
    true,
  ]);
  one.called = [newcomer.me];
  await newcomer.pass(500, one);
  expect(newcomer.membership.listing.isAwaitingCalls).toBe(false);
});
test("R15: what is held is named again where it changed, and where the store asks for it, and else not", async () => {
  const [world, one] = await joined(1);
  const heldNow = (): string | undefined => world.store.members.peek()?.listed[0]?.held;
  one.held = "3:1";
  await one.pass(300);
  expect(heldNow()).toBe("3:1");
  world.store.restore(world.store.run, { ...one.membership.view, epoch: 30 }, KEPT, "again", LEASE_MS);
  expect(heldNow()).toBe("");
  await one.pass(300);
  expect(heldNow()).toBe("3:1");
});
test("R15: a renewal that was given up and comes late does not replace what is held by something older", async () => {
  const [world, one] = await joined(1);
  const heldNow = (): string | undefined => world.store.members.peek()?.listed[0]?.held;
  const late = (one.late = []) as (() => unknown)[];
  one.held = "3:1";
  await one.pass(300);
  one.late = undefined;
  one.held = "3:1,5:2";
  await one.pass(300);
  expect(heldNow()).toBe("3:1,5:2");
  expect(late.length).toBeGreaterThan(0);
  const { renewals } = one;
  for (const arrive of late) arrive();
  expect(heldNow(), "the older one came late").toBe("3:1,5:2");
  await one.pass(300);
  expect(one.renewals - renewals, "and nothing has to be said again").toBeLessThan(5);
});
test("a node that has left stays gone, and an assertion says so where it is told to join", async () => {
  const [, one] = await joined(1);
  expect(await one.membership.leave()).toBe(true);
  const { renewals } = one;
  await one.pass(1000);
  expect([one.state, one.renewals]).toEqual(["gone", renewals]);
  expect(() => one.membership.join()).toThrow("a member may become joining, was gone");
});
test("R14: a wall clock that went on while the other stood still ends the licence", async () => {
  const [world, one] = await joined(1);
  world.wallSkewMs = LEASE_MS / 2;
  expect(one.membership.isLicensed).toBe(false);
});
test("R14: who hears of a newer view has no licence until the store has confirmed one", async () => {
  const [, one] = await joined(1);
  const { view } = one.membership;
  one.membership.adopt({ ...view, epoch: view.epoch + 1, nonce: "newer" });
  expect(one.membership.isLicensed).toBe(false);
  await one.pass(500);
  expect(one.membership.isLicensed).toBe(true);
});
test("R17: a view that a peer tells is followed where it is newer, and an expulsion in it obeyed", async () => {
  const [, one] = await joined(1);
  const before = one.me;
  one.membership.adopt(viewOfMembers(0, [7]));
  expect(one.members).toEqual(["node-1"]);
  one.membership.adopt(viewOfMembers(50, [7], { expelled: [before] }));
  expect(one.me).not.toBe(before);
  expect(one.members).toEqual(["node-7"]);
});
test("R11: who leaves is told so in the view, then off the list, and not named expelled", async () => {
  const [, one, other] = await joined(2);
  other.membership.beginLeaving();
  await one.pass(1500, other);
  expect(one.membership.view.members.map(({ isLeaving }) => isLeaving)).toContain(true);
  expect(await other.membership.leave()).toBe(true);
  await one.pass(1500, other);
  expect([one.members, one.membership.view.expelled]).toEqual([["node-1"], []]);
});
test("R1: raiseEpoch() takes the epoch above what refused a claim, and not further", async () => {
  const [, one] = await joined(1);
  await one.membership.raiseEpoch(40);
  await one.membership.raiseEpoch(20);
  await one.pass(500);
  expect(one.membership.view.epoch).toBe(41);
});
