/** What the contract of the list of members is told with: stores on a clock, lists, and renewals on them. */
import type { Run, SharedStore } from "../../cluster/ports/shared-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import { KEY } from "./bound-store.ts";
import { LEASE_MS, renewalOf, runOf, viewOf } from "./renewals.ts";

export interface OpenedList {
  readonly store: SharedStore;
  readonly run: Run;
}

/** How the contract comes by stores, all on one clock. */
export interface ListStores {
  /** A fresh store, founded with `KEY`. */
  readonly open: () => Promise<OpenedList>;
  /** One where nothing is founded. */
  readonly openEmpty: () => Promise<OpenedList>;
  readonly clock: { nowMs: number };
}

/** Writes a list back under the present run. */
export const restore = async (store: SharedStore, view: View, freshNonce = "restored") =>
  store.restore(await runOf(store), view, KEY, freshNonce, LEASE_MS);

/** A list of these, all of whom have been called back, and one member's renewals on it. */
export async function listOf({ open, clock }: ListStores, ...names: string[]) {
  const { store, run } = await open();
  const renew = (name: string, rest: Parameters<typeof renewalOf>[1] = {}) =>
    store.renew(renewalOf(name, { isJoining: false, ...rest }), LEASE_MS);
  for (const [number, name] of names.entries()) {
    await renew(name, { isJoining: true });
    for (const caller of names.slice(0, number)) await renew(caller, { called: [name] });
  }
  const namesNow = async () => (await viewOf(store)).members.map(({ incarnation }) => incarnation);
  /** Lets time pass in steps of one renewal interval; those named renew in each. */
  const pass = async (intervals: number, ...living: string[]) => {
    for (let count = 0; count < intervals; count += 1) {
      clock.nowMs += LEASE_MS / 3;
      for (const name of living) await renew(name);
    }
  };
  return { store, run, renew, namesNow, pass };
}
