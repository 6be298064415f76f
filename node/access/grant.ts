/** What a verified token allows. Source of the claims: RFC 7519; of `scope`: RFC 8693, 4.2. */
import { ENTITLEMENTS_MAX, isEntitlement, NO_ENTITLEMENTS } from "../../engine/entitlement.ts";
import { emptyProfileId, parseProfileId, type ProfileId } from "../../engine/profile-id.ts";
import { Recent } from "../recent.ts";

/** What the holder of a token may do beyond acting for the player whom it names. */
export const SCOPES = ["reports:batch", "profiles:read", "scores:write", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

/** A key that verified tokens, as long as its set has it. */
export interface KnownKey {
  isRemoved: boolean;
}

export interface Grant {
  /** The four words of the id of the player that the token is of; `undefined` where its `sub` is none. */
  readonly player: readonly number[] | undefined;
  readonly scopes: ReadonlySet<Scope>;
  /** What the studio says the player has, for modes that ask for it. */
  readonly entitlements: readonly string[];
  /** Seconds since 1970: from then on it is none, but for the clocks' tolerance. */
  readonly expiresS: number;
  readonly key: KnownKey;
}

const id = emptyProfileId();
const scopeSets = new Map<string, ReadonlySet<Scope>>();

/** A plain list: hundreds of thousands are kept, and a typed array of four words takes three times as much. */
export function playerOf(sub: string | undefined): readonly number[] | undefined {
  return sub !== undefined && parseProfileId(sub, id) ? Array.from(id) : undefined;
}

/** @param scope names with spaces between them; those that mean nothing here are left out */
export function scopesOf(scope: string): ReadonlySet<Scope> {
  const named = scope.split(" ");
  const known = SCOPES.filter((each) => named.includes(each));
  let set = scopeSets.get(known.join()); // few, and kept by many grants
  if (set === undefined) scopeSets.set(known.join(), (set = new Set(known)));
  return set;
}

/** Sets of entitlements that are kept once for all grants that have them, and names in them: a studio has few of either. */
const SETS_MAX = 4096;
const NAMES_MAX = 4096;
const entitlementSets = new Recent<readonly string[]>(SETS_MAX);
const entitlementNames = new Recent<string>(NAMES_MAX);

/** @param named of a token; those that are no entitlements are left out, and those past the most that a player may have */
export function entitlementsIn(named: readonly unknown[]): readonly string[] {
  const known = new Set(named.filter((each) => typeof each === "string" && isEntitlement(each)) as string[]);
  if (known.size === 0) return NO_ENTITLEMENTS;
  const names = [...known].slice(0, ENTITLEMENTS_MAX).toSorted();
  const key = names.join(",");
  let set = entitlementSets.get(key);
  if (set === undefined) entitlementSets.set(key, (set = names.map(nameKept)));
  return set;
}

function nameKept(name: string): string {
  const kept = entitlementNames.get(name);
  if (kept === undefined) entitlementNames.set(name, name);
  return kept ?? name;
}

/** Whether it may report, renew and remove a player. */
export function mayReport(grant: Grant, player: ProfileId): boolean {
  return isOfPlayer(grant, player) || grant.scopes.has("reports:batch");
}

export function mayLookUp(grant: Grant, player: ProfileId): boolean {
  return isOfPlayer(grant, player) || grant.scopes.has("profiles:read");
}

function isOfPlayer({ player: own }: Grant, player: ProfileId): boolean {
  return own !== undefined && player.every((word, index) => word === own[index]);
}
