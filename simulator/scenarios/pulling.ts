/** Scenarios of R13: partitions are copied while their holders go on serving. The seed chooses the moments and the variant. */
import { isSubdivision } from "../../engine/places.ts";
import type { Player } from "../crowd.ts";
import { itemAt, take } from "../item-at.ts";
import { live } from "../life.ts";
import { begin, elsewhere, isolate } from "../scenario-tools.ts";
import { settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import { PRODUCTION_TICK_MS, type World } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

/** Snapshots wait so long for a busy worker: nobody may wait for them. */
const ENCODING_MS = 400;
/** A row that comes between the last round and the claim waits for its entry's next tick. */
const REFUSED_TICKS = 1.5;
const USUAL_MS = 25;

/** Players who report again as soon as they are answered. */
class Restless {
  longestMs = 0;
  private readonly world: World;
  private isOver = false;
  private refused = 0;

  constructor(world: World) {
    this.world = world;
    for (const player of world.crowd.players) this.report(player);
  }

  end(): void {
    this.isOver = true;
  }

  expectShort(what: string): void {
    const { world, longestMs, refused } = this;
    const boundMs = USUAL_MS + REFUSED_TICKS * world.settings.tickMs;
    if (longestMs > boundMs) world.fail(`${what}: somebody waited ${longestMs.toFixed(1)} ms, ${boundMs} are allowed`);
    if (refused > 0) world.fail(`${what}: ${refused} reports were not acknowledged`);
  }

  private report(player: Player): void {
    const { world } = this;
    if (this.isOver) return;
    const sentMs = world.nowMs;
    const entry = world.random.pick(world.nodes.filter(({ node }) => node.status.kind === "ready"));
    const isMoving = world.random.fraction() < 0.7; // else it is only renewed, which is not logged
    const place = isMoving ? elsewhere(world, player) : player.place;
    const onEnd = (isAcknowledged: boolean): void => {
      this.longestMs = Math.max(this.longestMs, world.nowMs - sentMs);
      if (!isAcknowledged) this.refused++;
      world.time.after(world.random.fraction() * 10, () => this.report(player));
    };
    world.crowd.send([world.crowd.report(player, place, 0, onEnd)], entry);
  }
}

/** How long some region that keeps its owner was marked as stale at some node that was there before. */
function watchStale(world: World): { longestMs: () => number } {
  const nodes = [...world.nodes];
  const regions = world.crowd.places.filter((place) => !isSubdivision(place));
  const ownerOf = (node: SimulatedNode, region: number): string | undefined =>
    node.node.parts?.placement.placeOwner(region);
  const owners = new Map(regions.map((region) => [region, ownerOf(itemAt(nodes, 0), region)]));
  const sinceMs = new Map<string, number>();
  let longestMs = 0;
  const look = (): void => {
    for (const node of nodes.filter(({ isUp, node: { status } }) => isUp && status.kind !== "drained"))
      for (const region of regions.filter((each) => ownerOf(node, each) === owners.get(each))) {
        const key = `${node.name} ${region}`;
        if (!node.node.regionView(region).isStale) sinceMs.delete(key);
        else if (!sinceMs.has(key)) sinceMs.set(key, world.nowMs);
        longestMs = Math.max(longestMs, world.nowMs - (sinceMs.get(key) ?? world.nowMs));
      }
    world.time.after(20, look);
  };
  look();
  return { longestMs: () => longestMs };
}

function figureOf(world: World, figure: "handedOver" | "copiesMisfit"): number {
  return world.nodes.reduce((sum, { node }) => sum + (node.parts?.figures[figure] ?? 0), 0);
}

function handedOver(world: World): number {
  return figureOf(world, "handedOver");
}

/** Everything that moved was copied: no record was loaded. */
function expectCopied(world: World, taker: SimulatedNode): void {
  const [served, given] = [taker.node.parts?.figures.partitionsServed ?? 0, handedOver(world)];
  if (figureOf(world, "copiesMisfit") > 0) world.fail("what was copied did not fit");
  if (served === 0) world.fail("nothing moved");
  if (served > given) world.fail(`${served} partitions were taken, ${given} of them were handed over`);
}

async function untilShared(world: World, taker: SimulatedNode, withinMs = 8000): Promise<void> {
  const hasShare = (): boolean => {
    const { partitionsServed = 0, partitionsOwned = 0, partitionsMoving = 0 } = taker.node.parts?.figures ?? {};
    return partitionsServed > 0 && partitionsServed === partitionsOwned && partitionsMoving === 0;
  };
  await world.until("the newcomer has its share", hasShare, withinMs);
}

export const PULLING = {
  "moving while everybody reports without pause": inWorld({ tickMs: PRODUCTION_TICK_MS }, async (world, seed) => {
    await begin(world, 3, 40);
    const restless = new Restless(world);
    await world.run(1000);
    for (const node of world.nodes) node.encodingMs = seed % 2 === 0 ? 5 : ENCODING_MS;
    const stale = watchStale(world);
    const before = handedOver(world);
    const newcomer = world.start();
    await untilShared(world, newcomer);
    if (handedOver(world) === before) world.fail("nothing was handed over");
    expectCopied(world, newcomer);
    restless.expectShort("while a node joins");
    const [leaving] = take(1, world.nodes);
    world.drain(leaving);
    await world.until("it has left", () => leaving.state === "gone" && world.areAllServed, 6000);
    restless.expectShort("while a node leaves");
    if (stale.longestMs() > 0) world.fail(`views were stale for ${stale.longestMs()} ms while partitions moved`);
    restless.end();
    await settle(world);
  }),

  async "moving with a slow store and a slow worker"(world) {
    await begin(world, 3, 40);
    live(world, 80);
    for (const node of world.nodes) node.encodingMs = 200 + world.random.below(1500);
    world.disturb("store bad", "the store is slow");
    world.store.weather.delayMs = 400;
    const newcomer = world.start();
    await untilShared(world, newcomer, 15_000);
    expectCopied(world, newcomer);
    await settle(world);
  },

  async "players who fall silent while their partition is copied"(world) {
    await begin(world, 2, 60);
    const { crowd, random } = world;
    const { sessionMs } = world.settings.clusterKey;
    const silent = crowd.players.filter((_, number) => number % 3 > 0);
    const beganMs = world.nowMs;
    for (const player of silent)
      world.time.after(random.fraction() * 4000, () => crowd.send([crowd.report(player, player.place, 3)]));
    const stayAlive = (): void => {
      for (const player of crowd.players)
        if (!silent.includes(player) && player.underWay === 0) crowd.send([crowd.report(player, crowd.anyPlace(), 3)]);
      if (world.areClientsActive) world.time.after(700, stayAlive);
    };
    stayAlive();
    await world.run(sessionMs - 1000 - random.below(1000));
    for (const node of world.nodes) node.encodingMs = 1000;
    const newcomer = world.start();
    await untilShared(world, newcomer);
    expectCopied(world, newcomer);
    await world.run(Math.max(0, beganMs + sessionMs + 8000 - world.nowMs));
    for (const { ledger } of silent) ledger.expire(world.nowMs, sessionMs + 3000);
    for (const player of silent) player.isActive = false;
    await settle(world);
  },

  async "a holder that dies, freezes or is cut off while it is copied"(world, seed) {
    await begin(world, 3, 40);
    live(world, 100);
    for (const node of world.nodes) node.encodingMs = 200 + world.random.below(400);
    const newcomer = world.start();
    const isTaking = (): boolean => (newcomer.node.parts?.holdings.where("taking").length ?? 0) > 0;
    await world.until("it copies", isTaking, 6000);
    await world.run(world.random.below(700));
    const [holder] = take(1, world.nodes);
    if (seed % 3 === 0) world.kill(holder);
    else if (seed % 3 === 1) world.freeze(holder, "process");
    else isolate(world, holder, "peers");
    await world.run(1000 + world.random.below(6000));
    world.thaw(holder);
    await world.run(2000);
    await settle(world);
  },
} satisfies Record<string, Scenario>;
