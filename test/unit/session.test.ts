/** What one session takes of its client, on a socket that takes everything: how much at once, and how much in a second. */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import type { Done, Outcome, PlayerRequest } from "../../cluster/ports/rows.ts";
import { FanOut } from "../../node/live/fan-out.ts";
import {
  Session,
  type SessionHost,
  type SessionRoom,
  type SessionSocket,
  UNDER_WAY_MAX,
} from "../../node/live/session.ts";
import { playerId } from "../../simulator/players.ts";
import { LiveSource, LiveTime } from "../support/live-world.ts";

/** Other messages of a client in a second. */
const SAID_MAX = 64;
const LATE: Done = { kind: "done", effect: "late", isRemembered: true, place: undefined };
const REMOVED: Done = { ...LATE, effect: "removed" };

test.each([
  { type: "ping" },
  { type: "watch", place: "CA" },
  { type: "unwatch", place: "CA" },
  { type: "token", token: 5 },
])("a client says 64 messages in a second, and nothing more of it is read before the next: $type", (message) => {
  const bench = new Bench();
  for (let second = 1; second <= 3; second++) {
    expect(bench.sayWhileRead(message, 1000)).toBe(SAID_MAX);
    bench.session.look(second * 1000);
    expect(bench.ws.isPaused).toBe(false);
  }
});

test.each([
  { type: "leave", seq: 7 },
  { type: "play", region: "CA", gamemode: "GM01" },
])(
  "64 plays and leaves are under way at once, and nothing more is read before half of them are answered: $type",
  (message) => {
    const bench = new Bench();
    expect(bench.sayWhileRead(message, 1000)).toBe(UNDER_WAY_MAX);
    bench.say({ ...message, ref: "one more, in the same packet" });
    expect(bench.told).toEqual([
      expect.objectContaining({ type: "refused", ref: "one more, in the same packet", code: "429", reason: "rate" }),
    ]);
    expect(bench.underWay).toHaveLength(UNDER_WAY_MAX);
    bench.session.look(1000);
    while (bench.underWay.length > UNDER_WAY_MAX / 2) {
      expect(bench.ws.isPaused).toBe(true);
      bench.settleNext(REMOVED);
    }
    expect(bench.ws.isPaused).toBe(false);
    expect(bench.sayWhileRead(message, 1000)).toBe(UNDER_WAY_MAX / 2);
  },
);

test("R30: a leave that comes late does not end the session's standing; one that takes effect does", () => {
  const bench = new Bench();
  bench.say({ type: "leave", seq: 7 });
  bench.settleNext(LATE);
  expect([bench.told, bench.dropped]).toEqual([[{ type: "left" }], 0]);
  bench.say({ type: "leave", seq: 9 });
  bench.settleNext(REMOVED);
  expect([bench.told.length, bench.dropped]).toEqual([2, 1]);
});

/** Of `WebSocket`, what decides whether its client is read. */
class QuietSocket extends EventEmitter {
  readonly readyState = WebSocket.OPEN;
  isPaused = false;

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }
}

class Bench {
  readonly told: object[] = [];
  readonly underWay: ((outcome: Outcome) => void)[] = [];
  /** How often it was told to stand no longer. */
  dropped = 0;
  readonly ws = new QuietSocket();
  readonly session: Session;

  constructor() {
    const host: Partial<SessionHost> = {
      fanOut: new FanOut(new LiveSource(), new LiveTime()),
      submit: (_request: PlayerRequest, settle) => void this.underWay.push(settle),
      whyNoReport: () => undefined,
      whyNoWatch: () => undefined,
      notePlayed: () => undefined,
      noteRemoved: () => undefined,
    };
    const room: Partial<SessionRoom> = {
      host: host as SessionHost,
      nowMs: 0,
      drop: () => void this.dropped++,
      flushSoon: (session) => session.flush(),
      noteMessage: () => undefined,
    };
    const socket = { writableLength: 0, write: (bytes: string | Buffer) => this.note(bytes) };
    const right = { entitlements: [], isGood: () => true };
    this.session = new Session(
      room as SessionRoom,
      this.ws as unknown as SessionSocket,
      { socket: socket as unknown as Socket, release: () => undefined },
      { id: playerId(1), client: undefined, right },
    );
  }

  say(message: object): void {
    this.session.onMessage(Buffer.from(JSON.stringify(message)), false);
  }

  /** @returns how many were read before reading stopped, or `most` */
  sayWhileRead(message: object, most: number): number {
    let count = 0;
    for (; count < most && !this.ws.isPaused; count++) this.say(message);
    return count;
  }

  /** Answers what is under way for the longest time. */
  settleNext(outcome: Outcome): void {
    this.underWay.shift()?.(outcome);
  }

  /** Answers come as text, one by one; what is popular as bytes. */
  private note(bytes: string | Buffer): void {
    if (typeof bytes === "string") this.told.push(JSON.parse(bytes.slice(bytes.lastIndexOf("{"))) as object);
  }
}
