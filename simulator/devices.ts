/**
 * Devices of players that are connected over sessions (R30): each plays at a node, which renews the player while the device stands, and tells the
 * owner when the connection ends.
 */
import { RECONNECT_GRACE_MS } from "../cluster/records/player-standings.ts";
import type { Outcome, PlayerRequest } from "../cluster/ports/rows.ts";
import type { StandingSession } from "../cluster/standing-sessions.ts";
import { LATE_MS, type Player } from "./crowd.ts";
import { NOWHERE } from "./ledger.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

/** The owner looks for those who are due a few times a second, and for a copy that moves it starts anew. */
const REMOVED_WITHIN_MS = 3000;

export class Device implements StandingSession {
  readonly player: Player;
  readonly node: SimulatedNode;
  /** It was told that it stands no longer. */
  isSuperseded = false;
  isOpen = true;
  private readonly world: World;

  constructor(world: World, player: Player, node: SimulatedNode) {
    this.world = world;
    this.player = player;
    this.node = node;
    world.devices.open.add(this);
    node.clients.add(this);
  }

  get id(): Player["id"] {
    return this.player.id;
  }

  onSuperseded(): void {
    this.isSuperseded = true;
    this.world.trace(this.node.name, `a device of ${this.player.ledger.name} stands no longer`);
  }

  /** The node is gone, and so is the connection: nobody tells the owner. */
  onClosed(): void {
    this.isOpen = false;
    this.world.devices.open.delete(this);
  }

  /** Says where the player is. @returns whether that was acknowledged; time must pass meanwhile */
  play(place: number): Promise<boolean> {
    const { crowd } = this.world;
    this.isSuperseded = false;
    return new Promise((resolve) => {
      const report = crowd.report(this.player, place, 0, resolve);
      crowd.send([{ ...report, onPlayed: (outcome) => this.onPlayed(outcome) }], this.node);
    });
  }

  /** Ends without a word. @param isStanding whether the owner may remove the player for it */
  close(isStanding: boolean): void {
    const { world, player, node } = this;
    if (!this.isOpen) return;
    this.onClosed();
    node.clients.delete(this);
    if (isStanding) world.devices.noteLeaving(player, node);
    node.deliver(() => node.sessions.end(this));
  }

  private onPlayed(outcome: Outcome): void {
    if (outcome.kind !== "done" || outcome.stamp === undefined) return;
    this.node.sessions.stand(this, outcome.stamp);
    if (!this.isOpen) this.node.sessions.end(this);
  }
}

export class Devices {
  readonly open = new Set<Device>();
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  connect(player: Player, node: SimulatedNode): Device {
    return new Device(this.world, player, node);
  }

  /** What a node asks for its devices: what is learnt of it. */
  submit(node: SimulatedNode, request: PlayerRequest, settle: (outcome: Outcome) => void): void {
    const { world } = this;
    const sentMs = world.nowMs;
    const { ledger } = this.playerOf(request);
    if (request.operation === "renew") ledger.heard(sentMs + world.settings.clusterKey.deadlineMs + LATE_MS);
    node.node.submit(request, (outcome) => {
      if (outcome.kind === "done" && outcome.effect === "renewed" && outcome.isRemembered)
        ledger.renew(sentMs, world.nowMs);
      settle(outcome);
    });
  }

  /** The player may be removed once the grace is over, unless somebody is heard before. */
  noteLeaving(player: Player, node: SimulatedNode): void {
    const { world } = this;
    const { sessionMs, deadlineMs } = world.settings.clusterKey;
    if (player.leaving !== undefined) player.ledger.cancel(player.leaving, world.nowMs);
    player.leaving = player.ledger.send(NOWHERE, 0, node.name, world.nowMs, world.lifeMs);
    const untilMs = world.nowMs + Math.max(RECONNECT_GRACE_MS, sessionMs) + deadlineMs + LATE_MS + REMOVED_WITHIN_MS;
    player.ledger.giveUp(player.leaving, untilMs, world.nowMs);
  }

  /** Somebody was heard since the connection ended, so nobody is removed for it. @param sentMs when what was acknowledged was sent */
  noteHeard(player: Player, sentMs: number): void {
    if (player.leaving === undefined || sentMs <= player.leaving.sentMs) return;
    player.ledger.cancel(player.leaving, this.world.nowMs);
    player.leaving = undefined;
  }

  private playerOf({ id }: PlayerRequest): Player {
    const player = this.world.crowd.players.find((one) => one.id === id);
    if (player === undefined) throw new Error("Nobody has this device");
    return player;
  }
}
