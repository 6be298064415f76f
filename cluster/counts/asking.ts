/**
 * R24: answers that include every report acknowledged before the question. The node that is asked finds the region's owner.
 * The owner first gathers one flush of every partition, and each holder answers such a flush for the partitions that it may
 * speak for.
 */
import { type AskedBoard, type Flush, type Flushed, NO_TALLIES } from "./counts-codec.ts";
import type { CountsLinks } from "./counts-links.ts";
import { FlushRounds } from "./flush-rounds.ts";
import type { ReadViews, RegionView } from "./read-views.ts";
import type { RegionBoards } from "./region-boards.ts";
import type { TallySender } from "./tally-sender.ts";

/** What this node has said and heard, in its present incarnation. */
export interface AskedLife {
  readonly sender: TallySender;
  readonly boards: RegionBoards;
  readonly views: ReadViews;
}

export interface AskingPorts {
  /** A clock that never goes back. */
  nowMs(): number;
  me(): string;
  /** R14: which of these may be spoken for as of now, perhaps after writing to prove the claim. */
  confirm(partitions: readonly number[]): Promise<readonly number[]>;
  epoch(): number;
  ownerOf(region: number): string | undefined;
  life(): AskedLife;
}

/** An owner answers within two rounds, if it can. */
const ASK_TIMEOUT_MS = 1000;

export class Asking {
  private readonly links: CountsLinks;
  private readonly ports: AskingPorts;
  private readonly rounds: FlushRounds;
  private waiting: (() => void)[] = [];

  constructor(partitions: number, links: CountsLinks, ports: AskingPorts) {
    this.links = links;
    this.ports = ports;
    this.rounds = new FlushRounds(partitions, {
      nowMs: () => ports.nowMs(),
      members: () => links.members,
      flush: (member, timeoutMs, spoken) => this.flushFrom(member, timeoutMs, spoken),
    });
  }

  get figures(): { readonly flushRounds: number; readonly flushRoundsIncomplete: number } {
    return { flushRounds: this.rounds.rounds, flushRoundsIncomplete: this.rounds.incompleteRounds };
  }

  tick(): void {
    this.rounds.tick();
    const { waiting } = this;
    this.waiting = [];
    for (const go of waiting) go();
  }

  /** What was said so far is not enough: a region begins anew (R22). */
  restart(): void {
    this.rounds.restart();
  }

  /** @returns `undefined` where no owner answered until then */
  async askOwner(region: number, untilMs: number): Promise<RegionView | undefined> {
    const { ports } = this;
    for (; ports.nowMs() < untilMs; await this.nextTick()) {
      const owner = ports.ownerOf(region);
      if (owner === undefined || !this.links.has(owner)) continue;
      const askedAtMs = ports.nowMs();
      const board = owner === ports.me() ? await this.boardOf(region) : await this.ask(owner, region, untilMs);
      if (board !== undefined) return viewOf(board, askedAtMs);
    }
    return undefined;
  }

  /** A board of this node after a flush; `undefined` where the region is another's. */
  async boardOf(region: number): Promise<AskedBoard | undefined> {
    if (!this.ports.life().boards.owns(region)) return undefined;
    const isFlushed = await this.rounds.flush();
    const { boards, views } = this.ports.life();
    const state = boards.state(region);
    if (state === undefined) return undefined;
    const nowMs = this.ports.nowMs();
    if (state.isWhole) {
      const stated = { ...state, region, isComplete: isFlushed && state.isComplete, isHeldBack: false };
      return { stated, isStale: !isFlushed && boards.isStale(nowMs) };
    }
    const { players, top, term, version } = views.of(region, nowMs); // R22: what stood before, marked
    const stated = { region, term, version, isComplete: false, isHeldBack: false, counts: { players, top } };
    return { stated, isStale: true };
  }

  /** What this node can say for sure of the partitions it holds. */
  async flushFor(from: string, epoch: number, { partitions, statement }: Omit<Flush, "kind">): Promise<Flushed> {
    const confirmed = await this.ports.confirm(this.ports.life().sender.partitions);
    const { sender } = this.ports.life();
    sender.restate();
    sender.look();
    const isOtherEpoch = epoch !== this.ports.epoch();
    const tallies = isOtherEpoch ? undefined : sender.answer(from, confirmed, partitions, statement)?.tallies;
    return { kind: "flushed", isOtherEpoch, tallies: tallies ?? NO_TALLIES };
  }

  private async flushFrom(member: string, timeoutMs: number, spoken: (partition: number) => void): Promise<void> {
    const [epoch, life, nowMs] = [this.ports.epoch(), this.ports.life(), this.ports.nowMs()];
    const flush = { statement: life.boards.statementOf(member), partitions: life.boards.unspoken };
    const isMine = member === this.ports.me();
    const flushed = isMine
      ? await this.flushFor(member, epoch, flush)
      : await this.links.call(member, { kind: "flush", ...flush }, timeoutMs);
    if (flushed?.kind !== "flushed" || flushed.isOtherEpoch) return;
    const isSame = this.ports.epoch() === epoch && this.ports.life() === life;
    if (isSame) life.boards.apply(member, flushed.tallies, nowMs, spoken);
  }

  private async ask(owner: string, region: number, untilMs: number): Promise<AskedBoard | undefined> {
    const leftMs = Math.min(untilMs - this.ports.nowMs(), ASK_TIMEOUT_MS);
    const asked = await this.links.call(owner, { kind: "ask", region }, leftMs);
    return asked?.kind === "asked" && asked.board?.stated.region === region ? asked.board : undefined;
  }

  private async nextTick(): Promise<void> {
    return new Promise((go) => this.waiting.push(go));
  }
}

function viewOf({ stated, isStale }: AskedBoard, asOfMs: number): RegionView {
  const { region, term, version, isComplete, counts } = stated;
  return { region, players: counts?.players ?? 0, top: counts?.top ?? [], isComplete, isStale, term, version, asOfMs };
}
