/** Scenarios of players whose devices are connected over sessions (R30). The seed chooses players, moments, and who dies. */
import { RECONNECT_GRACE_MS } from "../../cluster/records/player-standings.ts";
import type { Player } from "../crowd.ts";
import type { Device } from "../devices.ts";
import { aNode, answered, begin, elsewhere, ownerOf, told } from "../scenario-tools.ts";
import { settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { World } from "../world.ts";
import { inWorld, type Scenario } from "./scenario.ts";

/** Long enough that a grace ends within it, and that a third of it is longer than the grace, as in production. */
const SESSION_MS = 42_000;
const SESSIONS = {
  clusterKey: {
    partitions: 16,
    sessionMs: SESSION_MS,
    graceMs: 26_000,
    leaseMs: 3000,
    deadlineMs: 2000,
    durability: "log",
    modesMax: 1024,
    placement: 1,
  },
};
/** Each connection that stands has renewed within this, also where its first renewal found nobody. */
const TURN_MS = SESSION_MS / 3 + SESSION_MS / 30 + 3000;
const REMOVED_MS = RECONNECT_GRACE_MS + 4000;

export const SESSION_SCENARIOS = {
  "sessions keep their players through restarts of their owners": inWorld(SESSIONS, async (world) => {
    const devices = await connected(world, 3, 8);
    for (let round = 0; round < 3; round++) {
      const entries = new Set(devices.map(({ node }) => node));
      const owner = world.nodes.find((node) => !entries.has(node)) ?? world.start();
      await world.until("all are ready", () => world.areReady && world.areAllServed, 20_000);
      await disturb(world, owner, round);
      await world.run(SESSION_MS / 2);
    }
    await world.run(SESSION_MS);
    for (const device of devices) {
      if (device.isSuperseded) world.fail(`${device.player.ledger.name} was superseded, and nobody else played`);
      await expectAt(world, device.player, device.player.place);
    }
    await settle(world);
  }),

  "two devices of a player through a failover: the one that played last stands": inWorld(
    SESSIONS,
    async (world, seed) => {
      await begin(world, 4, 12);
      for (const player of some(world, 2)) {
        const owner = ownerOf(world, player);
        const [first, second] = entriesBeside(world, owner);
        const [before, last] = [world.devices.connect(player, first), world.devices.connect(player, second)];
        await sure(world, before.play(elsewhere(world, player)));
        await world.run(world.random.below(SESSION_MS / 3));
        const place = elsewhere(world, player);
        await sure(world, last.play(place));
        if (seed % 2 === 0 && owner !== undefined) {
          world.kill(owner);
          world.start(owner.name);
        }
        await world.run(TURN_MS);
        await world.until("all are ready", () => world.areReady && world.areAllServed, 20_000);
        await world.run(TURN_MS);
        if (!before.isSuperseded) world.fail(`the device of ${player.ledger.name} that played first still stands`);
        if (last.isSuperseded) world.fail(`the device of ${player.ledger.name} that played last does not stand`);
        before.close(false);
        await world.run(REMOVED_MS);
        await expectAt(world, player, place);
        await expectLeaves(world, last);
      }
      await settle(world);
    },
  ),

  "a device that does not stand ends after a failover, before the other has renewed": inWorld(
    SESSIONS,
    async (world) => {
      await begin(world, 4, 12);
      for (const player of some(world, 2)) {
        const owner = ownerOf(world, player);
        const [first, second] = entriesBeside(world, owner);
        const [before, last] = [world.devices.connect(player, first), world.devices.connect(player, second)];
        await sure(world, before.play(elsewhere(world, player)));
        // The first is due soon, and the last only after the grace: so a new owner hears of the first, and of its end, before.
        await world.run(SESSION_MS / 3 - 1000);
        const place = elsewhere(world, player);
        await sure(world, last.play(place));
        if (owner !== undefined) {
          world.kill(owner);
          world.start(owner.name);
        }
        await world.run(3000);
        before.close(false);
        await world.run(SESSION_MS);
        if (last.isSuperseded) world.fail(`the device of ${player.ledger.name} that played last does not stand`);
        await expectAt(world, player, place);
        await expectLeaves(world, last);
      }
      await settle(world);
    },
  ),

  "a device that ends comes back in time, or not, or somebody else is heard": inWorld(SESSIONS, async (world) => {
    const devices = await connected(world, 3, 8);
    for (const [index, device] of devices.entries()) {
      const { player } = device;
      if (index % 4 === 3) {
        await expectOtherStays(world, device);
        continue;
      }
      device.close(true);
      await world.run(RECONNECT_GRACE_MS / 2);
      await expectAt(world, player, player.place);
      if (index % 4 === 0) {
        const again = world.devices.connect(player, world.random.pick(world.nodes));
        await sure(world, again.play(player.place));
        await world.run(REMOVED_MS);
        await expectAt(world, player, player.place);
        await expectLeaves(world, again);
      } else if (index % 4 === 1) {
        await sure(world, renewed(world, player));
        await world.run(REMOVED_MS);
        await expectAt(world, player, player.place);
      } else {
        await world.run(REMOVED_MS - RECONNECT_GRACE_MS / 2);
        await expectAt(world, player, undefined);
      }
    }
    await settle(world);
  }),

  "a report without a session ends the standing of the device": inWorld(SESSIONS, async (world) => {
    const devices = await connected(world, 3, 4);
    for (const device of devices) {
      const { player } = device;
      const place = elsewhere(world, player);
      await sure(world, told(world, player, place));
      await world.run(TURN_MS);
      if (!device.isSuperseded) world.fail(`${player.ledger.name} reported elsewhere, and the device still stands`);
      await sure(world, renewed(world, player));
      device.close(false);
      await world.run(REMOVED_MS);
      await expectAt(world, player, place);
    }
    await settle(world);
  }),

  "a report without a session ends the standing of the device after a failover too": inWorld(
    SESSIONS,
    async (world) => {
      await begin(world, 4, 12);
      const [player] = some(world, 1) as [Player];
      const owner = ownerOf(world, player);
      const device = world.devices.connect(player, entriesBeside(world, owner)[0]);
      await sure(world, device.play(elsewhere(world, player)));
      if (owner !== undefined) world.kill(owner);
      await world.run(TURN_MS);
      const place = elsewhere(world, player);
      await sure(world, told(world, player, place));
      await world.run(TURN_MS);
      if (!device.isSuperseded) world.fail(`${player.ledger.name} reported elsewhere, and the device still stands`);
      device.close(false);
      await sure(world, renewed(world, player));
      await world.run(REMOVED_MS);
      await expectAt(world, player, place);
      await settle(world);
    },
  ),

  "what a node knows of sessions goes along when it leaves": inWorld(SESSIONS, async (world, seed) => {
    await begin(world, 4, 24);
    const leaver = world.random.pick(world.nodes);
    const theirs = some(world, 24).filter((player) => ownerOf(world, player) === leaver);
    const ends: { readonly player: Player; readonly device: Device; readonly place: number | undefined }[] = [];
    const later: Device[] = [];
    for (const [index, player] of theirs.slice(0, 6).entries()) {
      const [first, second] = entriesBeside(world, leaver);
      const device = world.devices.connect(player, first);
      await sure(world, device.play(elsewhere(world, player)));
      if ((index + seed) % 3 === 0) {
        const last = world.devices.connect(player, second);
        await sure(world, last.play(elsewhere(world, player)));
        last.close(true);
        ends.push({ player, device, place: undefined });
      } else if ((index + seed) % 3 === 1) {
        const place = elsewhere(world, player);
        await sure(world, told(world, player, place));
        ends.push({ player, device, place });
      } else later.push(device);
    }
    await world.run(1000); // an end is told
    world.drain(leaver);
    await world.until("all are ready", () => world.areReady && world.areAllServed, 20_000);
    for (const device of later) device.close(true);
    await world.run(REMOVED_MS);
    for (const device of later) await expectAt(world, device.player, undefined);
    await world.run(TURN_MS - REMOVED_MS);
    for (const { player, device, place } of ends) {
      if (place === undefined) await expectAt(world, player, undefined);
      else if (!device.isSuperseded)
        world.fail(`${player.ledger.name} reported elsewhere, and the device still stands`);
    }
    await settle(world);
  }),

  "an entry that dies with its sessions: silence removes, and not before": inWorld(SESSIONS, async (world) => {
    const devices = await connected(world, 3, 6);
    const entry = world.random.pick(devices).node;
    const lost = devices.filter(({ node }) => node === entry).map(({ player }) => player);
    await world.run(TURN_MS);
    world.kill(entry);
    world.start(entry.name);
    await world.run(REMOVED_MS);
    for (const player of lost)
      if (player.ledger.certain(world.nowMs, world.nowMs, world.lifeMs) !== undefined)
        await expectAt(world, player, player.place);
    await world.run(SESSION_MS + SESSIONS.clusterKey.graceMs);
    for (const player of lost) await expectAt(world, player, undefined);
    for (const device of devices) if (device.isOpen) await expectAt(world, device.player, device.player.place);
    await settle(world);
  }),
} satisfies Record<string, Scenario>;

/** It leaves, dies, or dies while the store is away for so long that each renewal finds nobody in time. */
async function disturb(world: World, owner: SimulatedNode, number: number): Promise<void> {
  if (number % 3 === 0) return world.drain(owner);
  world.kill(owner);
  if (number % 3 === 1) return undefined;
  world.disturb("store away", "the store is away");
  world.store.isAway = true;
  await world.run(TURN_MS);
  world.store.isAway = false;
  return undefined;
}

/** Another device plays, and the first ends before it is told that it stands no longer. */
async function expectOtherStays(world: World, device: Device): Promise<void> {
  const { player } = device;
  const other = world.devices.connect(player, world.random.pick(world.nodes));
  await sure(world, other.play(elsewhere(world, player)));
  device.close(false);
  await world.run(REMOVED_MS);
  await expectAt(world, player, player.place);
  await expectLeaves(world, other);
}

/** A founded cluster, and players with a device each, at some node. */
async function connected(world: World, nodesCount: number, count: number): Promise<Device[]> {
  await begin(world, nodesCount, 12);
  const entries = world.nodes.slice(0, 2);
  const devices = some(world, count).map((player) => world.devices.connect(player, world.random.pick(entries)));
  for (const device of devices) await sure(world, device.play(elsewhere(world, device.player)));
  return devices;
}

/** Without `seq`, so that nothing comes late. */
function some(world: World, count: number): Player[] {
  const free = world.crowd.players.filter(({ seq, underWay }) => seq === undefined && underWay === 0);
  return world.random.shuffled(free).slice(0, count);
}

/** Two nodes that are not the owner, so that it may die. */
function entriesBeside(world: World, owner: SimulatedNode | undefined): [SimulatedNode, SimulatedNode] {
  const [first, second] = world.random.shuffled(world.nodes.filter((node) => node !== owner && node.isReady));
  if (first === undefined || second === undefined) throw new Error("There are not enough nodes");
  return [first, second];
}

async function sure(world: World, acknowledged: Promise<boolean>): Promise<void> {
  let isAcknowledged: boolean | undefined;
  void acknowledged.then((is) => (isAcknowledged = is));
  await world.until("there is an answer", () => isAcknowledged !== undefined, 20_000);
  if (isAcknowledged !== true) world.fail("nobody is disturbed, and a device is not acknowledged");
}

function renewed({ crowd }: World, player: Player): Promise<boolean> {
  return new Promise((resolve) => crowd.send([crowd.asking(player, "renew", 5, resolve)]));
}

/** @param place `undefined`: nowhere */
async function expectAt(world: World, player: Player, place: number | undefined): Promise<void> {
  const node = aNode(world, ({ isReady }) => isReady);
  const find = { operation: "find", id: player.id, region: 0, mode: "", seq: -1 } as const;
  const outcome = await answered(world, (settled) => node.node.submit(find, settled));
  const isThere = outcome?.kind === "done" && outcome.effect === "found";
  if (isThere !== (place !== undefined))
    world.fail(`${player.ledger.name} is ${isThere ? "still there" : "gone"}: ${JSON.stringify(outcome)}`);
}

/** The device ends, and its player is gone after the grace, or after a session's life where a stamp had to come back. */
async function expectLeaves(world: World, device: Device): Promise<void> {
  device.close(true);
  await world.run(REMOVED_MS);
  await world.run(SESSION_MS);
  await expectAt(world, device.player, undefined);
}
