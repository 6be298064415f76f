/** Breaches of R30: whose connection stands for a player. */
import { fault, type PlantedFault } from "./planted-fault.ts";

const STANDINGS = "engine/standings.ts";
const OWNER = "cluster/records/player-standings.ts";
const ENTRY = "cluster/standing-sessions.ts";
const RESTARTS = "sessions keep their players through restarts of their owners";
const TWO = "two devices of a player through a failover: the one that played last stands";
const EARLY = "a device that does not stand ends after a failover, before the other has renewed";
const ENDS = "a device that ends comes back in time, or not, or somebody else is heard";
const LEAVES = "what a node knows of sessions goes along when it leaves";
const REPORT = "a report without a session ends the standing of the device";
const REPORT_LATER = "a report without a session ends the standing of the device after a failover too";

export const SESSION_FAULTS: Readonly<Record<string, PlantedFault>> = {
  "a connection that does not stand is renewed": fault(
    "R30",
    STANDINGS,
    "return this.isSame(stamp, base) && isStanding(this.stateAt(base));",
    "return true;",
    TWO,
    REPORT,
  ),
  "an unknown stamp does not stand": fault(
    "R30",
    STANDINGS,
    "if (taken >= 0) this.write(taken, stamp.term, stamp.count, STANDS);\n    return true;",
    "if (taken >= 0) this.write(taken, stamp.term, stamp.count, STANDS);\n    return false;",
    RESTARTS,
  ),
  "after a failover the stamp that comes last stands": fault(
    "R30",
    STANDINGS,
    "return term > knownTerm || (term === knownTerm && count > knownCount);",
    "return term !== knownTerm || count !== knownCount;",
    TWO,
    EARLY,
  ),
  "what a node knew of sessions is forgotten when it leaves": fault(
    "R30",
    "engine/incoming-copy.ts",
    "if (this.standings !== undefined) standings.adopt(this.standings, asOfHere - this.asOf);",
    "void standings;",
    LEAVES,
  ),
  "a new owner notes reports under no term of its own": fault(
    "R30",
    "cluster/member-parts.ts",
    "node.presences.standings.own(partition, term);",
    "node.presences.standings.own(partition, term * 0);",
    REPORT_LATER,
  ),
  "a report without a connection leaves who stands": fault(
    "R30",
    "engine/partition.ts",
    "this.isTouched = true;\n    this.standings.vacate(hash, id0, id1, id2, id3, now);",
    "this.isTouched = true;",
    REPORT,
  ),
  "the end of a connection that does not stand removes its player": fault(
    "R30",
    STANDINGS,
    "if (base < 0 || !this.isSame(stamp, base) || !isStanding(this.stateAt(base))) return false;",
    "if (base < 0 || !isStanding(this.stateAt(base))) return false;\n    stamp = { term: this.wordAt(base + TERM), count: this.wordAt(base + COUNT) };",
    ENDS,
    TWO,
    REPORT,
  ),
  "a former owner's stamp is trusted before all have renewed": fault(
    "R30",
    STANDINGS,
    "const at = isOwn ? atTenths : Math.max(atTenths, this.unsureUntil);",
    "const at = isOwn ? atTenths : atTenths;",
    EARLY,
  ),
  "a heartbeat does not keep whose connection ended": fault(
    "R30",
    STANDINGS,
    "if (isEnded(state)) this.vacate(hash, id0, id1, id2, id3, now);\n    else if",
    "if",
    ENDS,
  ),
  "whose connection ended is not removed": fault(
    "R30",
    OWNER,
    "if (due !== undefined && isServed(number)) this.removeAll(number, due);",
    "if (due === undefined && !isServed(number)) this.removeAll(number, new Int32Array(0));",
    ENDS,
  ),
  "whose connection ended is removed at once": fault(
    "R30",
    OWNER,
    "const at = this.engine.time.tenths + this.graceTenths;",
    "const at = this.engine.time.tenths + 0 * this.graceTenths;",
    ENDS,
  ),
  "an entry renews its connections once only": fault(
    "R30",
    ENTRY,
    '} else if (outcome.effect === "renewed") this.seat(session, this.at);',
    '} else if (outcome.effect === "renewed") this.slots[seat.slot]?.delete(session);',
    RESTARTS,
  ),
  "a renewal that nobody answered is not repeated": fault(
    "R30",
    ENTRY,
    "this.seat(session, (this.at + 1) % SLOTS);",
    "this.drop(session);",
    RESTARTS,
    TWO,
  ),
};
