/**
 * Forwarders of several nodes among owners that are told, not elected: partitions move, nodes die, views spread late,
 * messages are lost, late and repeated, clocks differ and step forward, rows land late or are dropped with their owner.
 * Virtual time, one seed.
 */
import { Forwarder } from "../../cluster/rows/forwarder.ts";
import { isFrameOf } from "../../cluster/rows/row-frame.ts";
import type { Elsewhere, Outcome, Row, RowOutcome } from "../../cluster/ports/rows.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { PeerError } from "../../cluster/ports/transport.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { elsewhere, incarnationOf, reportOf } from "./forwarding.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";

export interface Weather {
  readonly seed: number;
  readonly lossRatio: number;
  readonly repeatRatio: number;
  /** Of one message in ten; the others take up to 10 ms. */
  readonly delayMsMax: number;
  readonly landMsMax: number;
  readonly moves: number;
  readonly deaths: number;
  /** Times a node's clock steps forward. */
  readonly steps: number;
  readonly rows: number;
  readonly rowsMax: number;
  readonly batchRowsMax: number;
}

/** A row with what became of it. */
export interface Told {
  readonly row: Row;
  readonly entry: ModelNode;
  readonly submittedAtMs: number;
  outcomes: Outcome[];
  settledAtMs: number;
}

interface ModelView {
  readonly epoch: number;
  readonly owners: readonly ModelNode[];
  readonly listed: ReadonlySet<string>;
}

interface Pending {
  readonly row: Row;
  readonly settle: (outcome: RowOutcome) => void;
}

/** A partition as it is, whatever the nodes believe. */
interface Truth {
  holder: ModelNode;
  term: number;
  readyAtMs: number;
  pending: Pending[];
  /**
   * Players in the order in which their rows landed. A repeat counts only where it has no seq: with one it is ignored as
   * late.
   */
  readonly landed: number[];
}

const NODES = 4;
const PARTITIONS = 16;
const BUSY_PARTITIONS = 4;
export const DEADLINE_MS = 600;
const TICK_MS = 20;
const FAULTS_END_MS = 2000;
/** Rows submitted from then on find everything whole. */
export const HEALED_AT_MS = 3200;
const END_MS = 5200;
const STEP_MS_MAX = 4000;

export class ForwardingModel {
  now = 0;
  readonly told: Told[] = [];
  readonly nodes: ModelNode[];
  readonly truths: Truth[];
  readonly weather: Weather;
  readonly random: SeededRandom;
  readonly tasks: (() => void)[] = [];
  private view: ModelView;
  private readonly events: { readonly atMs: number; readonly run: () => void }[] = [];

  constructor(weather: Weather) {
    this.weather = weather;
    this.random = new SeededRandom(weather.seed);
    this.nodes = Array.from({ length: NODES }, (_, number) => new ModelNode(this, incarnationOf(number)));
    const owners = Array.from({ length: PARTITIONS }, () => this.random.pick(this.nodes));
    this.view = { epoch: 1, owners, listed: new Set(this.nodes.map(({ incarnation }) => incarnation)) };
    this.truths = owners.map((holder) => ({ holder, term: 1, readyAtMs: 0, pending: [], landed: [] }));
    for (const node of this.nodes) node.learn(this.view);
    this.plan();
  }

  get isCalm(): boolean {
    return this.now >= FAULTS_END_MS;
  }

  at(atMs: number, run: () => void): void {
    let index = this.events.length;
    while (index > 0 && itemAt(this.events, index - 1).atMs > atMs) index--;
    this.events.splice(index, 0, { atMs, run });
  }

  /** Runs everything; `check` after each event. */
  async run(check: () => void): Promise<void> {
    for (let event = this.events.shift(); event !== undefined; event = this.events.shift()) {
      this.now = event.atMs;
      event.run();
      await handled();
      while (this.tasks.length > 0) {
        for (const task of this.tasks.splice(0)) task();
        await handled();
      }
      check();
    }
  }

  delay(): number {
    const isLong = !this.isCalm && this.random.fraction() < 0.1;
    return this.random.fraction() * (isLong ? this.weather.delayMsMax : 10);
  }

  isLost(): boolean {
    return !this.isCalm && this.random.fraction() < this.weather.lossRatio;
  }

