/**
 * What operators have decided: which calls are off, which modes are in quarantine, who is blocked. A value that is replaced
 * whole; as text it lies in the store, where all nodes read it.
 */
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { MODE_NAME } from "../../engine/modes.ts";
import { keptAs, type TextForm, valueIn } from "../followed-text.ts";
import type { Kept } from "../text-store.ts";
import { blockOf } from "./block.ts";

/** Kinds of calls that can be switched off. */
export const SWITCHES = ["reports", "queries", "streams", "sessions", "scores"] as const;
export type Switch = (typeof SWITCHES)[number];

/** Boards have so many more modes than are shown at the most. */
export const QUARANTINE_MAX = 32;
export const BLOCKS_MAX = 1024;
const BLOCK_LENGTH_MAX = 1024;
const REASON_LENGTH_MAX = 200;

const Instant = Type.String({ format: "date-time" });
const Reason = Type.String({ minLength: 1, maxLength: REASON_LENGTH_MAX });
const Off = Type.Object({ reason: Reason, since: Instant, until: Type.Optional(Instant) });
const Noted = { reason: Type.Optional(Reason), since: Instant };
const Stored = Type.Object({
  revision: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  off: Type.Partial(Type.Object(Object.fromEntries(SWITCHES.map((name) => [name, Off])) as Record<Switch, typeof Off>)),
  quarantine: Type.Array(Type.Object({ mode: Type.String({ pattern: MODE_NAME.source }), ...Noted }), {
    maxItems: QUARANTINE_MAX,
  }),
  blocks: Type.Array(Type.Object({ block: Type.String({ minLength: 1, maxLength: BLOCK_LENGTH_MAX }), ...Noted }), {
    maxItems: BLOCKS_MAX,
  }),
});
const stored = Compile(Stored);

/** A kind of calls that is off: until an instant, or until it is switched on. */
export type Off = Static<typeof Off>;
export type Decisions = Static<typeof Stored>;
export type Quarantined = Decisions["quarantine"][number];
export type Blocked = Decisions["blocks"][number];

export const NOTHING_DECIDED: Decisions = { revision: 0, off: {}, quarantine: [], blocks: [] };

/** How they lie in the store. */
export const DECISIONS: TextForm<Decisions> = {
  subject: "what operators decided",
  nothing: NOTHING_DECIDED,
  revisionOf: ({ revision }) => revision,
  print: (decisions) => JSON.stringify(decisions),
  parse: (text) => {
    const value: unknown = JSON.parse(text);
    if (!stored.Check(value)) throw new TypeError(faultOf(value));
    const odd = value.blocks.find(({ block }) => blockOf(block)?.name !== block);
    if (odd !== undefined) throw new TypeError(`a block is ${odd.block}`);
    return value;
  },
};

/** As they are to lie in the store. */
export function keep(decisions: Decisions): Kept {
  return keptAs(DECISIONS, decisions);
}

/** @throws {DamagedTextError} */
export function decisionsIn(kept: Kept): Decisions {
  return valueIn(DECISIONS, kept);
}

function faultOf(value: unknown): string {
  const [first] = stored.Errors(value);
  return first === undefined ? "it has another form" : `${first.instancePath || "all of it"} ${first.message}`;
}

/** Whether its time is over: it is on again by itself. */
export function isOver({ until }: Off): boolean {
  return until !== undefined && Date.parse(until) <= Date.now();
}
