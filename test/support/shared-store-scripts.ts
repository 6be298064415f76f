/** Random calls for a shared store and the model beside it: a few members, a clock that jumps, a few records. */
import fc from "fast-check";
import { expect } from "vitest";
import { type FoundedClaim, type Snapshot, StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { Renewal, RenewalAnswer, Run, SharedStore } from "../../cluster/ports/shared-store.ts";
import { KEY } from "./bound-store.ts";
import { byTag } from "./by-tag.ts";
import { LEASE_MS, memberNamed, renewalOf } from "./renewals.ts";
import type { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";

/** What a caller knows of the list: as it stands, older, newer, or another under its number. */
const anyKnowledge = fc.constantFrom("current", "current", "current", "nothing", "older", "newer", "forked");
const anyName = fc.constantFrom("ann", "bea", "cleo", "dora", "edna");
const anyNames = fc.uniqueArray(anyName, { maxLength: 3 });
const anyFew = fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: anyNames });
const anyPartition = fc.nat({ max: 3 });
const anyPartitions = fc.uniqueArray(anyPartition);
const anyClaim: fc.Arbitrary<FoundedClaim> = fc.record({
  term: fc.integer({ min: 1, max: 5 }),
  incarnation: anyName,
  founding: fc.constantFrom("f", "f", "g"),
});
const anyLength = fc.nat({ max: 4 }).map((half) => half * 2);
const anySnapshot: fc.Arbitrary<Snapshot> = fc.record({
  number: fc.nat({ max: 4 }),
  covers: anyLength,
  coversAll: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 4 }),
});

