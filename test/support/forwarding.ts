/** One entry with everything around it played by the test: clock, turns, peers, views and its own handler. */

import { Forwarder, type ForwarderOptions, type ForwarderPorts } from "../../cluster/rows/forwarder.ts";
import { type Answer, encodeAnswers, encodeFates, type Fate } from "../../cluster/rows/answer-codec.ts";
import { decodeBatch } from "../../cluster/rows/row-codec.ts";
import type { Done, Elsewhere, Outcome, Row, RowOutcome } from "../../cluster/ports/rows.ts";
import { NO_ENTITLEMENTS } from "../../engine/entitlement.ts";
import { PeerError } from "../../cluster/ports/transport.ts";
import { itemAt, take } from "../../simulator/item-at.ts";

export const PARTITIONS = 256;

export const DONE: Done = { kind: "done", effect: "changed", isRemembered: true, place: undefined };

export const NO_OWNER = { kind: "refused", reason: "no owner" } as const;
export const OVERLOADED = { kind: "refused", reason: "overloaded" } as const;

export function elsewhere(reason: Elsewhere["reason"], holder?: string): Elsewhere {
  return { kind: "elsewhere", reason, holder };
}

/** The incarnation of node `number`, 0 … 15. */
export function incarnationOf(number: number): string {
  return `00000000-0000-4000-8000-00000000000${number.toString(16)}`;
}

/** What most rows are. */
export const PLAIN = {
  isBulk: false,
  entitlements: NO_ENTITLEMENTS,
  isRetold: false,
  isPlay: false,
  stamp: undefined,
  isPlaceAsked: false,
  rulesVersion: 0,
};

/** The report of player `player`, 1 … 2^24 - 1, who is in this partition. */
export function reportOf(partition: number, player: number, more: Partial<Row> = {}): Row {
  const hash = (partition << 24) | player;
  const [region, mode, seq, untilMs] = [player % 249, `GM${player % 10}`, player, 2000];
  const ids = { id0: player, id1: partition, id2: -1, id3: 4 };
  return { operation: "report", hash, partition, ...ids, region, mode, seq, untilMs, ...PLAIN, ...more };
}

/** A batch on its way to a peer, for the test to answer. */
export interface Call {
  readonly to: string;
  readonly number: number;
  readonly rows: readonly Row[];
  readonly timeoutMs: number;
  answer(...answers: readonly Answer[]): Promise<void>;
  answerBytes(bytes: Uint8Array): Promise<void>;
  /** No answer comes: nobody knows whether it arrived. */
  fail(): Promise<void>;
  /** Nobody listens there. */
  refuse(): Promise<void>;
  /** Another incarnation answers. */
  meetAnother(): Promise<void>;
}

/** A row at this node's own handler. */
export interface Applied {
  readonly row: Row;
  readonly epoch: number;
  settle(outcome: RowOutcome): void;
}

export const [ME, A, B, C] = take(4, [0, 1, 2, 3].map(incarnationOf));

export class TestEntry implements ForwarderPorts {
  readonly forwarder: Forwarder;
  now = 0;
  incarnation = ME;
  newestEpoch = 1;
  /** Owner of every partition without one of its own here. */
  owner: string | undefined = A;
  readonly owners = new Map<number, string>();
  readonly listed = new Set([ME, A, B, C]);
  readonly expelled = new Set<string>();
  readonly calls: Call[] = [];
  readonly applied: Applied[] = [];
  /** What the own handler answers at once; undefined: the test settles it later. */
  atOnce: ((row: Row) => RowOutcome) | undefined = () => DONE;
  /** What became of rows, by player, in the order in which it was told. */
  readonly outcomes: [player: number, outcome: Outcome][] = [];
  readonly handler = {
    apply: (row: Row, epoch: number, settle: (outcome: RowOutcome) => void): void => {
      this.applied.push({ row, epoch, settle });
      if (this.atOnce !== undefined) settle(this.atOnce(row));
    },
  };
  private readonly tasks: (() => void)[] = [];

  constructor(options: Partial<ForwarderOptions> = {}) {
    this.forwarder = new Forwarder(this, { partitions: PARTITIONS, deadlineMs: 2000, ...options });
  }

  nowMs = (): number => this.now;
  atTurnEnd = (task: () => void): void => void this.tasks.push(task);
  me = (): string => this.incarnation;
  epoch = (): number => this.newestEpoch;
  ownerOf = (partition: number): string | undefined => this.owners.get(partition) ?? this.owner;
  isListed = (incarnation: string): boolean => this.listed.has(incarnation);
  isExpelled = (incarnation: string): boolean => this.expelled.has(incarnation);

  /** Has a peer go off the list by itself. */
  leave(incarnation: string): void {
    this.listed.delete(incarnation);
  }

  /** Has others take a peer off the list. */
  expel(incarnation: string): void {
    this.listed.delete(incarnation);
    this.expelled.add(incarnation);
  }

  /** Has fates come from a peer that took rows in; what it is answered. */
  async hearFates(from: string, ...fates: readonly Fate[]): Promise<Uint8Array> {
    const answer = await this.forwarder.receive(from, this.newestEpoch, 0, encodeFates(1, fates));
    await this.endTurn();
    return answer;
  }

  call = (to: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> => {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const { number, rows } = decodeBatch(body, PARTITIONS, this.now);
    const answerBytes = (bytes: Uint8Array): Promise<void> => (resolve(bytes), this.endTurn());
    this.calls.push({
      to,
      number,
      rows,
      timeoutMs,
      answerBytes,
      answer: (...answers) => answerBytes(encodeAnswers(number, answers)),
      fail: () => (reject(new PeerError("no answer", false)), this.endTurn()),
      refuse: () => (reject(new PeerError("nobody listens", true)), this.endTurn()),
      meetAnother: () => (reject(new PeerError("not that one any more", false, true)), this.endTurn()),
    });
    return promise;
  };

  /** Submits reports of these players, of one partition. */
  submit(partition: number, ...players: number[]): void {
    for (const player of players) this.submitRow(reportOf(partition, player, { untilMs: this.now + 2000 }));
  }

  submitRow(row: Row): void {
    this.forwarder.submit(row, (outcome) => this.outcomes.push([row.id0, outcome]));
  }

  /** Lets everything that is ready be handled, and the turn end. */
  async endTurn(): Promise<void> {
    for (let round = 0; round < 4; round++) await Promise.resolve();
    for (const task of this.tasks.splice(0)) task();
  }

  async pass(ms: number): Promise<void> {
    this.now += ms;
    this.forwarder.tick();
    await this.endTurn();
  }

  async learn(change: () => void): Promise<void> {
    change();
    this.newestEpoch++;
    this.forwarder.onView();
    await this.endTurn();
  }

  /** The latest batch that left. */
  get last(): Call {
    return itemAt(this.calls, this.calls.length - 1);
  }

  /** Players in each batch, in the order in which they left. */
  get sent(): number[][] {
    return this.calls.map(({ rows }) => playersOf(rows));
  }
}

export function playersOf(rows: readonly Row[]): number[] {
  return rows.map(({ id0 }) => id0);
}

/** What a test hears of players whose rows all were applied. */
export const isDone = (...players: number[]): [number, object][] => players.map((player) => [player, DONE]);

/** To whom each batch went, and of which players. */
export const toEach = (calls: readonly Call[]): [string, ...number[]][] =>
  calls.map(({ to, rows }) => [to, ...playersOf(rows)]);
