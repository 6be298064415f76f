/** What a verified token allows. Source of the claims: RFC 7519; of `scope`: RFC 8693, 4.2. */
import { emptyProfileId, parseProfileId, type ProfileId } from "../../engine/profile-id.ts";

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
