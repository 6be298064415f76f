import { expect, test } from "vitest";
import { ClusterNode } from "../../cluster/cluster-node.ts";
import { USUAL, World } from "../../simulator/world.ts";

test("R7, R10: a restart of all nodes that takes longer than a lease is not told as a wrong peer address", async () => {
  const world = new World(1, ClusterNode, false, { ...USUAL, tickMs: 20 });
  const first = [world.start(), world.start(), world.start()];
  await world.until("all are ready", () => world.areReady && world.areAllServed, 20_000);
  for (const node of first) world.kill(node);
  await world.run(5000);
  const again = [world.start(), world.start(), world.start()];
  const told = new Set<string>();
  const areBack = (): boolean => {
    for (const { node } of again) if ("reason" in node.status) told.add(node.status.reason);
    return world.areReady && world.areAllServed;
  };
  await world.until("all are ready again", areBack, 20_000);
  expect([...told].filter((reason) => reason.includes("cannot reach this node"))).toEqual([]);
});
