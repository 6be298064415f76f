/** The game server's client: batches, order, repetition, bounds, the end. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type HeadcountError,
  HeadcountServer,
  type HeadcountServerOptions,
  type RefusedRow,
  type ReportRow,
} from "../../client/server.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { VirtualClock } from "../support/virtual-world.ts";

type Say =
  | "200"
  | "202"
  | "503 with Retry-After"
  | "503"
  | "429"
  | "401"
  | "refused"
  | "dropped after its effect"
  | "hangs"
  | "a page"
  | "wrong sums"
  | "400"
  | "some rows 503"
  | "413 above 3 rows";

/** `POST /v1/reports` in memory: what stands, what came, and what goes wrong. */
class BatchService {
  readonly clock: VirtualClock;
  readonly places = new Map<string, string>();
  readonly stored = new Map<string, string>();
  readonly batches: ReportRow[][] = [];
  say: () => Say = () => "200";
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.clock = new VirtualClock(random);
  }

  fetch = (_url: string, { body, signal }: RequestInit): Promise<Response> => {
    const { reports } = JSON.parse(body as string) as { reports: ReportRow[] };
    this.batches.push(reports);
    const say = this.say();
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      if (say === "hangs") return;
      this.clock.after(20, () => {
        if (say === "refused") return reject(new TypeError("fetch failed"));
        const answer = this.#answer(reports, say);
        if (say === "dropped after its effect") reject(new TypeError("terminated"));
        else resolve(answer);
      });
    });
  };

  #answer(reports: readonly ReportRow[], say: Say): Response {
    if (say === "a page") return new Response("<html>");
    if (say === "wrong sums") return Response.json({ accepted: 0, remembered: 0, rejected: [] });
    if (say === "413 above 3 rows" && reports.length > 3) return refusal(413, "too-large");
    if (say === "503 with Retry-After") return refusal(503, "overloaded", { "retry-after": "5" });
    if (/^(400|401|429|503)$/.test(say)) return refusal(Number(say), "a reason");
    const rejected: object[] = [];
    for (const [index, row] of reports.entries()) {
      if (say === "some rows 503" && this.#random.fraction() < 0.4)
        rejected.push({ index, code: "503", reason: "no-owner", message: "later" });
      else if ("gamemode" in row && row.gamemode === "REFUSED")
        rejected.push({ index, code: "403", reason: "not-entitled", message: "no" });
      else {
        const place = "leave" in row ? "away" : row.gamemode;
        this.places.set(row.profileId, place);
        if (say !== "202") this.stored.set(row.profileId, place);
      }
    }
    const accepted = reports.length - rejected.length;
    return Response.json(
      { accepted, remembered: say === "202" ? 0 : accepted, rejected },
      { status: say === "202" ? 202 : 200 },
    );
  }
}

function refusal(status: number, reason: string, headers: Record<string, string> = {}): Response {
  return Response.json({ code: `${status}`, reason, message: "refused" }, { status, headers });
}

function setUp(options: Partial<HeadcountServerOptions> = {}) {
  const service = new BatchService(new SeededRandom(1));
  const errors: HeadcountError[] = [];
  const refused: RefusedRow[] = [];
  const client = new HeadcountServer({
    url: "http://a.test",
    world: { ...service.clock.world, fetch: service.fetch },
    onError: (error) => errors.push(error),
    onRefused: (row) => refused.push(row),
    ...options,
  });
  return { service, client, clock: service.clock, errors, refused };
}

const at = (profileId: string, gamemode: string): ReportRow => ({ profileId, region: "CA", gamemode });

async function outcomeOf<T>(clock: VirtualClock, ms: number, promise: Promise<T>): Promise<unknown> {
  let outcome: unknown = "nothing yet";
  promise.then(
    (value) => (outcome = value),
    (error: unknown) => (outcome = error),
  );
  await clock.run(ms);
  return outcome;
}

