/**
 * R30 against a slow, obvious model: two devices of one player at two entries, through take-overs of the owner, in any order of plays, renewals, reports over
 * HTTP, heartbeats, ends and time. Whoever played last stands once everybody has renewed, and whoever does not stand removes nobody.
 */
import fc from "fast-check";
import { expect, test } from "vitest";

import type { PlayerStandings } from "../../cluster/records/player-standings.ts";
import { Presences } from "../../cluster/records/presences.ts";
import { Engine } from "../../engine/engine.ts";
import { NO_SEQ, type Partition } from "../../engine/partition.ts";
import type { Stamp } from "../../engine/standings.ts";
import { KEY_BYTES, playerId } from "../../simulator/players.ts";

const LIFE_MS = 90_000;
const GRACE_MS = 10_000;
const THIRD_MS = LIFE_MS / 3;
const STEP_MS = 1000;
const PARTITIONS = 16;
const ID = playerId(7);

type Event =
  | { readonly kind: "play" | "end"; readonly device: number }
  | { readonly kind: "report" | "heartbeat" | "take over" | "hand over" }
  | { readonly kind: "pass"; readonly steps: number };

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("play" as const), device: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("end" as const), device: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("report", "heartbeat") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("take over" as const, "hand over" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pass" as const), steps: fc.integer({ min: 1, max: 40 }) }) },
);

interface Device {
  stamp: Stamp | undefined;
  renewsAtMs: number;
  /** The present owner knows it; and somebody reported there since. */
  isKnown: boolean;
  isOver: boolean;
}

class World {
  nowMs = 0;
  term = 1;
  presences = this.newOwner();
  readonly devices: Device[] = [0, 1].map(() => ({
    stamp: undefined,
    renewsAtMs: 0,
    isKnown: false,
    isOver: false,
  }));
  /** The device that played last and is open, as the model has it; `undefined`: none. */
  last: Device | undefined;
  /** Who reports over HTTP goes on with heartbeats, as clients do. */
  heartbeatsAtMs = Infinity;
  /** Somebody who was heard by a third of a life ago at the latest. */
  keptUntilMs = -Infinity;

  private newOwner(): Presences {
    const options = {
      partitions: PARTITIONS,
      hashKey: KEY_BYTES,
      sessionMs: LIFE_MS,
      removalMs: 4000,
      graceMs: 0,
      isLogged: false,
    };
    return new Presences(new Engine(options, this.nowMs), undefined, undefined, undefined, GRACE_MS);
  }

  get standings(): PlayerStandings {
    return this.presences.standings;
  }

  get isConnected(): boolean {
    return (this.presences.find(this.hash, ID)?.region ?? -1) >= 0;
  }

  do(event: Event): void {
    switch (event.kind) {
      case "play":
        return this.play(this.devices[event.device] as Device);
      case "end":
        return this.end(this.devices[event.device] as Device);
      case "report":
        this.report(false);
        this.last = undefined;
        for (const device of this.devices) device.isOver = device.isKnown;
        this.heartbeatsAtMs = this.nowMs + THIRD_MS;
        return undefined;
      case "heartbeat":
        if (this.presences.renew(this.hash, ID)) this.heard();
        return undefined;
      case "take over":
        return this.takeOver();
      case "hand over":
        return this.handOver();
      default:
        for (let step = 0; step < event.steps; step++) this.pass();
    }
  }

  pass(): void {
    this.nowMs += STEP_MS;
    for (let tick = 0; tick < 40; tick++) this.standings.tick(() => true);
    this.presences.tick(this.nowMs);
    for (const device of this.devices)
      if (device.stamp !== undefined && device.renewsAtMs <= this.nowMs) this.renew(device);
    if (this.heartbeatsAtMs > this.nowMs) return;
    this.heartbeatsAtMs = this.nowMs + THIRD_MS;
    if (this.presences.renew(this.hash, ID)) this.heard();
  }

  private heard(): void {
    this.keptUntilMs = this.nowMs + THIRD_MS;
  }

  private report(isPlay: boolean): "changed" | "renewed" {
    const reported = { region: 1, mode: "GM01", seq: NO_SEQ, isPlay };
    const effect = this.presences.report(this.hash, ID, reported);
    expect(["changed", "renewed"]).toContain(effect);
    this.heard();
    return effect as "changed" | "renewed";
  }

  private play(device: Device): void {
    const effect = this.report(true);
    const asked = { region: 1, mode: "GM01", seq: NO_SEQ };
    device.stamp = this.standings.play(this.hash, ID, asked, effect, this.term);
    device.renewsAtMs = this.nowMs + THIRD_MS;
    [device.isKnown, device.isOver] = [true, false];
    this.last = device;
    this.heartbeatsAtMs = Infinity; // whoever reported over HTTP before is another client's, which has gone
  }

  private end(device: Device): void {
    const { stamp } = device;
    device.stamp = undefined;
    if (stamp === undefined) return;
    this.standings.end(this.hash, ID, stamp);
    if (this.last === device) this.last = undefined;
  }

  private renew(device: Device): void {
    device.renewsAtMs = this.nowMs + THIRD_MS;
    const became = this.standings.renew(this.hash, ID, device.stamp as Stamp);
    if (became === "renewed") {
      expect(device.isOver, "a report ended its standing").toBe(false);
      device.isKnown = true;
      return;
    }
    expect(device === this.last, "the device that played last stands").toBe(false);
    device.stamp = undefined;
  }

  /** The record brings the player back, and nothing of who stands. */
  private takeOver(): void {
    this.change(() => undefined);
    for (const device of this.devices) [device.isKnown, device.isOver] = [false, false];
  }

  /** The holder gives all that it knows to the next one, whose clock shows another time. */
  private handOver(): void {
    const { engine } = this.presences;
    this.change((next) => {
      const aheadBy = next.engine.time.tenths - engine.time.tenths;
      for (const [partition, { standings }] of next.engine.partitions.entries())
        standings.adopt((engine.partitions[partition] as Partition).standings.copy(), aheadBy);
    });
  }

  private change(bringBack: (next: Presences) => void): void {
    const isConnected = this.isConnected;
    this.term++;
    this.presences = this.newOwner();
    if (isConnected) this.presences.report(this.hash, ID, { region: 1, mode: "GM01", seq: NO_SEQ, isRetold: true });
    bringBack(this.presences);
    for (let partition = 0; partition < PARTITIONS; partition++) this.standings.own(partition, this.term);
  }

  private get hash(): number {
    return this.presences.engine.hash(ID);
  }
}

test("R30: whoever played last keeps the player through take-overs, and once both devices are gone the player is nowhere", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
      const world = new World();
      for (const event of events) {
        world.do(event);
        if (world.last !== undefined) expect(world.isConnected, "a device that played last is open").toBe(true);
        if (world.nowMs < world.keptUntilMs && world.heartbeatsAtMs !== Infinity)
          expect(world.isConnected, "somebody sends heartbeats").toBe(true);
      }
      for (const device of world.devices) device.stamp = undefined; // both are gone, without a word
      world.last = undefined;
      world.heartbeatsAtMs = Infinity;
      world.do({ kind: "pass", steps: LIFE_MS / STEP_MS + 2 });
      expect(world.isConnected, "silence removes").toBe(false);
    }),
    { numRuns: 500 },
  );
});

test("R30: after a turn of renewals one device stands at the most", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
      const world = new World();
      for (const event of events) world.do(event);
      world.do({ kind: "pass", steps: (2 * THIRD_MS) / STEP_MS + 2 });
      expect(world.devices.filter(({ stamp }) => stamp !== undefined).length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 300 },
  );
});
