import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { runCrowd } from "../../crowd/run.ts";
import { startStubService, type StubService } from "../support/stub-service.ts";
import { until } from "../support/until.ts";
import { optionsOf, runMain, spawnMain, UUID } from "../support/crowd.ts";

describe("a run", () => {
  const PLAYERS = 300;

  test.each([
    ["one by one", []],
    ["in batches", ["--batch", "50", "--session-ttl", "1"]],
    ["at a rate", ["--rate", "2000"]],
  ])("%s: the service has all players, the check agrees, players switch and renew", async (_, args) => {
    await using service = await startStubService({ renewInMs: 200 });
    const run = startRun(service, [...args, "--check"]);
    await until(
      "all are there and some were heard of again",
      () => messagesOf(service) > 3 * PLAYERS && service.players.size >= PLAYERS,
    );
    const { code, said, warned } = await run.stop();
    expect({ code, warned }).toEqual({ code: 0, warned: "" });
    expect(said).toMatch(/300 players in 249 countries/);
    expect(said).toMatch(/errors +none/);
    expect(said).toMatch(/players +30\d, crowd .*: agrees/);
    expect(said).not.toContain("DIFFERS");
    expect([...service.players.keys()].filter((id) => !UUID.test(id))).toEqual([]);
  });

  test.each([["--client"], ["--sessions"]])(
    "%s: each player by the client library, which renews by itself",
    async (flag) => {
      await using service = await startStubService({ renewInMs: 1_000 });
      const run = startRun(service, [flag, "--players", "40", "--check"]);
      const renewals = (): number => service.calls.filter(({ method }) => method === "PUT").length;
      await until("all are there and were heard of again", () => service.players.size >= 40 && renewals() >= 80, {
        limitMs: 30_000,
      });
      const { said } = await run.stop();
      expect(said).toMatch(/clients +4\d, 0 of them with a session/);
      expect(said).toMatch(/players +4\d, crowd .*: agrees/);
      expect(said).not.toContain("DIFFERS");
    },
  );

  test("players whose report is refused for a while, or cut off, come all the same; the errors are counted", async () => {
    await using service = await startStubService({ renewInMs: 200 });
    let count = 0;
    service.intercept = ({ method }) => {
      if (method !== "POST" || ++count > 100) return undefined;
      return count % 2 === 0 ? { status: 503, headers: { "retry-after": "0" }, json: {} } : "hang up";
    };
    const run = startRun(service, ["--check"]);
    await until("all are there", () => service.players.size >= PLAYERS);
    const { code, said } = await run.stop();
    expect(code).toBe(0);
    expect(said).toMatch(/errors .*503: 50/);
    expect(said).toMatch(/errors .*closed: 50/);
    expect(said).not.toContain("DIFFERS");
  });

  test("players whom a restarted service has lost report again", async () => {
    await using service = await startStubService({ renewInMs: 200 });
    const run = startRun(service, []);
    await until("all are there", () => service.players.size >= PLAYERS);
    service.players.clear();
    await until("all are there again", () => service.players.size >= PLAYERS);
    expect((await run.stop()).said).toMatch(/errors .*404: \d+/);
  });

  test("a service that was never reached: tried again and again, exit code 1", async () => {
    const { code, stdout, stderr } = await runMain(["--url", "http://127.0.0.1:9", "--seconds", "0.3"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^http:\/\/127\.0\.0\.1:9 does not answer \(ECONNREFUSED\), trying again in 0\.2 s\n/);
    expect(stderr).toMatch(/was never reached\n$/);
  });

  test("Ctrl-C ends main with a summary and exit code 0", async () => {
    await using service = await startStubService();
    const main = spawnMain(["--url", service.url, "--players", "50", "--ramp-seconds", "0"]);
    const [output, exit] = [text(main.stdout), once(main, "exit")];
    await until("all are there", () => service.players.size >= 50);
    main.kill("SIGINT");
    expect(await exit).toEqual([0, null]);
    expect(await output).toMatch(/players {4}50 connected/);
  });

  interface Ended {
    readonly code: number;
    readonly said: string;
    readonly warned: string;
  }

  /** A run in this process, against the stub, until it is stopped. */
  function startRun(service: StubService, args: readonly string[]): { stop(): Promise<Ended> } {
    const [said, warned]: [string[], string[]] = [[], []];
    const screen = { progress() {}, say: (line: string) => said.push(line), warn: (line: string) => warned.push(line) };
    const stop = new AbortController();
    const options = optionsOf(["--url", service.url, "--players", `${PLAYERS}`, "--ramp-seconds", "0.1", ...args]);
    const ended = runCrowd(options, screen, stop.signal);
    return {
      stop: async () => {
        stop.abort();
        return { code: await ended, said: said.join("\n"), warned: warned.join("\n") };
      },
    };
  }

  function messagesOf({ calls, rowCount }: StubService): number {
    return calls.length + rowCount;
  }
});
