// Carries the crowd's messages to the service and its answers back. Open loop: each message has its intended time, and
// latency counts from there, so that a service that stalls is seen to stall, and what piled up behind it too.
import type { Message, Outcome, Speaking } from "./crowd.ts";
import { type Answer, type Caller, reasonOf, TIMEOUT } from "./link.ts";
import type { Meter } from "./meter.ts";
import { batchOutcomesOf, batchRequestOf, outcomeOf, type Request, requestOf } from "./wire.ts";

/** Node's timers are late by about a millisecond. A message that waited only for them counts from when they fired. */
const TIMER_SLACK_MS = 2;
const LINGER_MS = 50; // how long a game server collects a batch
const TURN_MS = 5; // after that long in one go the answers get their turn

export interface SenderSetup {
  readonly crowd: Speaking;
  readonly link: Caller;
  readonly meter: Meter;
  /** Of what bots send; without it `meter` has that too. */
  readonly botMeter?: Meter | undefined;
  /** Milliseconds since the crowd's beginning. */
  readonly now: () => number;
  /** So many calls at a time; further messages wait, and their latency counts on. */
  readonly connections: number;
  /** Messages a second; without it as the crowd's clock has it. */
  readonly rate?: number;
  /** Rows of a batch; 0: each report by itself. Bots always come by themselves: they pose as players. */
  readonly batch: number;
}

interface Due {
  readonly message: Message;
  readonly intendedMs: number;
}

export class Sender {
  readonly #setup: SenderSetup;
  readonly #pace: Pace | undefined;
  #batch: Due[] = [];
  #callCount = 0;
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;
  #onQuiet = (): void => {};

  constructor(setup: SenderSetup) {
    this.#setup = setup;
    this.#pace = setup.rate === undefined ? undefined : new Pace(setup.rate);
  }

  start(): void {
    this.#pump();
  }

  /** Sends nothing new; resolves when the last answer is there, or given up. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    if (this.#batch.length > 0) this.#closeBatch(this.#setup.now());
    if (this.#callCount > 0) await new Promise<void>((resolve) => (this.#onQuiet = resolve));
  }

  /** For how long the next message has been waiting to be sent. */
  behindMs(nowMs: number): number {
    const dueMs = this.#pace?.nextMs ?? this.#setup.crowd.nextDueMs;
    return Math.max(0, nowMs - dueMs);
  }

  #pump(): void {
    if (this.#isStopped) return;
    const { crowd, batch, connections, now } = this.#setup;
    clearTimeout(this.#timer);
    const startMs = now();
    let nowMs = startMs;
    let isDry = false;
    while (!isDry && this.#callCount < connections && nowMs - startMs < TURN_MS) {
      const next = this.#next(nowMs);
      if (next === undefined) isDry = true;
      else if (batch > 0 && next.message.kind === "report" && !next.message.origin?.isBot) {
        this.#batch.push(next);
        if (this.#batch.length >= batch) this.#closeBatch(next.intendedMs);
      } else {
        const { message, intendedMs } = next;
        void this.#carry([message], requestOf(message), intendedMs, (answer) => [outcomeOf(message, answer)]);
      }
      nowMs = now();
    }
    const lingerEndMs = (this.#batch[0]?.intendedMs ?? Infinity) + LINGER_MS;
    if (this.#callCount >= connections) return; // the next answer goes on from here
    if (lingerEndMs <= nowMs) this.#closeBatch(lingerEndMs);
    const wakeMs = isDry ? Math.min(this.#pace?.nextMs ?? crowd.nextDueMs, lingerEndMs) : nowMs;
    if (wakeMs < Infinity) this.#timer = setTimeout(() => this.#pump(), Math.max(0, wakeMs - nowMs));
  }

  #next(nowMs: number): Due | undefined {
    const { crowd } = this.#setup;
    if (this.#pace && this.#pace.nextMs > nowMs) return undefined;
    const message = crowd.take(nowMs);
    if (message) return { message, intendedMs: Math.max(message.dueMs, this.#pace?.use() ?? 0) };
    this.#pace?.skipTo(nowMs); // nobody was there to use it
    return undefined;
  }

  #closeBatch(intendedMs: number): void {
    const messages = this.#batch.map(({ message }) => message);
    this.#batch = [];
    const understand = (answer: Answer): Outcome[] =>
      batchOutcomesOf(messages, answer, (code) => this.#setup.meter.called(`row ${code}`));
    void this.#carry(messages, batchRequestOf(messages), intendedMs, understand);
  }

  /** One call, timed and counted. An answer that is not as agreed is an error of its own kind. */
  async #carry(
    messages: readonly Message[],
    { method, path, headers, body }: Request,
    intendedMs: number,
    understand: (answer: Answer) => Outcome[],
  ): Promise<void> {
    const { crowd, link, now } = this.#setup;
    const meter = (messages[0]?.origin?.isBot && this.#setup.botMeter) || this.#setup.meter;
    const sentMs = now();
    const countedMs = sentMs - intendedMs <= TIMER_SLACK_MS ? sentMs : intendedMs;
    let [label, isAnswered] = ["", false];
    let outcomes: Outcome[] = [];
    this.#callCount++;
    try {
      const answer = await link.call(method, path, headers, body);
      isAnswered = true;
      label = `${answer.status} not as agreed`;
      outcomes = understand(answer);
      label = String(answer.status);
    } catch (error) {
      label ||= reasonOf(error);
    }
    this.#callCount--;
    const nowMs = now();
    meter.called(label);
    if (isAnswered || label === TIMEOUT) meter.took(nowMs - countedMs); // a refused connection is no quick answer
    for (const [index, message] of messages.entries()) {
      const outcome = outcomes[index] ?? { kind: "failed", retryInMs: 0 };
      if (!("retryInMs" in outcome)) meter.delivered(message.cause);
      crowd.settle(message, outcome, nowMs);
    }
    this.#goOn();
  }

  #goOn(): void {
    if (this.#isStopped && this.#callCount === 0) this.#onQuiet();
    this.#pump();
  }
}

/** So many a second: each goes out at its own time, and what is late stays due. */
class Pace {
  readonly #gapMs: number;
  nextMs = 0;

  constructor(rate: number) {
    this.#gapMs = 1_000 / rate;
  }

  use(): number {
    const dueMs = this.nextMs;
    this.nextMs += this.#gapMs;
    return dueMs;
  }

  skipTo(nowMs: number): void {
    this.nextMs = Math.max(this.nextMs, nowMs + this.#gapMs);
  }
}
