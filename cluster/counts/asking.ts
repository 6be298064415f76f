/**
 * Questions to the owner of a place. R24: an answer for a country or a subdivision can include every report acknowledged
 * before the question: the owner first gathers one flush of every partition, and each holder answers such a flush for the
 * partitions that it may speak for. Of areas the owner says what it knows.
 */
import { ASKED_MAX, NO_TALLIES } from "./counts-codec.ts";
import type { AskedBoard, Flush, Flushed, Inside } from "./counts-messages.ts";
import type { CountsLinks } from "./counts-links.ts";
import { FlushRounds } from "./flush-rounds.ts";
import type { Level } from "./level.ts";
import { countryOf, isArea, isSubdivision } from "../../engine/places.ts";
import type { RegionView } from "./read-views.ts";

/** What this node has said and heard, in its present incarnation. */
export interface AskedLife {
  readonly countries: Level<number>;
  readonly areas: Level<string>;
}

export interface AskingPorts {
  /** A clock that never goes back. */
  nowMs(): number;
  me(): string;
  /** R14: which of these may be spoken for as of now, perhaps after writing to prove the claim. */
  confirm(partitions: readonly number[]): Promise<readonly number[]>;
  epoch(): number;
  ownerOf(place: number): string | undefined;
  life(): AskedLife;
}

