/** The named scenarios: short scripts over the world. The seed chooses the moments, and the variant where there are some. */
import { live } from "./life.ts";
import { NOWHERE } from "./ledger.ts";
import { modeOfPlace, type Player, regionOfPlace } from "./crowd.ts";
import { aNode, answered, begin, everybody, isolate, ownerOf, playersOf, told } from "./scenario-tools.ts";
import type { ScenarioName } from "./scenario-names.ts";
import { expectExact, settle } from "./settle.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

/** Beyond a lease, so that others have taken over. */
const BEYOND_LEASE_MS = 5000;

export const SCENARIOS: Readonly<Record<ScenarioName, (world: World, seed: number) => Promise<void>>> = {
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
    const [dying, slower] = world.nodes;
    world.kill(dying);
    world.store.hold((node, call) => node === slower && call === "take");
    await world.until("the slower one takes", () => world.store.heldCount > 0, 10_000);
    const isBlind = seed % 2 === 0; // it learns of no view, and goes on with its clients
    world.store.hold((node, call) => node === slower && (call === "take" || (isBlind && call === "renew")));
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
    const [first] = world.nodes;
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

  async "A to B to A with an append under way"(world, seed) {
    await begin(world, 1);
    const first = aNode(world);
    world.store.hold((node, call) => node === first && call === "append");
    live(world, 300);
    await world.run(100);
    const second = world.start();
    await world.until("the second is listed", () => first.node.view.members.length === 2, 5000);
    await world.run(world.random.below(1500));
    if (seed % 2 === 0) world.kill(second);
    else world.drain(second);
    await world.run(world.random.below(3000));
    world.store.release();
    await world.run(3000);
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

  async "what a dead owner wrote lands late"(world, seed) {
    await begin(world, 3, 12);
    const { crowd, store } = world;
    const dying = aNode(world);
    const players = playersOf(world, dying);
    const held = seed % 2 === 0 ? "append" : "snapshot";
    store.hold((node, call) => node === dying && call === held);
    const roundsBefore = held === "snapshot" ? 6 : 0;
    for (let round = 0; round < roundsBefore; round++) {
      for (const player of players) crowd.send([crowd.report(player, crowd.anyPlace())], dying);
      await world.run(1500); // past a third of a session's life a snapshot is due
    }
    for (const player of players) crowd.send([crowd.report(player, crowd.anyPlace())], dying);
    await world.run(20);
    world.kill(dying);
    const isTaken = (): boolean => players.every((player) => ownerOf(world, player) !== undefined);
    await world.until("all is taken over", isTaken, 10_000);
    for (let round = 0; round <= (held === "append" ? (seed >> 1) % 4 : 9); round++) {
      for (const player of players) void told(world, player, crowd.anyPlace());
      await world.run(held === "append" ? 2000 : 300);
    }
    store.release();
    await world.run(500);
    await settle(world);
  },

  async "a snapshot lands after the next one"(world) {
    await begin(world, 1);
    live(world, 200);
    const owner = aNode(world);
    let held = 0;
    world.store.hold((_, call) => call === "snapshot" && ++held <= 2);
    await world.until("two snapshots hang", () => held >= 2, 15_000);
    owner.encodingMs = 5;
    await world.run(8000 + world.random.below(8000)); // they are given up, and others are taken
    world.store.release();
    await world.run(2000);
    await settle(world);
  },

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
    if (owner.node.status.kind === "ready") world.checker.readViews(owner); // before anything reaches it
    for (let again = 0; again < 10; again++) {
      await world.run(10);
      ask();
      if (owner.isUp && owner.node.status.kind === "ready") world.checker.readViews(owner);
    }
    await world.run(2000);
    await settle(world);
  },

  async "a repeated report while its first append hangs, fails or landed unheard"(world, seed) {
    await begin(world, 3);
    const [, player] = world.crowd.players; // sends no numbers, so that a report that moves nothing writes nothing
    const owner = ownerOf(world, player) ?? aNode(world);
    const entry = aNode(world, (node) => node !== owner);
    const { store, crowd } = world;
    world.disturb("append fails", "the next appends hang, fail or land unheard");
    if (seed % 3 === 0) store.hold((_, call) => call === "append");
    else if (seed % 3 === 1) store.weather = { ...store.weather, failureRatio: 1 };
    else store.weather = { ...store.weather, answerLossRatio: 1 };
    const place = crowd.anyPlace();
    for (let again = 0; again < 4; again++) {
      crowd.send([crowd.report(player, place)], again % 2 === 0 ? owner : entry);
      await world.run(1 + world.random.below(40));
    }
    await world.run(world.random.below(600));
    store.clearUp();
    store.release();
    for (let again = 0; again < 4; again++) {
      crowd.send([crowd.report(player, place)], again % 2 === 0 ? owner : entry);
      await world.run(1 + world.random.below(40));
    }
    world.kill(owner);
    await world.run(5000);
    await settle(world);
  },

  async "rows that come while a snapshot heals"(world) {
    await begin(world, 2);
    const { store, crowd } = world;
    const [, player] = crowd.players; // sends no numbers, so that a report that moves nothing writes nothing
    const owner = ownerOf(world, player) ?? aNode(world);
    owner.encodingMs = 400;
    world.disturb("append fails", "appends fail");
    store.weather = { ...store.weather, failureRatio: 1 };
    crowd.send([crowd.report(player, crowd.anyPlace())], owner);
    await world.run(150);
    store.clearUp();
    for (let round = 0; round < 12; round++) {
      const place = crowd.anyPlace();
      for (let again = 0; again < 8; again++) {
        crowd.send([crowd.report(player, place)], owner);
        await world.run(10 + world.random.below(30));
      }
    }
    await settle(world);
  },

  async "an outage of the store with a death inside and its clock jumping"(world, seed) {
    await begin(world, 3);
    live(world, 700);
    const outageMs = seed % 4 === 0 ? 60_000 : world.random.below(15_000);
    world.disturb("store away", `the store is away for ${outageMs} ms`);
    world.store.isAway = true;
    await world.run(outageMs / 2);
    const victim = world.random.pick(world.nodes);
    const survivors = world.nodes.filter((node) => node !== victim);
    world.kill(victim);
    world.disturb("store clock jumps", "the store's clock jumps");
    world.store.clockJumpMs += world.random.pick([-60_000, 60_000]);
    await world.run(outageMs / 2);
    world.store.isAway = false;
    await world.run(1000);
    expectNobodyExpelled(world, survivors);
    await settle(world);
  },

  async "the store back as another, views that differ and a newcomer"(world, seed) {
    await begin(world, 3);
    live(world, 500);
    world.store.save();
    await world.run(1500);
    const lonely = aNode(world);
    isolate(world, lonely);
    world.start();
    await world.run(1500 + world.random.below(3000));
    world.store.isAway = true;
    await world.run(world.random.below(2000));
    world.restartStore((["empty", "older", "without its tail"] as const)[seed % 3], 3000);
    world.store.isAway = false;
    world.store.cutOff.clear();
    world.network.mend();
    world.start();
    await world.run(4000);
    await settle(world);
  },

  async "the store back as another while all owners live"(world, seed) {
    await begin(world, 3);
    world.store.save();
    await everybody(world);
    world.checker.areRecordsChecked = false;
    world.disturb("store back", "the store is back with less");
    const newcomer = seed % 2 === 0 ? world.start() : undefined;
    if (seed % 4 === 0) {
      world.store.hold((node, call) => node === newcomer && call === "take");
      await world.until("the newcomer takes", () => world.store.heldCount > 0, 5000);
    }
    world.store.restart((["empty", "older", "without its tail"] as const)[seed % 3], 10);
    world.store.release();
    await world.run(6000);
    await expectExact(world);
    world.checker.areRecordsChecked = true;
    await everybody(world);
    for (const node of world.nodes) world.kill(node); // what it has now outlives them
    for (let number = 0; number < 2; number++) world.start();
    await world.run(8000);
    await expectExact(world);
    await settle(world);
  },

  async "one-way cuts"(world, seed) {
    await begin(world, 3);
    live(world, 500);
    const [one, ...others] = world.random.shuffled(world.nodes);
    for (const other of seed % 2 === 0 ? others : others.slice(0, 1))
      if (seed % 4 < 2) world.cut(one.name, other.name);
      else world.cut(other.name, one.name);
    await world.run(2000 + world.random.below(8000));
    await settle(world);
  },

  async "partitions and regions moving while players cross borders"(world) {
    await begin(world, 3, 40);
    live(world, 150);
    await world.run(2000);
    for (let step = 0; step < 4; step++) {
      if (step % 2 === 0) world.start();
      else world.drain(aNode(world, (node) => node.isUp && node.node.status.kind === "ready"));
      await world.run(100 + world.random.below(1500));
    }
    await settle(world);
  },

  async "a region that empties during a failover"(world) {
    await begin(world, 3);
    const [empty] = world.crowd.players.map(({ place }) => regionOfPlace(place));
    const elsewhere = (): number => {
      for (;;) {
        const place = world.crowd.anyPlace();
        if (regionOfPlace(place) !== empty) return place;
      }
    };
    const owner = aNode(world, ({ node }) => node.parts?.placement.regionOwner(empty) === node.incarnation);
    const moving = everybody(world, elsewhere);
    await world.run(world.random.below(8));
    world.kill(owner);
    await moving;
    await world.run(6000);
    await expectExact(world);
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

  async "the silent through rolling restarts"(world) {
    await begin(world, 3);
    const { crowd } = world;
    const { sessionMs } = world.settings.clusterKey;
    const silent = crowd.players.filter((_, number) => number % 2 === 0);
    const beganMs = world.nowMs;
    while (world.nowMs - beganMs < sessionMs + 4000) {
      const leaving = world.nodes[0];
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

  async "two rows of one player split by a flush"(world) {
    await begin(world, 2);
    const { crowd, random } = world;
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
    const [player] = crowd.players.filter(({ seq }) => seq === undefined);
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
    const [player] = crowd.players.filter(({ seq }) => seq === undefined);
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
    store.hold((node, call) => node === taker && call === "take");
    await world.until("it takes", () => store.heldCount > 0, 5000);
    crowd.asksAnybody = true; // it cannot be ready, and is asked all the same
    store.hold((node, call) => node === taker && (call === "take" || call === "renew"));
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
      checker.askOwner(random.pick(world.nodes), crowd.anyRegion());
      if (player !== undefined) {
        const place = crowd.anyPlace();
        const ask = (): void => checker.askOwner(random.pick(world.nodes), regionOfPlace(place));
        crowd.send([crowd.report(player, place, 0, ask)]);
      }
      await world.run(random.fraction() * 4);
    }
    await settle(world);
  },

  async "a flush by holders that are cut off from the store"(world) {
    await begin(world, 3);
    const { checker, crowd, network, random, store } = world;
    const old = [...world.nodes];
    world.disturb("store cut off", "nobody who holds anything can reach the store");
    for (const { name } of old) store.cutOff.add(name);
    const taker = world.start();
    network.loses = (from, _, lane) => from === taker && lane !== "rows";
    for (let round = 0; round < 200; round++) {
      const place = crowd.anyPlace();
      const ask = (): void => checker.askOwner(random.pick(old), regionOfPlace(place));
      const [player] = random.shuffled(playersOf(world, taker).filter(({ underWay }) => underWay === 0));
      if (player !== undefined) crowd.send([crowd.report(player, place, 0, ask)], random.pick(old));
      await world.run(15);
    }
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
      if (node.node.regionView(world.crowd.anyRegion()).isComplete)
        world.fail(`${node.name} calls counts complete of players who may all be gone`);
    world.disturbedSinceMs = 0; // settle knows by this that the grace must be waited for
    await settle(world);
  },

  async "a node that only the store can reach"(world) {
    await begin(world, 4);
    const lonely = aNode(world);
    const others = world.nodes.filter((node) => node !== lonely);
    for (const other of others) {
      world.cut(lonely.name, other.name);
      world.cut(other.name, lonely.name);
    }
    await world.run(10_000);
    const { crowd } = world;
    const waiting = new Set(crowd.players);
    const tell = (player: Player): void =>
      void told(world, player, crowd.anyPlace(), world.random.pick(others)).then((isTold) =>
        isTold ? waiting.delete(player) : tell(player),
      );
    for (const player of crowd.players) tell(player);
    await world.until("nobody waits any more for the node that no peer can reach", () => waiting.size === 0, 40_000);
    await settle(world);
  },

  async "two nodes that cannot hear each other"(world) {
    await begin(world, 2);
    const [one, other] = world.nodes;
    world.cut(one.name, other.name);
    world.cut(other.name, one.name);
    await world.run(world.settings.clusterKey.sessionMs + 4000);
    expectNobodyExpelled(world, [one, other]);
    world.network.mend();
    await world.run(1500);
    await expectFound(world);
    await settle(world);
  },

  async "a lone slow survivor buries the dead"(world) {
    await begin(world, 3);
    const [survivor, ...others] = world.nodes;
    for (const node of others) world.kill(node);
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
        await answered(world, (settled) => node.node.submit("remove", id, 0, "", -1, settled)),
        await answered(world, (settled) => node.node.submit("report", id, region, mode, seq, settled)),
      ];
      const effects = answers.map((answer) => (answer?.kind === "done" ? answer.effect : "refused"));
      if (effects.join() !== "removed,late") world.fail(`${ledger.name}: ${effects.join()} instead of removed,late`);
      ledger.expire(world.nowMs, -Infinity);
    }
    world.checker.areRecordsChecked = true;
    await settle(world);
  },
};

function expectNobodyExpelled(world: World, nodes: readonly SimulatedNode[]): void {
  for (const { name, node } of nodes)
    if ((node.parts?.figures.expulsions ?? 0) > 0) world.fail(`${name} was expelled, and lives`);
}

/** Every player who is connected is found, through any node. */
async function expectFound(world: World): Promise<void> {
  for (const player of world.crowd.players) {
    const outcome = await answered(world, (settled) =>
      aNode(world, ({ isUp }) => isUp).node.submit("find", player.id, 0, "", -1, settled),
    );
    if (outcome?.kind !== "done" || outcome.effect !== "found")
      world.fail(`${player.ledger.name} should be found, got ${JSON.stringify(outcome)}`);
  }
}
