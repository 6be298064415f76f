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
  /** The player that the token is of; `undefined` where its `sub` is no player's id. */
  readonly player: ProfileId | undefined;
  readonly scopes: ReadonlySet<Scope>;
  /** Seconds since 1970: from then on it is none, but for the clocks' tolerance. */
  readonly expiresS: number;
  readonly key: KnownKey;
}

export function playerOf(sub: string | undefined): ProfileId | undefined {
  const id = emptyProfileId();
  return sub !== undefined && parseProfileId(sub, id) ? id : undefined;
}

/** @param scope names with spaces between them; those that mean nothing here are left out */
export function scopesOf(scope: string): ReadonlySet<Scope> {
  const named = scope.split(" ");
  return new Set(SCOPES.filter((each) => named.includes(each)));
}

/** Whether it may report, renew and remove a player. */
export function mayReport(grant: Grant, id: ProfileId): boolean {
  return isOfPlayer(grant, id) || grant.scopes.has("reports:batch");
}

export function mayLookUp(grant: Grant, id: ProfileId): boolean {
  return isOfPlayer(grant, id) || grant.scopes.has("profiles:read");
}

function isOfPlayer({ player }: Grant, id: ProfileId): boolean {
  return player !== undefined && id.every((word, index) => word === player[index]);
}
