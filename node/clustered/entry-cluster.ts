/** The entry of a node that is one of a cluster: whoever owns the player or the region is asked. */
import type { ClusterNode, Inside, RegionView } from "../../cluster/cluster-node.ts";
import type { Done, Outcome, PlayerRequest, Refused } from "../../cluster/ports/rows.ts";
import { NO_ENTITLEMENTS } from "../../engine/entitlement.ts";
import { emptyProfileId } from "../../engine/profile-id.ts";
import { countriesOf, rankRegions, REGIONS, WORLD } from "../../engine/places.ts";
import {
  type Entry,
  type Noted,
  type Overview,
  readId,
  type RegionCounts,
  type Reports,
  type ReportsOutcome,
  type Wholeness,
} from "../entry.ts";
import { PublishedEntry } from "../published-entry.ts";

/** What is asked of the cluster. */
export type ClusterAsked = Pick<
  ClusterNode,
  "askInside" | "askOwner" | "askSubdivision" | "nowMs" | "publishedView" | "regionView" | "submit"
>;

const id = emptyProfileId();

export class EntryCluster implements Entry {
  readonly published: PublishedEntry | undefined;
  private readonly cluster: ClusterAsked;

  /** @param floor the privacy floor; 0: none */
  constructor(cluster: ClusterAsked, floor: number) {
    this.cluster = cluster;
    if (floor === 0) return;
    this.published = new PublishedEntry((region) => {
      const { table, isStale, asOfMs } = cluster.publishedView(region);
      return { table, isStale, ageMs: cluster.nowMs() - asOfMs };
    });
  }

  submit(request: PlayerRequest, settle: (outcome: Outcome) => void, note?: Noted): void {
    if (note === undefined) return this.cluster.submit(request, settle);
    this.cluster.submit(request, (outcome) => {
      if (outcome.kind === "done") note(outcome.effect, outcome.place);
      settle(outcome);
    });
  }

  submitAll(reports: Reports, settle: (outcome: ReportsOutcome) => void): void {
    const batch = new Batch(reports, settle);
    const { ids, regions, modes, modeOf, seqs, leaves, entitlementsOf } = reports;
    for (let index = 0; index < reports.count; index++) {
      readId(ids, index, id);
      const note = (outcome: Outcome): void => batch.note(index, outcome);
      const [region, seq] = [regions[index] as number, seqs[index] as number];
      if (leaves?.[index] === 1) {
        this.cluster.submit({ operation: "remove", id, region: 0, mode: "", seq, isBulk: true }, note);
        continue;
      }
      const mode = modes[modeOf[index] as number] as string;
      const entitlements = entitlementsOf?.(index) ?? NO_ENTITLEMENTS;
      this.cluster.submit({ operation: "report", id, region, mode, seq, entitlements, isBulk: true }, note);
    }
  }

  regionCounts(place: number): RegionCounts {
    return this.countsOf(this.cluster.regionView(place));
  }

  askOwner(place: number, settle: (counts: RegionCounts | undefined) => void): void {
    this.cluster.askOwner(place, (view) => settle(view && this.countsOf(view)));
  }

  askSubdivision(place: number, settle: (counts: RegionCounts | undefined) => void): void {
    this.cluster.askSubdivision(place, (view) => settle(view && this.countsOf(view)));
  }

  askSubdivisions(country: number, settle: (overview: Overview | undefined) => void): void {
    this.cluster.askInside(country, (inside) => settle(inside && overviewOf(inside)));
  }

  overview(area = WORLD): Overview {
    const countries = countriesOf(area);
    const regions = rankRegions((region) => this.cluster.regionView(region).players, countries);
    return { ...this.players(countries), regions };
  }

  players(countries = countriesOf(WORLD)): Wholeness & { readonly players: number } {
    let [players, isComplete, isStale] = [0, true, false];
    for (const country of countries) {
      const view = this.cluster.regionView(country);
      players += view.players;
      isComplete &&= view.isComplete;
      isStale ||= view.isStale;
    }
    return { players, isComplete, isStale };
  }

  private countsOf({ players, term, version, isComplete, isStale, top, asOfMs }: RegionView): RegionCounts {
    const ageMs = this.cluster.nowMs() - asOfMs;
    return { players, term, version, isComplete, isStale, ageMs, top: (limit) => top.slice(0, limit) };
  }
}

function overviewOf({ players, isComplete, isStale, subdivisions }: Inside): Overview {
  const named = subdivisions.map((one) => ({ region: REGIONS[one.region] as string, players: one.players }));
  const regions = named.sort((one, other) => other.players - one.players || (one.region < other.region ? -1 : 1));
  return { players, isComplete, isStale, regions };
}

/** Of a row of a batch: what was reported, or that its player left. */
const COUNTED = ["changed", "renewed", "late", "removed", "nowhere"] as const;

function isCounted(effect: Done["effect"]): effect is (typeof COUNTED)[number] {
  return (COUNTED as readonly string[]).includes(effect);
}

/** Gathers what became of the rows of a batch. */
class Batch implements ReportsOutcome {
  changed = 0;
  renewed = 0;
  late = 0;
  removed = 0;
  nowhere = 0;
  remembered = 0;
  readonly changedBy: Int32Array;
  readonly refused: { index: number; why: Refused }[] = [];
  private waiting: number;
  private readonly settle: (outcome: ReportsOutcome) => void;

  private readonly reports: Reports;

  constructor(reports: Reports, settle: (outcome: ReportsOutcome) => void) {
    const { count, modes } = reports;
    this.waiting = count;
    this.reports = reports;
    this.changedBy = new Int32Array(modes.length);
    this.settle = settle;
    if (count === 0) settle(this);
  }

  note(index: number, outcome: Outcome): void {
    if (outcome.kind === "refused") this.refused.push({ index, why: outcome });
    else {
      if (isCounted(outcome.effect)) this[outcome.effect]++;
      if (outcome.effect === "changed") (this.changedBy[this.reports.modeOf[index] as number] as number)++;
      if (outcome.isRemembered) this.remembered++;
    }
    if (--this.waiting === 0) this.settle(this);
  }
}
