/** What goes on all the time: players who act and clients who read. */
import type { World } from "./world.ts";

export function live(world: World, pauseMs: number): void {
  world.crowd.start(pauseMs);
  const { random, time, checker } = world;
  const ready = () => world.nodes.filter(({ isReady }) => isReady);
  const read = (): void => {
    if (!world.areClientsActive) return;
    const nodes = ready();
    if (nodes.length > 0) checker.counts.readViews(random.pick(nodes));
    time.after(100 + random.fraction() * 500, read);
  };
  const ask = (): void => {
    if (!world.areClientsActive) return;
    const nodes = ready();
    if (nodes.length > 0) checker.counts.ask(random.pick(nodes), world.crowd.anyHolder());
    time.after(100 + random.fraction() * 600, ask);
  };
  read();
  ask();
}
