/** The end of every run: the faults are over, so the cluster must settle, and what it says must be exact. */
import { isSubdivision } from "../engine/places.ts";
import { codeOf, type Player } from "./crowd.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

/** Everybody serves within ten seconds of the end of all faults. */
const SERVING_MS = 10_000;
const CERTAIN_MS = 20_000;
const FRESH_MS = 1500;

/** @param isSilenceAwaited whether to wait until half of the players, fallen silent, must be gone */
export async function settle(world: World, isSilenceAwaited = false): Promise<void> {
  world.areFaultsActive = false;
  const { sessionMs, graceMs } = world.settings.clusterKey;
  // R26: where all may have been silent longer than a session, counts are not whole until the grace is over.
  const isDoubtful = world.nowMs - world.disturbedSinceMs > sessionMs / 2 || world.tally.faults.has("wall clock jumps");
  const doubtMs = isDoubtful ? graceMs : 0;
  world.heal();
  const healedMs = world.nowMs;
  await world.until(`all are ready, after all faults ended`, () => world.areReady, SERVING_MS);
  await world.until("every partition has one owner", () => world.areAllServed, SERVING_MS);
  await untilWhole(world, healedMs + SERVING_MS + doubtMs);
  await world.studio.lift(SERVING_MS);
  await becomeCertain(world);
  await world.run(FRESH_MS);
  await expectExact(world);
  if (isSilenceAwaited) await expectSilentGone(world);
  expectSound(world);
}

/** Waits until every place's owner gives a whole answer through every node. */
async function untilWhole(world: World, untilMs: number): Promise<void> {
  for (;;) {
    const why = await whyNotWhole(world);
    if (why === undefined) return;
    if (world.nowMs > untilMs) world.fail(`not within ${SERVING_MS} ms of the end of all faults: ${why}`);
    await world.run(200);
  }
}

async function whyNotWhole(world: World): Promise<string | undefined> {
  const reasons: string[] = [];
  for (const node of world.nodes)
    for (const place of world.crowd.places) {
      const label = `${codeOf(place)} through ${node.name}`;
      for (const way of waysToAsk(place)) {
        reasons.push(label);
        world.checker.counts[way](node, place, (answer) => {
          reasons.splice(reasons.indexOf(label), 1);
          if (answer === undefined) reasons.push(`${label}: nobody answers`);
          else if (!answer.isComplete || answer.isStale) reasons.push(`${label}: the answer is not whole`);
        });
      }
      if (isSubdivision(place)) continue;
      const view = node.node.regionView(place);
      if (!view.isComplete || view.isStale) reasons.push(`${label}: the view is not whole`);
    }
  await world.run(120);
  return reasons[0];
}

/** Every player who is active reports once more until that is acknowledged, and sends a heartbeat, so that every answer must be exact. */
async function becomeCertain(world: World): Promise<void> {
  const { crowd } = world;
  world.areClientsActive = false;
  await world.until("what is under way ends", () => crowd.players.every(({ underWay }) => underWay === 0), CERTAIN_MS);
  const active = crowd.players.filter(({ isActive }) => isActive);
  let waiting = 2 * active.length;
  const ended = (player: Player, what: string) => (isAcknowledged: boolean) => {
    if (!isAcknowledged) world.fail(`${player.ledger.name} cannot ${what}, although all faults are over`);
    waiting--;
  };
  for (const player of active) crowd.send([crowd.report(player, crowd.anyPlace(), 60, ended(player, "report"))]);
  await world.until("everybody has reported", () => waiting === active.length, CERTAIN_MS);
  for (const player of active) crowd.send([crowd.asking(player, "renew", 60, ended(player, "renew"))]);
  await world.until("everybody has renewed", () => waiting === 0, CERTAIN_MS);
}

/** R31: what is known of a subdivision, as anybody may ask for it, is no view that is pushed. */
function waysToAsk(place: number): ("askOwner" | "askSubdivision")[] {
  return isSubdivision(place) ? ["askOwner", "askSubdivision"] : ["askOwner"];
}

/** Every node's views, and every place's owner through every node, say what the clients were told. */
export async function expectExact(world: World): Promise<void> {
  let waiting = 0;
  for (const node of world.nodes)
    for (const place of world.crowd.places) {
      if (!isSubdivision(place)) expectView(world, node, place);
      for (const way of waysToAsk(place)) {
        waiting++;
        world.checker.counts[way](node, place, (view) => {
          waiting--;
          const why = world.checker.counts.whyNotExact(view, place);
          if (why !== undefined) world.fail(`the owner of ${codeOf(place)}, asked through ${node.name}: ${why}`);
        });
      }
    }
  await world.until("owners answer", () => waiting === 0, 3000);
}

function expectView(world: World, node: SimulatedNode, region: number): void {
  const why = world.checker.counts.whyNotExact(node.node.regionView(region), region);
  if (why !== undefined) world.fail(`${node.name}'s view of ${codeOf(region)}: ${why}`);
}

/** Half of the players go on with heartbeats, the others are silent and must be gone in the end. */
async function expectSilentGone(world: World): Promise<void> {
  const { crowd } = world;
  const { sessionMs, graceMs } = world.settings.clusterKey;
  const living = crowd.players.filter((_, number) => number % 2 === 0);
  const untilMs = world.nowMs + sessionMs + graceMs + 4000;
  while (world.nowMs < untilMs) {
    for (const player of living) crowd.send([crowd.asking(player, "renew", 3)]);
    await world.run(sessionMs / 3);
  }
  for (const player of crowd.players)
    if (!living.includes(player)) player.ledger.expire(world.nowMs, sessionMs + graceMs + 3000);
  await expectExact(world);
}

function expectSound(world: World): void {
  for (const { name, node } of world.nodes)
    try {
      node.parts?.engine.assertSound();
    } catch (error) {
      world.fail(`${name} is not sound: ${String(error)}`);
    }
  const { whyNotServed } = world;
  if (whyNotServed !== undefined) world.fail(whyNotServed);
}
