/** Rules that a test sets, as a node knows them. */
import type { Rules } from "../../cluster/ports/rules.ts";
import { Catalogue, type CatalogueData, type CatalogueMode, NO_CATALOGUE } from "../../engine/catalogue.ts";

export class StubRules implements Rules {
  catalogue: Catalogue = NO_CATALOGUE;
  now = 0;
  refreshes = 0;

  /** These rules are in force from now on, as the version that follows. */
  set(modes: readonly CatalogueMode[], more: Partial<CatalogueData> = {}): this {
    const version = this.catalogue.version + 1;
    this.catalogue = new Catalogue({ version, refusesUnknown: false, modes, ...more });
    return this;
  }

  nowMs(): number {
    return this.now;
  }

  refresh(): void {
    this.refreshes++;
  }
}
