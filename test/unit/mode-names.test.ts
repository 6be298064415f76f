import { expect, test } from "vitest";
import { ModeNames } from "../../cluster/members/mode-names.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";
import { KEY } from "../support/bound-store.ts";
import { LEASE_MS, renewalOf } from "../support/renewals.ts";

const DEADLINE_MS = 1000;
const PARTITIONS = 4;
/** A mark is noticed within a lease's third, settled two deadlines later, and gone two tellings after that. */
const GONE_WITHIN_MS = 2 * DEADLINE_MS + 2 * LEASE_MS;

/** Time, a store, and members whose tables are lists of names. */
class World {
  nowMs = 0;
  isStoreAway = false;
  readonly store = new SharedStoreModel({ clockMs: () => this.nowMs });
  readonly members: Subject[] = [];

  async found(): Promise<this> {
    await this.store.connect().found(this.store.run, KEY, "anew", "founded");
    return this;
  }

  async add(name: string, partitions: readonly number[], modesMax = 3): Promise<Subject> {
    const subject = new Subject(this, name, partitions, modesMax);
    this.members.push(subject);
    await subject.renew();
    return subject;
  }

  /** Lets time pass in ticks of 50 ms, with renewals in between. */
  async pass(ms: number): Promise<void> {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += 50;
      for (const subject of this.members) {
        if (this.nowMs % (LEASE_MS / 3) === 0) await subject.renew();
        if (!subject.isFrozen) subject.names.tick();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }

  get agreed(): string[] {
    return this.store.modes.names.toSorted();
  }
}

class Subject {
  readonly names: ModeNames;
  readonly returned: string[] = [];
  readonly released: string[] = [];
  readonly lost: number[] = [];
  unnamedPlayers = 0;
  faults = 0;
  calls = 0;
  isFrozen = false;
  isListed = true;
  partitions: readonly number[];
  /** Names with a number; true where somebody is in it. */
  readonly numbers = new Map<string, boolean>();
  private additions = 0;
  private revisionTold = 0;
  private readonly world: World;
  private readonly name: string;

  constructor(world: World, name: string, partitions: readonly number[], modesMax: number) {
    this.world = world;
    this.name = name;
    this.partitions = partitions;
    const ports = {
      store: world.store.connect(async ({ apply }) => {
        this.calls++;
        if (world.isStoreAway) throw new StoreUnavailableError("away");
        return apply();
      }),
      tables: {
        additions: () => this.additions,
        names: () => this.numbers.keys(),
        isInUse: (mode: string) => this.numbers.get(mode) ?? false,
        release: (modes: ReadonlySet<string>) => {
          for (const mode of modes)
            if (this.numbers.get(mode) === false && this.numbers.delete(mode)) this.released.push(mode);
        },
        unnamedPlayers: () => this.unnamedPlayers,
        partitions: () => this.partitions,
      },
      run: () => world.store.run,
      incarnation: () => name,
      isListed: () => this.isListed,
      revisionTold: () => this.revisionTold,
      bareMs: () => world.nowMs,
      onFault: () => this.faults++,
      onReturn: (modes: readonly string[]) => this.returned.push(...modes),
      onLost: (players: number) => this.lost.push(players),
    };
    this.names = new ModeNames(ports, {
      modesMax,
      leaseMs: LEASE_MS,
      deadlineMs: DEADLINE_MS,
      partitionCount: PARTITIONS,
    });
  }

  /** Somebody here comes to a mode. */
  enter(mode: string): void {
    if (!this.numbers.has(mode)) this.additions++;
    this.numbers.set(mode, true);
  }

  leave(mode: string): void {
    this.numbers.set(mode, false);
  }

  /** What an entry does. @returns whether it found room */
  async use(mode: string, at: Subject = this): Promise<boolean> {
    if (!this.names.isAdmitted(mode) && (await this.names.admit([mode])).has(mode)) return false;
    at.enter(mode);
    return true;
  }

