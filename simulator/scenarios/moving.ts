/** Scenarios of partitions and regions on the move. The seed chooses the moments, and the variant where there are some. */
import { regionOfPlace } from "../crowd.ts";
import { itemAt, take } from "../item-at.ts";
import { live } from "../life.ts";
import { aNode, begin, elsewhere, everybody, isolate, ownerOf, playersOf, told } from "../scenario-tools.ts";
import { expectExact, settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { Scenario } from "./scenario.ts";

export const MOVING = {
  async "moved and dead in one breath"(world) {
    await begin(world, 3);
    live(world, 400);
    const old = aNode(world);
    isolate(world, old);
    const taker = world.start();
    const hasTaken = (): boolean => (taker.node.parts?.figures.partitionsServed ?? 0) > 0;
    await world.until("the newcomer serves something", hasTaken, 10_000);
    world.kill(taker);
    await world.run(500 + world.random.below(4000));
    await settle(world);
  },

  async "an old holder that has learned nothing goes on"(world) {
    await begin(world, 3);
    const { crowd, random } = world;
    const old = aNode(world);
    const players = playersOf(world, old);
    const others = world.nodes.filter((node) => node !== old);
    isolate(world, old);
    world.start();
    isolate(world, old);
    for (let round = 0; round < 80; round++) {
      for (const player of players.filter(({ underWay }) => underWay === 0))
        if (random.fraction() < 0.5) crowd.send([crowd.report(player, crowd.anyPlace())], random.pick(others));
        else crowd.send([crowd.asking(player, "find"), crowd.asking(player, "renew")], old);
      await world.run(40);
    }
    await settle(world);
  },

  async "two takers at neighbouring epochs, the slower first"(world, seed) {
    await begin(world, 3);
    live(world, 300);
    const [dying, slower] = take(2, world.nodes);
    world.kill(dying);
    world.store.hold((node, call) => node === slower && call === "claim");
    await world.until("the slower one claims", () => world.store.heldCount > 0, 10_000);
    const isBlind = seed % 2 === 0; // it learns of no view, and goes on with its clients
    world.store.hold((node, call) => node === slower && (call === "claim" || (isBlind && call === "renew")));
    const faster = world.start();
    if (isBlind) isolate(world, slower, "peers");
    const hasTaken = (): boolean => (faster.node.parts?.figures.partitionsServed ?? 0) > 0;
    await world.until("the faster one serves something", hasTaken, 10_000);
    await world.run(world.random.below(1500));
    world.store.hold((node, call) => node === slower && isBlind && call === "renew");
    await world.run(3000);
    world.store.release();
    await settle(world);
  },

  async "A to B to C to B, a death at one step"(world, seed) {
    await begin(world, 2);
    live(world, 400);
    const [first] = take(1, world.nodes);
    const moves = [
      () => world.drain(first),
      () => void world.start(),
      () => world.kill(world.nodes.at(-1) ?? first),
      () => void world.start("n1"),
    ];
    for (const [step, move] of moves.entries()) {
      move();
      if (step === seed % moves.length) {
        await world.run(world.random.below(500));
        const victim = world.random.pick(world.nodes.filter((node) => node.isUp));
        world.kill(victim);
        world.time.after(600, () => world.start(victim.name, victim.peerUrl));
      }
      await world.run(800 + world.random.below(3500));
    }
    await settle(world);
  },

  async "A to B and back, and A was never told that B served"(world) {
    await begin(world, 1);
    const first = aNode(world);
    const second = world.start();
    const hasLetGo = (): boolean => (first.node.parts?.figures.partitionsKept ?? 0) > 0;
    while (!hasLetGo()) await world.run(2);
    world.network.loses = (from, _, lane) => from === second && lane === "control";
    await world.until("the second is ready", () => second.node.status.kind === "ready" && world.areAllServed, 5000);
    for (const player of playersOf(world, second)) void told(world, player, world.crowd.anyPlace(), second);
    await world.run(300);
    world.kill(second);
    world.network.mend();
    await world.run(6000);
    await expectExact(world);
    await settle(world);
  },

  /** B claims when nobody lists it any more, and is told more than A's table has, which A kept for it and takes again. */
  async "A to B and back, and B claims in between"(world) {
    await begin(world, 1, 40);
    const { crowd, network, store } = world;
    const first = aNode(world);
    const second = world.start();
    store.hold((node, call) => node === second && call === "claim");
    await world.until("the second claims", () => store.heldCount > 0, 10_000);
    store.hold((node, call) => call === "claim" || (node === second && call === "renew"));
    isolate(world, second, "peers");
    await world.until("the second is expelled", () => first.node.view.members.length === 1, 8000);
    await world.run(200);
    store.hold((node, call) => call === (node === first ? "claim" : "renew"));
    await world.run(300);
    crowd.asksAnybody = true; // it cannot be ready, and is asked all the same
    for (const player of playersOf(world, second)) void told(world, player, elsewhere(world, player), second);
    await world.run(300);
    store.release();
    network.mend();
    await world.run(3000);
    await expectExact(world);
    await settle(world);
  },

  /** Perhaps messages come a second time, up to three seconds later. */
  async "partitions and regions moving while players cross borders"(world, seed) {
    await begin(world, 3, 40);
    if (seed % 4 === 3) world.network.weather = { ...world.network.weather, repeatRatio: 0.3 };
    live(world, 150);
    await world.run(2000);
    for (let step = 0; step < 4; step++) {
      if (step % 2 === 0) world.start();
      else world.drain(aNode(world, ({ isReady }) => isReady));
      await world.run(100 + world.random.below(1500));
    }
    await settle(world);
  },

  async "a region that empties during a failover"(world) {
    await begin(world, 3);
    const [empty] = take(
      1,
      world.crowd.players.map(({ place }) => regionOfPlace(place)),
    );
    const anotherPlace = (): number => {
      for (;;) {
        const place = world.crowd.anyPlace();
        if (regionOfPlace(place) !== empty) return place;
      }
    };
    const owner = aNode(world, ({ node }) => node.parts?.placement.placeOwner(empty) === node.incarnation);
    const moving = everybody(world, anotherPlace);
    await world.run(world.random.below(8));
    world.kill(owner);
    await moving;
    await world.run(6000);
    await expectExact(world);
    await settle(world);
  },

  async "the silent through rolling restarts"(world) {
    await begin(world, 3);
    const { crowd } = world;
    const { sessionMs } = world.settings.clusterKey;
    const silent = crowd.players.filter((_, number) => number % 2 === 0);
    const beganMs = world.nowMs;
    while (world.nowMs - beganMs < sessionMs + 4000) {
      const leaving = itemAt(world.nodes, 0);
      world.drain(leaving);
      await world.until("it has left", () => leaving.state === "gone", 5000);
      world.start();
      await world.run(2500);
      for (const player of crowd.players) if (!silent.includes(player)) crowd.send([crowd.asking(player, "renew", 5)]);
    }
    for (const { ledger } of silent) ledger.expire(world.nowMs, sessionMs + 3000);
    await expectExact(world);
    await settle(world);
  },

  /** Perhaps batches come a second time, up to three seconds later. */
  async "two rows of one player split by a flush"(world, seed) {
    await begin(world, 2);
    const { crowd, network, random } = world;
    if (seed % 2 === 0) network.weather = { ...network.weather, repeatRatio: 0.3 };
    world.start();
    for (let round = 0; round < 150; round++) {
      const player = random.pick(crowd.players.filter(({ underWay }) => underWay === 0));
      const entry = random.pick(world.nodes.filter(({ node }) => node.status.kind === "ready"));
      crowd.send([crowd.report(player, crowd.anyPlace())], entry);
      await world.run(random.fraction() * 2);
      crowd.send([crowd.report(player, crowd.anyPlace())], entry);
      await world.run(random.fraction() * 20);
      if (round === 75) world.drain(random.pick(world.nodes));
    }
    await world.run(3000);
    await settle(world);
  },

  async "a batch that arrives after its partition went and came back"(world) {
    await begin(world, 2);
    const { crowd, network } = world;
    const [player] = take(
      1,
      crowd.players.filter(({ seq }) => seq === undefined),
    );
    const owner = ownerOf(world, player) ?? aNode(world);
    const entry = aNode(world, (node) => node !== owner);
    network.holds = (from, to, lane) => from === entry && to === owner && lane === "rows" && network.heldCount === 0;
    crowd.send([crowd.report(player, crowd.anyPlace())], entry);
    const between = world.start();
    const heldMs = world.nowMs;
    const isLate = (): boolean => world.nowMs - heldMs > 1800;
    await world.until("it went", () => isLate() || ownerOf(world, player) === between, 5000);
    await world.until("it is acknowledged", () => player.underWay === 0, 5000);
    const second = told(world, player, crowd.anyPlace(), between);
    await world.until("the next is acknowledged", () => player.underWay === 0, 5000);
    await second;
    world.drain(between);
    await world.until("it came back", () => isLate() || ownerOf(world, player) === owner, 5000);
    network.release();
    await world.run(3000);
    await expectExact(world);
    await settle(world);
  },

  async "a batch that arrives long after its deadline"(world) {
    await begin(world, 2);
    const { crowd, network } = world;
    const [player] = take(
      1,
      crowd.players.filter(({ seq }) => seq === undefined),
    );
    const owner = ownerOf(world, player) ?? aNode(world);
    const entry = aNode(world, (node) => node !== owner);
    network.holds = (from, to, lane) => from === entry && to === owner && lane === "rows";
    crowd.send([crowd.report(player, crowd.anyPlace())], entry);
    await world.run(6000);
    network.holds = () => false;
    const second = told(world, player, crowd.anyPlace(), owner);
    await world.until("the next is acknowledged", () => player.underWay === 0, 5000);
    await second;
    network.release();
    await world.run(500);
    await expectExact(world);
    await settle(world);
  },

  async "a taker that was expelled before its claim landed"(world) {
    await begin(world, 3);
    const { crowd, network, random, store } = world;
    const taker = world.start();
    network.loses = (from, _, lane) => from === taker && lane === "control"; // so that nobody lets go
    store.hold((node, call) => node === taker && call === "claim");
    await world.until("it claims", () => store.heldCount > 0, 5000);
    crowd.asksAnybody = true; // it cannot be ready, and is asked all the same
    store.hold((node, call) => node === taker && (call === "claim" || call === "renew"));
    isolate(world, taker, "peers");
    const others = world.nodes.filter((node) => node !== taker);
    const isListed = ({ node }: SimulatedNode): boolean =>
      node.view.members.some(({ incarnation }) => incarnation === taker.node.incarnation);
    await world.until("the taker is expelled", () => !others.some(isListed), 6000);
    await world.run(200);
    store.hold((node, call) => node === taker && call === "renew");
    for (let round = 0; round < 60; round++) {
      for (const player of crowd.players.filter(({ underWay }) => underWay === 0))
        if (random.fraction() < 0.4) crowd.send([crowd.report(player, crowd.anyPlace())], taker);
        else crowd.send([crowd.asking(player, "find"), crowd.asking(player, "renew")], random.pick(others));
      await world.run(60);
    }
    await settle(world);
  },

  async "asked while another answer is being gathered"(world) {
    await begin(world, 3);
    const { checker, crowd, network, random } = world;
    network.weather = { ...network.weather, delayMs: 40 };
    for (let round = 0; round < 300; round++) {
      const [player] = random.shuffled(crowd.players.filter(({ underWay }) => underWay === 0));
      checker.counts.askOwner(random.pick(world.nodes), crowd.anyRegion());
      if (player !== undefined) {
        const place = crowd.anyPlace();
        const ask = (): void => checker.counts.askOwner(random.pick(world.nodes), regionOfPlace(place));
        crowd.send([crowd.report(player, place, 0, ask)]);
      }
      await world.run(random.fraction() * 4);
    }
    await settle(world);
  },
} satisfies Record<string, Scenario>;
