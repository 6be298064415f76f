/** How long clients wait through something: reports at a steady pace, each until it is acknowledged as remembered. */
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

export interface Waits {
  /** Of all reports, from the first sending until it was acknowledged: in milliseconds of virtual time. */
  readonly longestMs: number;
  readonly medianMs: number;
  readonly reports: number;
  /** Answers that were refusals (`503`), and those that were only counted (`202`): each was sent again. */
  readonly refused: number;
  readonly counted: number;
}

interface WaitsOptions {
  /** So long after the action has begun reports are sent. */
  readonly forMs?: number;
  /** Pause between two reports. */
  readonly everyMs?: number;
}

/** A client that is refused, or whose connection ends, tries another node so soon. */
const AGAIN_MS = 20;
const TRIES_MAX = 500;
const ANSWERED_WITHIN_MS = 15_000;
/** What the action meets is under way already. */
const WARM_MS = 500;

/** Use a world with the tick of a real process (`PRODUCTION_TICK_MS`), and enough players that some are idle. */
export async function waitsThrough(
  world: World,
  action: () => unknown,
  { forMs = 6000, everyMs = 5 }: WaitsOptions = {},
): Promise<Waits> {
  const { refusals, counted } = world.tally;
  const waits: number[] = [];
  let underWay = 0;
  const untilMs = world.nowMs + WARM_MS + forMs;
  const report = (): void => {
    if (world.nowMs >= untilMs) return;
    world.time.after(everyMs, report);
    const idle = world.crowd.players.filter((player) => player.underWay === 0);
    if (idle.length === 0) return;
    const sentMs = world.nowMs;
    underWay++;
    const request = world.crowd.report(world.random.pick(idle), world.crowd.anyPlace(), TRIES_MAX, () => {
      underWay--;
      waits.push(world.nowMs - sentMs);
    });
    world.crowd.send([{ ...request, pauseMs: AGAIN_MS }], balanced(world));
  };
  report();
  await world.run(WARM_MS);
  await action();
  await world.run(Math.max(0, untilMs - world.nowMs));
  await world.until("every report is acknowledged", () => underWay === 0, ANSWERED_WITHIN_MS);
  waits.sort((one, other) => one - other);
  return {
    longestMs: waits.at(-1) ?? 0,
    medianMs: waits[waits.length >> 1] ?? 0,
    reports: waits.length,
    refused: world.tally.refusals - refusals,
    counted: world.tally.counted - counted,
  };
}

/** The longest wait of a client through an action, in milliseconds of virtual time. */
export async function longestWait(world: World, action: () => unknown, options?: WaitsOptions): Promise<number> {
  return (await waitsThrough(world, action, options)).longestMs;
}

/** A node as a load balancer chooses it: one that says that it is ready. */
function balanced({ nodes, random }: World): SimulatedNode | undefined {
  const ready = nodes.filter(({ isReady }) => isReady);
  return ready.length === 0 ? undefined : random.pick(ready);
}
