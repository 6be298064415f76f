/**
 * The way from each node to the shared store: steps are delayed, fail before or after they landed, hang; the store
 * stalls, is full, is away for a while, all of it or one tag's master; or comes back as another: intact, without its
 * tail, older, or empty, and under a new run (R15).
 */
import { StoreFullError, StoreUnavailableError } from "../cluster/ports/record-store.ts";
import type { SharedStore } from "../cluster/ports/shared-store.ts";
import type { RecordModel } from "./redis/record-model.ts";
import { SharedStoreModel, type Step } from "./redis/shared-store-model.ts";
import { SavedCopies } from "./saved-copies.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

export type StoreCall = keyof SharedStore | "catalogue";

/** A step of the shared store, or of what nodes keep beside it. */
type AnyStep<T> = Omit<Step<T>, "call"> & { readonly call: StoreCall };

/** What happens to each step, until told otherwise. */
export interface StoreWeather {
  /** Each step is done so much later: a store that is slow and well. */
  takesMs: number;
  /** Added to the usual delay of each way, there and back: up to so much. */
  delayMs: number;
  /** Share of the steps that fail and are not done. */
  failureRatio: number;
  /** Share of the steps that are done and whose answer is lost. */
  answerLossRatio: number;
  /** Share of the steps that hang for up to HANGING_MS before they are done, or before their answer comes. */
  hangingRatio: number;
}

/** What the store still has when it comes back under a new run. */
export type Return = "intact" | "without its tail" | "older" | "empty";

export const FAIR_STORE: StoreWeather = {
  takesMs: 0,
  delayMs: 0,
  failureRatio: 0,
  answerLossRatio: 0,
  hangingRatio: 0,
};
const DELAY_MIN_MS = 0.2;
const DELAY_MAX_MS = 1.5;
const HANGING_MS = 6000;
/** Whoever connects to a master that is away learns it after so long. */
const REFUSED_AFTER_MS = 20;
/** A call is given up after so long, as the connections to Redis do; bulk reads and writes later. */
const GIVEN_UP_MS = 1500;
const BULK_GIVEN_UP_MS = 7500;
const BULK: readonly StoreCall[] = ["claim", "read", "snapshot", "standing", "found"];

/** What of a saved copy can be given back by tag. */
interface Saved {
  readonly records: ReadonlyMap<number, RecordModel>;
}

/** A master that was replaced and goes on. */
interface FormerMaster {
  readonly nodes: ReadonlySet<string>;
  readonly name: string;
  state: unknown;
}

export class Store {
  readonly model: SharedStoreModel;
  /** The rules of modes that it has; 0: none. */
  catalogueVersion = 0;
  weather: StoreWeather = { ...FAIR_STORE };
  /** Beside it, the weather of some calls only. */
  readonly callWeather = new Map<StoreCall, Partial<StoreWeather>>();
  /** Beside it, the weather of one master of a Redis Cluster. */
  readonly tagWeather = new Map<number, Partial<StoreWeather>>();
  isAway = false;
  /** Tags whose master is away while the others are well. */
  readonly awayTags = new Set<number>();
  /** What is away answers nothing at all; else it refuses connections. */
  isAwaySilent = false;
  /** No room for appends; whatever may write past the memory limit still passes (R16). */
  isFull = false;
  /** Nodes that cannot reach it. */
  readonly cutOff = new Set<string>();
  /** Its own clock runs so far ahead. */
  clockJumpMs = 0;
  /** Called after every step that touched a record, with its partitions' tag. */
  onStep: (tag: number, call: StoreCall) => void = () => undefined;
  /** Steps of these calls hang until `release()`: for scenarios. */
  private holding: ((node: SimulatedNode, call: StoreCall) => boolean) | undefined;
  private heldSteps: (() => void)[] = [];
  /** Until then nothing is done, and then everything at once. */
  private stalledUntilMs = -Infinity;
  /** Ends the calls that hang. */
  private readonly hanging = new Set<() => void>();
  private readonly world: World;
  private readonly saved = new SavedCopies();
  private runs = 1;
  private former: FormerMaster | undefined;

  constructor(world: World, tagsCount: number) {
    this.world = world;
    const clockMs = (): number => Math.floor(1_000_000 + world.nowMs + this.clockJumpMs);
    this.model = new SharedStoreModel({ tagsCount, clockMs });
  }

  connect(node: SimulatedNode): SharedStore {
    return this.model.connect((step) => this.through(node, step));
  }

  /** The version of the rules that is stored; one that a node knows and the store does not, or not any more, is stored first. */
  exchangeCatalogue(node: SimulatedNode, known: number): Promise<number> {
    const apply = (): number => (this.catalogueVersion = Math.max(this.catalogueVersion, known));
    return this.through(node, { call: "catalogue", tag: undefined, apply });
  }