  async renew(): Promise<void> {
    this.names.onRun(this.world.store.run);
    if (this.world.isStoreAway) return;
    const answer = await this.world.store.connect().renew(renewalOf(this.name), LEASE_MS);
    this.revisionTold = answer.kind === "renewed" ? (answer.modesRevision ?? 0) : this.revisionTold;
  }
}

async function pair(): Promise<[World, Subject, Subject]> {
  const world = await new World().found();
  return [world, await world.add("ann", [0, 1]), await world.add("bea", [2, 3])];
}

/** Two members, three modes at one's players, and no room for more. */
async function full(): Promise<[World, Subject, Subject]> {
  const [world, ann, bea] = await pair();
  for (const mode of ["a", "b", "c"]) await ann.use(mode, bea);
  await world.pass(LEASE_MS);
  return [world, ann, bea];
}

test("R28 a name that one member was admitted with is known to all, and nobody asks for it again", async () => {
  const [world, ann, bea] = await pair();
  expect(await ann.use("a")).toBe(true);
  expect([ann.names.isAdmitted("a"), bea.names.isAdmitted("a")]).toEqual([true, false]);
  await world.pass(LEASE_MS / 2);
  expect(bea.names.isAdmitted("a")).toBe(true);
  const calls = [ann.calls, bea.calls];
  expect(await bea.use("a")).toBe(true);
  await world.pass(10 * LEASE_MS);
  expect([ann.calls, bea.calls], "nothing to tell where nothing changes").toEqual(calls);
});

test("R28 names are limited for all members together", async () => {
  const [world, ann, bea] = await full();
  expect(await bea.use("a"), "known").toBe(true);
  expect(await ann.use("d")).toBe(false);
  expect(await bea.use("e")).toBe(false);
  expect(world.agreed).toEqual(["a", "b", "c"]);
});

test("R28 where there was no room, the store is not asked again at once", async () => {
  const [world, ann] = await full();
  expect(await ann.use("d")).toBe(false);
  const { calls } = ann;
  expect(await ann.use("e")).toBe(false);
  expect(ann.calls).toBe(calls);
  world.nowMs += 300;
  expect(await ann.use("e")).toBe(false);
  expect(ann.calls).toBe(calls + 1);
});

test("R28 a name that nobody is in goes when room is needed, and not before", async () => {
  const [world, ann, bea] = await full();
  bea.leave("b");
  await world.pass(10 * LEASE_MS);
  expect(world.agreed).toEqual(["a", "b", "c"]);
  expect(await bea.use("d")).toBe(false);
  await world.pass(GONE_WITHIN_MS);
  expect(world.agreed).toEqual(["a", "c"]);
  expect([ann.names.isAdmitted("b"), bea.names.isAdmitted("b")]).toEqual([false, false]);
  expect(bea.released, "its number can go to another name").toEqual(["b"]);
  expect(await bea.use("d")).toBe(true);
  expect(world.agreed).toEqual(["a", "c", "d"]);
  expect([ann.names.figures, bea.names.figures].map(({ returned }) => returned)).toEqual([0, 0]);
});

test("R28 a name in use elsewhere is marked by who does not hold it, and loses the mark", async () => {
  const [world, ann, bea] = await full();
  expect(await ann.use("d"), "ann believes all of them unused").toBe(false);
  await world.pass(2 * GONE_WITHIN_MS);
  expect(world.agreed).toEqual(["a", "b", "c"]);
  expect([ann.names.figures.marked, bea.names.figures.marked]).toEqual([0, 0]);
});

test("R28 a marked name is asked for before it is used, and that keeps it", async () => {
  const [world, ann, bea] = await full();
  bea.leave("b");
  await bea.use("d");
  await world.pass(LEASE_MS / 2);
  expect(ann.names.isAdmitted("b"), "it may go").toBe(false);
  const { calls } = ann;
  expect(await ann.use("b", bea)).toBe(true);
  expect(ann.calls).toBe(calls + 1);
  await world.pass(GONE_WITHIN_MS);
  expect(world.agreed).toEqual(["a", "b", "c"]);
});

test("R28 nothing goes before what was sent without knowing the mark has been applied, or is over", async () => {
  const [world, ann, bea] = await full();
  bea.leave("b");
  await bea.use("d");
  await world.pass(2 * DEADLINE_MS - 100);
  expect(world.agreed).toContain("b");
  bea.enter("b"); // a row that ann had sent before
  await world.pass(2 * GONE_WITHIN_MS);
  expect(world.agreed).toContain("b");
  expect(ann.names.isAdmitted("b")).toBe(true);
  expect(bea.returned).toEqual([]);
});

test("R28 nothing goes while a member is silent, or a partition is nobody's", async () => {
  const [world, ann, bea] = await full();
  bea.leave("b");
  ann.isFrozen = true;
  await bea.use("d");
  await world.pass(2 * GONE_WITHIN_MS);
  expect(world.agreed).toContain("b");
  ann.isFrozen = false;
  bea.partitions = [2];
  await world.pass(2 * GONE_WITHIN_MS);
  expect(world.agreed).toContain("b");
  bea.partitions = [2, 3];
  await world.pass(GONE_WITHIN_MS);
  expect(world.agreed).not.toContain("b");
});

test("R28 a table that is taken over keeps its names, also marked ones", async () => {
  const [world, ann, bea] = await full();
  await ann.use("d");
  bea.isFrozen = true;
  await world.store.connect().leave(world.store.run, "bea", "left"); // dead
  world.members.splice(1, 1);
  await world.pass(GONE_WITHIN_MS);
  expect(world.agreed).toEqual(["a", "b", "c"]);
  for (const mode of ["a", "c"]) ann.enter(mode);
  ann.partitions = [0, 1, 2, 3];
  await world.pass(2 * GONE_WITHIN_MS);
  expect(world.agreed, "b was in no table").toEqual(["a", "c"]);
});

test("R28 a late row with a name that is gone is noticed: the name is agreed again, past the limit", async () => {
  const [world, ann, bea] = await full();
  bea.leave("b");
  await bea.use("d");
  await world.pass(GONE_WITHIN_MS);
  expect(await bea.use("d")).toBe(true);
  bea.enter("b");
  await world.pass(LEASE_MS);
  expect(world.agreed).toEqual(["a", "b", "c", "d"]);
  expect([bea.returned, bea.names.figures.returned]).toEqual([["b"], 1]);
  expect(ann.names.isAdmitted("b")).toBe(true);
  expect(await ann.use("e")).toBe(false);
});

test("R28 an owner learns of a name that another entry was admitted with, and tells nothing wrong", async () => {
  const [world, ann, bea] = await pair();
  await ann.use("a", bea);
  await world.pass(LEASE_MS / 2);
  expect(bea.names.isAdmitted("a")).toBe(true);
  expect(bea.returned).toEqual([]);
});

test("R28 with the store away nobody is admitted, and known names pass", async () => {
  const [world, ann] = await full();
  world.isStoreAway = true;
  await expect(ann.names.admit(["d"])).rejects.toThrow(StoreUnavailableError);
  expect(ann.names.isAdmitted("a")).toBe(true);
  expect(ann.faults).toBe(1);
});

test("R28 a store that lost the names is told them by who holds them", async () => {
  const [world, ann, bea] = await full();
  ann.enter("a");
  bea.leave("b");
  world.store.modes.load(undefined);
  world.store.master = "run-2";
  for (const subject of [ann, bea]) subject.names.onRun(world.store.run);
  expect(ann.names.isAdmitted("c"), "goes on until it is told").toBe(true);
  await world.pass(LEASE_MS);
  expect(world.agreed).toEqual(["a", "c"]);
  expect([ann.names.isAdmitted("b"), ann.names.isAdmitted("c")]).toEqual([false, true]);
  expect([...ann.returned, ...bea.returned], "these are no surprise").toEqual([]);
});

test("R28 an answer from before the store was lost says nothing", async () => {
  const [world, ann] = await full();
  const asked = ann.names.admit(["a"]);
  world.store.modes.load(undefined);
  ann.names.onRun("another run");
  await asked;
  expect(ann.names.figures.agreed, "what it knew").toBe(3);
  await world.pass(LEASE_MS);
  expect(world.agreed).toEqual([]);
  expect(ann.names.figures.agreed).toBe(0);
});

test("R28 players whose mode found no number are told when they become more", async () => {
  const [world, ann] = await pair();
  for (const players of [2, 2, 1, 3, 0]) {
    ann.unnamedPlayers = players;
    await world.pass(50);
  }
  expect(ann.lost).toEqual([2, 3]);
});

test("R28 a member that is not listed tells nothing", async () => {
  const [world, ann] = await pair();
  ann.isListed = false;
  ann.enter("a");
  await world.pass(LEASE_MS);
  expect([ann.calls, world.agreed]).toEqual([0, []]);
});

test("R28 a member tells no more often than it must, whatever the store answers", async () => {
  const [world, ann, bea] = await full();
  bea.isFrozen = true; // so that the mark stands
  await ann.use("d");
  await world.pass(3 * LEASE_MS);
  const { calls } = ann;
  await world.pass(10 * LEASE_MS);
  expect(ann.calls - calls).toBeLessThanOrEqual(31);
  world.isStoreAway = true;
  const before = ann.calls;
  await world.pass(10 * LEASE_MS);
  expect(ann.calls - before).toBeLessThanOrEqual(101);
});