  /** What an owner does with a row: R5, R17 and R18 in their simplest form. */
  apply(node: ModelNode, row: Row, epoch: number, settle: (outcome: RowOutcome) => void): void {
    const truth = itemAt(this.truths, row.partition);
    if (truth.holder !== node) return settle(this.refusal(node, row.partition));
    if (this.now < truth.readyAtMs) return settle(elsewhere("loading"));
    if (epoch < truth.term) return settle(elsewhere("moved"));
    if (row.id0 % 40 === 0) return settle({ kind: "refused", reason: "no room for the player" });
    const pending = { row, settle };
    truth.pending.push(pending);
    const isAtOnce = truth.pending.length === 1 && this.random.fraction() < 0.5;
    if (isAtOnce) this.land(truth, pending);
    else this.at(this.now + this.random.fraction() * this.weather.landMsMax, () => this.land(truth, pending));
  }

  private refusal(node: ModelNode, partition: number): Elsewhere {
    if (!this.isCalm && this.random.fraction() < 0.1)
      return elsewhere("held by", this.random.pick(this.nodes).incarnation);
    if (node.view.owners[partition] !== node) return elsewhere("moved");
    const { holder } = itemAt(this.truths, partition);
    return holder.isDead ? elsewhere("loading") : elsewhere("held by", holder.incarnation);
  }

  /** Lands a row and all before it. */
  private land(truth: Truth, last: Pending): void {
    const index = truth.pending.indexOf(last);
    if (truth.holder.isDead) return;
    for (const { row, settle } of truth.pending.splice(0, index + 1)) {
      if (row.seq === NO_SEQ || !truth.landed.includes(row.id0)) truth.landed.push(row.id0);
      settle({ kind: "done", effect: "changed", isRemembered: true, place: undefined });
    }
  }

  private plan(): void {
    const { random, weather } = this;
    for (let atMs = TICK_MS; atMs <= END_MS; atMs += TICK_MS)
      this.at(atMs, () => this.nodes.forEach((node) => node.isDead || node.forwarder.tick()));
    for (let move = 0; move < weather.moves; move++) this.at(random.below(FAULTS_END_MS), () => this.change(false));
    for (let death = 0; death < weather.deaths; death++) this.at(random.below(FAULTS_END_MS), () => this.change(true));
    for (let step = 0; step < weather.steps; step++)
      this.at(random.below(FAULTS_END_MS), () => (random.pick(this.nodes).aheadMs += random.below(STEP_MS_MAX)));
    for (let player = 1; player <= weather.rows; player++) {
      const isEarly = random.fraction() < 0.8;
      const atMs = Math.floor((isEarly ? 0 : HEALED_AT_MS) + random.fraction() * (isEarly ? FAULTS_END_MS : 600));
      this.at(atMs - (atMs % 50), () => this.submit(player)); // some in one turn
    }
  }

  private submit(player: number): void {
    const partition = this.random.below(BUSY_PARTITIONS);
    const hash = (partition << 28) | player;
    const entry = this.random.pick(this.nodes.filter(({ isDead }) => !isDead));
    const seq = player % 2 === 0 ? NO_SEQ : player;
    const row = reportOf(0, player, {
      hash,
      partition,
      seq,
      untilMs: entry.nowMs + DEADLINE_MS,
      isBulk: player % 3 === 0,
    });
    const told: Told = { row, entry, submittedAtMs: this.now, outcomes: [], settledAtMs: 0 };
    this.told.push(told);
    const settle = (outcome: Outcome): void => {
      told.outcomes.push(outcome);
      told.settledAtMs = this.now;
    };
    entry.forwarder.submit(row, settle);
  }

  /** A newer view: other owners for some partitions, perhaps without a node that died. */
  private change(isDeath: boolean): void {
    const { random } = this;
    const living = this.nodes.filter(({ isDead }) => !isDead);
    if (isDeath && living.length > 2) random.pick(living).isDead = true;
    const listed = living.filter(({ isDead }) => !isDead);
    const owners = this.view.owners.map((owner) =>
      owner.isDead || random.fraction() < 0.4 ? random.pick(listed) : owner,
    );
    const view = { epoch: this.view.epoch + 1, owners, listed: new Set(listed.map(({ incarnation }) => incarnation)) };
    this.view = view;
    for (const node of listed) this.at(this.now + random.fraction() * 300, () => node.learn(view));
    for (const partition of owners.keys())
      this.at(this.now + random.fraction() * 250, () => this.take(partition, view));
  }

