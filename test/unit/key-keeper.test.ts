import { beforeEach, describe, expect, test } from "vitest";
import { KeyKeeper } from "../../cluster/members/key-keeper.ts";
import { Membership } from "../../cluster/members/membership.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { ClusterKey } from "../../cluster/ports/shared-store.ts";
import { take } from "../../simulator/item-at.ts";
import { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";
import { KEY } from "../support/bound-store.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";

const OTHER_KEY: ClusterKey = { ...KEY, hashKey: new Uint8Array(8).fill(9) };
const keptAs = (key: ClusterKey) => ({ key, mark: markOf(key.hashKey), generation: 1 });
const { leaseMs } = KEY;

class World {
  nowMs = 0;
  ids = 100;
  isStoreAway = false;
  readonly store = new SharedStoreModel({ clockMs: () => this.nowMs, tagsCount: 2 });
}

/** A member with its keeper, and nothing else. */
class Subject {
  heardCount = 0;
  readonly lost: ClusterKey[] = [];
  readonly adopted: number[] = [];
  readonly membership: Membership;
  readonly keeper: KeyKeeper;

  private tagRun: string | undefined;

  constructor(world: World, number: number) {
    const { incarnation: _, isLeaving: __, ...member } = memberNumber(number);
    const store = world.store.connect(async ({ apply }) => {
      if (world.isStoreAway) throw new StoreUnavailableError("away");
      return apply();
    });
    const shared = { store, randomId: () => incarnationOf(world.ids++) };
    this.membership = new Membership(
      {
        ...shared,
        nowMs: () => world.nowMs,
        bareMs: () => world.nowMs,
        wallMs: () => world.nowMs,
        accused: () => [],
        called: () => [],
        isAlone: () => false,
        held: () => undefined,
        onView: () => undefined,
        onTagRuns: ([run]) => {
          if (run !== this.tagRun) this.keeper.onRun();
          this.tagRun = run;
        },
        onList: () => undefined,
        onOtherKey: (run, standing) => this.keeper.onOtherKey(run, standing),
        onNotCalledBack: () => undefined,
        onExpelled: () => undefined,
        reachesPeers: async () => true,
        onFault: (error) => this.keeper.onFault(error),
      },
      { member, key: KEY },
    );
    this.keeper = new KeyKeeper(
      {
        ...shared,
        membership: this.membership,
        bareMs: () => world.nowMs,
        heardCount: () => this.heardCount,
        onLost: (standing) => this.lost.push(standing),
        onTagsAdopted: (count) => this.adopted.push(count),
        onFault: () => undefined,
      },
      KEY,
    );
  }

  tick(): void {
    this.membership.tick();
    this.keeper.tick();
  }
}

describe("R12: KeyKeeper", () => {
  let world: World;
  let subjects: Subject[];
  async function pass(ms: number, ...living: Subject[]): Promise<void> {
    for (const endMs = world.nowMs + ms; world.nowMs < endMs; world.nowMs += 100)
      for (const subject of living) {
        subject.tick();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
  }
  /** Three members, then another key founded in an empty store, with so many members. */
  async function refounded(othersCount: number, othersLeaseMs = leaseMs): Promise<void> {
    for (const subject of subjects) subject.membership.join();
    await pass(2500, ...subjects);
    world.store.forgetAll();
    world.store.master = "run-2";
    world.store.found(world.store.run, keptAs(OTHER_KEY), 0, "anew");
    const numbers = Array.from({ length: othersCount }, (_, index) => 20 + index);
    world.store.restore(
      world.store.run,
      viewOfMembers(othersCount, numbers),
      keptAs(OTHER_KEY),
      "joined",
      othersLeaseMs,
    );
    for (const tag of [0, 1]) world.store.createRecords(world.store.run, tag, keptAs(OTHER_KEY));
  }
  const standing = (): ClusterKey | undefined => world.store.key;

  beforeEach(() => {
    world = new World();
    world.store.found(world.store.run, keptAs(KEY), 0, "founded");
    subjects = [1, 2, 3].map((number) => new Subject(world, number));
  });

  test("two of three bring their key back, with the list, and drop the records of the other", async () => {
    await refounded(1);
    const [one, other] = take(2, subjects);
    await pass(2000, one, other);
    expect([standing(), one.lost, other.lost]).toEqual([KEY, [], []]);
    expect(world.store.members.peek()?.view.members).toHaveLength(3);
    expect([...one.adopted, ...other.adopted], "both tags, once").toEqual([2]);
    expect([...world.store.tagKeys.values()].map(({ key }) => key)).toEqual([KEY, KEY]);
  });
  test("one of three brings nothing back, and gives up after two leases, as it hears nobody", async () => {
    await refounded(1);
    const [one] = take(1, subjects);
    await pass(2 * leaseMs - 1500, one);
    expect(one.lost).toEqual([]);
    await pass(4000, one);
    expect([standing(), one.lost]).toEqual([OTHER_KEY, [OTHER_KEY]]);
  });
  test("two of three give up after half a lease where two live under the other key, and the third does not come", async () => {
    await refounded(2, 20 * leaseMs);
    const [one, other] = take(2, subjects);
    for (const subject of [one, other]) subject.heardCount = 1;
    await pass(2 * leaseMs, one);
    expect(one.lost, "it waits for a peer that it hears").toEqual([]);
    await pass(leaseMs, one, other);
    expect([standing(), one.lost, other.lost]).toEqual([OTHER_KEY, [OTHER_KEY], [OTHER_KEY]]);
  });
  test("a tie that the third resolves in time costs nobody the key", async () => {
    await refounded(2, 20 * leaseMs);
    const [one, other] = take(2, subjects);
    await pass(leaseMs / 2 - 600, one, other);
    await pass(leaseMs, ...subjects);
    expect([standing(), ...subjects.map(({ lost }) => lost)]).toEqual([KEY, [], [], []]);
  });
  test("a pause is not time in which the third could vote: the tie begins anew behind it", async () => {
    await refounded(2, 20 * leaseMs);
    const [one, other, third] = take(3, subjects);
    await pass(600, one, other);
    world.isStoreAway = true;
    await pass(0.7 * leaseMs, ...subjects);
    world.isStoreAway = false;
    await pass(400, one, other);
    expect([one.lost, other.lost]).toEqual([[], []]);
    await pass(leaseMs, one, other, third);
    expect(standing()).toEqual(KEY);
  });
  test("who could not ask for a while begins anew", async () => {
    await refounded(1);
    const [one] = take(1, subjects);
    await pass(1500, one);
    world.isStoreAway = true;
    await pass(2 * leaseMs, one);
    world.isStoreAway = false;
    await pass(1500, one);
    expect(one.lost).toEqual([]);
    await pass(2 * leaseMs, one);
    expect(one.lost).toEqual([OTHER_KEY]);
  });
  test("who hears most of its peers waits for them to ask as well", async () => {
    await refounded(1);
    const [one, other] = take(2, subjects);
    one.heardCount = 2;
    await pass(5 * leaseMs, one);
    expect(one.lost).toEqual([]);
    await pass(1500, one, other);
    expect([standing(), one.lost]).toEqual([KEY, []]);
  });
  test("where as many live under the other key, who comes back gives its own up at once", async () => {
    await refounded(3);
    await pass(1500, ...subjects);
    expect(standing()).toEqual(OTHER_KEY);
    for (const { lost } of subjects) expect(lost).toEqual([OTHER_KEY]);
  });
  test("two renewals that learn of the other key at once give the key up once", async () => {
    await refounded(3);
    const [subject] = take(1, subjects);
    const answers = [1, 2].map(() => subject.keeper.onOtherKey(world.store.run, OTHER_KEY));
    await Promise.all(answers);
    expect(subject.lost).toEqual([OTHER_KEY]);
  });
  test("who is in no list has nothing to bring back", async () => {
    await refounded(1);
    const newcomer = new Subject(world, 4);
    newcomer.membership.join();
    await pass(500, newcomer);
    expect(newcomer.lost).toEqual([OTHER_KEY]);
  });
  test("a tag that could not be brought to the key is tried again", async () => {
    await refounded(1);
    const [one, other] = take(2, subjects);
    world.isStoreAway = true;
    await pass(1000, one, other);
    world.isStoreAway = false;
    await pass(3000, one, other);
    expect([...world.store.tagKeys.values()].map(({ key }) => key)).toEqual([KEY, KEY]);
  });
});
