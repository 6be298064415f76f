/** Breaches of R31: areas and subdivisions. */
import { fault, type PlantedFault } from "./planted-fault.ts";

const MOVING = "areas while countries and their owners move";
const UNHEARD = "areas of a country whose owner does not hear a holder";
const FRESH = "areas half a second behind at most, subdivisions a second";
const WANTED = "a subdivision that is asked for through failovers";

export const PLACE_FAULTS: Readonly<Record<string, PlantedFault>> = {
  "areas are told of a country whose board is not whole": {
    rule: "R31",
    patches: [
      {
        file: "cluster/counts/life.ts",
        find: "const isTold = standing?.isWhole === true;",
        replace: "const isTold = standing !== undefined;",
      },
      {
        file: "cluster/counts/life.ts",
        find: "if (standing?.isWhole !== true) return undefined;",
        replace: "if (standing === undefined) return undefined;",
      },
    ],
    scenarios: [MOVING],
  },
  "what a country's former owner said counts no more": fault(
    "R31",
    "cluster/counts/region-boards.ts",
    "this.sources.onView(epoch, members, newestTerm, taken.size > 0);",
    "this.sources.onView(epoch, members, newestTerm, taken.size > 0);\n    const none = { cells: [], isAllCells: true } as unknown as StatedTally;\n    if (this.sums.firstTarget > 0) for (const tally of this.sources.all) this.change(tally, none, []);",
    MOVING,
  ),
  "a country that is not complete does not mark its areas": fault(
    "R31",
    "cluster/counts/life.ts",
    "isDoubtful: !standing.isComplete",
    "isDoubtful: false",
    "everybody killed, and back after a session's life",
  ),
  "a country that is stale does not mark its areas": fault(
    "R31",
    "cluster/counts/life.ts",
    "isStale: () => boards.isStale(ports.nowMs()),",
    "isStale: () => false,",
    UNHEARD,
  ),
  "an area's mark for what is stale is not read": fault(
    "R31",
    "cluster/counts/heard-sources.ts",
    "this.heardAtMs[source] = isStale ? -Infinity : asOfMs;",
    "this.heardAtMs[source] = asOfMs;",
    UNHEARD,
  ),
  "countries are told to areas without their terms": fault(
    "R31",
    "cluster/counts/life.ts",
    "return { term: standing.term,",
    "return { term: 1,",
    MOVING,
  ),
  "what is known of countries is added to all areas when one is taken": fault(
    "R31",
    "cluster/counts/region-boards.ts",
    "if (taken.has(target)) this.add(target, mode, players);",
    "if (this.regions.has(target)) this.add(target, mode, players);",
    MOVING,
  ),
  "an area that is taken does not count what is known of its countries": fault(
    "R31",
    "cluster/counts/region-boards.ts",
    "if (taken.size > 0) this.addKnown(taken);",
    "",
    MOVING,
  ),
  "what countries are told of is said once, and not until it was heard": fault(
    "R31",
    "cluster/counts/count-sources.ts",
    "for (const mode of this.changed.get(country) ?? []) see(mode);",
    "",
    FRESH,
  ),
  "areas are told every second": fault(
    "R31",
    "cluster/counts/level.ts",
    "if (this.isOnBeats && !isBeat) return",
    "if (this.isOnBeats && (!isBeat || nowMs % 1000 > 150)) return",
    FRESH,
  ),
  "a subdivision's answer is kept for good": {
    rule: "R31",
    patches: [
      { file: "cluster/counts/kept-answers.ts", find: "KEPT_MS = 750", replace: "KEPT_MS = 1e9" },
      { file: "cluster/counts/kept-answers.ts", find: "REFRESH_MS = 350", replace: "REFRESH_MS = 1e9" },
    ],
    scenarios: [FRESH],
  },
  "a subdivision that cannot be asked for is not marked": fault(
    "R31",
    "cluster/counts/kept-answers.ts",
    "KEPT_MS = 750",
    "KEPT_MS = 1e9",
    WANTED,
    UNHEARD,
  ),
  "a subdivision is told from a board that is not whole": fault(
    "R31",
    "cluster/counts/asking.ts",
    "if (state.isWhole) {",
    "if (state.isWhole || isSubdivision(place)) {",
    WANTED,
  ),
  "ready without knowing every area": fault(
    "R31",
    "cluster/cluster-node.ts",
    "if (!member.counts.knowsAllPlaces)",
    "if (!member.counts.knowsAllCountries)",
  ),
};
