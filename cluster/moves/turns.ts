/**
 * Long work goes on in the next turn of the event loop after some time: this node goes on serving, and its renewals say who
 * is dead. All work that makes tables shares one budget a turn, so several at once hold the event loop up no longer than one.
 */
export interface TurnPorts {
  readonly atTurnEnd: (task: () => void) => void;
  readonly nowMs: () => number;
}

/** How long tables may be made in one turn. */
const TURN_MS = 10;

export class Turns {
  private readonly ports: TurnPorts;
  /** When the first work of this turn began; undefined where there was none yet. */
  private beganMs: number | undefined;

  constructor(ports: TurnPorts) {
    this.ports = ports;
  }

  /** Whether the next piece has to wait. To be asked right before each: others may take the turn whenever something is awaited. */
  get isOver(): boolean {
    const { atTurnEnd, nowMs } = this.ports;
    if (this.beganMs === undefined) {
      this.beganMs = nowMs();
      atTurnEnd(() => (this.beganMs = undefined));
    }
    return nowMs() - this.beganMs >= TURN_MS;
  }

  /** Resolves in the next turn, which may be over by then. */
  next(): Promise<void> {
    return new Promise((resolve) => this.ports.atTurnEnd(resolve));
  }
}
