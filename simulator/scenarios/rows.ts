/** Scenarios of reports on their way to their owners: a slow store, clocks that step, owners that are lost with rows. */
import { worsenStore } from "../faults.ts";
import { aNode, begin, elsewhere, playersOf, told } from "../scenario-tools.ts";
import type { Player } from "../crowd.ts";
import { settle } from "../settle.ts";
import type { World } from "../world.ts";
import type { Scenario } from "./scenario.ts";

/** Each append takes this long, which is slow but well: two of them fit into a deadline. */
const APPEND_MS = [350, 500, 700] as const;

export const ROWS = {
  async "a store that takes its time over each append"(world, seed) {
    await begin(world, 3, 40);
    const appendMs = APPEND_MS[seed % APPEND_MS.length] as number;
    const { crowd, random } = world;
    const unacknowledged: string[] = [];
    for (let round = 0; round < 8; round++) {
      for (let passedMs = 0; passedMs < appendMs; passedMs += 50) {
        for (const player of random.shuffled(crowd.players.filter(({ underWay }) => underWay === 0)).slice(0, 8)) {
          const onEnd = (isAcknowledged: boolean): void =>
            void (isAcknowledged || unacknowledged.push(player.ledger.name));
          crowd.send([crowd.report(player, crowd.anyPlace(), 0, onEnd)], random.pick(world.nodes));
        }
        await world.run(50);
      }
      await letAppendsGo(world);
    }
    world.store.release();
    await world.run(3000);
    if (unacknowledged.length > 0)
      world.fail(`reports of ${unacknowledged.join(", ")} were not acknowledged, with ${appendMs} ms an append`);
    await settle(world);
  },

  async "a node leaves while reports through it wait for a slow store"(world) {
    await begin(world, 3, 40);
    const { crowd, random } = world;
    const leaving = aNode(world);
    const unacknowledged: string[] = [];
    const report = (player: Player): void => {
      const onEnd = (isAcknowledged: boolean): void => void (isAcknowledged || unacknowledged.push(player.ledger.name));
      crowd.send([crowd.report(player, elsewhere(world, player), 0, onEnd)], leaving);
    };
    worsenStore(world, { takesMs: 400 }, "append");
    world.drain(leaving);
    for (let passedMs = 0; passedMs < 8000 && leaving.node.status.kind !== "drained"; passedMs += 20) {
      for (const player of random.shuffled(crowd.players.filter(({ underWay }) => underWay === 0)).slice(0, 4))
        report(player);
      await world.run(20);
    }
    await world.until("it has ended", () => leaving.state === "gone", 6000);
    if (unacknowledged.length > 0) world.fail(`reports of ${unacknowledged.join(", ")} were not acknowledged`);
    await settle(world);
  },

  async "fates that are lost on their way"(world) {
    await begin(world, 3);
    const { crowd, network, random, tally } = world;
    const entry = aNode(world);
    const { refusals } = tally;
    const lostBefore = new Set<string>();
    // Nobody else is an entry, so what the others ask it on this lane are fates. Never two in a row, which would take too long.
    network.loses = (from, to, lane) => {
      if (lane !== "rows" || to !== entry || lostBefore.delete(from.name) || random.fraction() < 0.5) return false;
      return lostBefore.add(from.name).size > 0;
    };
    for (let round = 0; round < 10; round++) {
      for (let passedMs = 0; passedMs < 350; passedMs += 50) {
        for (const player of random.shuffled(crowd.players.filter(({ underWay }) => underWay === 0)).slice(0, 4))
          crowd.send([crowd.report(player, crowd.anyPlace())], entry);
        await world.run(50);
      }
      await letAppendsGo(world);
    }
    world.store.release();
    await world.run(3000);
    if (tally.refusals > refusals) world.fail(`${tally.refusals - refusals} reports were refused`);
    network.mend();
    await settle(world);
  },

  async "a step of an owner's clock under forwarded reports"(world) {
    await begin(world, 3);
    const { crowd, random, tally } = world;
    const owner = aNode(world);
    const others = world.nodes.filter((node) => node !== owner);
    const players = playersOf(world, owner);
    const { refusals } = tally;
    for (let round = 0; round < 40; round++) {
      if (round % 10 === 5) {
        world.noteFault("wall clock jumps");
        owner.wallSkewMs += 2100 + random.below(500); // more than a deadline, less than a lease
      }
      for (const player of players.filter(({ underWay }) => underWay === 0))
        crowd.send([crowd.report(player, crowd.anyPlace())], random.pick(others));
      await world.run(20 + random.below(60));
    }
    await world.run(2500);
    if (tally.refusals > refusals) world.fail(`${tally.refusals - refusals} reports were refused`);
    await settle(world);
  },

  async "a holder that is superseded with rows that it took in"(world) {
    await begin(world, 3);
    const { crowd, network, random, store } = world;
    const holder = aNode(world);
    const others = world.nodes.filter((node) => node !== holder);
    const players = playersOf(world, holder).filter(({ seq }) => seq === undefined);
    const taker = world.start();
    network.loses = (from, to, lane) => from === taker && to === holder && lane === "control"; // so that it claims
    store.hold((node, call) => node === holder && call === "append");
    const hasTaken = (): boolean => (taker.node.parts?.holdings.where("settling", "serving").length ?? 0) > 0;
    const beganMs = world.nowMs;
    while (!hasTaken() && world.nowMs - beganMs < 8000) {
      for (const player of players.filter(({ underWay }) => underWay === 0))
        crowd.send([crowd.report(player, crowd.anyPlace())], random.pick(others));
      await world.run(40);
    }
    store.release();
    for (let round = 0; round < 60; round++) {
      for (const player of players) if (player.underWay < 2) void told(world, player, crowd.anyPlace(), taker);
      await world.run(40);
    }
    network.mend();
    await world.run(3000);
    await settle(world);
  },
} satisfies Record<string, Scenario>;

/** Lets the appends land that wait, and holds up those that come. */
async function letAppendsGo(world: World): Promise<void> {
  world.store.release();
  await world.run(2);
  world.store.hold((_, call) => call === "append");
}
