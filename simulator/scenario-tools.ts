/** What the scenarios are made of. */
import type { Outcome } from "../cluster/ports/rows.ts";
import type { Player } from "./crowd.ts";
import { expectExact, settle } from "./settle.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

/** A founded cluster whose players have all been acknowledged somewhere. */
export async function begin(world: World, nodesCount: number, playersCount = 24): Promise<void> {
  for (let number = 0; number < playersCount; number++) world.crowd.add(number % 3 === 0);
  for (let number = 0; number < nodesCount; number++) world.start();
  await world.until("the first nodes are ready", () => world.areReady && world.areAllServed, 20_000);
  await everybody(world);
}

/** Everybody reports from some place and is acknowledged. */
export async function everybody(world: World, placeOf?: (player: Player) => number): Promise<void> {
  const { crowd } = world;
  await Promise.all([
    ...crowd.players.map((player) => told(world, player, placeOf?.(player) ?? crowd.anyPlace())),
    world.until("everybody is acknowledged", () => crowd.players.every(({ underWay }) => underWay === 0), 15_000),
  ]);
}

/** `kill -9` of all: what the store has outlives them. */
export async function killAndRestartAll(world: World, nodesCount = 3): Promise<void> {
  for (const node of world.nodes) world.kill(node);
  for (let number = 0; number < nodesCount; number++) world.start();
  await world.run(9000);
}

/** Whatever is acknowledged from now on outlives everybody. */
export async function expectStored(world: World): Promise<void> {
  await everybody(world, ({ place }) => place); // each says again where it is
  await killAndRestartAll(world);
  await expectExact(world);
  await settle(world);
}

/** Some place where the player is not. */
export function elsewhere(world: World, player: Player): number {
  const other = world.crowd.anyPlace();
  return other === player.place ? elsewhere(world, player) : other;
}

/** A player reports, to this node only or wherever it is answered; whether that was acknowledged. Time must pass meanwhile. */
export function told(world: World, player: Player, place: number, node?: SimulatedNode): Promise<boolean> {
  const { crowd } = world;
  return new Promise((resolve) => {
    if (node === undefined) crowd.send([crowd.report(player, place, 10, resolve)]);
    else crowd.send([crowd.report(player, place, 0, resolve)], node);
  });
}

/** The node that serves a player's partition; the first where one does not know yet that another does. */
export function ownerOf(world: World, player: Player): SimulatedNode | undefined {
  return world.nodes.find((node) => doesServe(world, node, player));
}

export function doesServe(world: World, { node }: SimulatedNode, player: Player): boolean {
  return node.parts?.holdings.servingOf(world.checker.partitionOf(player)) !== undefined;
}

export function playersOf(world: World, node: SimulatedNode): Player[] {
  return world.crowd.players.filter((player) => ownerOf(world, player) === node);
}

/** Some node, and what is special about it. */
export function aNode(world: World, fits: (node: SimulatedNode) => boolean = () => true): SimulatedNode {
  const node = world.nodes.find(fits);
  if (node === undefined) throw new Error("There is no such node");
  return node;
}

/** Cuts a node off from all others, and from the store too. */
export function isolate(world: World, node: SimulatedNode, from: "peers" | "all" = "all"): void {
  for (const other of world.nodes)
    if (other !== node) {
      world.cut(node.name, other.name);
      world.cut(other.name, node.name);
    }
  if (from === "peers") return;
  world.disturb("store cut off", `${node.name} cannot reach the store`);
  world.store.cutOff.add(node.name);
}

/** Asks, and lets time pass until the answer is there. */
export async function answered(
  world: World,
  ask: (settle: (outcome: Outcome) => void) => void,
): Promise<Outcome | undefined> {
  let answer: Outcome | undefined;
  ask((outcome) => (answer = outcome));
  await world.until("there is an answer", () => answer !== undefined, 5000);
  return answer;
}

export function expectNobodyExpelled(world: World, nodes: readonly SimulatedNode[]): void {
  for (const { name, node } of nodes)
    if ((node.parts?.figures.expulsions ?? 0) > 0) world.fail(`${name} was expelled, and lives`);
}

/** Every player who is connected is found, through any node. */
export async function expectFound(world: World): Promise<void> {
  for (const player of world.crowd.players) {
    const outcome = await answered(world, (settled) =>
      aNode(world, ({ isUp }) => isUp).node.submit(
        { operation: "find", id: player.id, region: 0, mode: "", seq: -1 },
        settled,
      ),
    );
    if (outcome?.kind !== "done" || outcome.effect !== "found")
      world.fail(`${player.ledger.name} should be found, got ${JSON.stringify(outcome)}`);
  }
}

/** A newcomer that no holder hears, so that it loads what they hold. */
export async function silencedTaker(world: World): Promise<SimulatedNode> {
  const taker = world.start();
  const isIn = (): boolean => {
    const { membership } = taker.node.parts ?? {};
    return membership !== undefined && membership.isListed && !membership.listing.isAwaitingCalls;
  };
  await world.until("the newcomer is in", isIn, 8000);
  for (const { name } of world.nodes) if (name !== taker.name) world.cut(taker.name, name);
  return taker;
}

/** One player of each partition moves, so that whoever writes to it hears what the store lost; nobody waits for it. */
export async function writeToEachPartition(world: World): Promise<void> {
  const writers = new Map(world.crowd.players.map((player) => [world.checker.partitionOf(player), player]));
  for (const player of writers.values()) void told(world, player, elsewhere(world, player));
  await world.run(4000);
}

/** Every record that has players has a snapshot, so that whoever loads it has something to decompress. */
export async function untilSnapshotted(world: World): Promise<void> {
  const recordOf = (player: Player) => world.store.model.records.get(world.checker.partitionOf(player));
  const { sessionMs } = world.settings.clusterKey;
  const areThere = (): boolean => world.crowd.players.every((player) => recordOf(player)?.snapshot !== undefined);
  await world.until("there are snapshots", areThere, sessionMs);
}
