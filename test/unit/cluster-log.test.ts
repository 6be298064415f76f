/** What an outage leaves in the log. */
import { expect, test } from "vitest";

import type { ClusterEvent } from "../../cluster/cluster-node.ts";
import { logEvent } from "../../node/clustered/cluster-log.ts";
import { classOf, PacedLog } from "../../node/paced-log.ts";
import { itemAt } from "../../simulator/item-at.ts";

type Log = ConstructorParameters<typeof PacedLog>[0];

function logOf() {
  let nowMs = 0;
  const lines: { level: string; fields: Record<string, unknown> }[] = [];
  const level = (name: string) => (fields: object) => lines.push({ level: name, fields: { ...fields } });
  const log = { info: level("info"), warn: level("warn"), error: level("error") } as unknown as Log;
  const paced = new PacedLog(log, () => nowMs);
  return {
    lines,
    say: (event: ClusterEvent) => logEvent(log as never, paced, event),
    pass: (ms: number) => {
      for (let passed = 0; passed < ms; passed += 20) {
        nowMs += 20;
        paced.tick();
      }
    },
  };
}

test("logEvent() writes a repeated event once, then once a minute with how many were held back", () => {
  const { lines, say, pass } = logOf();
  for (let count = 0; count < 900; count++) {
    say({
      kind: "could not take",
      partitions: 16,
      reason: `Cannot claim records: connect ECONNREFUSED 10.0.0.1:${count}`,
    });
    pass(100);
  }
  expect(lines.map(({ fields }) => fields["times"])).toEqual([undefined, 599]);
  expect(lines[1]).toMatchObject({
    level: "warn",
    fields: { partitions: 16, reason: expect.stringContaining(":599") },
  });
  pass(60_000);
  expect(
    lines.map(({ fields }) => fields["times"]),
    "what was held back is told after the last too",
  ).toEqual([undefined, 599, 300]);
});

test("logEvent() writes a line for each kind and each reason, and again when a minute was quiet", () => {
  const { lines, say, pass } = logOf();
  const faults = ["Redis is full", "Redis cannot be reached", "Redis is full"];
  for (const reason of faults) say({ kind: "store fault", reason, partitionsAhead: 1 });
  say({ kind: "could not take", partitions: 1, reason: "Redis is full" });
  expect(lines).toHaveLength(3);
  pass(121_000);
  expect(lines.slice(3).map(({ fields }) => fields["times"])).toEqual([1]);
  say({ kind: "store fault", reason: "Redis is full", partitionsAhead: 1 });
  expect(lines).toHaveLength(5);
  expect(itemAt(lines, 4).fields).not.toHaveProperty("times");
});

test("logEvent() counts partitions that are ahead of Redis only where there are any", () => {
  const { lines, say } = logOf();
  say({ kind: "store fault", reason: "Redis cannot be reached", partitionsAhead: 0 });
  say({ kind: "store fault", reason: "Redis is full", partitionsAhead: 3 });
  expect(lines.map(({ fields }) => fields)).toEqual([
    { reason: "Redis cannot be reached" },
    { reason: "Redis is full", partitionsAhead: 3 },
  ]);
});

test("logEvent() holds back nothing that no other line says", () => {
  const { lines, say } = logOf();
  for (let partition = 0; partition < 20; partition++) {
    say({ kind: "lost partition", partition, reason: "gone" });
    say({ kind: "unreadable record", partition, reason: "bad checksum" });
  }
  expect(lines).toHaveLength(40);
});

test("PacedLog keeps a bounded number of kinds", () => {
  const lines: string[] = [];
  const log = { info: (_fields: object, message: string) => lines.push(message) } as unknown as Log;
  const paced = new PacedLog(log, () => 0);
  for (let kind = 0; kind < 1000; kind++) paced.write("info", `${kind}`, {}, "once");
  paced.write("info", "0", {}, "forgotten");
  paced.write("info", "999", {}, "held back");
  expect(lines).toHaveLength(1001);
  expect(lines.at(-1)).toBe("forgotten");
});

test("classOf() tells reasons apart, and not their numbers", () => {
  expect(classOf("connect ECONNREFUSED 10.0.0.1:6379")).toBe(classOf("connect ECONNREFUSED 10.0.0.2:7000"));
  expect(classOf("Redis is full")).not.toBe(classOf("Redis cannot be reached"));
});
