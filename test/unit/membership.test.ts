import { expect, test } from "vitest";
import { Membership } from "../../cluster/members/membership.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";
import { KEY } from "../support/bound-store.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";

const LEASE_MS = KEY.leaseMs;

const KEPT = { key: KEY, mark: markOf(KEY.hashKey), generation: 1 };

/** Time, a store, and nodes that are members of nothing else. */
class World {
  nowMs = 0;
  /** Wall clocks run ahead of the others by this. */
  wallSkewMs = 0;
  isStoreAway = false;
  readonly store = new SharedStoreModel({ clockMs: () => this.nowMs });
  private ids = 100;

  constructor() {
    this.store.found(this.store.run, KEPT, 0, "founded");
  }

  node(number: number): Subject {
    return new Subject(this, number);
  }

  id(): string {
    return incarnationOf(this.ids++);
  }
}

class Subject {
  readonly membership: Membership;
  readonly events: string[] = [];
  unheard: string[] = [];
  refused: string[] = [];
  held = "";
  canReachPeers = true;
  private readonly world: World;

  private tagRun: string | undefined;

  constructor(world: World, number: number) {
    this.world = world;
    const { incarnation: _, isLeaving: __, ...member } = memberNumber(number);
    this.membership = new Membership(
      {
        store: world.store.connect(async ({ apply }) => {
          if (world.isStoreAway) throw new StoreUnavailableError("away");
          return apply();
        }),
        nowMs: () => world.nowMs,
        wallMs: () => world.nowMs + world.wallSkewMs,
        randomId: () => world.id(),
        unheard: () => this.unheard,
        takeRefused: () => this.refused.splice(0),
        held: () => this.held,
        onView: () => this.events.push(`view of ${this.membership.view.members.length}`),
        onTagRuns: ([run]) => {
          if (run !== this.tagRun) this.events.push(`run after ${this.tagRun?.split(" ")[0]}`);
          this.tagRun = run;
        },
        onList: () => undefined,
        onOtherKey: async () => void this.events.push("other key"),
        onExpelled: () => this.events.push("expelled"),
        reachesPeers: async () => this.canReachPeers,
        onFault: () => this.events.push("fault"),
      },
      { member, key: KEY },
    );
  }

  get me(): string {
    return this.membership.me.incarnation;
  }
  get members(): string[] {
    return this.membership.view.members.map(({ id }) => id);
  }
  /** Lets time pass in ticks of 100 ms, for this node alone or with others. */
  async pass(ms: number, ...others: Subject[]): Promise<void> {
    for (const endMs = this.world.nowMs + ms; this.world.nowMs < endMs;) {
      this.world.nowMs += 100;
      for (const subject of [this, ...others]) {
        subject.membership.tick();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }
}

async function joined(count: number): Promise<[World, ...Subject[]]> {
  const world = new World();
  const subjects = Array.from({ length: count }, (_, index) => world.node(index + 1));
  for (const subject of subjects) subject.membership.join();
  await subjects[0].pass(2500, ...subjects.slice(1));
  return [world, ...subjects];
}

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
test("R10: whom more than half of the others name twice running is expelled; one node's word expels nobody", async () => {
  const [, one, other, third] = await joined(3);
  one.unheard = [third.me];
  await one.pass(4000, other, third);
  expect(one.members).toHaveLength(3);
  const named = third.me;
  other.unheard = [named];
  await one.pass(3500, other, third);
  expect(one.membership.view.expelled).toEqual([named]);
});
test("R10: a refused connection shortens the lease of the dead, and changes nothing for the living", async () => {
  const [, one, other] = await joined(2);
  one.refused = [other.me];
  await one.pass(3000, other);
  expect(one.members).toHaveLength(2);
  other.membership.renewNow();
  await one.pass(100, other);
  one.refused = [other.me];
  for (let step = 0; step < 24; step++) {
    one.membership.renewNow();
    await one.pass(100);
  }
  expect(one.members, "within 2.5 s, not 3 s").toEqual(["node-1"]);
});
test("R14: a licence lasts half a lease from the sending of the last renewal that was answered", async () => {
  const [world, one] = await joined(1);
  expect(one.membership.isLicensed).toBe(true);
  world.isStoreAway = true;
  await one.pass(1000);
  const licensedAt: number[] = [];
  for (let step = 0; step < 15; step++) {
    if (one.membership.isLicensed) licensedAt.push(world.nowMs);
    await one.pass(100);
  }
  expect(one.membership.isLicensed).toBe(false);
  expect(licensedAt.length).toBeLessThanOrEqual(LEASE_MS / 2 / 100);
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
