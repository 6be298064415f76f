/** Scenarios of members that die, and of those that only seem to: how fast it is noticed, and that nobody living pays for it. */
import type { Player } from "../crowd.ts";
import { itemAt, nonEmpty, take } from "../item-at.ts";
import { live } from "../life.ts";
import { aNode, answered, begin, expectNobodyExpelled, isolate, ownerOf, playersOf } from "../scenario-tools.ts";
import { settle } from "../settle.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import type { World } from "../world.ts";
import type { Scenario } from "./scenario.ts";

/** As in production. */
const TICK_MS = 20;
/** A licence, 100 ms, and what the words take on their way. */
const EXPELLED_WITHIN_MS = 640;
const SERVED_WITHIN_MS = 900;
/** A taker that does not know whose table it took waits for the longest licence, half a lease. */
const SETTLED_WITHIN_MS = 3000;
/** Unheard for a lease, then marked for another. */
const MARKED_OUT_MS = 9000;

export const CRASHES = {
  async "a killed node is expelled in half a second and served by others soon after"(world, seed) {
    world.settings = { ...world.settings, tickMs: TICK_MS };
    await begin(world, 2 + (seed % 2));
    live(world, 200);
    await world.run(1000 + world.random.below(500));
    const victim = world.random.pick(world.nodes);
    const { incarnation } = victim.node;
    world.kill(victim);
    const diedAtMs = world.nowMs;
    await world.until("it is expelled", () => !world.nodes.some(lists(incarnation)), EXPELLED_WITHIN_MS);
    await world.until("others serve", () => world.areAllServed, SERVED_WITHIN_MS - (world.nowMs - diedAtMs));
    await settle(world);
  },

  async "resets that lie expel nobody"(world) {
    await begin(world, 3);
    live(world, 300);
    const { network, random } = world;
    world.disturb("network bad", "connections are reset and refused, although everybody lives");
    network.refuses = () => random.fraction() < 0.5;
    for (let round = 0; round < 60; round++) {
      const [from, to] = take(2, random.shuffled(world.nodes));
      network.reset(from, to.peerUrl);
      await world.run(random.below(250));
    }
    expectNobodyExpelled(world, world.nodes);
    await settle(world);
  },

  async "a record that is read ahead of a death, and written to before it"(world) {
    world.settings = { ...world.settings, tickMs: TICK_MS };
    await begin(world, 3);
    live(world, 100);
    const [witness, victim] = take(2, world.random.shuffled(world.nodes));
    world.disturb("network bad", "one node is refused by another, although that lives");
    world.network.refuses = (from, to) => from === witness && to === victim;
    world.network.reset(witness, victim.peerUrl);
    await world.run(300 + world.random.below(500));
    expectNobodyExpelled(world, world.nodes);
    world.kill(victim);
    await world.until("others serve", () => world.areAllServed, SERVED_WITHIN_MS);
    await settle(world);
  },

  async "what is read ahead of a death goes to a newcomer first, which leaves"(world) {
    world.settings = { ...world.settings, tickMs: TICK_MS };
    await begin(world, 3);
    live(world, 100);
    const [victim, ...heirs] = take(3, world.random.shuffled(world.nodes));
    const newcomer = world.start();
    await world.until("it is listed", () => heirs.every(({ node }) => node.view.members.length === 4), 4000);
    world.kill(victim); // before the newcomer is called back, so that the others read as if it were not there
    await world.until("all is served", () => world.areAllServed, SETTLED_WITHIN_MS);
    const onEvent = world.onEvent.bind(world);
    let superseded = 0;
    world.onEvent = (node, event) => {
      if (node === newcomer && event.kind === "superseded") superseded++;
      onEvent(node, event);
    };
    world.drain(newcomer);
    await settle(world);
    if (superseded > 0) world.fail(`${superseded} partitions were taken from one that lives, and that was not asked`);
  },

  async "of members that all fail to hear each other one is left, and the others come back"(world, seed) {
    await begin(world, 2 + (seed % 3));
    const { nodes } = world;
    for (const node of nodes) isolate(world, node, "peers");
    await world.run(MARKED_OUT_MS);
    const left = nodes.filter((node) => lists(node.node.incarnation)(node));
    if (left.length !== 1) world.fail(`${left.length} are left`);
    for (const { node, name } of left)
      if (node.view.members.length !== 1) world.fail(`${name} is not alone in its list`);
    await settle(world);
  },

  async "a blip that heals costs nobody its place"(world, seed) {
    await begin(world, 3 + (seed % 2));
    live(world, 500);
    const lonely = world.random.pick(world.nodes);
    isolate(world, lonely, "peers");
    await world.run(3200 + world.random.below(1800));
    world.network.mend();
    await world.run(6000);
    expectNobodyExpelled(world, world.nodes);
    await settle(world);
  },

  async "two of four that cannot hear each other keep their places"(world) {
    await begin(world, 4);
    const [one, other] = take(2, world.random.shuffled(world.nodes));
    world.cut(one.name, other.name);
    world.cut(other.name, one.name);
    await world.run(2 * MARKED_OUT_MS);
    expectNobodyExpelled(world, world.nodes);
    await settle(world);
  },

  async "an expelled node acknowledges nothing that has no effect"(world) {
    await begin(world, 4, 40);
    world.checker.areRecordsChecked = false; // what is asked here goes past the ledgers
    const [lonely, ...others] = nonEmpty(world.nodes);
    const players = playersOf(world, lonely).filter(({ seq }) => seq === undefined);
    isolate(world, lonely, "peers");
    await world.until("it is expelled", () => others.every(({ node }) => node.view.members.length === 3), 20_000);
    const owned = (player: Player): boolean => others.some((node) => ownerOf(world, player) === node);
    await world.until("some are served elsewhere", () => players.length === 0 || players.some(owned), 4000);
    for (const player of players.filter(owned)) await expectLastWord(world, player, lonely);
  },

  async "a node that nobody can reach gets nothing, and says so"(world, seed) {
    await begin(world, 2);
    live(world, 300);
    const { network } = world;
    const unreachable = world.start();
    const isTo = (to: SimulatedNode): boolean => to === unreachable;
    if (seed % 2 === 0) network.loses = (_, to) => isTo(to);
    else network.refuses = (_, to) => isTo(to);
    for (let round = 0; round < 12; round++) {
      await world.run(1000);
      expectNothingThere(world, unreachable);
      if (!world.nodes.filter((node) => node !== unreachable).every((node) => node.node.status.kind === "ready"))
        world.fail("the others are not ready");
    }
    const { status } = unreachable.node;
    if (status.kind === "ready" || !status.reason.includes("cannot reach this node"))
      world.fail(`it says ${JSON.stringify(status)}`);
    expectNobodyExpelled(world, world.nodes);
    await settle(world);
  },

  async "a member that nobody reaches any more loses its place until it is reached"(world) {
    await begin(world, 3);
    live(world, 300);
    const { network } = world;
    const unreachable = aNode(world);
    world.disturb("network bad", `nobody reaches ${unreachable.name}`, 2 * MARKED_OUT_MS);
    network.loses = (_, to) => to === unreachable;
    await world.run(MARKED_OUT_MS);
    for (let round = 0; round < 5; round++) {
      await world.run(1000);
      expectNothingThere(world, unreachable);
    }
    await settle(world);
  },

  async "a slow store, and licences that keep its pace"(world, seed) {
    await begin(world, 3);
    live(world, 400);
    world.disturb("store bad", "the store is slow");
    world.store.weather = { ...world.store.weather, delayMs: [30, 100, 350][seed % 3] as number };
    await world.run(12_000);
    let [licensed, asked] = [0, 0];
    for (let round = 0; round < 400; round++) {
      await world.run(20);
      for (const { node } of world.nodes) {
        asked++;
        if (node.parts?.membership.isLicensed ?? false) licensed++;
      }
    }
    if (licensed < 0.97 * asked) world.fail(`licences held ${((100 * licensed) / asked).toFixed(1)} % of the time`);
    expectNobodyExpelled(world, world.nodes);
    await settle(world);
  },
} satisfies Record<string, Scenario>;