/** An owner answers within two rounds, if it can. */
const ASK_TIMEOUT_MS = 1000;
/** What needs no flush is answered at once. */
const KNOWN_TIMEOUT_MS = 400;

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
  async askOwner(place: number, untilMs: number): Promise<RegionView | undefined> {
    const { ports } = this;
    for (; ports.nowMs() < untilMs; await this.nextTick()) {
      const owner = ports.ownerOf(place);
      if (owner === undefined || !this.links.has(owner)) continue;
      const askedAtMs = ports.nowMs();
      const leftMs = Math.min(untilMs - askedAtMs, ASK_TIMEOUT_MS);
      const [board] = await this.askOne(owner, [place], { isFlushed: true, timeoutMs: leftMs });
      if (board?.stated.region === place) return viewOf(board, askedAtMs);
    }
    return undefined;
  }

  /** What the owners of subdivisions know of them, of those that can be answered. */
  async askKnown(places: readonly number[]): Promise<ReadonlyMap<number, RegionView>> {
    const askedAtMs = this.ports.nowMs();
    const questions: Promise<readonly AskedBoard[]>[] = [];
    for (const [owner, theirs] of Map.groupBy(places, (place) => this.ports.ownerOf(place) ?? ""))
      for (let at = 0; at < theirs.length; at += ASKED_MAX)
        questions.push(
          this.askOne(owner, theirs.slice(at, at + ASKED_MAX), { isFlushed: false, timeoutMs: KNOWN_TIMEOUT_MS }),
        );
    const boards = (await Promise.all(questions)).flat();
    return new Map(boards.map((board) => [board.stated.region, viewOf(board, askedAtMs)]));
  }

  /** Who is in the subdivisions of countries, of those that can be answered. */
  async askInside(countries: readonly number[]): Promise<ReadonlyMap<number, Inside>> {
    const asked = countries.map(async (country) => {
      const owner = this.ports.ownerOf(country);
      if (owner === this.ports.me()) return this.insideOf(country);
      if (owner === undefined || !this.links.has(owner)) return undefined;
      const listed = await this.links.call(owner, { kind: "list", country }, KNOWN_TIMEOUT_MS);
      return listed?.kind === "listed" ? listed.inside : undefined;
    });
    const known = (await Promise.all(asked)).filter((inside) => inside !== undefined);
    return new Map(known.map((inside) => [inside.country, inside]));
  }

  /** Boards of this node, perhaps after a flush; without those that it cannot answer. */
  async boardsOf(places: readonly number[], isFlushed: boolean): Promise<AskedBoard[]> {
    const { countries } = this.ports.life();
    const isFlush = isFlushed && places.some((place) => !isArea(place) && countries.boards.owns(countryOf(place)));
    const isAllSpoken = !isFlush || (await this.rounds.flush());
    const boards = places.map((place) => this.boardOf(place, { isFlush, isAllSpoken }));
    return boards.filter((board) => board !== undefined);
  }

  /** Who is in the subdivisions of a country; `undefined` where it is another's, or its board is not whole. */
  insideOf(country: number): Inside | undefined {
    const { boards } = this.ports.life().countries;
    const state = boards.state(country);
    if (state?.isWhole !== true) return undefined;
    const { term, version, isComplete, counts } = state;
    const { players } = counts;
    const subdivisions = Array.from(boards.inside(country), ([region, count]) => ({ region, players: count }));
    return { country, players, term, version, isComplete, isStale: boards.isStale(this.ports.nowMs()), subdivisions };
  }

  /** What this node can say for sure of the partitions it holds. */
  async flushFor(from: string, epoch: number, { partitions, statement }: Omit<Flush, "kind">): Promise<Flushed> {
    const confirmed = await this.ports.confirm(this.ports.life().countries.sender.holding);
    const { sender } = this.ports.life().countries;
    sender.restate();
    sender.look();
    const isOtherEpoch = epoch !== this.ports.epoch();
    const tallies = isOtherEpoch ? undefined : sender.answer(from, confirmed, partitions, statement)?.tallies;
    return { kind: "flushed", isOtherEpoch, tallies: tallies ?? NO_TALLIES };
  }

  private boardOf(
    place: number,
    { isFlush, isAllSpoken }: { isFlush: boolean; isAllSpoken: boolean },
  ): AskedBoard | undefined {
    const { boards, views } = isArea(place) ? this.ports.life().areas : this.ports.life().countries;
    const state = isSubdivision(place) ? boards.subdivision(place) : boards.state(place);
    if (state === undefined) return undefined;
    const nowMs = this.ports.nowMs();
    if (state.isWhole) {
      const { term, version, counts, isComplete } = state;
      const stated = { region: place, term, version, isComplete: isAllSpoken && isComplete, isHeldBack: false, counts };
      return { stated, isStale: !(isFlush && isAllSpoken) && boards.isStale(nowMs) };
    }
    if (isSubdivision(place)) return undefined; // who asks may know more
    const { players, top, term, version } = views.of(place, nowMs); // R22: what stood before, marked
    const stated = { region: place, term, version, isComplete: false, isHeldBack: false, counts: { players, top } };
    return { stated, isStale: true };
  }

  private async flushFrom(member: string, timeoutMs: number, spoken: (partition: number) => void): Promise<void> {
    const [epoch, life, nowMs] = [this.ports.epoch(), this.ports.life(), this.ports.nowMs()];
    const { boards } = life.countries;
    const flush = { statement: boards.statementOf(member), partitions: boards.unspoken };
    const isMine = member === this.ports.me();
    const flushed = isMine
      ? await this.flushFor(member, epoch, flush)
      : await this.links.call(member, { kind: "flush", ...flush }, timeoutMs);
    if (flushed?.kind !== "flushed" || flushed.isOtherEpoch) return;
    const isSame = this.ports.epoch() === epoch && this.ports.life() === life;
    if (isSame) boards.apply(member, flushed.tallies, nowMs, spoken);
  }

  private async askOne(
    owner: string,
    places: readonly number[],
    { isFlushed, timeoutMs }: { isFlushed: boolean; timeoutMs: number },
  ): Promise<readonly AskedBoard[]> {
    if (owner === this.ports.me()) return this.boardsOf(places, isFlushed);
    if (!this.links.has(owner)) return [];
    const asked = await this.links.call(owner, { kind: "ask", isFlushed, places }, timeoutMs);
    return asked?.kind === "asked" ? asked.boards : [];
  }

  private async nextTick(): Promise<void> {
    return new Promise((go) => this.waiting.push(go));
  }
}

function viewOf({ stated, isStale }: AskedBoard, asOfMs: number): RegionView {
  const { region, term, version, isComplete, counts } = stated;
  return { region, players: counts?.players ?? 0, top: counts?.top ?? [], isComplete, isStale, term, version, asOfMs };
}
