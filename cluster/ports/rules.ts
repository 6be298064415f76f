/** The rules as a node knows them: the catalogue in force, and the way to a newer one. */
import type { Catalogue } from "../../engine/catalogue.ts";

export interface Rules {
  /** In force here, now. */
  readonly catalogue: Catalogue;
  /** Wall clock, milliseconds since 1970: for what is retired. */
  nowMs(): number;
  /** A peer knows another version than this node: ask for the newest now. Calls while one is under way are one. */
  refresh(): void;
}
