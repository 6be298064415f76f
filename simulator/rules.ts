/** The rules of modes in a simulated cluster: the versions that the studio makes, and how each node follows them (R29). */
import { countryOf } from "../engine/places.ts";
import type { Rules } from "../cluster/ports/rules.ts";
import { Catalogue, type CatalogueData, type CatalogueMode, NO_CATALOGUE, NOT_CONNECTED } from "../engine/catalogue.ts";
import { SeededRandom } from "./seeded-random.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

/** What half of the players have. */
export const PASS: readonly string[] = ["pass"];
/** A node looks whether there is another version about so often; a peer that knows one has it look at once. */
const LOOK_EVERY_MS = 1000;
const RETRY_MS = 200;

/** Who makes the rules. What it makes is stored; every version is known here for ever, so that answers can be held against it. */
export class Studio {
  private readonly world: World;
  private readonly versions: Catalogue[] = [NO_CATALOGUE];
  /** Of its own: worlds without rules run as they always did. */
  private readonly random: SeededRandom;

  constructor(world: World, seed: number) {
    this.world = world;
    this.random = new SeededRandom(seed ^ 0x52756c65);
  }

  get newest(): number {
    return this.versions.length - 1;
  }

  at(version: number): Catalogue {
    return this.versions[version] as Catalogue;
  }

  /** Makes these rules the next version. @returns its number */
  publish(modes: readonly CatalogueMode[], more: Partial<CatalogueData> = {}): number {
    const version = this.versions.length;
    this.versions.push(new Catalogue({ version, refusesUnknown: false, modes, ...more }));
    this.world.store.catalogueVersion = version;
    this.world.noteFault("rules changed");
    if (this.world.isTraced) this.world.trace("studio", `version ${version}: ${JSON.stringify(modes)}`);
    return version;
  }

  /** Any rules, in which there is always somewhere to go. */
  publishAny(): number {
    const { random, world } = this;
    const { modes, regions } = world.crowd;
    const chance = (ratio: number): boolean => random.fraction() < ratio;
    const rulesOf = (mode: string): CatalogueMode => ({
      mode,
      ...(chance(0.25) && { requires: PASS }),
      ...(chance(0.2) && { regions: [...new Set(regions.map(countryOf))].filter(() => chance(0.6)) }),
      ...(chance(0.4) && { from: [...modes, NOT_CONNECTED].filter(() => chance(0.4)) }),
      ...(chance(0.15) && { retiredMs: 0 }),
    });
    const open = random.pick(modes);
    const listed = modes.filter((mode) => mode === open || chance(0.85));
    return this.publish(
      listed.map((mode) => (mode === open ? { mode } : rulesOf(mode))),
      { refusesUnknown: chance(0.4) },
    );
  }

  /** Another version every so often, as long as faults are active. */
  publishEvery(pauseMs: number): void {
    const { world, random } = this;
    world.time.after(pauseMs * (0.3 + 1.4 * random.fraction()), () => {
      if (!world.areFaultsActive) return;
      this.publishAny();
      this.publishEvery(pauseMs);
    });
  }

  /** From now on everybody may go anywhere. Resolves when every node knows. */
  async lift(withinMs: number): Promise<void> {
    const { world } = this;
    if (this.newest === 0) return;
    const version = this.publish([]);
    const doAllKnow = (): boolean => world.nodes.every(({ rules }) => rules.catalogue.version === version);
    await world.until("every node knows the newest rules", doAllKnow, withinMs);
  }
}

/** One node's knowledge of the rules, read from the store with all that may happen on the way. */
export class FollowedRules implements Rules {
  catalogue: Catalogue = NO_CATALOGUE;
  private readonly world: World;
  private readonly node: SimulatedNode;
  private isAsking = false;

  constructor(world: World, node: SimulatedNode) {
    this.world = world;
    this.node = node;
  }

  /** Looks for the first time. @param onKnown called once, when the node knows what there is, and may join */
  begin(onKnown: () => void): void {
    void this.ask().then((isKnown) => {
      if (!isKnown) return this.world.time.after(RETRY_MS, () => this.begin(onKnown));
      this.node.deliver(onKnown);
      return this.lookLater();
    });
  }

  nowMs(): number {
    return this.world.wallMs;
  }

  refresh(): void {
    void this.ask();
  }

  private lookLater(): void {
    this.world.time.after(LOOK_EVERY_MS * (0.5 + this.world.random.fraction()), () => {
      if (this.node.state === "gone") return;
      this.node.deliver(() => this.refresh());
      this.lookLater();
    });
  }

  /** @returns whether there was an answer */
  private async ask(): Promise<boolean> {
    if (this.isAsking) return false;
    this.isAsking = true;
    try {
      const version = await this.world.store.exchangeCatalogue(this.node, this.catalogue.version);
      if (version > this.catalogue.version) this.catalogue = this.world.studio.at(version);
      return true;
    } catch {
      return false; // it is asked again
    } finally {
      this.isAsking = false;
    }
  }
}
