/**
 * R15: what a node does about tags that come back as others. Nobody knows what such a tag still has: its claims are lost, its
 * tables are named in renewals, and once every member has named its own they are taken back.
 */
import type { Membership } from "../members/membership.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import type { MemberList, Run, SharedStore } from "../ports/shared-store.ts";
import { namingText } from "../records/held-tables.ts";
import type { Recorder } from "../records/recorder.ts";
import type { RunGuard } from "../records/run-guard.ts";
import type { Holdings } from "./holdings.ts";
import type { TakeBack } from "./take-back.ts";
import type { TakeOver } from "./take-over.ts";

/** These tags came back as others; `tagsCount` in all. */
export interface StoreReturnEvent {
  readonly kind: "other run";
  readonly tags: readonly number[];
  readonly tagsCount: number;
}

export interface StoreReturnPorts {
  readonly guard: RunGuard;
  readonly membership: Membership;
  readonly recorder: Recorder;
  readonly holdings: Holdings;
  readonly takeOver: TakeOver;
  readonly takeBack: TakeBack;
  /** Some tag is under another run than is known here. */
  readonly onNews: () => void;
  readonly store: Pick<SharedStore, "beginRun">;
  /** A UUID nobody used before. */
  readonly randomId: () => string;
  readonly onFault: (error: unknown) => void;
  readonly tell: (event: StoreReturnEvent) => void;
}

export class StoreReturn {
  private readonly ports: StoreReturnPorts;
  private isAsking = false;

  constructor(ports: StoreReturnPorts) {
    this.ports = ports;
  }

  onTagRuns(runs: readonly Run[]): void {
    const { guard, membership, recorder, takeOver, onNews, tell } = this.ports;
    const isNews = runs.some((run, tag) => guard.runOf(tag) !== run);
    const changed = guard.learn(runs);
    if (isNews) {
      membership.renewNow(); // what is held is named under these runs
      onNews();
    }
    if (changed.length === 0) return;
    const isOf = (partition: PartitionIndex): boolean => changed.includes(guard.tagOf(partition));
    takeOver.onRun(isOf);
    recorder.loseClaims(isOf);
    tell({ kind: "other run", tags: changed, tagsCount: guard.tagsCount });
  }

  onList(list: MemberList): void {
    const opened = this.ports.guard.look(list);
    if (opened.length > 0) this.ports.takeBack.onOpen(opened);
  }

  /** The store does not know the claim any more: it is taken again. */
  onClaimLost(partition: PartitionIndex): void {
    const { takeBack, recorder } = this.ports;
    if (takeBack.isPending(partition)) return;
    recorder.loseClaims((other) => other === partition);
    takeBack.add(partition);
  }

  /** R2: for the recorder, which does not take it again itself. */
  async reclaim(partition: PartitionIndex): Promise<false> {
    this.onClaimLost(partition);
    return false;
  }

  /**
   * A record is absent that was not known to be: the store lost something under the run that all believe in. Under another
   * run all members name what they have, and the newest table is taken back. To be called again where it is still absent.
   */
  async onLoss(): Promise<void> {
    const { store, membership, randomId, onFault } = this.ports;
    if (this.isAsking || membership.run === undefined) return;
    this.isAsking = true;
    await store.beginRun(membership.run, randomId()).catch(onFault);
    this.isAsking = false;
    membership.renewNow();
  }

  /**
   * What this node names of its tables: all of them under a new run, until the others have seen them; else only those of
   * which the record knows less. What is written back is named no more, even while other tables still wait: two members
   * would otherwise wait for each other.
   * @param named what it named last; undefined: nothing
   * @returns undefined where it need not be said again
   */
  naming(named: string | undefined): string | undefined {
    const { guard, holdings, takeBack } = this.ports;
    const tables = [...holdings.tables()];
    const namings = Array.from({ length: guard.tagsCount }, (_, tag) => tag).flatMap((tag) => {
      const run = guard.runOf(tag);
      const own = tables.filter(([partition]) => guard.tagOf(partition) === tag);
      if (run === undefined) return [];
      const namesAll = guard.isAllNamed(tag);
      const isUnstored = (partition: PartitionIndex, isAhead: boolean): boolean =>
        isAhead || takeBack.isPending(partition);
      return [{ run, tag, namesAll, tables: own.filter(([at, { isAhead }]) => namesAll || isUnstored(at, isAhead)) }];
    });
    const text = namingText(namings);
    return text === named ? undefined : text;
  }
}
