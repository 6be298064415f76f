/** Large runs: 256 partitions, two thousand players, and messages past every limit at which they are split. */
import type { Lane } from "../../cluster/ports/transport.ts";
import { take } from "../item-at.ts";
import { live } from "../life.ts";
import { begin, elsewhere, everybody, playersOf, told } from "../scenario-tools.ts";
import { settle } from "../settle.ts";
import { USUAL, type World, type WorldSettings } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

const PLAYERS = 2000;
/** At once in a message at the most: partitions that are asked for, rows of a batch, cells of tallies. */
const HANDED_MAX = 16;
const ROWS_MAX = 8192;
const CELLS_MAX = 4000;
/** Bytes that a row and a cell take at the least: an id and a place; a region, a mode and a number. */
const ROW_BYTES = 28;
const CELL_BYTES = 4;

const LARGE: Partial<WorldSettings> = {
  clusterKey: { ...USUAL.clusterKey, partitions: 256 },
  regionsCount: 12,
  modesCount: 60,
};

export const LARGE_RUNS = {
  "two thousand players on ten nodes, one of which dies": inWorld(LARGE, async (world) => {
    await begin(world, 3, PLAYERS);
    const [first] = take(1, world.nodes);
    live(world, 3000);
    for (let number = 3; number < 10; number++) world.start(undefined, undefined, world.random.pick([10, 20]));
    await world.run(3000);
    const handedOver = first.node.parts?.figures.handedOver ?? 0;
    if (handedOver <= HANDED_MAX) world.fail(`${first.name} handed over ${handedOver} partitions: all at once`);
    world.kill(world.random.pick(world.nodes));
    await world.run(1500);
    await settle(world);
  }),

  "batches of rows past the most that one holds": inWorld(LARGE, async (world) => {
    await begin(world, 2, PLAYERS);
    const { crowd } = world;
    const [entry] = world.nodes;
    const rounds = 10;
    for (let round = 0; round < rounds; round++)
      crowd.send(
        crowd.players.map((player) => crowd.report(player, elsewhere(world, player))),
        entry,
      );
    const isOver = (): boolean => crowd.players.every(({ underWay }) => underWay === 0);
    await world.until("all of them are answered", isOver, 10_000);
    expectSplit(world, "rows", ROWS_MAX * ROW_BYTES);
    await settle(world);
  }),

  "tallies past the cells that one message holds": inWorld(LARGE, async (world) => {
    await begin(world, 2, PLAYERS);
    const { network, nodes } = world;
    const [sender] = take(1, nodes);
    world.disturb("network bad", `nothing about counts from ${sender.name} arrives`);
    network.loses = (from, _, lane) => from === sender && lane === "counts";
    const moving = playersOf(world, sender);
    for (let round = 0; round < 9; round++) {
      for (const player of moving)
        if (player.underWay === 0) void told(world, player, elsewhere(world, player), sender);
      await world.run(150);
    }
    network.loses = () => false;
    await world.run(1000);
    expectSplit(world, "counts", CELLS_MAX * CELL_BYTES);
    await everybody(world);
    await settle(world);
  }),
} satisfies Record<string, Scenario>;

/** A message that is as long as it may be was followed by another with the rest. */
function expectSplit(world: World, lane: Lane, bytes: number): void {
  const longest = world.network.longestBytes[lane];
  if (longest < bytes) world.fail(`the longest message of ${lane} took ${longest} bytes: nothing was split`);
}