  /** The new owner takes a partition: what had not landed is dropped. */
  private take(partition: number, view: ModelView): void {
    const [truth, owner] = [itemAt(this.truths, partition), itemAt(view.owners, partition)];
    if (truth.term >= view.epoch || owner.isDead || owner === truth.holder) return;
    owner.learn(view);
    const { holder, pending } = truth;
    truth.holder = owner;
    truth.term = view.epoch;
    truth.readyAtMs = this.now + this.random.fraction() * 100;
    truth.pending = [];
    if (!holder.isDead) for (const { settle } of this.random.shuffled(pending)) settle(elsewhere("moved"));
  }
}

export class ModelNode {
  readonly incarnation: string;
  readonly forwarder: Forwarder;
  isDead = false;
  view: ModelView = { epoch: 0, owners: [], listed: new Set() };
  /** How far its clock is before that of the model. */
  aheadMs: number;
  /** Calls under way, by what they bring and the peer. */
  readonly calls = new Map<string, number>();
  /** R19: the newest stamp heard of each peer, by its clock. */
  private readonly stamps = new Map<string, number>();
  private readonly model: ForwardingModel;

  constructor(model: ForwardingModel, incarnation: string) {
    this.model = model;
    this.incarnation = incarnation;
    this.aheadMs = model.random.below(10_000);
    const { rowsMax, batchRowsMax } = model.weather;
    const ports = {
      nowMs: () => this.nowMs,
      atTurnEnd: (task: () => void) => void model.tasks.push(task),
      handler: {
        apply: (row: Row, epoch: number, settle: (outcome: RowOutcome) => void) =>
          model.apply(this, row, epoch, settle),
      },
      me: () => incarnation,
      epoch: () => this.view.epoch,
      ownerOf: (partition: number) => this.view.owners[partition]?.incarnation,
      isListed: (other: string) => this.view.listed.has(other),
      // Of those who died, some had just left by themselves.
      isExpelled: (other: string) => !this.view.listed.has(other) && other !== incarnationOf(0),
      call: (to: string, body: Uint8Array, timeoutMs: number) => this.call(to, body, timeoutMs),
    };
    this.forwarder = new Forwarder(ports, { partitions: PARTITIONS, deadlineMs: DEADLINE_MS, rowsMax, batchRowsMax });
  }

  get nowMs(): number {
    return this.model.now + this.aheadMs;
  }

  learn(view: ModelView): void {
    if (this.isDead || view.epoch <= this.view.epoch) return;
    this.view = view;
    this.forwarder.onView();
  }

  private call(to: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { model, view } = this;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    if (this.isDead) return promise;
    const peer = model.nodes.find(({ incarnation }) => incarnation === to) as ModelNode;
    const what = `${isFrameOf("fates", body) ? "fates" : "a batch"} to ${to}`;
    this.calls.set(what, (this.calls.get(what) ?? 0) + 1);
    let isOver = false;
    const end = (settle: () => void): void => {
      if (!isOver) this.calls.set(what, (this.calls.get(what) as number) - 1);
      isOver = true;
      settle();
    };
    model.at(model.now + timeoutMs, () => end(() => reject(new PeerError("no answer in time", false))));
    const answer = (bytes: Uint8Array, theirs: ModelView, stampMs: number): void => {
      if (this.isDead || isOver) return;
      this.learn(theirs);
      this.note(to, stampMs);
      end(() => resolve(bytes));
    };
    const repeats = model.random.fraction() < model.weather.repeatRatio ? 2 : 1;
    for (let sent = 0; sent < repeats; sent++) {
      if (model.isLost()) continue;
      const [stampMs, echoMs] = [this.nowMs, this.stamps.get(to) ?? 0];
      const hear = (): void => peer.hear(this.incarnation, view, stampMs, echoMs, body, answer);
      model.at(model.now + model.delay(), hear);
    }
    return promise;
  }

  private note(peer: string, stampMs: number): void {
    this.stamps.set(peer, Math.max(stampMs, this.stamps.get(peer) ?? 0));
  }

  private hear(
    from: string,
    view: ModelView,
    stampMs: number,
    echoMs: number,
    body: Uint8Array,
    answer: (bytes: Uint8Array, view: ModelView, stampMs: number) => void,
  ): void {
    if (this.isDead) return;
    this.learn(view);
    this.note(from, stampMs);
    const { model } = this;
    const send = (bytes: Uint8Array): void => {
      const [mine, sentAtMs] = [this.view, this.nowMs];
      if (!this.isDead && !model.isLost()) model.at(model.now + model.delay(), () => answer(bytes, mine, sentAtMs));
    };
    void this.forwarder.receive(from, view.epoch, Math.max(0, this.nowMs - echoMs), body).then(send);
  }
}

/** Resolves when all promises that can settle now have. */
function handled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
