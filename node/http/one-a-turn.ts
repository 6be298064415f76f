/**
 * Tasks that take long, such as reading 2 MiB of JSON, each in a turn of the event loop of its own. The loop would do all that are
 * ready in one turn, and whoever else is connected would wait for all of them.
 */
export class OneATurn {
  private readonly tasks: (() => void)[] = [];

  add(task: () => void): void {
    this.tasks.push(task);
    if (this.tasks.length === 1) this.plan();
  }

  private plan(): void {
    setImmediate(() => {
      const task = this.tasks.shift();
      if (this.tasks.length > 0) this.plan();
      task?.();
    });
  }
}
