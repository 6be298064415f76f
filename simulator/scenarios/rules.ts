/** Scenarios of rules of modes that change (R29), in clusters whose nodes follow them at their own pace. */
import { modeOfPlace, placeOf, type Player } from "../crowd.ts";
import { live } from "../life.ts";
import { aNode, begin, doesServe, everybody, ownerOf, playersOf, told } from "../scenario-tools.ts";
import { settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { World } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

const RULED = { hasRules: true };
const ROUNDS = 30;
const BEYOND_LEASE_MS = 6000;
/** Into the second and the third mode players come from the first only, so from neither of them into the other. */
const FORKED = [{ mode: "GM01" }, { mode: "GM02", from: ["GM01"] }, { mode: "GM03", from: ["GM01"] }];
/** A version is known everywhere by then: nodes look about every second. */
const KNOWN_WITHIN_MS = 4000;

export const RULES = {
  "rules that change while nodes die, leave and come": inWorld(RULED, async (world, seed) => {
    await begin(world, 3);
    live(world, 400);
    world.studio.publishEvery(700);
    for (let round = 0; round < 6; round++) {
      await world.run(1500);
      disturb(world, seed + round);
    }
    await world.run(1500);
    await settle(world);
  }),

  "two reports that race through two nodes for a forbidden switch": inWorld(RULED, async (world, seed) => {
    await begin(world, 3);
    world.studio.publish(FORKED);
    await untilKnown(world);
    const region = world.crowd.anyRegion();
    for (let round = 0; round < ROUNDS; round++) {
      if (seed % 2 === 1 && round % 10 === 5) disturb(world, round);
      await Promise.all([race(world, region), world.run(400)]);
    }
    await world.run(4000);
    await settle(world);
  }),

  "an owner that has not heard of the rules that the entry knows": inWorld(RULED, async (world, seed) => {
    await beginInFirst(world, 2);
    for (let round = 0; round < 4; round++) {
      const [player, owner, entry] = aForwarded(world);
      const isAway = seed % 3 === 0 && round === 1;
      // The owner looks for itself too late, and where the store does not answer it, not at all.
      world.store.hold((node, call) => node === owner && call === "catalogue");
      world.studio.publish(forbidding(world, player));
      await world.until("the entry knows", () => isKnown(world, entry), KNOWN_WITHIN_MS);
      const mode = world.crowd.modes[round % 2 === 0 ? 1 : 2] as string;
      const { deadlineMs } = world.settings.clusterKey;
      const tried = told(world, player, placeOf(world.crowd.anyRegion(), mode), entry);
      await world.run(isAway ? deadlineMs + 500 : 300);
      if (!doesServe(world, owner, player)) world.fail(`${owner.name} should still serve`);
      if (isKnown(world, owner)) world.fail(`${owner.name} knows what it could not read`);
      world.store.release();
      if (await Promise.race([tried, world.run(KNOWN_WITHIN_MS).then(() => false)]))
        world.fail("a report was acknowledged that the rules forbid");
      await untilKnown(world);
      world.studio.publish([]);
      await untilKnown(world);
    }
    await settle(world);
  }),

  "an entry that has not heard of the rules that the owner knows": inWorld(RULED, async (world) => {
    await beginInFirst(world, 2);
    for (let round = 0; round < 4; round++) {
      const [player, owner, entry] = aForwarded(world);
      world.store.hold((node, call) => node === entry && call === "catalogue");
      world.studio.publish(forbidding(world, player));
      await world.until("the owner knows", () => isKnown(world, owner), KNOWN_WITHIN_MS);
      const mode = world.crowd.modes[1 + (round % 2)] as string;
      const [isAcknowledged] = await Promise.all([
        told(world, player, placeOf(world.crowd.anyRegion(), mode), entry),
        world.run(500),
      ]);
      if (isAcknowledged) world.fail("a report was acknowledged that the rules forbid");
      world.store.release();
      world.studio.publish([]);
      await untilKnown(world);
    }
    await settle(world);
  }),

  /** It took effect, so whoever asks again is told that it came late, and not that the rules refuse it. */
  "a report that a dead owner had stored goes again under rules that forbid it": inWorld(RULED, async (world) => {
    await beginInFirst(world, 3);
    const [player, owner, entry] = aForwarded(world, ({ seq }) => seq !== undefined);
    world.cut(owner.name, entry.name);
    const tried = told(world, player, placeOf(world.crowd.anyRegion(), "GM02"), entry);
    await world.run(100);
    world.studio.publish(forbidding(world, player));
    await untilKnown(world);
    world.kill(owner);
    world.network.mendBetween(owner.name, entry.name);
    await Promise.all([tried, world.run(5000)]);
    await settle(world);
  }),

  "a thawed owner asked for a switch that only its old table forbids": inWorld(RULED, async (world) => {
    await beginInFirst(world, 3);
    world.studio.publish(FORKED);
    await untilKnown(world);
    const { crowd } = world;
    const owner = aNode(world, (node) => playersOf(world, node).length > 0);
    const players = playersOf(world, owner);
    const go = (mode: string, node?: SimulatedNode): void => {
      for (const player of players.filter(({ underWay }) => underWay === 0))
        crowd.send([crowd.report(player, placeOf(crowd.anyRegion(), mode), node === undefined ? 10 : 0)], node);
    };
    go("GM03");
    await world.run(2000);
    world.freeze(owner, "process");
    await world.run(BEYOND_LEASE_MS);
    go(
      "GM01",
      aNode(world, ({ isReady }) => isReady),
    );
    await world.run(1000);
    go("GM02", owner); // waits in its sockets
    world.thaw(owner);
    for (let again = 0; again < 10; again++) {
      await world.run(10);
      go("GM02", owner);
    }
    await world.run(3000);
    await settle(world);
  }),

  "rules while the store is away": inWorld(RULED, async (world) => {
    await begin(world, 3);
    live(world, 400);
    world.studio.publishAny();
    // Some know it and some do not, and nobody can ask.
    await world.run(world.random.below(1200));
    world.disturb("store away", "the store is away");
    world.store.isAway = true;
    await world.run(5000);
    world.store.isAway = false;
    await world.run(1000);
    world.studio.publishAny();
    await world.run(3000);
    await settle(world);
  }),

  "rules when the store comes back older, or empty": inWorld(RULED, async (world, seed) => {
    await begin(world, 3);
    live(world, 400);
    world.store.save();
    world.studio.publishAny();
    await untilKnown(world);
    await world.run(1000);
    world.restartStore(seed % 2 === 0 ? "older" : "empty", 500);
    await world.run(3000);
    world.start(); // it reads what those who know more have written back
    await world.run(4000);
    await settle(world);
  }),
} satisfies Record<string, Scenario>;

/** A founded cluster whose players all stand in the first mode. */
async function beginInFirst(world: World, nodesCount: number): Promise<void> {
  await begin(world, nodesCount);
  await everybody(world, () => placeOf(world.crowd.anyRegion(), "GM01"));
}

function isKnown({ studio }: World, { rules }: SimulatedNode): boolean {
  return rules.catalogue.version === studio.newest;
}

/** Each node is told to look, as by a peer that knows more. */
async function untilKnown(world: World): Promise<void> {
  const doAllKnow = (): boolean => world.nodes.every((node) => isKnown(world, node));
  for (const { rules } of world.nodes) rules.refresh();
  await world.until("every node knows the rules", doAllKnow, KNOWN_WITHIN_MS);
}

/** Rules under which a player goes into neither the second nor the third mode, from wherever it stands. */
function forbidding({ crowd }: World, { entitlements }: Player) {
  const [open, second, third] = crowd.modes as [string, string, string];
  const gate = entitlements.length === 0 ? { requires: ["pass"] } : { from: [] };
  return [{ mode: open }, { mode: second, ...gate }, { mode: third, ...gate }];
}

/** A player who stands in the first mode, its owner, and another node. */
function aForwarded(
  world: World,
  fits: (player: Player) => boolean = () => true,
): [Player, SimulatedNode, SimulatedNode] {
  const first = world.crowd.modes[0] as string;
  for (const player of world.random.shuffled(world.crowd.players)) {
    const owner = ownerOf(world, player);
    const [place] = player.ledger.possible(world.nowMs, world.nowMs);
    if (owner === undefined || place === undefined || player.underWay > 0 || !fits(player)) continue;
    if (player.ledger.onlySince(world.nowMs) === undefined || !nameIs(first, place)) continue;
    return [player, owner, aNode(world, (node) => node !== owner)];
  }
  throw new Error("Nobody stands in the first mode");
}

function nameIs(mode: string, place: number): boolean {
  return place >= 0 && modeOfPlace(place) === mode;
}

/** A player who stands in the first mode asks for the second and, through another node, for the third: it gets one at the most. */
async function race(world: World, region: number): Promise<void> {
  const { crowd, random, nodes } = world;
  // With a seq the other one may come late, and is answered as such: that is no switch.
  const free = crowd.players.filter(({ underWay, seq }) => underWay === 0 && seq === undefined);
  const [first, second] = random.shuffled(nodes.filter(({ isReady }) => isReady));
  if (free.length === 0 || first === undefined || second === undefined) return;
  const player = random.pick(free);
  if (!(await told(world, player, placeOf(region, "GM01"), first))) return;
  if (first.state !== "up" || second.state !== "up") return;
  const isAccepted = await Promise.all([
    told(world, player, placeOf(region, "GM02"), first),
    told(world, player, placeOf(region, "GM03"), second),
  ]);
  if (isAccepted.every((each) => each)) world.fail(`${player.ledger.name} went both ways`);
}

function disturb(world: World, number: number): void {
  const up = world.nodes.filter(({ isUp }) => isUp);
  const node = world.random.pick(up);
  switch (number % 4) {
    case 0:
      world.kill(node);
      return void world.start(node.name);
    case 1:
      return void world.start();
    case 2:
      if (up.length > 2) world.drain(node);
      return undefined;
    default:
      world.disturb("store cut off", `${node.name} cannot reach the store`);
      world.store.cutOff.add(node.name);
      return void world.time.after(1200, () => world.store.cutOff.delete(node.name));
  }
}
