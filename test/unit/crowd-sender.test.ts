import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { playersOrigin } from "../../crowd/addresses.ts";
import { Crowd, type CrowdSetup } from "../../crowd/crowd.ts";
import { Everyone } from "../../crowd/everyone.ts";
import { openFarm } from "../../crowd/farm.ts";
import type { Answer, Caller } from "../../crowd/link.ts";
import { Meter } from "../../crowd/meter.ts";
import { Sender } from "../../crowd/sender.ts";
import { setupOf } from "../support/crowd.ts";

describe("Sender", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("a service that stalls is seen to stall: latency counts from the intended time", async () => {
    const { sender, meter, link } = setUp({ players: 100, rampMs: 1_000 }, { connections: 5 });
    sender.start();
    await vi.advanceTimersByTimeAsync(500);
    expect(meter.lap(500).latencyMs(100)).toBeLessThan(2);
    link.isStalled = true;
    await vi.advanceTimersByTimeAsync(400);
    expect(sender.behindMs(900)).toBeGreaterThan(300);
    link.isStalled = false;
    await vi.advanceTimersByTimeAsync(200);
    const lap = meter.lap(1_100);
    expect(lap.messages).toBe(49); // those after 500 ms
    // Due evenly in those 500 ms, of which 400 were lost: the first waited for 400, the one in the middle for 200.
    expect(lap.latencyMs(100)).toBeGreaterThan(390);
    expect(lap.latencyMs(100)).toBeLessThan(410);
    expect(lap.latencyMs(60)).toBeGreaterThan(130);
    expect(lap.latencyMs(60)).toBeLessThan(270);
  });

  test("no more calls at a time than there are connections", async () => {
    const { sender, link, crowd } = setUp({ players: 100, rampMs: 0 }, { connections: 7 });
    link.answersAfterMs = 5;
    sender.start();
    await vi.advanceTimersByTimeAsync(200);
    expect(link.mostAtOnce).toBe(7);
    expect(crowd.connectedCount).toBe(100);
  });

  test("a rate is kept to, and time that nobody could use is not made up for", async () => {
    const even = setUp({ players: 100, rampMs: 0, isHurried: true }, { rate: 200 });
    even.sender.start();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(even.meter.total(5_000).messages).toBeCloseTo(1_000, -1.5);

    const lonely = setUp({ players: 1, rampMs: 0, isHurried: true }, { rate: 200 });
    lonely.link.answersAfterMs = 100;
    lonely.sender.start();
    await vi.advanceTimersByTimeAsync(5_000);
    const total = lonely.meter.total(5_000);
    expect(total.messages).toBeCloseTo(49, -0.5);
    expect(total.latencyMs(100)).toBeLessThan(110);
  });

  test("a batch goes out when it is full, when its first report has waited, and when all ends", async () => {
    const { sender, link } = setUp({ players: 25, rampMs: 0, isHeartbeatless: true }, { batch: 10 });
    sender.start();
    await vi.advanceTimersByTimeAsync(1);
    expect(link.rowCounts).toEqual([10, 10]);
    await vi.advanceTimersByTimeAsync(60);
    expect(link.rowCounts).toEqual([10, 10, 5]);

    const ending = setUp({ players: 3, rampMs: 0, isHeartbeatless: true }, { batch: 10 });
    ending.sender.start();
    await ending.sender.stop();
    expect(ending.link.rowCounts).toEqual([3]);
  });

  test("bots come one by one even where players come in batches, and are counted apart", async () => {
    const startMs = performance.now();
    const players = new Crowd(setupOf({ players: 20, rampMs: 0, isHeartbeatless: true, originOf: playersOrigin(1) }));
    const { bots } = openFarm({ ...setupOf({}), players: 8, rampMs: 0 });
    const [meter, botMeter, link] = [new Meter(0), new Meter(0), new FakeLink()];
    const blocked = { status: 403, headers: {}, body: "{}" };
    let count = 0;
    const agree = link.answer;
    link.answer = (path, body) => (path !== "/v1/reports" && ++count % 2 === 0 ? blocked : agree(path, body));
    const now = (): number => performance.now() - startMs;
    const crowd = new Everyone(players, bots);
    const sender = new Sender({ crowd, meter, botMeter, link, now, connections: 64, batch: 10 });
    sender.start();
    await vi.advanceTimersByTimeAsync(20);
    expect(link.rowCounts).toEqual([10, 10]);
    expect([...meter.total(20).answers]).toEqual([["200", 2]]);
    expect(Object.fromEntries(botMeter.total(20).answers)).toEqual({ 200: 4, 403: 4 });
    expect([meter.total(20).messages, botMeter.total(20).messages]).toEqual([20, 4]);
    expect(crowd.belief(20).players).toEqual({ sure: 24, perhaps: 0 });
  });

  test("rows refused and answers not as agreed are errors of their own", async () => {
    const { sender, link, meter, crowd } = setUp({ players: 3, rampMs: 0, isHeartbeatless: true }, { batch: 10 });
    const rejected = [{ index: 2, code: "503", message: "no room" }];
    link.answer = () => ({ status: 202, headers: {}, body: JSON.stringify({ accepted: 2, remembered: 0, rejected }) });
    sender.start();
    await vi.advanceTimersByTimeAsync(60);
    expect([...meter.total(60).answers]).toEqual([
      ["row 503", 1],
      ["202", 1],
    ]);
    expect(crowd.connectedCount).toBe(2);
    link.answer = () => ({ status: 200, headers: {}, body: "<html>" });
    await vi.advanceTimersByTimeAsync(2_000);
    expect([...meter.total(60).answers.keys()]).toContain("200 not as agreed");
  });

  function setUp(setup: Partial<CrowdSetup>, options: { rate?: number; batch?: number; connections?: number }) {
    const startMs = performance.now();
    const [crowd, meter, link] = [new Crowd(setupOf(setup)), new Meter(0), new FakeLink()];
    const now = (): number => performance.now() - startMs;
    return {
      crowd,
      meter,
      link,
      sender: new Sender({ crowd, meter, link, now, connections: 64, batch: 0, ...options }),
    };
  }

  /** Agrees to everything, at once or later. */
  class FakeLink implements Caller {
    answersAfterMs = 0;
    isStalled = false;
    mostAtOnce = 0;
    readonly rowCounts: number[] = [];
    #atOnce = 0;

    async call(_method: string, path: string, _headers: object, body?: string): Promise<Answer> {
      this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
      if (this.answersAfterMs > 0) await pause(this.answersAfterMs);
      while (this.isStalled) await pause(1);
      this.#atOnce--;
      return this.answer(path, body);
    }

    answer = (path: string, body = ""): Answer => {
      if (path !== "/v1/reports")
        return { status: 200, headers: { "renew-in-ms": "30000" }, body: `{"renewInMs":30000}` };
      const rowCount = (JSON.parse(body) as { reports: unknown[] }).reports.length;
      this.rowCounts.push(rowCount);
      return { status: 200, headers: {}, body: JSON.stringify({ accepted: rowCount, rejected: [] }) };
    };
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
});