  /** Keeps a copy that it may come back with. */
  save(): void {
    const { catalogueVersion, model } = this;
    this.saved.add({ atMs: this.world.nowMs, copy: model.save(), catalogueVersion });
  }

  /** It comes back under a new run, with a part of what it held. `olderMs`: how old a copy it comes back with. */
  restart(how: Return, olderMs = 0, isSameRun = false): void {
    const saved = this.saved.asOf(this.world.nowMs - olderMs);
    if (how === "empty") this.model.forgetAll();
    else if (how !== "intact" && saved !== undefined) this.model.load(saved.copy);
    if (how !== "intact") this.catalogueVersion = how === "empty" ? 0 : (saved?.catalogueVersion ?? 0);
    if (!isSameRun) this.beginRun();
    if (how !== "intact") this.saved.clear();
  }

  /** One tag's master comes back as another: the records of its partitions, and nothing else, are what it then has. */
  restartTag(tag: number, how: Return, olderMs = 0, isSameRun = false): void {
    const { model } = this;
    const copy = how === "empty" ? undefined : (this.saved.asOf(this.world.nowMs - olderMs)?.copy as Saved | undefined);
    if (how !== "intact" && (how === "empty" || copy !== undefined)) {
      loadTag(model, tag, copy);
      this.saved.clear();
    }
    if (!isSameRun) this.beginRun(tag);
  }

  /** Another master takes over with all that there is. These nodes still reach the former one, until all is healed. */
  replaceMaster(left: readonly string[]): void {
    this.former = { nodes: new Set(left), name: this.model.master, state: this.model.save() };
    this.beginRun();
  }

  /** Does nothing for so long, as while it forks or waits for its disk, and then everything that came at once. */
  stall(forMs: number): void {
    this.stalledUntilMs = Math.max(this.stalledUntilMs, this.world.nowMs + forMs);
  }

  /** Steps that match hang before they are done, until others are named or `release()`. */
  hold(matches: (node: SimulatedNode, call: StoreCall) => boolean): void {
    this.release();
    this.holding = matches;
  }

  get heldCount(): number {
    return this.heldSteps.length;
  }

  release(): void {
    this.holding = undefined;
    const { heldSteps } = this;
    this.heldSteps = [];
    for (const step of heldSteps) this.world.time.after(0, step);
  }

  get isDisturbed(): boolean {
    const isFair = isFairWeather(this.weather) && this.callWeather.size + this.tagWeather.size === 0;
    const isWhole = !this.isFull && this.former === undefined;
    const isThere = !this.isAway && this.awayTags.size === 0 && this.cutOff.size === 0 && this.holding === undefined;
    return !isFair || !isWhole || !isThere || this.world.nowMs < this.stalledUntilMs;
  }

  /** Whether a call waits that hangs, as it may for a while after the store is well again. */
  get isAwaited(): boolean {
    return this.hanging.size > 0;
  }

  clearUp(): void {
    this.weather = { ...FAIR_STORE };
    this.callWeather.clear();
    this.tagWeather.clear();
  }

  heal(): void {
    this.clearUp();
    for (const end of this.hanging) end();
    this.hanging.clear();
    this.former = undefined;
    this.isAway = this.isAwaySilent = this.isFull = false;
    this.awayTags.clear();
    this.cutOff.clear();
    this.release();
  }

  /** R15. @param tag whose master comes back; undefined: the masters of all of them */
  private beginRun(tag?: number): void {
    const master = `run-${++this.runs}`;
    if (tag !== undefined) this.model.tagMasters.set(tag, master);
    else {
      this.model.master = master;
      this.model.tagMasters.clear();
    }
  }

