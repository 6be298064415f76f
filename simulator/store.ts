/**
 * The way from each node to the shared store: steps are delayed, fail before or after they landed, hang; the store is
 * away for a while, or comes back as another: intact, without its tail, older, or empty, and under a new run (R15).
 */
import { StoreUnavailableError } from "../cluster/ports/record-store.ts";
import type { SharedStore } from "../cluster/ports/shared-store.ts";
import { SharedStoreModel, type Step } from "./redis/shared-store-model.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

/** What happens to each step, until told otherwise. */
export interface StoreWeather {
  /** Added to the usual delay: up to so much. */
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

export const FAIR_STORE: StoreWeather = { delayMs: 0, failureRatio: 0, answerLossRatio: 0, hangingRatio: 0 };
const DELAY_MIN_MS = 0.2;
const DELAY_MAX_MS = 1.5;
const HANGING_MS = 6000;
/** A call is given up after so long, as the connections to Redis do; bulk reads and writes later. */
const GIVEN_UP_MS = 1500;
const BULK_GIVEN_UP_MS = 7500;
const BULK: readonly (keyof SharedStore)[] = ["take", "snapshot", "standing", "found"];

export class Store {
  readonly model: SharedStoreModel;
  weather: StoreWeather = { ...FAIR_STORE };
  isAway = false;
  /** Nodes that cannot reach it. */
  readonly cutOff = new Set<string>();
  /** Its own clock runs so far ahead. */
  clockJumpMs = 0;
  /** Called after every step that touched a record, with its partitions' tag. */
  onStep: (tag: number, call: keyof SharedStore) => void = () => undefined;
  /** Steps of these calls hang until `release()`: for scenarios. */
  private holding: ((node: SimulatedNode, call: keyof SharedStore) => boolean) | undefined;
  private heldSteps: (() => void)[] = [];
  /** Ends the calls that hang. */
  private readonly hanging = new Set<() => void>();
  private readonly world: World;
  private readonly saved: { atMs: number; copy: unknown }[] = [];
  private runs = 1;

  constructor(world: World, tagsCount: number) {
    this.world = world;
    this.model = new SharedStoreModel({
      tagsCount,
      clockMs: () => Math.floor(1_000_000 + world.nowMs + this.clockJumpMs),
    });
  }

  connect(node: SimulatedNode): SharedStore {
    return this.model.connect((step) => this.through(node, step));
  }

  /** Keeps a copy that it may come back with. */
  save(): void {
    this.saved.push({ atMs: this.world.nowMs, copy: this.model.save() });
    if (this.saved.length > 40) this.saved.shift();
  }

  /** It comes back under a new run, with a part of what it held. `olderMs`: how old a copy it comes back with. */
  restart(how: Return, olderMs = 0, isSameRun = false): void {
    const kept = this.saved.findLast(({ atMs }) => atMs <= this.world.nowMs - olderMs) ?? this.saved[0];
    if (how === "empty") this.model.forgetAll();
    else if (how !== "intact" && kept !== undefined) this.model.load(kept.copy);
    if (!isSameRun) this.model.master = `run-${++this.runs}`;
    if (how !== "intact") this.saved.length = 0;
  }

  /** Steps that match hang before they are done, until others are named or `release()`. */
  hold(matches: (node: SimulatedNode, call: keyof SharedStore) => boolean): void {
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
    const { delayMs, failureRatio, answerLossRatio, hangingRatio } = this.weather;
    const isFair = delayMs + failureRatio + answerLossRatio + hangingRatio === 0;
    return !isFair || this.isAway || this.cutOff.size > 0 || this.holding !== undefined;
  }

  clearUp(): void {
    this.weather = { ...FAIR_STORE };
  }

  heal(): void {
    this.clearUp();
    for (const end of this.hanging) end();
    this.hanging.clear();
    this.isAway = false;
    this.cutOff.clear();
    this.release();
  }

  private through<T>(node: SimulatedNode, step: Step<T>): Promise<T> {
    const { world, weather } = this;
    world.tally.storeSteps++;
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (answer: () => void): void => {
        node.deliver(() => {
          if (isSettled) return;
          isSettled = true;
          answer();
        });
      };
      const fail = (why: string): void => {
        if (!isSettled) settle(() => reject(new StoreUnavailableError(`Cannot ${step.call}: ${why}`)));
      };
      const isHanging = world.random.fraction() < weather.hangingRatio;
      const hangsMs = isHanging ? world.random.fraction() * HANGING_MS : 0;
      const hangsFirst = world.random.fraction() < 0.5;
      if (isHanging) world.noteFault("store call hangs");
      const arrive = (wasHeld = false): void => {
        if (this.holding?.(node, step.call) === true) return void this.heldSteps.push(() => arrive(true));
        if (node.state === "gone" && !wasHeld && world.random.fraction() < 0.5) return; // it was still in the socket
        if (this.isAway || this.cutOff.has(node.name)) return world.time.after(20, () => fail("the store is away"));
        if (world.random.fraction() < weather.failureRatio) {
          world.noteFault("store call fails");
          return fail("told to fail");
        }
        this.apply(step, resolve, reject, settle, hangsFirst ? 0 : hangsMs);
      };
      world.time.after(this.delayMs() + (hangsFirst ? hangsMs : 0), () => arrive());
      world.time.after(BULK.includes(step.call) ? BULK_GIVEN_UP_MS : GIVEN_UP_MS, () => fail("no answer"));
      if (isHanging) this.hanging.add(() => fail("the connection was closed"));
    });
  }

  /** Boards for dashboards are of no interest here: their copies would cost more than all else. */
  private pass<T>({ call, apply }: Step<T>): T {
    return call === "publish" ? (undefined as T) : apply();
  }

  private apply<T>(
    step: Step<T>,
    resolve: (answer: T) => void,
    reject: (error: Error) => void,
    settle: (answer: () => void) => void,
    hangsMs: number,
  ): void {
    const { world } = this;
    let answer: () => void;
    try {
      const value = this.pass(step);
      answer = () => resolve(value);
    } catch (error) {
      answer = () => reject(error as Error);
    }
    if (step.tag !== undefined) this.onStep(step.tag, step.call);
    const isLost = world.random.fraction() < this.weather.answerLossRatio;
    if (isLost) {
      world.noteFault("store answer lost");
      answer = () => reject(new StoreUnavailableError(`Cannot ${step.call}: the connection was closed`));
    }
    world.time.after(this.delayMs() + hangsMs, () => settle(answer));
  }

  private delayMs(): number {
    const { random } = this.world;
    const usual = DELAY_MIN_MS + random.fraction() * (DELAY_MAX_MS - DELAY_MIN_MS);
    return this.weather.delayMs === 0 ? usual : usual + random.fraction() ** 2 * this.weather.delayMs;
  }
}
