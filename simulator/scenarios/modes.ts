/** Scenarios of modes that come and go (R28), in a cluster that has room for eight. */
import { OTHER_MODES, placeOf, type Player } from "../crowd.ts";
import { itemAt, nonEmpty } from "../item-at.ts";
import { live } from "../life.ts";
import { aNode, begin, playersOf } from "../scenario-tools.ts";
import { expectExact, settle } from "../settle.ts";
import { USUAL, type World } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

const ROOM = { clusterKey: { ...USUAL.clusterKey, modesMax: 8 } };
/** With the three usual ones they leave room for one more. */
const EVENTS_AT_ONCE = 4;
/** Until a name that nobody is in makes room: noticed, settled, told and told again. */
const MAKES_ROOM_MS = 12_000;
const LOOK_MS = 50;
/** A node learns of a change with its next renewal. */
const TOLD_WITHIN_MS = 1000;

export const MODES = {
  "modes that come and go, more than there is room for": inWorld(ROOM, async (world, seed) => {
    await begin(world, 3);
    live(world, 500);
    watchRoom(world, seed % 3 !== 2);
    for (let season = 0; season < 3; season++) {
      const events = OTHER_MODES.slice(season * EVENTS_AT_ONCE, (season + 1) * EVENTS_AT_ONCE);
      const fault = season === 1 ? disturb(world, seed) : undefined;
      await visit(world, events, fault === undefined);
      fault?.();
    }
    await settle(world);
    await expectAgreed(world);
  }),

  "a mode that is new, and a report behind it that needs no answer": inWorld(ROOM, async (world) => {
    await begin(world, 2);
    const { crowd } = world;
    for (const mode of OTHER_MODES.slice(0, 5)) {
      const region = crowd.anyRegion();
      const [first, ...others] = nonEmpty(world.random.shuffled(crowd.players.filter(({ seq }) => seq === undefined)));
      const node = aNode(world, ({ isUp }) => isUp);
      crowd.send([crowd.report(first, placeOf(region, mode)), crowd.report(first, crowd.anyPlace())], node);
      for (const player of others.slice(0, 3)) crowd.send([crowd.report(player, placeOf(region, mode))], node);
      await world.run(200);
      world.checker.counts.readViews(node);
    }
    await world.run(1000);
    await expectExact(world); // what was acknowledged last stands, before everybody reports anew
    await settle(world);
    await expectAgreed(world);
  }),

  /** The row waits for its mode's name, then for its append, and has one time for both. */
  "a mode that is new, while every call of the store takes its time": inWorld(ROOM, async (world, seed) => {
    await begin(world, 2);
    const { crowd, store } = world;
    world.disturb("store slow", "every call takes its time");
    store.weather = { ...store.weather, takesMs: itemAt([700, 900, 1100], seed % 3) };
    for (const mode of OTHER_MODES.slice(0, 5)) {
      const place = placeOf(crowd.anyRegion(), mode);
      for (const player of crowd.players.filter(({ underWay }) => underWay === 0).slice(0, 6))
        crowd.send([crowd.report(player, place)], aNode(world));
      await world.run(600);
    }
    await settle(world);
    await expectAgreed(world);
  }),

  "a dead node's modes while room is needed": inWorld(ROOM, async (world) => {
    await begin(world, 3);
    watchRoom(world, true);
    const { crowd, random } = world;
    // Modes that only players of one node are in, and then that node dies while others need their room.
    const dying = aNode(world, (node) => playersOf(world, node).length > 0);
    const own = playersOf(world, dying);
    for (const [index, mode] of OTHER_MODES.slice(0, 5).entries())
      if (own[index] !== undefined) crowd.send([crowd.report(own[index], placeOf(crowd.anyRegion(), mode), 20)]);
    await world.run(3000);
    const others = crowd.players.filter((player) => !own.includes(player));
    const press = (): void => {
      if (!world.areFaultsActive) return;
      const some = others.filter(({ underWay }) => underWay === 0);
      const modes = OTHER_MODES.slice(5);
      if (some.length > 0)
        crowd.send([crowd.report(random.pick(some), placeOf(crowd.anyRegion(), random.pick(modes)))]);
      for (const player of some.slice(1)) crowd.send([crowd.asking(player, "renew")]);
      world.time.after(200, press);
    };
    press();
    await world.run(random.below(9000));
    world.kill(dying);
    // Nobody can take its partitions for longer than a mark takes, so nobody can speak for them.
    world.store.hold((_, call) => call === "claim");
    await world.run(MAKES_ROOM_MS);
    world.store.release();
    await world.run(2000);
    await settle(world);
    await expectAgreed(world);
  }),

  "a mode used again in the moment in which it goes": inWorld(ROOM, async (world) => {
    await begin(world, 3);
    watchRoom(world, true);
    const { crowd, random, time } = world;
    const [asks, ...others] = nonEmpty(crowd.players);
    const report = (player: Player, mode: string): void => {
      if (player.underWay === 0) crowd.send([crowd.report(player, placeOf(crowd.anyRegion(), mode), 3)]);
    };
    for (let round = 0; round < 3; round++) {
      const modes = OTHER_MODES.slice(0, 5);
      for (const [index, mode] of modes.entries()) report(itemAt(others, index), mode);
      await world.run(2000);
      for (const player of others) report(player, "GM01");
      await world.run(1000);
      report(asks, itemAt(OTHER_MODES, 6 + round)); // there is no room, so the others are marked
      for (const [index, mode] of modes.entries())
        time.after(4000 + random.fraction() * 4500, () => report(itemAt(others, index), mode));
      for (let again = 0; again < 4; again++) {
        await world.run(2500);
        for (const player of others) if (player.underWay === 0) crowd.send([crowd.asking(player, "renew", 3)]);
      }
    }
    await settle(world);
    await expectAgreed(world);
  }),

  "modes in use when the store comes back empty": inWorld(ROOM, async (world) => {
    await begin(world, 2);
    world.restartStore("empty");
    await world.run(3000);
    await settle(world);
    await expectAgreed(world);
  }),
} satisfies Record<string, Scenario>;

