/** What counts keep of each member: how messages to it fare, how many are under way, and their figures. */
import { MalformedMessageError } from "../../engine/codec.ts";
import { decodeCounts, encodeCounts } from "./counts-codec.ts";
import type { CountsMessage, Tell, Told } from "./counts-messages.ts";
import { PeerError } from "../ports/transport.ts";

export interface LinkPorts {
  /** A clock that never goes back. */
  nowMs(): number;
  /** A call on the lane of counts. Rejects with `PeerError`. */
  call(incarnation: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
}

/** How messages to a member fare. */
export interface Link {
  underWay: number;
  /** Changes wait for the next beat where a message failed. */
  isFailing: boolean;
  /** The last beat went under another epoch than the member's, so it counted for nothing: the next follows at once. */
  isBeatLost: boolean;
  /** When the last message went. */
  saidAtMs: number;
}

/** Messages under way to one node; changes alone wait for the one before. */
const UNDER_WAY_MAX = 4;

export class CountsLinks {
  private readonly ports: LinkPorts;
  private readonly partitions: number;
  private readonly quietMs: number;
  private links = new Map<string, Link>();
  private messages = 0;
  private messageBytes = 0;
  private messagesFailed = 0;

  constructor(ports: LinkPorts, { partitions, quietMs }: { partitions: number; quietMs: number }) {
    this.ports = ports;
    this.partitions = partitions;
    this.quietMs = quietMs;
  }

  get members(): string[] {
    return [...this.links.keys()];
  }

  get all(): Iterable<readonly [member: string, link: Link]> {
    return this.links;
  }

  get hasLostBeats(): boolean {
    return [...this.links.values()].some(({ isBeatLost }) => isBeatLost);
  }

  get figures() {
    const { messages, messageBytes, messagesFailed } = this;
    return { messages, messageBytes, messagesFailed };
  }

  onView(members: readonly string[]): void {
    const fresh = (): Link => ({ underWay: 0, isFailing: false, isBeatLost: false, saidAtMs: -Infinity });
    this.links = new Map(members.map((member) => [member, this.links.get(member) ?? fresh()]));
  }

  has(member: string): boolean {
    return this.links.has(member);
  }

  /** Whether a beat may go. */
  hasRoom({ underWay }: Link): boolean {
    return underWay < UNDER_WAY_MAX;
  }

  /** Whether changes may go. */
  isFree({ underWay, isFailing }: Link): boolean {
    return underWay === 0 && !isFailing;
  }

  /** Whether nothing was said for so long that the member may think this node dead. */
  isQuiet({ saidAtMs }: Link, nowMs: number): boolean {
    return nowMs - saidAtMs >= this.quietMs;
  }

  /** @returns what the member says to it, or `undefined` where nothing can be read */
  async tell(member: string, link: Link, message: Tell, timeoutMs: number): Promise<Told | undefined> {
    link.underWay++;
    link.saidAtMs = this.ports.nowMs();
    const told = await this.call(member, message, timeoutMs);
    link.underWay--;
    link.isFailing = told?.kind !== "told";
    return told?.kind === "told" ? told : undefined;
  }

  /** @returns the answer, or `undefined` where there is none that can be read */
  async call(member: string, message: CountsMessage, timeoutMs: number): Promise<CountsMessage | undefined> {
    const body = encodeCounts(message);
    this.messages++;
    this.messageBytes += body.length;
    try {
      return decodeCounts(await this.ports.call(member, body, timeoutMs), this.partitions);
    } catch (error) {
      if (!(error instanceof PeerError || error instanceof MalformedMessageError)) throw error;
      this.messagesFailed++;
      return undefined;
    }
  }
}
