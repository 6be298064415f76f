/**
 * R24: before a region's owner gives such an answer, every partition's holder says how far it is, after the question came.
 * One round asks all members and serves all questions that wait. A question that comes while a round runs, or too soon after
 * it began, waits for the next one. So reads in a loop cost a bounded number of rounds.
 */
export interface FlushPorts {
  nowMs(): number;
  /** Members to be asked, this node too. */
  members(): readonly string[];
  /** Asks a member for its partitions; settles when what it said has been taken in, each partition told to `spoken`. Never rejects. */
  flush(member: string, timeoutMs: number, spoken: (partition: number) => void): Promise<void>;
}

interface Round {
  readonly isSpoken: Uint8Array;
  unspoken: number;
  readonly untilMs: number;
  askAgainAtMs: number;
  /** Whether every partition was spoken for. */
  readonly answer: PromiseWithResolvers<boolean>;
}

/** A round that misses a partition goes on so long: it may be on its way from one node to another, or the message lost. */
const ROUND_MS = 300;
const ASK_AGAIN_MS = 100;
/** At most one round begins in this time. */
const ROUND_EVERY_MS = 10;

export class FlushRounds {
  rounds = 0;
  /** Rounds that ended without a word from some partition. */
  incompleteRounds = 0;
  private readonly ports: FlushPorts;
  private readonly partitions: number;
  private running: Round | undefined;
  private next: PromiseWithResolvers<boolean> | undefined;
  private beganAtMs = -Infinity;

  constructor(partitions: number, ports: FlushPorts) {
    this.partitions = partitions;
    this.ports = ports;
  }

  /**
   * One round that begins now or later.
   * @returns whether every partition's claimant spoke in it
   */
  async flush(): Promise<boolean> {
    this.next ??= Promise.withResolvers();
    const { promise } = this.next;
    this.beginNext();
    return promise;
  }

  tick(): void {
    const round = this.running;
    if (round === undefined) return this.beginNext();
    const nowMs = this.ports.nowMs();
    if (nowMs >= round.untilMs) this.end(round);
    else if (nowMs >= round.askAgainAtMs) this.ask(round, nowMs);
  }

  /** What was said so far is not enough: a region begins anew (R22). */
  restart(): void {
    if (this.running === undefined) return;
    this.running.isSpoken.fill(0);
    this.running.unspoken = this.partitions;
  }

  private beginNext(): void {
    const nowMs = this.ports.nowMs();
    if (this.next === undefined || this.running !== undefined || nowMs - this.beganAtMs < ROUND_EVERY_MS) return;
    const round: Round = {
      isSpoken: new Uint8Array(this.partitions),
      unspoken: this.partitions,
      untilMs: nowMs + ROUND_MS,
      askAgainAtMs: nowMs,
      answer: this.next,
    };
    this.next = undefined;
    this.running = round;
    this.beganAtMs = nowMs;
    this.ask(round, nowMs);
  }

  private ask(round: Round, nowMs: number): void {
    round.askAgainAtMs = nowMs + ASK_AGAIN_MS;
    for (const member of this.ports.members()) void this.askOne(round, member, round.untilMs - nowMs);
  }

  private async askOne(round: Round, member: string, timeoutMs: number): Promise<void> {
    await this.ports.flush(member, timeoutMs, (partition) => {
      round.unspoken -= 1 - (round.isSpoken[partition] as number);
      round.isSpoken[partition] = 1;
    });
    if (round.unspoken === 0) this.end(round);
  }

  private end(round: Round): void {
    if (this.running !== round) return;
    this.running = undefined;
    this.rounds++;
    if (round.unspoken > 0) this.incompleteRounds++;
    round.answer.resolve(round.unspoken === 0);
    this.beginNext();
  }
}