/** Players go to these modes and come back, until somebody has been in each of them. */
async function visit(world: World, events: readonly string[], isEnded: boolean): Promise<void> {
  const { crowd, random } = world;
  const seen = new Set<string>();
  let isOver = false;
  const go = (): void => {
    if (isOver) return;
    const idle = crowd.players.filter(({ underWay, isActive }) => underWay === 0 && isActive);
    const mode = random.pick(events);
    const note = (isAcknowledged: boolean): void => void (isAcknowledged && seen.add(mode));
    if (idle.length > 0) crowd.send([crowd.report(random.pick(idle), placeOf(crowd.anyRegion(), mode), 0, note)]);
    world.time.after(100, go);
  };
  go();
  if (isEnded)
    await world.until(`somebody is in ${events.join()}`, () => seen.size === events.length, 2 * MAKES_ROOM_MS);
  else await world.run(MAKES_ROOM_MS);
  isOver = true;
}

/** @returns what ends it; `undefined` where nothing is disturbed */
function disturb(world: World, seed: number): (() => void) | undefined {
  const node = aNode(world, ({ isUp }) => isUp);
  switch (seed % 3) {
    case 0:
      return undefined;
    case 1: {
      world.kill(node);
      return () => void world.start();
    }
    default:
      world.restartStore(seed % 2 === 0 ? "intact" : "empty");
      return () => undefined;
  }
}

/** There are never more names than there is room for, and none that is gone is in use: but where the store lost some. */
function watchRoom(world: World, isStoreSound: boolean): void {
  const { modesMax } = world.settings.clusterKey;
  const look = (): void => {
    const { length } = world.store.model.modes.names;
    if (length > modesMax && isStoreSound) world.fail(`${length} modes are agreed, ${modesMax} at the most`);
    for (const { name, node } of world.nodes)
      if (isStoreSound && (node.parts?.figures.modes.returned ?? 0) > 0)
        world.fail(`${name} holds a mode that had gone`);
    world.time.after(LOOK_MS, look);
  };
  look();
}

/** Every node knows the same names, the store too, and whoever is somewhere is in one of them. */
async function expectAgreed(world: World): Promise<void> {
  const isTold = (): boolean =>
    world.nodes.every(
      ({ node: { parts } }) =>
        parts === undefined || parts.figures.modes.agreed === world.store.model.modes.names.length,
    );
  await world.until("every node knows as many modes as are agreed", isTold, TOLD_WITHIN_MS);
  const { names } = world.store.model.modes;
  if (names.length > world.settings.clusterKey.modesMax) world.fail(`${names.length} modes are agreed`);
  for (const { name, node } of world.nodes) {
    const engine = node.parts?.engine;
    if (engine === undefined) continue;
    for (const mode of engine.modes.names)
      if (mode !== "" && engine.isModeInUse(mode) && !names.includes(mode))
        world.fail(`${name} counts ${mode}, which is not agreed`);
    if (engine.unnamedPlayers > 0) world.fail(`${name} has players in the reserved mode`);
  }
}
