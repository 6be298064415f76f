/** What a player has that a mode may ask for: a name the studio gives it, as tokens and rows of batches carry it. */

/** Of one player. */
export const ENTITLEMENTS_MAX = 64;
/** The form of one. */
export const ENTITLEMENT = /^[A-Za-z0-9._:-]{1,64}$/;
export const NO_ENTITLEMENTS: readonly string[] = [];

export function isEntitlement(name: string): boolean {
  return ENTITLEMENT.test(name);
}