describe("HeadcountServer", () => {
  test("collects rows for a moment, and sends them in one batch", async () => {
    const { service, client, clock } = setUp();
    const first = client.report([at("a", "GM01"), at("b", "GM01")]);
    await clock.run(40);
    const second = client.report([
      { profileId: "c", leave: true },
      { ...at("d", "GM10"), entitlements: ["season-pass"], seq: 7 },
    ]);
    expect(service.batches).toEqual([]);
    expect(await outcomeOf(clock, 40, Promise.all([first, second]))).toEqual([[], []]);
    expect(service.batches).toEqual([
      [
        at("a", "GM01"),
        at("b", "GM01"),
        { profileId: "c", leave: true },
        { ...at("d", "GM10"), entitlements: ["season-pass"], seq: 7 },
      ],
    ]);
    expect([client.pending, client.counts]).toEqual([
      0,
      { stored: 4, replaced: 0, refused: 0, repeated: 0, overflowed: 0 },
    ]);
  });

  test("a full batch goes at once, one at a time", async () => {
    const { service, client, clock } = setUp({ batchRows: 3 });
    void client.report(Array.from({ length: 8 }, (_, index) => at(`p${index}`, "GM01")));
    await clock.run(0);
    expect(service.batches.map(({ length }) => length)).toEqual([3]);
    await clock.run(100);
    expect(service.batches.map(({ length }) => length)).toEqual([3, 3, 2]);
  });

  test.each([
    "503 with Retry-After",
    "503",
    "429",
    "refused",
    "hangs",
    "a page",
    "wrong sums",
    "dropped after its effect",
  ] as const)("%s: the batch goes again, before what came later", async (say) => {
    const { service, client, clock, errors } = setUp();
    service.say = () => (service.batches.length < 3 ? say : "200");
    const first = client.report([at("a", "GM01")]);
    await clock.run(60);
    const second = client.report([at("a", "GM02")]);
    expect(await outcomeOf(clock, 60_000, Promise.all([first, second]))).toEqual([[], []]);
    expect([service.stored.get("a"), errors.length]).toEqual(["GM02", 2]);
  });

  test("Retry-After is waited for", async () => {
    const { service, client, clock } = setUp();
    service.say = () => (service.batches.length < 2 ? "503 with Retry-After" : "200");
    void client.report([at("a", "GM01")]);
    await clock.run(5_050);
    expect(service.batches).toHaveLength(1);
    await clock.run(1_000);
    expect(service.batches).toHaveLength(2);
  });

  test("202: the latest row of each player again until a 200", async () => {
    const { service, client, clock } = setUp();
    service.say = () => (service.batches.length < 3 ? "202" : "200");
    const reported = client.report([at("a", "GM01"), at("b", "GM01"), at("a", "GM02")]);
    expect(await outcomeOf(clock, 100, reported)).toBe("nothing yet");
    expect([service.places.get("a"), client.pending]).toEqual(["GM02", 2]);
    expect(await outcomeOf(clock, 30_000, reported)).toEqual([]);
    expect(service.batches.slice(1).map((rows) => rows.map(({ profileId }) => profileId).toSorted())).toEqual([
      ["a", "b"],
      ["a", "b"],
    ]);
    expect([service.stored.get("a"), client.counts]).toEqual([
      "GM02",
      { stored: 2, replaced: 1, refused: 0, repeated: 4, overflowed: 0 },
    ]);
  });

  test("what is refused for good is told, with its row, and the others stand", async () => {
    const { client, clock, refused, service } = setUp();
    const reported = client.report([at("a", "REFUSED"), at("b", "GM01")]);
    const outcome = await outcomeOf(clock, 100, reported);
    expect(outcome).toMatchObject([
      { row: at("a", "REFUSED"), error: { status: 403, reason: "not-entitled", message: "no" } },
    ]);
    expect([refused, service.stored.get("b")]).toEqual([outcome, "GM01"]);
  });

  test("401 without a callback: all rows are refused; with one they wait for a good token", async () => {
    const fixed = setUp();
    fixed.service.say = () => "401";
    expect(await outcomeOf(fixed.clock, 100, fixed.client.report([at("a", "GM01")]))).toMatchObject([
      { error: { status: 401 } },
    ]);
    const renewing = setUp({ token: () => "token" });
    renewing.service.say = () => (renewing.service.batches.length < 4 ? "401" : "200");
    expect(await outcomeOf(renewing.clock, 10_000, renewing.client.report([at("a", "GM01")]))).toEqual([]);
  });

  test("413, and a 400 to the whole: smaller batches until it fits, or until the row is known that spoils it", async () => {
    const large = setUp();
    large.service.say = () => "413 above 3 rows";
    const rows = Array.from({ length: 10 }, (_, index) => at(`p${index}`, "GM01"));
    expect(await outcomeOf(large.clock, 1_000, large.client.report(rows))).toEqual([]);
    expect(large.service.stored.size).toBe(10);
    const spoiled = setUp();
    spoiled.service.say = () =>
      spoiled.service.batches.at(-1)!.some(({ profileId }) => profileId === "bad") ? "400" : "200";
    const outcome = await outcomeOf(
      spoiled.clock,
      1_000,
      spoiled.client.report([at("a", "A"), at("bad", "B"), at("c", "C")]),
    );
    expect(outcome).toMatchObject([{ row: { profileId: "bad" }, error: { status: 400 } }]);
    expect([...spoiled.service.stored.keys()]).toEqual(["a", "c"]);
  });

  test("is bounded: rows that find no room are refused together, told and counted", async () => {
    const { service, client, clock } = setUp({ rowsMax: 10, batchRows: 10 });
    service.say = () => "refused";
    void client.report(Array.from({ length: 8 }, (_, index) => at(`p${index}`, "GM01")));
    await clock.run(100);
    const full = await outcomeOf(clock, 0, client.report([at("x", "A"), at("y", "A"), at("z", "A")]));
    expect(full).toMatchObject({ reason: "full", message: "8 rows are held of at most 10: none of these 3 was taken" });
    expect([client.pending, client.counts.overflowed]).toEqual([8, 3]);
  });

  test("close() sends what is left; what comes then is refused", async () => {
    const { service, client, clock } = setUp();
    const reported = client.report([at("a", "GM01")]);
    const closing = client.close();
    expect(await outcomeOf(clock, 0, client.report([at("b", "GM01")]))).toMatchObject({ reason: "closed" });
    expect(await outcomeOf(clock, 30, Promise.all([reported, closing]))).toEqual([[], undefined]);
    expect([service.batches, clock.timerCount]).toEqual([[[at("a", "GM01")]], 0]);
  });

  test("close() waits for rows that are not stored, gives up after its time, and says what was left", async () => {
    const { service, client, clock } = setUp();
    service.say = () => "202";
    const counted = client.report([at("a", "GM01")]);
    await clock.run(100);
    service.say = () => "503";
    const waiting = client.report([at("b", "GM01"), at("c", "GM01")]);
    const closing = client.close({ timeoutMs: 5_000 });
    const error = await outcomeOf(clock, 5_100, closing);
    expect(error).toMatchObject({ reason: "undelivered" });
    expect((error as Error).message).toMatch(
      /^close\(\) gave up after 5000 ms: \d rows were not taken, \d are counted and not stored$/,
    );
    expect(await outcomeOf(clock, 0, waiting)).toBe(error);
    expect(await outcomeOf(clock, 60_000, counted)).toBe(error);
    expect([client.pending, clock.timerCount]).toEqual([0, 0]);
  });

  test("a row without a profileId, and a setting out of its range, are the caller's faults", () => {
    const { client } = setUp();
    expect(() => client.report([{} as ReportRow])).toThrow("a row must have a profileId, got {}");
    expect(() => setUp({ batchRows: 0 })).toThrow("batchRows must be a whole number from 1 to 10000, got 0");
  });

  test("whatever fails, each player ends where the last row that was not refused says, and every row is told of", async () => {
    const anySay = fc.constantFrom<Say[]>(
      "200",
      "202",
      "503",
      "503 with Retry-After",
      "429",
      "refused",
      "dropped after its effect",
      "hangs",
      "a page",
      "wrong sums",
      "some rows 503",
      "413 above 3 rows",
      "401",
    );
    const anyRow = fc.record({
      player: fc.constantFrom("a", "b", "c", "d"),
      mode: fc.constantFrom("GM01", "GM02", "REFUSED", "leave"),
    });
    const anyCall = fc.record({
      afterMs: fc.oneof(fc.constant(0), fc.nat(5_000)),
      rows: fc.array(anyRow, { minLength: 1, maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyCall, { maxLength: 10 }),
        fc.array(anySay, { maxLength: 30 }),
        async (calls, says) => {
          const { service, client, clock } = setUp({ token: () => "token", batchRows: 5 });
          let turn = 0;
          service.say = () => says[turn++] ?? "200";
          const expected = new Map<string, string>();
          let settled = 0;
          const tooMany: string[] = [];
          for (const { afterMs, rows } of calls) {
            await clock.run(afterMs);
            for (const { player, mode } of rows)
              if (mode !== "REFUSED") expected.set(player, mode === "leave" ? "away" : mode);
            const reports = rows.map(({ player, mode }): ReportRow =>
              mode === "leave" ? { profileId: player, leave: true } : at(player, mode),
            );
            const refusable = rows.filter(({ mode }) => mode === "REFUSED").length;
            const settle = async (): Promise<void> => {
              const refusedRows = await client.report(reports);
              settled++;
              if (refusedRows.length > refusable) tooMany.push(`${refusedRows.length} of ${refusable}`);
            };
            void settle();
          }
          await clock.run(30 * 60_000);
          expect(Object.fromEntries(service.stored)).toEqual(Object.fromEntries(expected));
          expect([settled, client.pending, tooMany]).toEqual([calls.length, 0, []]);
          const rows = calls.flatMap((call) => call.rows).length;
          const { stored, replaced, refused } = client.counts;
          expect(stored + replaced + refused).toBe(rows);
        },
      ),
      { numRuns: 150 },
    );
  });
});
