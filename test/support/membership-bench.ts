import { Membership } from "../../cluster/members/membership.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { take, type Taken, type TakenCount } from "../../simulator/item-at.ts";
import { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";
import { KEY } from "./bound-store.ts";
import { incarnationOf, memberNumber } from "./members.ts";

export const LEASE_MS = KEY.leaseMs;

export const KEPT = { key: KEY, mark: markOf(KEY.hashKey), generation: 1 };

/** Time, a store, and nodes that are members of nothing else. */
export class World {
  nowMs = 0;
  /** Wall clocks run ahead of the others by this. */
  wallSkewMs = 0;
  isStoreAway = false;
  /** A call takes so long. */
  storeMs = 0;
  /** The bare clock stood still for so long. */
  standstillMs = 0;
  private waiting: { readonly atMs: number; readonly go: () => void }[] = [];
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

  licenceNamedBy({ me }: Subject): number {
    return this.store.members.peek()?.listed.find(({ member }) => member.incarnation === me)?.licenceMs ?? 0;
  }

  until(atMs: number): Promise<void> {
    return new Promise((go) => this.waiting.push({ atMs, go }));
  }

  async advance(ms: number): Promise<void> {
    this.nowMs += ms;
    const due = this.waiting.filter(({ atMs }) => atMs <= this.nowMs);
    this.waiting = this.waiting.filter(({ atMs }) => atMs > this.nowMs);
    for (const { go } of due) go();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

export class Subject {
  readonly membership: Membership;
  readonly events: string[] = [];
  accused: string[] = [];
  called: string[] = [];
  isAlone = false;
  held = "";
  canReachPeers = true;
  renewals = 0;
  /** Where it is set, renewals get no answer, and reach the store when they are called. */
  late: (() => unknown)[] | undefined;
  private readonly world: World;

  private tagRun: string | undefined;

  constructor(world: World, number: number) {
    this.world = world;
    const { incarnation: _, isLeaving: __, ...member } = memberNumber(number);
    this.membership = new Membership(
      {
        store: world.store.connect(async ({ call, apply }) => {
          if (world.isStoreAway) throw new StoreUnavailableError("away");
          if (call === "renew") this.renewals++;
          if (this.late !== undefined && call === "renew") {
            this.late.push(apply);
            throw new StoreUnavailableError("no answer");
          }
          if (world.storeMs > 0) await world.until(world.nowMs + world.storeMs);
          return apply();
        }),
        nowMs: () => world.nowMs,
        bareMs: () => world.nowMs - world.standstillMs,
        wallMs: () => world.nowMs + world.wallSkewMs,
        randomId: () => world.id(),
        accused: () => this.accused,
        called: () => this.called,
        isAlone: () => this.isAlone,
        held: (named) => (named === this.held ? undefined : this.held),
        onView: () => this.events.push(`view of ${this.membership.view.members.length}`),
        onTagRuns: ([run]) => {
          if (run !== this.tagRun) this.events.push(`run after ${this.tagRun?.split(" ")[0]}`);
          this.tagRun = run;
        },
        onList: () => undefined,
        onOtherKey: async () => void this.events.push("other key"),
        onNotCalledBack: () => undefined,
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
  get state(): string {
    return this.membership.state;
  }
  /** Lets time pass in ticks of 20 ms, for this node alone or with others. */
  async pass(ms: number, ...others: Subject[]): Promise<void> {
    for (const endMs = this.world.nowMs + ms; this.world.nowMs < endMs;) {
      await this.world.advance(20);
      for (const subject of [this, ...others]) {
        subject.membership.tick();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }
}

/** Members of one list, all of them in it. */
export async function joined<Count extends TakenCount>(count: Count): Promise<[World, ...Taken<Subject>[Count]]> {
  const world = new World();
  const subjects = Array.from({ length: count }, (_, index) => world.node(index + 1));
  for (const [number, subject] of subjects.entries()) {
    subject.membership.join();
    await subject.pass(100, ...subjects.slice(0, number));
    for (const other of subjects.slice(0, number)) other.called = [subject.me];
    await subject.pass(500, ...subjects.slice(0, number));
  }
  return [world, ...take(count, subjects)];
}
