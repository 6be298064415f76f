/** R14, R18, R29: the owner's side of a row: applied where the partition is served here, else why not. */
import { dependsOnStanding } from "../../engine/catalogue.ts";
import type { Partition } from "../../engine/partition.ts";
import { emptyProfileId } from "../../engine/profile-id.ts";
import type { Stamp } from "../../engine/standings.ts";
import type { Holdings } from "../moves/holdings.ts";
import type { Membership } from "../members/membership.ts";
import type { Presences } from "../records/presences.ts";
import type { Fate, Recorder } from "../records/recorder.ts";
import {
  type Done,
  type Elsewhere,
  isModeLost,
  type Operation,
  type Outcome,
  type Place,
  type Refused,
  type Row,
  type RowHandler,
  type RowOutcome,
} from "../ports/rows.ts";
import type { Rules } from "../ports/rules.ts";

export interface RowApplierPorts {
  readonly presences: Presences;
  readonly recorder: Recorder;
  readonly holdings: Holdings;
  readonly membership: Membership;
  readonly rules: Rules;
  readonly nowMs: () => number;
}

const LOADING: Elsewhere = { kind: "elsewhere", reason: "loading", holder: undefined };
const MOVED: Elsewhere = { kind: "elsewhere", reason: "moved", holder: undefined };
const MODE_NOT_KNOWN: Refused = { kind: "refused", reason: "mode not known" };
/** What may be told although nobody knows whether this node is the owner still: it was applied, as far as it goes. */
const TOLD_UNPROVEN: ReadonlySet<Operation> = new Set<Operation>(["report", "remove", "end"]);
const id = emptyProfileId();

export class RowApplier implements RowHandler {
  private readonly ports: RowApplierPorts;

  constructor(ports: RowApplierPorts) {
    this.ports = ports;
  }

  apply(row: Row, epoch: number, settle: (outcome: RowOutcome) => void): void {
    const { holdings, recorder } = this.ports;
    const { partition } = row;
    const serving = holdings.servingOf(partition);
    if (serving === undefined) return settle(this.refusal(partition, epoch));
    // A row sent under a view from before this claim may be a late repetition of one that has been answered elsewhere.
    if (epoch < serving.record.claim.term) return settle(MOVED);
    if (this.isBehind(row)) return settle(LOADING);
    const { unlogged } = this.ports.presences.engine.partitions[partition] as Partition;
    const rowsBefore = unlogged.count;
    const outcome = this.perform(row, serving.record.claim.term);
    if (outcome.kind === "refused" && !dependsOnStanding(outcome.reason)) return settle(outcome);
    const isWritten = unlogged.count > rowsBefore;
    const onFate = (fate: Fate): void => settle(this.answer(row, outcome, fate));
    // R5: nothing is answered before every row that the partition had applied has landed.
    if (isWritten || holdings.isLicensed(partition)) recorder.whenRemembered(partition, 1, onFate, row.untilMs);
    else recorder.whenProven(partition, onFate, row.untilMs);
  }

  /**
   * R29: whether the entry knows newer rules than this node, which then asks for them. The row goes again once they are known, with
   * what is behind it, or until its time is over: it is never judged by the older ones.
   */
  private isBehind({ operation, isRetold, rulesVersion }: Row): boolean {
    const { rules } = this.ports;
    if (operation !== "report" || isRetold || rulesVersion <= rules.catalogue.version) return false;
    rules.refresh();
    return true;
  }

  private answer(row: Row, outcome: Outcome, fate: Fate): RowOutcome {
    if (fate === "lost") return MOVED;
    // R14: who hears no peers may be alone with a Redis that is the master no more.
    if (fate === "remembered" && !this.ports.membership.isAlone) return outcome;
    // Not known for certain, so neither "not connected" nor a place can be told while there is no licence (R14), nor that the player
    // stands where it may not come from.
    const isLicensed = this.ports.holdings.isLicensed(row.partition);
    if (outcome.kind === "refused") return isLicensed ? outcome : LOADING;
    const isTold = TOLD_UNPROVEN.has(row.operation) || outcome.effect === "renewed";
    return isTold || isLicensed ? { ...outcome, isRemembered: false } : LOADING;
  }

  /** @param term of the claim */
  private perform(row: Row, term: number): Outcome {
    const { presences } = this.ports;
    const { hash } = row;
    id[0] = row.id0;
    id[1] = row.id1;
    id[2] = row.id2;
    id[3] = row.id3;
    const tooOften = presences.tooOften(row, hash);
    if (tooOften !== undefined) return tooOften;
    switch (row.operation) {
      case "report": {
        const effect = presences.report(hash, id, row);
        if (effect !== "changed" && effect !== "renewed" && effect !== "late")
          return { kind: "refused", reason: effect };
        const outcome = effect === "late" ? done("late", this.knownPlace(hash)) : DONE[effect];
        return row.isPlay ? { ...outcome, stamp: presences.standings.play(hash, id, row, effect, term) } : outcome;
      }
      case "renew":
        if (row.stamp !== undefined) return DONE[presences.standings.renew(hash, id, row.stamp)];
        if (!presences.renew(hash, id)) return DONE.nowhere;
        return row.isPlaceAsked ? done("renewed", this.knownPlace(hash)) : DONE.renewed;
      case "end":
        return DONE[presences.standings.end(hash, id, row.stamp as Stamp)];
      case "remove":
        return presences.remove(hash, id, row.seq) === "late" ? DONE.late : DONE.removed;
      case "find": {
        const place = this.place(hash);
        if (place !== undefined && isModeLost(place)) return MODE_NOT_KNOWN;
        if (place === undefined) return DONE.nowhere;
        return done(place.region < 0 ? "nowhere" : "found", place);
      }
    }
  }

  /** R28: `undefined` too where the player's mode was lost. */
  private knownPlace(hash: number): Place | undefined {
    const place = this.place(hash);
    return place === undefined || isModeLost(place) ? undefined : place;
  }

  private place(hash: number): Place | undefined {
    const presence = this.ports.presences.find(hash, id);
    if (presence === undefined) return undefined;
    const { region, mode, seenMs } = presence;
    return { region, mode, ageMs: Math.max(0, Math.ceil(this.ports.nowMs() - seenMs)) };
  }

  private refusal(partition: number, epoch: number): Elsewhere {
    const { holdings, membership } = this.ports;
    const holding = holdings.get(partition);
    switch (holding.kind) {
      case "wanted":
      case "taking": // R13: its holder serves on while it is copied
        return holding.holder === undefined
          ? LOADING
          : { kind: "elsewhere", reason: "held by", holder: holding.holder };
      case "settling":
      case "letting go":
        return LOADING;
      default:
        // R17: who is behind catches up before it says `moved`.
        return holdings.isMine(partition) || epoch > membership.view.epoch ? LOADING : MOVED;
    }
  }
}

/** What needs no place is the same for everybody, so it is made once. */
const DONE = {
  changed: done("changed"),
  renewed: done("renewed"),
  removed: done("removed"),
  late: done("late"),
  nowhere: done("nowhere"),
  superseded: done("superseded"),
  noted: done("noted"),
} as const satisfies Partial<Record<Done["effect"], Done>>;

function done(effect: Done["effect"], place?: Place): Done {
  return { kind: "done", effect, isRemembered: true, place };
}
