/** Scenarios of areas and subdivisions (R31), whose counts come by a longer way than a country's. */
import { isArea, isSubdivision } from "../../engine/places.ts";
import { regionOfPlace } from "../crowd.ts";
import { aNode, begin, elsewhere, isolate, told } from "../scenario-tools.ts";
import { settle } from "../settle.ts";
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

  "areas while their owners cannot hear the owners of countries": inWorld(REAL_TICK, async (world) => {
    await begin(world, 4, PLAYERS);
    await world.run(2000);
    const reading = readAlways(world);
    isolate(world, aNode(world), "peers");
    for (let move = 0; move < 40; move++) {
      const player = world.random.pick(world.crowd.players);
      if (player.underWay === 0) void told(world, player, elsewhere(world, player));
      await world.run(50 + world.random.below(100));
    }
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
    for (let round = 0; round < 3; round++) {
      const country = world.crowd.places.find((place) => isSubdivision(place)) as number;
      world.kill(aNode(world, ({ node }) => node.parts?.placement.placeOwner(country) === node.incarnation));
      for (let move = 0; move < 15; move++) {
        const player = world.random.pick(world.crowd.players);
        if (player.underWay === 0 && regionOfPlace(player.place) !== country)
          void told(world, player, elsewhere(world, player));
        await world.run(50 + world.random.below(150));
      }
      world.start();
      await world.run(3000);
    }
    watching.stop();
    await settle(world);
  }),
} satisfies Record<string, Scenario>;

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
