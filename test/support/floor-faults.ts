/** Parts of the privacy floor, each taken out: what the attacker has to find out then, and by which of its ways. */
import type { Patch } from "../../simulator/patching.ts";
import type { TwinOptions } from "./floor-attacks.ts";
import type { Attack, Where } from "./floor-jobs.ts";

export interface FloorFault {
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly attack: Attack;
}

const [TABLE, TABLES] = ["engine/published-table.ts", "engine/published-tables.ts"];
const [COUNTS, LIFE] = ["cluster/counts/counts.ts", "cluster/counts/life.ts"];
const PUBLISHED = "cluster/counts/published.ts";
const [ALONE, CLUSTERED, SHOWN] = [
  "node/alone/entry-alone.ts",
  "node/clustered/entry-cluster.ts",
  "node/published-entry.ts",
];
const AREA = "node/published-area.ts";
const [POPULAR, ROUTES] = ["node/http/popular-modes.ts", "node/http/routes/regions.ts"];

/** Else the product stops before it answers. */
const UNCHECKED: Patch = {
  file: TABLE,
  find: "isExact ? players >= exactFrom(floor) : isMultiple(players, floor)",
  replace: "true",
};
const OTHERS_UNCHECKED: Patch = { file: TABLE, find: "others === 0 || isMultiple(others, floor)", replace: "true" };
const OTHERS = "rest < floor ? 0 : roundedTo(floor, rest)";
/** With a floor, too, nodes tell each other at once what changed. */
const EAGER: Patch = {
  file: COUNTS,
  find: "this.floor === 0 && this.links.isFree(link)",
  replace: "this.links.isFree(link)",
};
/** The board's version goes with what is published. */
const VERSIONED: readonly Patch[] = [
  {
    file: ALONE,
    find: "isStale: false, ageMs: 0 };",
    replace: "isStale: false, ageMs: 0, version: this.presences.engine.boards.of(region).version };",
  },
  {
    file: SHOWN,
    find: "const { table, isStale, ageMs } = this.publishedOf(place);",
    replace: "const { table, isStale, ageMs, version } = this.publishedOf(place) as any;",
  },
  {
    file: SHOWN,
    find: "return shown(table, { isStale, ageMs });",
    replace: "return { ...shown(table, { isStale, ageMs }), version };",
  },
];

const linked = (where: Where): Attack => ({ kind: "linked", where });
const overTime = (where: Where): Attack => ({ kind: "over time", where });
const twins = (where: Where, seed = 1, hasCrash = false): Attack & TwinOptions => ({
  kind: "twins",
  where,
  seed,
  minutes: 3,
  steps: 8,
  hasCrash,
});

