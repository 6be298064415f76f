/**
 * R15: when the store came back as another, each partition's table is written back by the member that knows most: the
 * highest term that any member holds, unless the record's is higher; the others drop theirs.
 */
import type { Engine } from "../../engine/engine.ts";
import { ELSEWHERE, type Holdings, type Serving, servingIn } from "./holdings.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import type { Recorder } from "../records/recorder.ts";
import type { HeldTerms, RunGuard } from "../records/run-guard.ts";

export interface WriteBackPorts {
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly holdings: Holdings;
  readonly guard: RunGuard;
  readonly nowMs: () => number;
  readonly tell: (event: WriteBackEvent) => void;
}

export type WriteBackEvent = {
  readonly kind: "writes back";
  readonly partitions: number;
  readonly dropped: number;
};

const RETRY_MS = 100;

export class WriteBack {
  private readonly ports: WriteBackPorts;
  /** Tables that are not yet known to be the newest there are. */
  private pending = new Set<PartitionIndex>();
  private isUnderWay = false;
  private notBeforeMs = -Infinity;

  constructor(ports: WriteBackPorts) {
    this.ports = ports;
  }

  /** Every member has named what it holds. */
  onOpen(highest: HeldTerms): void {
    const { holdings, recorder } = this.ports;
    const held = holdings.where("serving", "settling", "letting go", "kept");
    const isLess = (partition: PartitionIndex): boolean =>
      (servingIn(holdings.get(partition))?.claim.term ?? 0) < (highest.get(partition) ?? 0);
    const lesser = held.filter(isLess);
    for (const partition of lesser) this.drop(partition);
    this.pending = new Set(held.filter((partition) => !lesser.includes(partition)));
    for (const partition of this.pending) this.lower(partition);
    recorder.resume();
    if (held.length > 0)
      this.ports.tell({ kind: "writes back", partitions: this.pending.size, dropped: lesser.length });
    this.tick();
  }

  /** A table that is here turned out to be newer than the record, or may be. */
  add(partition: PartitionIndex): void {
    this.pending.add(partition);
  }

  tick(): void {
    if (this.isUnderWay || this.pending.size === 0 || this.ports.nowMs() < this.notBeforeMs) return;
    void this.takeBack();
  }

  /** Claims again what is held here, so that a snapshot of the whole can heal its record (R4). */
  private async takeBack(): Promise<void> {
    const { guard, nowMs } = this.ports;
    this.isUnderWay = true;
    try {
      for (const partition of this.pending) {
        const serving = servingIn(this.ports.holdings.get(partition));
        if (serving === undefined) {
          this.pending.delete(partition);
          continue;
        }
        const [answer] = await guard.take([partition], serving.claim, false);
        this.pending.delete(partition);
        if (servingIn(this.ports.holdings.get(partition))?.claim !== serving.claim) continue;
        if (answer.kind === "refused") this.drop(partition);
        else {
          this.lower(partition);
          this.goOn(partition, serving);
        }
      }
    } catch {
      this.notBeforeMs = nowMs() + RETRY_MS; // the store's faults are told by who writes to it
    } finally {
      this.isUnderWay = false;
    }
  }

  /** What was only kept is the newest that is left, so it is served again until its owner asks for it. */
  private goOn(partition: PartitionIndex, serving: Serving): void {
    const { holdings, recorder } = this.ports;
    const holding = holdings.get(partition);
    if (holding.kind !== "kept") return;
    const claim = { ...serving.claim }; // a snapshot still under way from before is not told apart otherwise
    recorder.adopt(partition, claim, holding.length + 1);
    holdings.set(partition, { ...serving, claim, raisedTo: claim.term });
  }

  /** R14: the store may have lost how far the claim was raised, so it is raised again. */
  private lower(partition: PartitionIndex): void {
    const { holdings } = this.ports;
    const holding = holdings.get(partition);
    if (holding.kind === "serving") holdings.set(partition, { ...holding, raisedTo: holding.claim.term });
    else if (holding.kind === "settling")
      holdings.set(partition, { ...holding, serving: { ...holding.serving, raisedTo: holding.serving.claim.term } });
  }

  private drop(partition: PartitionIndex): void {
    const { holdings, recorder, engine } = this.ports;
    recorder.drop(partition);
    engine.clear(partition);
    holdings.set(partition, ELSEWHERE);
  }
}