  private through<T>(node: SimulatedNode, step: AnyStep<T>): Promise<T> {
    const { world } = this;
    const weather = this.weatherOf(step);
    world.tally.storeSteps++;
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (answer: () => void): void => {
        this.hanging.delete(hangUp);
        node.deliver(() => {
          if (isSettled) return;
          isSettled = true;
          world.time.cancel(limit);
          answer();
        });
      };
      const fail = (why: string, kind = StoreUnavailableError): void => {
        if (!isSettled) settle(() => reject(new kind(`Cannot ${step.call}: ${why}`)));
      };
      const hangUp = (): void => fail("the connection was closed");
      const isHanging = world.random.fraction() < weather.hangingRatio;
      const hangsMs = isHanging ? world.random.fraction() * HANGING_MS : 0;
      const hangsFirst = world.random.fraction() < 0.5;
      if (isHanging) world.noteFault("store call hangs");
      const arrive = (wasHeld = false): void => {
        if (this.holding?.(node, step.call) === true) return void this.heldSteps.push(() => arrive(true));
        if (world.nowMs < this.stalledUntilMs) return void world.time.at(this.stalledUntilMs, () => arrive(wasHeld));
        if (node.state === "gone" && !wasHeld && world.random.fraction() < 0.5) return; // it was still in the socket
        if (this.isUnreachable(node, step.tag)) {
          if (!this.isAwaySilent) return void world.time.after(REFUSED_AFTER_MS, () => fail("the store is away"));
          return isSettled ? undefined : void this.hanging.add(hangUp);
        }
        if (this.isFull && step.call === "append")
          return fail("OOM command not allowed when used memory > 'maxmemory'", StoreFullError);
        if (world.random.fraction() < weather.failureRatio) {
          world.noteFault("store call fails");
          return fail("told to fail");
        }
        this.apply(node, step, weather, resolve, reject, settle, hangsFirst ? 0 : hangsMs);
      };
      world.time.after(this.delayMs(weather) + weather.takesMs + (hangsFirst ? hangsMs : 0), () => arrive());
      const limit = world.time.after(BULK.includes(step.call) ? BULK_GIVEN_UP_MS : GIVEN_UP_MS, () =>
        fail("no answer"),
      );
      if (isHanging) this.hanging.add(hangUp);
    });
  }

  /** All that applies to a step: what takes time adds up, and of each ratio the worst counts. */
  private weatherOf({ call, tag }: Pick<AnyStep<unknown>, "call" | "tag">): StoreWeather {
    const { weather, callWeather, tagWeather } = this;
    if (callWeather.size + tagWeather.size === 0) return weather;
    const parts = [callWeather.get(call), tag === undefined ? undefined : tagWeather.get(tag)];
    return combined(weather, parts);
  }

  private isUnreachable({ name }: SimulatedNode, tag: number | undefined): boolean {
    return this.isAway || this.cutOff.has(name) || (tag !== undefined && this.awayTags.has(tag));
  }

  private atFormer<T>(former: FormerMaster, step: AnyStep<T>): T {
    const { model } = this;
    const [master, state] = [model.master, model.save()];
    model.master = former.name;
    model.load(former.state);
    try {
      return pass(step);
    } finally {
      former.state = model.save();
      model.load(state);
      model.master = master;
    }
  }

  private apply<T>(
    node: SimulatedNode,
    step: AnyStep<T>,
    weather: StoreWeather,
    resolve: (answer: T) => void,
    reject: (error: Error) => void,
    settle: (answer: () => void) => void,
    hangsMs: number,
  ): void {
    const { world } = this;
    let answer: () => void;
    try {
      const { former } = this;
      const value = former?.nodes.has(node.name) === true ? this.atFormer(former, step) : pass(step);
      answer = () => resolve(value);
    } catch (error) {
      answer = () => reject(error as Error);
    }
    if (step.tag !== undefined) this.onStep(step.tag, step.call);
    const isLost = world.random.fraction() < weather.answerLossRatio;
    if (isLost) {
      world.noteFault("store answer lost");
      answer = () => reject(new StoreUnavailableError(`Cannot ${step.call}: the connection was closed`));
    }
    world.time.after(this.delayMs(weather) + hangsMs, () => settle(answer));
  }

  private delayMs(weather: StoreWeather): number {
    const { random } = this.world;
    const usual = DELAY_MIN_MS + random.fraction() * (DELAY_MAX_MS - DELAY_MIN_MS);
    return weather.delayMs === 0 ? usual : usual + random.fraction() ** 2 * weather.delayMs;
  }
}

/** One tag's records are those of the copy from then on; without one there are none, and no key beside them. */
function loadTag(model: SharedStoreModel, tag: number, copy: Saved | undefined): void {
  const own = (partitions: Iterable<number>): number[] => [...partitions].filter((one) => model.tagOf(one) === tag);
  const kept = structuredClone(copy)?.records;
  for (const partition of own(model.records.keys())) model.records.delete(partition);
  for (const partition of own(kept?.keys() ?? [])) model.records.set(partition, kept?.get(partition) as RecordModel);
  if (copy === undefined) model.tagKeys.delete(tag);
}

function combined(weather: StoreWeather, parts: readonly (Partial<StoreWeather> | undefined)[]): StoreWeather {
  const sum = (of: "takesMs" | "delayMs"): number => parts.reduce((all, part) => all + (part?.[of] ?? 0), weather[of]);
  const worst = (of: "failureRatio" | "answerLossRatio" | "hangingRatio"): number =>
    Math.max(weather[of], ...parts.map((part) => part?.[of] ?? 0));
  return {
    takesMs: sum("takesMs"),
    delayMs: sum("delayMs"),
    failureRatio: worst("failureRatio"),
    answerLossRatio: worst("answerLossRatio"),
    hangingRatio: worst("hangingRatio"),
  };
}

function isFairWeather({ takesMs, delayMs, failureRatio, answerLossRatio, hangingRatio }: StoreWeather): boolean {
  return takesMs + delayMs + failureRatio + answerLossRatio + hangingRatio === 0;
}

/** Boards for dashboards are of no interest here: their copies would cost more than all else. */
function pass<T>({ call, apply }: AnyStep<T>): T {
  return call === "publish" ? (undefined as T) : apply();
}
