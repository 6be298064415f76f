import { describe, expect, test } from "vitest";
import { progressLine, summaryLines } from "../../crowd/lines.ts";
import { Meter } from "../../crowd/meter.ts";

describe("lines", () => {
  test("progressLine() tells the last second, summaryLines() all of it", () => {
    const meter = new Meter(0);
    for (const latencyMs of [0.5, 0.5, 80]) meter.took(latencyMs);
    for (const status of ["200", "202", "503", "ECONNREFUSED"]) meter.called(status);
    meter.delivered("begin");
    expect(progressLine(1, meter.lap(2_000), { connected: 12_345, silent: 12, behindMs: 1_500 })).toMatch(
      /^ {4}1 s {2}connected 12,345 \(12 silent\) {2}1 reports\/s {2}p50 0\.500 ms {2}p99 80\.\d ms {2}202: 1 {2}errors: 503: 1 {2}ECONNREFUSED: 1 {2}behind 1\.5 s$/,
    );
    expect(progressLine(2, meter.lap(3_000), { connected: 1, silent: 0, behindMs: 3 })).toBe(
      "    2 s  connected 1  0 reports/s  p50 -  p99 -  202: 0  errors: none",
    );
    const summary = summaryLines(meter.total(4_000), { connected: 1, silent: 0, behindMs: 0 }).join("\n");
    expect(summary).toMatch(/^4\.0 s: 1 messages, 0 a second/);
    expect(summary).toMatch(/1 began, 0 switched/);
    expect(summary).toMatch(/answers {4}200: 1 {2}202: 1\n/);
    expect(summary).not.toContain("bots");
  });

  test("bots have figures of their own: what was refused apart from what went wrong", () => {
    const [meter, botMeter] = [new Meter(0), new Meter(0)];
    meter.called("200");
    const standing = { connected: 1, silent: 0, behindMs: 0 };
    const botReading = () => ({ reading: botMeter.total(1_000), connected: 1_234 });
    for (const cause of ["begin", "begin", "renew"] as const) botMeter.delivered(cause);
    botMeter.called("200");
    expect(progressLine(1, meter.total(1_000), standing, botReading())).toMatch(
      /errors: none {2}bots: 1,234 connected, 3 messages taken, refused: none$/,
    );
    for (const status of ["403", "403", "429", "503"]) botMeter.called(status);
    const summary = summaryLines(meter.total(1_000), standing, botReading());
    expect(summary.at(-1)).toBe(
      "  bots       2 came, 1,234 connected, 3 messages taken, refused: 403: 2  429: 1, errors: 503: 1",
    );
    expect(summary).toContain("  errors     none");
  });
});
