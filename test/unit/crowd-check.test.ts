import { describe, expect, test } from "vitest";
import { compare } from "../../crowd/check.ts";
import { Crowd } from "../../crowd/crowd.ts";
import type { Answer } from "../../crowd/link.ts";
import { nonEmpty } from "../../simulator/item-at.ts";
import { setupOf, takeAll, world } from "../support/crowd.ts";

describe("compare()", () => {
  test("agrees with a service that says what the crowd did", async () => {
    const lines = await compareWith((truth) => truth);
    expect(lines).toHaveLength(12); // what it is, players, five countries with two lines each
    expect(lines[1]).toBe("  players    500, crowd 500: agrees");
    expect(lines.join("\n")).not.toContain("DIFFERS");
  });

  test("tells of others where there are more players than in the crowd", async () => {
    const lines = await compareWith((truth) => ({ ...truth, players: truth.players + 1 }));
    expect(lines[1]).toMatch(/^ {2}players {4}501, crowd 500: DIFFERS \(others are there too, /);
  });

  test.each<[string, (truth: Truth) => object]>([
    ["one player more in all", (truth) => ({ ...truth, players: truth.players + 1 })],
    ["one player more in a country", (truth) => ({ ...truth, players: truth.players + (truth.gamemodes ? 1 : 0) })],
    ["one player less in all", (truth) => ({ ...truth, players: truth.players - 1 })],
    [
      "one more in a mode",
      (truth) => withModes(truth, ([first, ...rest]) => [{ ...first, players: first.players + 1 }, ...rest]),
    ],
    ["a mode missing", (truth) => withModes(truth, ([, ...rest]) => rest)],
    ["an unknown mode", (truth) => withModes(truth, ([first, ...rest]) => [{ ...first, mode: "unheard-of" }, ...rest])],
    ["nothing", (truth) => withModes({ ...truth, players: 0 }, () => [])],
  ])("differs from a service that says %s", async (_, lie) => {
    expect((await compareWith(lie)).join("\n")).toContain("DIFFERS");
  });

  test("the mode that bots push may be in quarantine: said, and no difference; any other that is missing is one", async () => {
    const mode = "lol:5v5-draft-pick";
    const lines = await compareWith((truth) => truth, { pushed: mode, hidden: mode });
    expect(lines[3]).toMatch(/: agrees \(the bots' lol:5v5-draft-pick is not on the board: is it in quarantine\?\)$/);
    expect(lines.join("\n")).not.toContain("DIFFERS");
    const other = await compareWith((truth) => truth, { pushed: "lol:swiftplay", hidden: mode });
    expect(other[3]).toMatch(/: DIFFERS$/);
    const wrong = await compareWith((truth) => ({ ...truth, players: truth.players + 1 }), {
      pushed: mode,
      hidden: mode,
    });
    expect(wrong[3]).toContain(": DIFFERS (the bots' ");
    expect((await compareWith((truth) => truth, { pushed: mode })).join("\n")).not.toMatch(/DIFFERS|quarantine/);
  });

  test("says where the service itself is not sure, and rejects where it is not to be asked", async () => {
    const lines = await compareWith((truth) => ({ ...truth, complete: false, stale: true }));
    expect(lines[2]).toMatch(/^ {2}IN service \d+ \(incomplete, stale\): /);
    const refusing = { call: async () => ({ status: 503, headers: {}, body: "starting" }) };
    const asking = compare(refusing, new Crowd(setupOf({})), world, () => 0);
    await expect(asking).rejects.toThrow("GET /v1/players was answered with 503: starting");
  });

  interface Row {
    readonly mode: string;
    readonly players: number;
  }

  interface Truth {
    readonly players: number;
    /** Of a region. */
    readonly gamemodes?: Row[];
  }

  interface Modes {
    readonly pushed?: string;
    /** On no board of the service. */
    readonly hidden?: string;
  }

  function withModes(truth: Truth, change: (rows: readonly [Row, ...Row[]]) => Row[]): Truth {
    return truth.gamemodes ? { ...truth, gamemodes: change(nonEmpty(truth.gamemodes)) } : truth;
  }

  /** 500 players all arrived, and a service that says the truth about them, or something else. */
  function compareWith(tell: (truth: Truth) => object, { pushed, hidden }: Modes = {}): Promise<string[]> {
    const crowd = new Crowd(setupOf({ players: 500, rampMs: 0 }));
    const reports = takeAll(crowd, 0);
    const service = {
      async call(_: string, path: string): Promise<Answer> {
        const region = path.split("/")[3];
        const places = reports.filter((report) => region === undefined || report.region === region);
        const gamemodes = [...Map.groupBy(places, ({ gamemode }) => gamemode)]
          .map(([mode, players]) => ({ mode, players: players.length }))
          .filter(({ mode }) => mode !== hidden)
          .sort((a, b) => b.players - a.players || (a.mode < b.mode ? -1 : 1))
          .slice(0, 5);
        const truth = { players: places.length, ...(region && { gamemodes }) };
        return { status: 200, headers: {}, body: JSON.stringify(tell(truth)) };
      },
    };
    return compare(service, crowd, world, () => 0, pushed);
  }
});
