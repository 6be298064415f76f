import { describe, expect, test } from "vitest";
import { parseOptions } from "../../crowd/options.ts";
import { optionsOf, runMain } from "../support/crowd.ts";

describe("options", () => {
  test("parseOptions() has defaults for all that is needed", () => {
    expect(optionsOf([])).toEqual({
      players: 10_000,
      url: new URL("http://127.0.0.1:8080"),
      batch: 0,
      seed: 1,
      connections: 64,
      sessionTtl: 90,
    });
    expect(optionsOf(["--players", "5", "--bots", "3", "--check", "--rate=20", "--hour", "19.5"])).toMatchObject({
      players: 5,
      bots: 3,
      check: true,
      rate: 20,
      hour: 19.5,
    });
  });

  test.each([
    [["--players", "0"], '--players must be a whole number from 1 to 5000000, got "0"'],
    [["--players=many"], '--players must be a whole number from 1 to 5000000, got "many"'],
    [["--bots", "0"], '--bots must be a whole number from 1 to 1000000, got "0"'],
    [["--bots", "1e3"], '--bots must be a whole number from 1 to 1000000, got "1e3"'],
    [["--bots=1000001"], '--bots must be a whole number from 1 to 1000000, got "1000001"'],
    [["--rate", "1.5"], '--rate must be a whole number from 1 to 1000000, got "1.5"'],
    [["--rate", "-5"], '--rate must be a whole number from 1 to 1000000, got "-5"'],
    [["--url", "ftp://x"], '--url must be an http or https address such as http://127.0.0.1:8080, got "ftp://x"'],
    [
      ["--url", "x\u001b[2J"],
      String.raw`--url must be an http or https address such as http://127.0.0.1:8080, got "x\u001b[2J"`,
    ],
    [["--seconds", ""], '--seconds must be a number from 0.001 to 2000000, got ""'],
    [["--batch", "10001"], '--batch must be a whole number from 0 to 10000, got "10001"'],
    [["--seed", "4294967296"], '--seed must be a whole number from 0 to 4294967295, got "4294967296"'],
    [
      ["--connections", "9".repeat(99)],
      `--connections must be a whole number from 1 to 1024, got "${"9".repeat(64)}…"`,
    ],
    [["--hour", "24"], '--hour must be a number from 0 to 23.99, got "24"'],
    [["--players"], "option '--players <number>' argument missing (--help lists the options)"],
    [["--player", "5"], "unknown option '--player' (Did you mean --players?) (--help lists the options)"],
    [["5"], "too many arguments. Expected 0 arguments but got 1: 5. (--help lists the options)"],
  ])("parseOptions(%j) is one clear line", (args, line) => {
    expect(parseOptions(args)).toEqual({ kind: "wrong", line });
  });

  test("main exits with 2 and one line on a wrong value, and with 0 on --help", async () => {
    const wrong = await runMain(["--batch", "no"]);
    expect(wrong).toEqual({
      code: 2,
      stdout: "",
      stderr: '--batch must be a whole number from 0 to 10000, got "no"\n',
    });
    const help = await runMain(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("--ramp-seconds");
  });
});