export const FLOOR_FAULTS: readonly FloorFault[] = [
  {
    name: "modes are not rounded",
    patches: [
      UNCHECKED,
      { file: TABLE, find: "isExact ? players : roundedTo(floor, players), isExact }", replace: "players, isExact }" },
    ],
    attack: linked("alone"),
  },
  {
    name: "a mode is shown whatever it has",
    patches: [UNCHECKED, { file: TABLE, find: "if (players < floor) rest", replace: "if (players < 1) rest" }],
    attack: twins("alone"),
  },
  {
    name: "the others are not rounded",
    patches: [OTHERS_UNCHECKED, { file: TABLE, find: OTHERS, replace: "rest < floor ? 0 : rest" }],
    attack: linked("alone"),
  },
  {
    name: "the others are shown whatever they are",
    patches: [{ file: TABLE, find: OTHERS, replace: "roundedTo(floor, rest)" }],
    attack: twins("alone"),
  },
  {
    name: "tables are decided ten times a second",
    patches: [{ file: TABLES, find: "const MINUTE_MS = 60_000;", replace: "const MINUTE_MS = 100;" }],
    attack: overTime("alone"),
  },
  {
    name: "tables are decided ten times a second, in a cluster",
    patches: [{ file: TABLES, find: "const MINUTE_MS = 60_000;", replace: "const MINUTE_MS = 100;" }],
    attack: overTime("cluster"),
  },
  {
    name: "one floor is enough to be exact",
    patches: [{ file: TABLE, find: "const EXACT_FLOORS = 100;", replace: "const EXACT_FLOORS = 1;" }],
    attack: linked("alone"),
  },
  {
    name: "an exact number goes on below 100 floors",
    patches: [
      UNCHECKED,
      {
        file: TABLE,
        find: "Math.max(exactFrom(table.floor), countOf(shown.mode))",
        replace: "countOf(shown.mode)",
      },
    ],
    attack: linked("alone"),
  },
  {
    name: "a mode becomes exact in the midst of a minute",
    patches: [
      {
        file: TABLE,
        find: "if (!shown.isExact) return shown;",
        replace: "if (countOf(shown.mode) < 500) return shown;",
      },
      { file: TABLE, find: "return { ...shown, players };", replace: "return { ...shown, players, isExact: true };" },
    ],
    attack: overTime("alone"),
  },
  {
    name: "a place has the players that it has",
    patches: [
      {
        file: TABLE,
        find: `return tableOf(about, shown, ${OTHERS});`,
        replace: `return { ...tableOf(about, shown, ${OTHERS}), players: [...exactly.values()].reduce((sum, one) => sum + one, rest) };`,
      },
    ],
    attack: linked("alone"),
  },
  {
    name: "shares are of the players that a place has",
    patches: [
      {
        file: TABLE,
        find: `return tableOf(about, shown, ${OTHERS});`,
        replace: `return { ...tableOf(about, shown, ${OTHERS}), all: [...exactly.values()].reduce((sum, one) => sum + one, rest) } as any;`,
      },
      {
        file: POPULAR,
        find: "players / counts.players",
        replace: "players / ((counts.table as any).all ?? counts.players)",
      },
    ],
    attack: linked("alone"),
  },
  {
    name: "modes are ranked by what they have",
    patches: [
      {
        file: TABLE,
        find: "shown.sort(byPlayers);",
        replace: "shown.sort((a, b) => exactly.get(b.mode)! - exactly.get(a.mode)!);",
      },
      { file: TABLE, find: "modes: modes.toSorted(byPlayers)", replace: "modes" },
    ],
    attack: linked("alone"),
  },
  {
    name: "a tag stands for the board's version",
    patches: [
      ...VERSIONED,
      { file: POPULAR, find: "weakTagOf(before + after)", replace: "weakTagOf(before + after + counts.version)" },
    ],
    attack: twins("alone"),
  },
  {
    name: "an answer is packed anew with each version of the board",
    patches: VERSIONED,
    attack: twins("alone", 3),
  },
  {
    name: "no-cache is answered with the counts",
    patches: [
      {
        file: ROUTES,
        find: "if (shown !== entry) return send(",
        replace: "if (shown !== entry && !isFromOwner) return send(",
      },
    ],
    attack: linked("alone"),
  },
  {
    name: "the list of regions is that of the boards",
    patches: [{ file: ROUTES, find: "send(shown.overview(place))", replace: "send(service.entry.overview(place))" }],
    attack: linked("alone"),
  },
  {
    name: "what is pushed is that of the boards",
    patches: [
      {
        file: "node/http/live-answers.ts",
        find: "shownTo(this.context, service as ServingService).regionCounts(place)",
        replace: "service.entry.regionCounts(place)",
      },
    ],
    attack: twins("alone"),
  },
  {
    name: "the players of all regions are those of the boards",
    patches: [{ file: ROUTES, find: "shownTo(context, service).players()", replace: "service.entry.players()" }],
    attack: linked("cluster"),
  },
  {
    name: "an area is answered with its board",
    patches: [
      {
        file: ROUTES,
        find: "if (shown !== entry) return",
        replace:
          "if (shown !== entry && isArea(place)) return send(entry.regionCounts(place));\n    if (shown !== entry) return",
      },
    ],
    attack: linked("alone"),
  },
  {
    name: "an area's others are those of the last country",
    patches: [{ file: AREA, find: 'others: sumOf("others")', replace: "others: this.tables.at(-1)?.others ?? 0" }],
    attack: linked("cluster"),
  },
  {
    name: "an area goes on with the table that a country had",
    patches: [{ file: AREA, find: "this.add(former, -1);", replace: "" }],
    attack: overTime("alone"),
  },
  {
    name: "subdivisions are answered",
    patches: [
      {
        file: ROUTES,
        find: "if (shown !== entry && isSubdivision(place)) return answers.refuse(reply, NOT_SHOWN, startedMs);",
        replace: "if (isSubdivision(place)) return send(entry.regionCounts(place));",
      },
    ],
    attack: linked("alone"),
  },
  {
    name: "the subdivisions of a country are listed",
    patches: [
      { file: ROUTES, find: "if (shown !== service.entry) return", replace: "if (shown === undefined) return" },
    ],
    attack: linked("alone"),
  },
  {
    name: "metrics are for everybody",
    patches: [
      {
        file: "node/http/app.ts",
        find: "if (context.access === undefined) registerDetails",
        replace: "registerDetails",
      },
    ],
    attack: twins("alone"),
  },
  {
    name: "the sorted sets hold the boards",
    patches: [
      {
        file: LIFE,
        find: "floor === 0 ? bothLevels(boards, areaBoards) : this.published, {",
        replace: "bothLevels(boards, areaBoards), {",
      },
    ],
    attack: linked("cluster"),
  },
  {
    name: "the sorted sets are written whenever a board changed",
    patches: [
      {
        file: LIFE,
        find: "publisher.note(this.floor === 0 ? touched : published.takeTouched());",
        replace: "publisher.note(touched);",
      },
    ],
    attack: twins("cluster"),
  },
  {
    name: "an answer is as of the board's last word",
    patches: [
      {
        file: CLUSTERED,
        find: "return { table, isStale, ageMs: cluster.nowMs() - asOfMs };",
        replace: "return { table, isStale, ageMs: cluster.nowMs() - cluster.regionView(region).asOfMs };",
      },
    ],
    attack: twins("cluster"),
  },
  {
    name: "tables travel with whatever else is told",
    patches: [
      EAGER,
      {
        file: COUNTS,
        find: "isBeat ? life.published.build(member) : NO_TABLES",
        replace: "life.published.build(member)",
      },
      {
        file: PUBLISHED,
        find: "return { number: this.beat, items };",
        replace: "return { number: ++this.beat, items };",
      },
    ],
    attack: twins("cluster"),
  },
  {
    name: "changes travel before the next beat, where there is a floor too",
    patches: [EAGER],
    attack: { kind: "hold up", where: "cluster" },
  },
  {
    name: "a new owner decides at once",
    patches: [
      {
        file: TABLES,
        find: "const table = former !== undefined && this.mayGoOn(former) ? former : undefined;",
        replace: "const table = undefined as PublishedTable | undefined;",
      },
      { file: TABLES, find: "return kept === NEVER || minute < kept - 1;", replace: "return minute < kept - 1;" },
    ],
    attack: twins("cluster", 2, true),
  },
];
