/**
 * Holds what became of reports against the rules of modes (R29): a report takes effect only where some version allows it that is not
 * older than those which its entry and its owner knew when it came, and is refused only where some such version refuses it.
 */
import type { Serving } from "../cluster/moves/holdings.ts";
import type { Done, Refused } from "../cluster/ports/rows.ts";
import type { Standing, Verdict } from "../engine/catalogue.ts";
import { describe, modeOfPlace, nameOfPlace, placeOf, regionOfPlace, type Request } from "./crowd.ts";
import { NOWHERE } from "./ledger.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

interface KnownOwner {
  readonly node: SimulatedNode;
  readonly serving: Serving;
  /** Of the rules that it knew. */
  readonly version: number;
}

/** What was known when a report came to its entry. */
export interface Witness {
  readonly sentMs: number;
  readonly entryVersion: number;
  /** Who served its player, where that was one node. */
  readonly owner: KnownOwner | undefined;
  /** Where its player may have stood; `undefined` where others are under way, so that nobody can tell. */
  readonly places: ReadonlySet<number> | undefined;
  /** Changes of its player that were sent so far. */
  readonly sentCount: number;
}

export class RulesChecker {
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /**
   * @param places where the player may have stood before it was sent
   * @param node its entry
   */
  witness({ player }: Request, node: SimulatedNode, sentMs: number, places: ReadonlySet<number>): Witness {
    const partition = this.world.checker.partitionOf(player);
    const owners = this.world.nodes.flatMap((one) => {
      const serving = one.node.parts?.holdings.servingOf(partition);
      return serving === undefined ? [] : [{ node: one, serving, version: one.rules.catalogue.version }];
    });
    return {
      sentMs,
      entryVersion: node.rules.catalogue.version,
      owner: owners.length === 1 ? owners[0] : undefined,
      places: player.underWay === 1 ? places : undefined,
      sentCount: player.ledger.sentCount,
    };
  }

  /** A report took effect: that it may. */
  checkAccepted(request: Request, seen: Witness, outcome: Done, by: string): void {
    const { place, player } = request;
    if (outcome.effect === "late" || this.world.studio.newest === 0) return;
    // Who only counts may have been replaced without knowing it, and judge by where the player stood long ago.
    const before = outcome.isRemembered ? this.placesBefore(request, seen) : this.everywhere();
    const standings = outcome.effect === "renewed" ? [place] : before.filter((one) => one !== place);
    const floor = this.isOwnerStill(request, seen)
      ? Math.max(seen.entryVersion, seen.owner.version)
      : seen.entryVersion;
    if (this.isSo(request, floor, standings, undefined)) return;
    this.world.fail(
      `${by} answered report ${nameOfPlace(place)} of ${player.ledger.name} with: ${describe(outcome)}, which versions ${floor} to ` +
        `${this.world.studio.newest} forbid; it stood at ${standings.map(nameOfPlace).join(" or ")}`,
    );
  }

  /** A report was refused by the rules: that they do. */
  checkRefused(request: Request, seen: Witness, { reason }: Refused, by: string): void {
    const isStill = this.isOwnerStill(request, seen);
    // R14: whoever says that a player stands where it may not come from knows where it stands.
    const standings = this.placesBefore(request, seen);
    const floor =
      isStill && reason !== "unknown mode" ? Math.max(seen.entryVersion, seen.owner.version) : seen.entryVersion;
    if (this.isSo(request, floor, standings, reason as Verdict)) return;
    const what = `report ${nameOfPlace(request.place)} of ${request.player.ledger.name}`;
    this.world.fail(
      `${by} refused ${what}: ${reason}, which no version from ${floor} to ${this.world.studio.newest} says`,
    );
  }

  /** Whether the one who served the player when the report came did so all the while; a successor may know less than it knew. */
  private isOwnerStill({ player }: Request, seen: Witness): seen is Witness & { owner: KnownOwner } {
    const { owner } = seen;
    if (owner === undefined || owner.node.state === "gone") return false;
    const partition = this.world.checker.partitionOf(player);
    const servings = this.world.nodes.flatMap(({ node }) => node.parts?.holdings.servingOf(partition) ?? []);
    return servings.length === 1 && servings[0] === owner.serving;
  }

  private everywhere(): number[] {
    const { crowd } = this.world;
    return [NOWHERE, ...crowd.regions.flatMap((region) => crowd.modes.map((mode) => placeOf(region, mode)))];
  }

  private placesBefore({ player: { ledger } }: Request, seen: Witness): number[] {
    const { sentMs, places, sentCount } = seen;
    const isKnown = places !== undefined && ledger.sentCount === sentCount && !ledger.hasLostSince(sentMs);
    if (!isKnown) return this.everywhere();
    return ledger.allows(NOWHERE, sentMs, this.world.nowMs, this.world.lifeMs) ? [...places, NOWHERE] : [...places];
  }

  /** Whether some version from `floor` on says so of a player at one of these places. */
  private isSo(
    { player: { entitlements }, place }: Request,
    floor: number,
    standings: readonly number[],
    verdict: Verdict | undefined,
  ): boolean {
    const asked = { mode: modeOfPlace(place), region: regionOfPlace(place), entitlements, nowMs: this.world.wallMs };
    for (let version = floor; version <= this.world.studio.newest; version++)
      for (const standing of standings)
        if (this.world.studio.at(version).judge(asked, () => standingAt(standing)) === verdict) return true;
    return false;
  }
}

function standingAt(place: number): Standing | undefined {
  return place === NOWHERE ? undefined : { mode: modeOfPlace(place), region: regionOfPlace(place) };
}
