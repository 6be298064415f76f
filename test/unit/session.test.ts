/** What one session takes of its client, on a socket that takes everything: how much at once, and how much in a second. */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import type { Done, Outcome, PlayerRequest } from "../../cluster/ports/rows.ts";
import { FanOut } from "../../node/live/fan-out.ts";
import type { Refusal } from "../../node/live/session-messages.ts";
import type { Right } from "../../node/live/session-credentials.ts";
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

describe("what is said behind a token", () => {
  const play = (ref: number) => ({ type: "play", region: "CA", gamemode: "GM01", ref });
  const refs = (bench: Bench) => bench.told.map((told) => (told as { ref?: number }).ref);

  test("waits until it is judged, in its order, and is taken with what it allows", async () => {
    const bench = new Bench();
    bench.say(play(0));
    bench.say({ type: "token", token: "of a season pass" });
    for (const ref of [1, 2]) bench.say(play(ref));
    bench.say({ type: "play", region: "XX", ref: 3 });
    bench.say({ type: "leave", ref: 4 });
    expect([bench.entitlements, bench.told, bench.ws.isPaused]).toEqual([[[]], [], true]);
    bench.session.look(1000);
    expect(bench.ws.isPaused, "nothing more is read meanwhile").toBe(true);
    await bench.judge({ entitlements: ["season-pass"], isGood: () => true });
    expect(bench.entitlements).toEqual([[], ["season-pass"], ["season-pass"], undefined]);
    expect([refs(bench), bench.ws.isPaused]).toEqual([[3], false]);
  });

  test("is taken with the former token where none can be verified just now, and not at all behind a bad one", async () => {
    const bench = new Bench();
    bench.say({ type: "token", token: "any", ref: 1 });
    bench.say(play(2));
    await bench.judge({ status: 503, reason: "starting", message: "no keys" });
    expect([refs(bench), bench.entitlements]).toEqual([[1], [[]]]);
    bench.say({ type: "token", token: "bad" });
    bench.say(play(3));
    await bench.judge({ status: 401, reason: "credentials", message: "a bad one" });
    expect([bench.entitlements.length, bench.ws.closedBy]).toEqual([1, 4401]);
  });

  test("may be what a client may say at once, and no more; another token is refused", async () => {
    const bench = new Bench();
    bench.say({ type: "token", token: "first" });
    bench.say({ type: "token", token: "second", ref: -1 });
    for (let ref = 0; ref < UNDER_WAY_MAX; ref++) bench.say(play(ref));
    for (let count = 0; count < SAID_MAX; count++) bench.say({ type: "ping" });
    expect(bench.told).toEqual([expect.objectContaining({ type: "refused", ref: -1, code: "429", reason: "rate" })]);
    bench.say(play(1000));
    bench.say({ type: "ping" });
    expect(refs(bench)).toEqual([-1, 1000, undefined]);
    await bench.judge({ entitlements: ["season-pass"], isGood: () => true });
    expect(bench.underWay).toHaveLength(UNDER_WAY_MAX);
    expect(bench.told.filter((told) => (told as { type: string }).type === "pong")).toHaveLength(SAID_MAX);
    expect(bench.told).toHaveLength(3 + SAID_MAX);
  });
});

/** Of `WebSocket`, what decides whether its client is read. */
class QuietSocket extends EventEmitter {
  readyState: number = WebSocket.OPEN;
  isPaused = false;
  closedBy: number | undefined;

  close(code: number): void {
    this.closedBy = code;
    this.readyState = WebSocket.CLOSING;
  }

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
  /** Of the player, with each play; `undefined` with each leave. */
  readonly entitlements: (readonly string[] | undefined)[] = [];
  /** How often it was told to stand no longer. */
  dropped = 0;
  readonly ws = new QuietSocket();
  readonly session: Session;
  private judged = Promise.withResolvers<Right | Refusal>();

  constructor() {
    const host: Partial<SessionHost> = {
      fanOut: new FanOut(new LiveSource(), new LiveTime()),
      submit: ({ entitlements }: PlayerRequest, settle) => {
        this.entitlements.push(entitlements);
        this.underWay.push(settle);
      },
      judge: () => this.judged.promise,
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

  /** Says what the token that came last allows, and resolves once the session knows. */
  async judge(judged: Right | Refusal): Promise<void> {
    const { promise, resolve } = this.judged;
    this.judged = Promise.withResolvers();
    resolve(judged);
    await promise;
    for (let turn = 0; turn < 3; turn++) await Promise.resolve();
  }

  /** Answers come as text; what is popular as bytes. */
  private note(bytes: string | Buffer): void {
    if (typeof bytes !== "string") return;
    for (const [text] of bytes.matchAll(/\{[^{}]*\}/g)) this.told.push(JSON.parse(text) as object);
  }
}