function lists(incarnation: string): (node: SimulatedNode) => boolean {
  return ({ node }) => node.view.members.some((member) => member.incarnation === incarnation);
}

function expectNothingThere(world: World, node: SimulatedNode): void {
  const { name, peerUrl } = node;
  const owned = world.nodes.filter((other) => (other.node.sliceOf(node.node.incarnation).partitions ?? 0) > 0);
  if (owned.length > 0)
    world.fail(`${itemAt(owned, 0).name} gives ${name} partitions, which nobody reaches at ${peerUrl}`);
}

/** A player moves at its new owner, then back through the expelled node: where that is acknowledged it has an effect. */
async function expectLastWord(world: World, player: Player, expelled: SimulatedNode): Promise<void> {
  const owner = ownerOf(world, player) ?? aNode(world);
  const find = () =>
    answered(world, (settled) =>
      owner.node.submit({ operation: "find", id: player.id, region: 0, mode: "", seq: -1 }, settled),
    );
  const found = await find();
  if (found?.kind !== "done" || found.place === undefined) return;
  const { region, mode } = found.place;
  const other = mode === "GM01" ? "GM02" : "GM01";
  await answered(world, (settled) =>
    owner.node.submit({ operation: "report", id: player.id, region, mode: other, seq: -1 }, settled),
  );
  const back = await answered(world, (settled) =>
    expelled.node.submit({ operation: "report", id: player.id, region, mode, seq: -1 }, settled),
  );
  if (back?.kind !== "done" || !back.isRemembered) return;
  const now = await find();
  if (now?.kind === "done" && now.place?.mode !== mode)
    world.fail(`${player.ledger.name} was acknowledged in ${mode} by an expelled node, and is in ${now.place?.mode}`);
}
