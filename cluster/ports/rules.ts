/** The rules as a node knows them: the catalogue in force, and the way to a newer one. */
import { type Catalogue, NO_CATALOGUE } from "../../engine/catalogue.ts";

export interface Rules {
  /** In force here, now. */
  readonly catalogue: Catalogue;
  /** Wall clock, milliseconds since 1970: for what is retired. */
  nowMs(): number;
  /** A peer knows another version than this node: ask for the newest now. Calls while one is under way are one. */
  refresh(): void;
}

/** Where there is no catalogue, and never will be. */
export const NO_RULES: Rules = { catalogue: NO_CATALOGUE, nowMs: () => 0, refresh: () => undefined };
