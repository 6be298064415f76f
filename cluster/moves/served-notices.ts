/** R6: tells former holders that their partitions are served again, until they have heard it or are gone. */
import type { Membership } from "../members/membership.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import { isListed } from "../ports/view.ts";
import { encodeRequest } from "./hand-off-codec.ts";
import type { Holdings } from "./holdings.ts";

export interface NoticePorts {
  readonly holdings: Holdings;
  readonly membership: Membership;
  /** Lane `control`; rejects PeerError. */
  readonly call: (incarnation: string, body: Uint8Array, timeoutMs: number) => Promise<Uint8Array>;
}

const HEARD_WITHIN_MS = 1000;

export class ServedNotices {
  private readonly ports: NoticePorts;
  /** By former holder: partitions, each with the term under which it is served now. */
  private readonly due = new Map<string, Map<PartitionIndex, number>>();

  constructor(ports: NoticePorts) {
    this.ports = ports;
  }

  add(holder: string, partition: PartitionIndex, term: number): void {
    const terms = this.due.get(holder) ?? new Map<PartitionIndex, number>();
    this.due.set(holder, terms.set(partition, term));
  }

  tick(): void {
    const { membership, holdings } = this.ports;
    const isServed = (partition: PartitionIndex): boolean => holdings.get(partition).kind !== "settling";
    for (const [holder, terms] of new Map(this.due)) {
      this.due.delete(holder);
      if (!isListed(membership.view, holder)) continue;
      const served = [...terms].filter(([partition]) => isServed(partition));
      const later = [...terms].filter(([partition]) => !isServed(partition));
      if (later.length > 0) this.due.set(holder, new Map(later));
      if (served.length > 0) void this.send(holder, served);
    }
  }

  private async send(holder: string, served: [PartitionIndex, number][]): Promise<void> {
    const [partitions, terms] = [served.map(([partition]) => partition), served.map(([, term]) => term)];
    try {
      await this.ports.call(holder, encodeRequest({ kind: "served", partitions, terms }), HEARD_WITHIN_MS);
    } catch {
      this.due.set(holder, new Map([...served, ...(this.due.get(holder) ?? [])]));
    }
  }
}
