/** Scenarios of nodes that die, freeze, or cannot reach each other. The seed chooses the moments, and the variant where there are some. */
import { codeOf, modeOfPlace, regionOfPlace } from "../crowd.ts";
import { nonEmpty } from "../item-at.ts";
import { NOWHERE } from "../ledger.ts";
import { live } from "../life.ts";
import { aNode, answered, begin, expectFound, ownerOf, playersOf, told } from "../scenario-tools.ts";
import { expectExact, settle } from "../settle.ts";
import type { Scenario } from "./scenario.ts";

/** Beyond a lease, so that others have taken over. */
const BEYOND_LEASE_MS = 5000;

export const FAILING = {
  async "an owner frozen beyond its lease with a snapshot in its worker's queue"(world) {
    await begin(world, 3);
    live(world, 300);
    const owner = aNode(world);
    owner.encodingMs = 2500 + world.random.below(2000);
    await world.run(2000);
    world.freeze(owner, "process");
    await world.run(BEYOND_LEASE_MS + world.random.below(3000));
    world.thaw(owner);
    await world.run(2000);
    await settle(world);
  },

  async "a thawed owner asked only for what writes nothing"(world, seed) {
    await begin(world, 3);
    live(world, 500);
    const owner = aNode(world);
    const players = playersOf(world, owner);
    world.freeze(owner, seed % 2 === 0 ? "process" : "machine");
    await world.run(2000 + world.random.below(BEYOND_LEASE_MS));
    const { crowd } = world;
    const ask = (): void => {
      for (const player of players.filter(({ underWay }) => underWay === 0)) {
        const place = [...player.ledger.possible(world.nowMs, world.nowMs)].find((one) => one !== NOWHERE);
        const asked = [crowd.asking(player, "renew"), crowd.asking(player, "find")];
        crowd.send(place === undefined ? asked : [...asked, crowd.report(player, place)], owner);
      }
    };
    ask(); // waits in its sockets
    world.thaw(owner);
    if (owner.node.status.kind === "ready") world.checker.counts.readViews(owner); // before anything reaches it
    for (let again = 0; again < 10; again++) {
      await world.run(10);
      ask();
      if (owner.isReady) world.checker.counts.readViews(owner);
    }
    await world.run(2000);
    await settle(world);
  },

  async "one-way cuts"(world, seed) {
    await begin(world, 3);
    live(world, 500);
    const [one, ...others] = nonEmpty(world.random.shuffled(world.nodes));
    for (const other of seed % 2 === 0 ? others : others.slice(0, 1))
      if (seed % 4 < 2) world.cut(one.name, other.name);
      else world.cut(other.name, one.name);
    await world.run(2000 + world.random.below(8000));
    await settle(world);
  },

  async "the last push before silence lost"(world) {
    await begin(world, 3);
    const { network, crowd } = world;
    world.disturb("network bad", "everything between nodes is lost");
    network.weather = { ...network.weather, requestLossRatio: 1 };
    const owned = crowd.players.filter((player) => ownerOf(world, player) !== undefined);
    const all = owned.map((player) => told(world, player, crowd.anyPlace(), ownerOf(world, player)));
    await world.run(50 + world.random.below(150));
    network.clearUp();
    await Promise.all([...all, world.run(1500)]);
    await expectExact(world);
    await settle(world);
  },

  async "the living through a pause of five minutes"(world, seed) {
    await begin(world, 1 + (seed % 3));
    const { crowd } = world;
    const paused = seed % 2 === 0 ? [aNode(world)] : [...world.nodes];
    for (const node of paused) world.freeze(node, seed % 4 < 2 ? "process" : "machine");
    const isAllPaused = paused.length === world.nodes.length;
    for (let pausedMs = 0; pausedMs < 300_000; pausedMs += 5000) {
      if (!isAllPaused)
        for (const player of crowd.players)
          crowd.send(
            [crowd.asking(player, "renew", 3)],
            aNode(world, (node) => node.isUp),
          );
      await world.run(5000);
    }
    for (const node of paused) world.thaw(node);
    await world.run(8000);
    await expectFound(world);
    await settle(world);
  },

  async "everybody killed at once"(world) {
    await begin(world, 3);
    live(world, 300);
    await world.run(1000 + world.random.below(2000));
    for (const node of world.nodes) world.kill(node);
    await world.run(world.random.below(1000));
    for (let number = 0; number < 3; number++) world.start();
    await world.run(8000);
    await settle(world);
  },

  async "everybody killed, and back after a session's life"(world) {
    await begin(world, 2);
    const { sessionMs } = world.settings.clusterKey;
    await world.run(1000);
    for (const node of world.nodes) world.kill(node);
    await world.run(sessionMs + 2000);
    for (let number = 0; number < 2; number++) world.start();
    await world.until("all is served again", () => world.areReady && world.areAllServed, 15_000);
    await world.run(2000);
    await expectFound(world);
    for (const node of world.nodes)
      for (const place of world.crowd.places)
        if (node.node.regionView(place).isComplete)
          world.fail(`${node.name} calls counts of ${codeOf(place)} complete, of players who may all be gone`);
    world.disturbedSinceMs = 0; // settle knows by this that the grace must be waited for
    await settle(world);
  },

  async "a lone slow survivor buries the dead"(world) {
    await begin(world, 3);
    const [survivor, ...others] = nonEmpty(world.nodes);
    // Not killed: a closed port would tell (R10). These are silent, as a machine without power is.
    for (const node of others) world.freeze(node, "process");
    const { leaseMs } = world.settings.clusterKey;
    for (let round = 0; round < 8; round++) {
      world.store.cutOff.add(survivor.name);
      await world.run(leaseMs + 500);
      world.store.cutOff.clear();
      await world.run(400);
    }
    const { length } = survivor.node.view.members;
    if (length > 1) world.fail(`${length - 1} dead nodes are still listed`);
    await settle(world);
  },

  async "a removal and its echo"(world) {
    await begin(world, 2);
    const node = aNode(world);
    world.checker.areRecordsChecked = false; // these go past the ledgers
    for (const { id, place, seq, ledger } of world.crowd.players) {
      if (seq === undefined) continue;
      const [region, mode] = [regionOfPlace(place), modeOfPlace(place)];
      const answers = [
        await answered(world, (settled) =>
          node.node.submit({ operation: "remove", id, region: 0, mode: "", seq: -1 }, settled),
        ),
        await answered(world, (settled) => node.node.submit({ operation: "report", id, region, mode, seq }, settled)),
      ];
      const effects = answers.map((answer) => (answer?.kind === "done" ? answer.effect : "refused"));
      if (effects.join() !== "removed,late") world.fail(`${ledger.name}: ${effects.join()} instead of removed,late`);
      ledger.expire(world.nowMs, -Infinity);
    }
    world.checker.areRecordsChecked = true;
    await settle(world);
  },
} satisfies Record<string, Scenario>;
