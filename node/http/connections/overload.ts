/** What the node does about too much load, put together: what is measured, what is refused by kind, and what is read. */
import type { Shedding } from "../../limits/shedding.ts";
import { Reading, type ReadingPorts } from "./reading.ts";

const TICKS_A_LOOK = 2;
/** Of the idle time that is seen, so much is of the last tick: what came before counts for some more ticks. */
const IDLE_NEW = 0.25;

export interface OverloadPorts extends Omit<ReadingPorts, "mayReadLess"> {
  readonly shedding: Shedding;
  /** How full the queue to the store is, 0 to 1. */
  readonly storeQueue: () => number;
  /** Told how far players should be asked to wait longer, 0 to 1. */
  readonly onStrain: (strain: number) => void;
}

export class Overload {
  readonly reading: Reading;
  private readonly ports: OverloadPorts;
  private ticks = 0;
  private idle = 1;
  private waitMs = Infinity;

  constructor(ports: OverloadPorts) {
    const { shedding } = ports;
    this.ports = ports;
    this.reading = new Reading({ ...ports, mayReadLess: () => shedding.isAtMost });
  }

  /**
   * To be called each READING_TICK_MS.
   * @param utilization of the event loop since the last tick, 0 to 1
   */
  tick(utilization: number): void {
    this.idle += IDLE_NEW * (1 - utilization - this.idle);
    this.reading.tick(this.idle);
    this.waitMs = Math.min(this.waitMs, this.reading.waitMs);
    if (++this.ticks % TICKS_A_LOOK === 0) this.look();
  }

  private look(): void {
    const { shedding, onStrain } = this.ports;
    const storeQueue = this.ports.storeQueue();
    shedding.look({ waitMs: this.waitMs, idle: this.idle, storeQueue });
    this.waitMs = Infinity;
    onStrain(shedding.strainOf({ storeQueue }));
  }
}

/** How busy the event loop was since it was asked last, 0 to 1. */
export function loopMeter(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}
