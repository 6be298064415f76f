/** Places for connections: on all together, and for each client address, so that nobody can take those of all others. */

/** Which limit refused. */
export type Full = "all" | "address";

export interface PlacesOptions {
  readonly all: number;
  /** Of one address; Infinity: no limit of its own. */
  readonly ofAddress: number;
}

export class Places {
  readonly options: PlacesOptions;
  /** Connections that were refused, by limit. */
  readonly refused: Record<Full, number> = { all: 0, address: 0 };
  private taken = 0;
  /** Addresses that have connections, and how many. */
  private readonly byAddress = new Map<string, number>();

  constructor(options: PlacesOptions) {
    this.options = options;
  }

  get count(): number {
    return this.taken;
  }

  /**
   * @param client its key; undefined (loopback, and proxies, which stand for many) has only the limit of all
   * @returns which limit refuses it; undefined where it has a place, to be released when it closes
   */
  take(client: string | undefined): Full | undefined {
    const full = this.fullFor(client);
    if (full !== undefined) {
      this.refused[full]++;
      return full;
    }
    this.taken++;
    if (client !== undefined) this.byAddress.set(client, this.of(client) + 1);
    return undefined;
  }

  release(client: string | undefined): void {
    this.taken--;
    if (client === undefined) return;
    const left = this.of(client) - 1;
    if (left === 0) this.byAddress.delete(client);
    else this.byAddress.set(client, left);
  }

  /** An address that has too many is told so even where all places are taken: it can do something about it. */
  private fullFor(client: string | undefined): Full | undefined {
    if (client !== undefined && this.of(client) >= this.options.ofAddress) return "address";
    return this.taken >= this.options.all ? "all" : undefined;
  }

  private of(client: string): number {
    return this.byAddress.get(client) ?? 0;
  }
}
