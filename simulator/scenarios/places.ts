/** Scenarios of areas and subdivisions (R31), whose counts come by a longer way than a country's. */
import type { Placement } from "../../cluster/members/placement.ts";
import { areasOf, COUNTRIES, isArea, isSubdivision } from "../../engine/places.ts";
import { placeOf } from "../crowd.ts";
import { aNode, begin, doesServe, elsewhere, told } from "../scenario-tools.ts";
import { settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import { PRODUCTION_TICK_MS, type World } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

/** What is promised while the cluster is whole. */
const AREA_MS = 500;
const SUBDIVISION_MS = 1000;
const REAL_TICK = { tickMs: PRODUCTION_TICK_MS };
const PLAYERS = 60;

export const PLACES = {
  "areas while countries and their owners move": inWorld(REAL_TICK, async (world, seed) => {
    await begin(world, 3, PLAYERS);
    await world.run(2000);
    const reading = readAlways(world);
    for (let change = 0; change < 4; change++) {
      if ((change + seed) % 2 === 0) world.start();
      else if (change % 4 === 1) world.kill(aNode(world, ({ isUp }) => isUp));
      else world.drain(aNode(world, ({ isUp, isLeaving }) => isUp && !isLeaving));
      await world.run(500 + world.random.below(4000));
    }
    reading.stop();
    await settle(world);
  }),

  "areas of a country whose owner does not hear a holder": inWorld(REAL_TICK, async (world) => {
    await begin(world, 5, PLAYERS);
    await world.run(2000);
    const reading = readAlways(world);
    // The country's owner is heard by everybody, so that its word alone says that it may be behind.
    const { country, owner, holder } = apart(world);
    world.cut(holder.name, owner.name);
    world.cut(owner.name, holder.name);
    const players = world.crowd.players.filter((player) => doesServe(world, holder, player));
    for (let move = 0; move < 40 && players.length > 0; move++) {
      const player = world.random.pick(players);
      const place = placeOf(country, world.random.pick(world.crowd.modes));
      if (player.underWay === 0) void told(world, player, place, holder);
      await world.run(30 + world.random.below(60));
    }
    reading.stop();
    await settle(world);
  }),

  "places stand as a dead owner left them until its players are read again": inWorld(REAL_TICK, async (world) => {
    await begin(world, 3, PLAYERS);
    await world.run(2000);
    const country = world.random.pick(world.crowd.regions.filter((region) => region < COUNTRIES));
    const area = world.random.pick(areasOf(country));
    // Of the dead one's partitions the store has no record, so nobody serves them for a lease and more.
    world.restartStore("empty");
    world.kill(aNode(world, ({ node }) => node.parts?.placement.placeOwner(area) === node.incarnation));
    const reading = readAlways(world);
    const areServed = (): boolean => !world.isDisturbed && world.areAllServed;
    for (const untilMs = world.nowMs + 12_000; !areServed() && world.nowMs < untilMs; await world.run(20)) {
      const player = world.random.pick(world.crowd.players);
      const place = placeOf(country, world.random.pick(world.crowd.modes)); // so that all else is emptied
      const from = aNode(world, ({ isUp }) => isUp);
      if (player.underWay === 0) void told(world, player, place, from);
    }
    await world.run(SUBDIVISION_MS);
    reading.stop();
    await settle(world);
  }),

  "areas half a second behind at most, subdivisions a second": inWorld(REAL_TICK, async (world) => {
    await begin(world, 5, PLAYERS);
    await world.run(3000);
    const watching = watchSubdivisions(world);
    for (let move = 0; move < 12; move++) {
      const player = world.random.pick(world.crowd.players);
      const place = elsewhere(world, player);
      await Promise.all([told(world, player, place), world.run(50 + world.random.below(60))]);
      await world.until("it is acknowledged", () => player.underWay === 0, 1000);
      await world.run(AREA_MS);
      expectShown(world, isArea, `${AREA_MS} ms after a report`);
      await world.run(SUBDIVISION_MS - AREA_MS);
      expectShown(world, isSubdivision, `${SUBDIVISION_MS} ms after a report`);
      await world.run(world.random.below(200));
    }
    watching.stop();
    await settle(world);
  }),

  "a subdivision that is asked for through failovers": inWorld(REAL_TICK, async (world) => {
    await begin(world, 4, PLAYERS);
    await world.run(1000);
    const watching = watchSubdivisions(world);
    for (let round = 0; round < 4; round++) {
      const [subdivision = 0] = world.crowd.places.filter((place) => isSubdivision(place));
      const owner = aNode(world, ({ node }) => node.parts?.placement.placeOwner(subdivision) === node.incarnation);
      if (round % 2 === 0) world.freeze(owner, "process");
      else world.kill(owner);
      for (let move = 0; move < 25; move++) {
        const player = world.random.pick(world.crowd.players);
        const from = aNode(world, (node) => node.isUp);
        if (player.underWay === 0) void told(world, player, elsewhere(world, player), from);
        await world.run(50 + world.random.below(100));
      }
      if (round % 2 === 0) world.thaw(owner);
      else world.start();
      await world.run(3000);
    }
    watching.stop();
    await settle(world);
  }),
} satisfies Record<string, Scenario>;

/** The owner of a country, and a holder of partitions, that own none of the country's areas. */
function apart(world: World): { country: number; owner: SimulatedNode; holder: SimulatedNode } {
  const { placement } = aNode(world).node.parts as { placement: Placement };
  const ownerOf = (place: number): SimulatedNode =>
    aNode(world, ({ node }) => placement.placeOwner(place) === node.incarnation);
  for (const country of world.crowd.regions.filter((region) => region < COUNTRIES)) {
    const owner = ownerOf(country);
    const areas = areasOf(country).map(ownerOf);
    const holder = world.nodes.find((node) => node !== owner && !areas.includes(node));
    if (!areas.includes(owner) && holder !== undefined) return { country, owner, holder };
  }
  throw new Error("Every country's owner has one of its areas");
}

/** Reads everything at every node that is ready, with each tick. */
function readAlways(world: World): { stop: () => void } {
  return always(world, PRODUCTION_TICK_MS, () => {
    for (const node of world.nodes) if (node.isReady) world.checker.counts.readViews(node);
  });
}

/** Somebody at each node that is ready always wants to know of the subdivisions. */
function watchSubdivisions(world: World): { stop: () => void } {
  const subdivisions = world.crowd.places.filter((place) => isSubdivision(place));
  return always(world, 100, () => {
    for (const node of world.nodes.filter(({ isReady }) => isReady))
      for (const place of subdivisions) world.checker.counts.askSubdivision(node, place);
  });
}

function always(world: World, everyMs: number, look: () => void): { stop: () => void } {
  let isOver = false;
  const again = (): void => {
    if (isOver) return;
    look();
    world.time.after(everyMs, again);
  };
  again();
  return { stop: () => (isOver = true) };
}

/** Every node shows exactly who is there, unmarked. */
function expectShown(world: World, fits: (place: number) => boolean, when: string): void {
  for (const node of world.nodes)
    for (const place of world.crowd.places.filter(fits)) {
      const why = world.checker.counts.whyNotExact(node.node.regionView(place), place);
      if (why !== undefined) world.fail(`${node.name}, ${when}: ${why}`);
    }
}