const OTHER_KEY = { ...KEY, hashKey: new Uint8Array(8).fill(9) };
const JOINING = { isJoining: true };
const RENEW = fc.record({
  kind: fc.constant("renew" as const),
  name: anyName,
  isJoining: fc.boolean(),
  isLeaving: fc.integer({ min: 0, max: 7 }).map((draw) => draw === 0),
  knowledge: anyKnowledge,
  knowsRevision: fc.boolean(),
  accused: anyNames,
  closed: anyFew,
  closedStill: anyFew,
  called: anyNames,
  licenceMs: fc.constantFrom(400, 1500),
  held: fc.constantFrom(undefined, "", "3:1"),
  /** How many renewals came before it that were sent after it. */
  lateBy: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 20 }) }),
  passedMs: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 1500 }) },
    { weight: 1, arbitrary: fc.integer({ min: -100_000, max: 100_000 }) },
  ),
});
const anyCall = fc.oneof(
  fc.record({ kind: fc.constant("restore" as const), knowledge: anyKnowledge, names: anyNames, expelled: anyNames }),
  fc.record({ kind: fc.constant("raiseEpoch" as const), knowledge: anyKnowledge }),
  fc.record({ kind: fc.constant("leave" as const), name: anyName }),
  fc.record({ kind: fc.constant("found" as const), isOther: fc.boolean(), isCopy: fc.boolean() }),
  fc.record({
    kind: fc.constant("vote" as const),
    name: anyName,
    names: anyNames,
    knowledge: anyKnowledge,
    isOther: fc.boolean(),
    passedMs: fc.integer({ min: 0, max: 1500 }),
  }),
  fc.record({ kind: fc.constant("adoptTags" as const) }),
  fc.record({
    kind: fc.constant("claim" as const),
    partitions: anyPartitions,
    claim: anyClaim,
    isLoaded: fc.boolean(),
    mayBeAbsent: anyPartitions,
  }),
  fc.record({ kind: fc.constant("read" as const), partitions: anyPartitions }),
  fc.record({ kind: fc.constant("beginRun" as const) }),
  fc.record({
    kind: fc.constant("takeBack" as const),
    partition: anyPartition,
    claim: anyClaim,
    notAbove: fc.integer({ min: 0, max: 5 }),
    covers: anyLength,
    bytes: fc.option(fc.uint8Array({ maxLength: 4 }), { nil: undefined }),
    mayBeAbsent: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("raise" as const),
    partitions: anyPartitions,
    claim: anyClaim,
    epoch: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({
    kind: fc.constant("append" as const),
    partitions: anyPartitions,
    claim: anyClaim,
    from: anyLength,
    message: fc.uint8Array({ minLength: 2, maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant("snapshot" as const),
    partition: anyPartition,
    claim: anyClaim,
    snapshot: anySnapshot,
  }),
);

export type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;
export const anyStep = fc.oneof({ weight: 1, arbitrary: RENEW }, { weight: 1, arbitrary: anyCall });

/** What a call came to; a call that is refused as a whole names only the kind of the refusal. */
async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof StoreUnavailableError) return error.constructor.name;
    throw error;
  }
}

/** Makes the same calls on both and compares the answers. */
export class Script {
  readonly #stores: readonly [SharedStore, SharedStore];
  readonly #model: SharedStoreModel;
  readonly #clock: { nowMs: number };
  /** As it is at this step. */
  #run: Run;
  #count = 0;

  constructor(store: SharedStore, model: SharedStoreModel, clock: { nowMs: number }) {
    this.#stores = [byTag(store), byTag(model.connect())];
    this.#model = model;
    this.#clock = clock;
    this.#run = model.run;
  }

  async take(step: Step): Promise<void> {
    this.#count += 1;
    this.#run = this.#model.run;
    if ("passedMs" in step) this.#clock.nowMs += step.passedMs;
    await this.#same((store) => this.#call(store, step));
  }

  /** Compares all that is stored. */
  async finish(): Promise<void> {
    this.#run = this.#model.run;
    const partitions = Array.from({ length: 32 }, (_, partition) => partition);
    await this.#same((store) => store.standing(this.#run, partitions));
    await this.#same((store) =>
      store.claim(this.#run, partitions, { term: 99, incarnation: "last", founding: "f" }, true, new Set(partitions)),
    );
    await this.#same((store) => store.look());
    await this.#same((store) => this.#renew(store, "nobody", {}));
  }

  async #same(call: (store: SharedStore) => Promise<unknown>): Promise<void> {
    const [store, model] = this.#stores;
    const standing = this.#model.members.peek();
    const actual = await outcomeOf(call(store));
    expect(this.#model.members.peek()).toEqual(standing);
    expect(withoutRuns(actual)).toEqual(withoutRuns(await outcomeOf(call(model))));
  }

  #call(store: SharedStore, step: Step): Promise<unknown> {
    const run = this.#run;
    switch (step.kind) {
      case "renew": {
        const { name, knowledge, isLeaving, knowsRevision, lateBy, ...rest } = step;
        const member = { ...memberNamed(name), isLeaving };
        const revision = knowsRevision ? (this.#model.members.peek()?.revision ?? 0) : 0;
        const number = Math.max(1, this.#count - lateBy);
        return this.#renew(store, name, { ...rest, ...this.#known(knowledge), member, revision, number });
      }
      case "restore": {
        const members = step.names.map((name, number) => ({ ...memberNamed(name), ...(number === 1 && JOINING) }));
        return store.restore(
          run,
          { ...this.#known(step.knowledge), members, expelled: step.expelled },
          this.#model.key ?? KEY,
          this.#fresh,
          LEASE_MS,
        );
      }
      case "raiseEpoch":
        return store.raiseEpoch(run, this.#known(step.knowledge).epoch, this.#fresh);
      case "leave":
        return store.leave(run, step.name, this.#fresh);
      case "found":
        return store.found(
          run,
          step.isOther ? OTHER_KEY : KEY,
          step.isCopy ? "a copy" : "anew",
          `found ${this.#count}`,
        );
      case "vote": {
        const { name, names, knowledge, isOther } = step;
        const view = { ...this.#known(knowledge), members: names.map(memberNamed), expelled: [] };
        const vote = { incarnation: name, view, key: isOther ? OTHER_KEY : KEY, freshNonce: this.#fresh };
        return store.vote(run, vote, LEASE_MS);
      }
      case "adoptTags":
        return store.adoptTags(run);
      case "read":
        return store.read(run, step.partitions);
      case "claim":
        return store.claim(run, step.partitions, step.claim, step.isLoaded, new Set(step.mayBeAbsent));
      case "beginRun":
        return store.beginRun(run, this.#fresh);
      case "takeBack": {
        const { kind: _, ...taking } = step;
        return store.takeBack(run, taking);
      }
      case "raise": {
        const claims = step.partitions.map((partition) => ({ partition, claim: step.claim }));
        return store.raise(run, claims, step.epoch);
      }
      case "append": {
        const { partitions, claim, from, message } = step;
        return store.append(
          run,
          partitions.map((partition) => ({ partition, claim, from, message })),
        );
      }
      case "snapshot":
        return store.snapshot(run, step.partition, step.claim, step.snapshot);
    }
  }

  #renew(store: SharedStore, name: string, rest: Partial<Renewal>): Promise<RenewalAnswer> {
    return store.renew(renewalOf(name, { isJoining: false, freshNonce: this.#fresh, ...rest }), LEASE_MS);
  }

  get #fresh(): string {
    return `nonce-${this.#count}`;
  }

  #known(knowledge: typeof anyKnowledge extends fc.Arbitrary<infer T> ? T : never): { epoch: number; nonce: string } {
    const { epoch, nonce } = this.#model.members.peek()?.view ?? { epoch: 0, nonce: "" };
    switch (knowledge) {
      case "current":
        return { epoch, nonce };
      case "nothing":
        return { epoch: 0, nonce: "" };
      case "older":
        return { epoch: Math.max(0, epoch - 1), nonce: "an older one" };
      case "newer":
        return { epoch: epoch + 1, nonce: "a newer one" };
      case "forked":
        return { epoch, nonce: "another one" };
    }
  }
}

/** Of a Redis Cluster each tag has a master of its own, the model has one: their names are compared elsewhere. */
function withoutRuns(answer: unknown): unknown {
  if (typeof answer !== "object" || answer === null || !("run" in answer)) return answer;
  const { run: _, ...rest } = answer;
  return { ...rest, tagRuns: undefined };
}
