/**
 * Time that passes only when told to: tasks by (time, number), and after each of them every promise that it settled.
 * Nothing real is waited for, so one seed is one run.
 */

interface Task {
  readonly atMs: number;
  readonly number: number;
  /** Undefined once it was cancelled. */
  run: (() => void) | undefined;
}

/** What was planned and may be cancelled, like a timer. */
export type Planned = Pick<Task, "run">;

/**
 * Immediates that are lined up at once, at first and at the most: between two of them Node runs all promise callbacks, and
 * polls nothing. Those that are left when time is over still run, and do nothing: so there are few where time is short.
 */
const STEPS_AT_FIRST = 4;
const STEPS_AT_ONCE = 256;

export class VirtualTime {
  nowMs = 0;
  /** How many tasks ran, for the report. */
  tasks = 0;
  private readonly heap: Task[] = [];
  private turnEnds: (() => void)[] = [];
  private number = 0;
  private stoppedBy: Error | undefined;

  /** Runs a task at a time, or now where that has passed. */
  at(atMs: number, run: () => void): Planned {
    const task: Task = { atMs: Math.max(atMs, this.nowMs), number: this.number++, run };
    let at = this.heap.push(task) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(this.heap[parent] as Task, task)) break;
      this.heap[at] = this.heap[parent] as Task;
      at = parent;
    }
    this.heap[at] = task;
    return task;
  }

  after(delayMs: number, run: () => void): Planned {
    return this.at(this.nowMs + delayMs, run);
  }

  /**
   * It will not run. Most time limits are cancelled: a step each, to find that there is nothing to do, would cost a
   * quarter of a run.
   */
  cancel(planned: Planned | undefined): void {
    if (planned !== undefined) planned.run = undefined;
  }

  /** Runs a task once the present one and all promises that it settled are done. */
  atTurnEnd(run: () => void): void {
    this.turnEnds.push(run);
  }

  /** Nothing runs any more: `run()` rejects with this. */
  stop(error: Error): void {
    this.stoppedBy = error;
  }

  /** Lets time pass until `untilMs`. Rejects with what a task throws. */
  async run(untilMs: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let isOver = false;
      let left = 0;
      let atOnce = STEPS_AT_FIRST;
      const step = (): void => {
        left--;
        if (isOver) return;
        try {
          isOver = !this.step(untilMs);
        } catch (error) {
          isOver = true;
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        if (isOver) resolve();
        else if (left === 0) lineUp();
      };
      const lineUp = (): void => {
        for (; left < atOnce; left++) setImmediate(step);
        atOnce = Math.min(STEPS_AT_ONCE, atOnce * 2);
      };
      lineUp();
    });
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  private step(untilMs: number): boolean {
    if (this.stoppedBy !== undefined) throw this.stoppedBy;
    if (this.turnEnds.length > 0) {
      const tasks = this.turnEnds;
      this.turnEnds = [];
      for (const run of tasks) run();
      return true;
    }
    while (this.heap.length > 0 && (this.heap[0] as Task).atMs <= untilMs) {
      const { atMs, run } = this.pop();
      if (run === undefined) continue;
      this.nowMs = atMs;
      this.tasks++;
      run();
      return true;
    }
    return false;
  }

  private pop(): Task {
    const { heap } = this;
    const first = heap[0] as Task;
    const last = heap.pop() as Task;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Task, heap[child] as Task)) child++;
      if (isBefore(last, heap[child] as Task)) break;
      heap[at] = heap[child] as Task;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(one: Task, other: Task): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.number < other.number);
}
