import { describe, expect, test } from "vitest";
import type { Message } from "../../crowd/crowd.ts";
import { profileIdOf } from "../../crowd/profile-id.ts";
import { batchOutcomesOf, batchRequestOf, outcomeOf, requestOf } from "../../crowd/wire.ts";

describe("wire", () => {
  const report = messageOf("report");
  const answer = (status: number, body: unknown = "", headers = {}) => ({
    status,
    headers,
    body: JSON.stringify(body),
  });

  test.each([
    ["report", 200, { renewInMs: 30_000 }, {}, { kind: "heard", renewInMs: 30_000 }],
    ["report", 202, { renewInMs: 1 }, {}, { kind: "heard", renewInMs: 50 }],
    ["heartbeat", 204, "", { "renew-in-ms": "25000" }, { kind: "heard", renewInMs: 25_000 }],
    ["heartbeat", 404, "", {}, { kind: "unknown" }],
    ["leave", 204, "", {}, { kind: "gone" }],
    ["leave", 202, "", {}, { kind: "gone" }],
    ["report", 503, "", { "retry-after": "3" }, { kind: "failed", retryInMs: 3_000 }],
    ["report", 429, "", {}, { kind: "failed", retryInMs: 0 }],
    ["report", 403, "", {}, { kind: "refused", retryInMs: 30_000 }],
    ["report", 400, "", {}, { kind: "failed", retryInMs: 30_000 }],
    ["report", 404, "", {}, { kind: "failed", retryInMs: 30_000 }],
  ] as const)("outcomeOf(%s, %i %j %j)", (kind, status, body, headers, outcome) => {
    expect(outcomeOf(messageOf(kind), answer(status, body, headers))).toEqual(outcome);
  });

  test("requests carry the address where there is one, a batch that of its first player, and else no such header", () => {
    const from = (address: string) => ({ origin: { address, isBot: false } });
    const json = { "content-type": "application/json" };
    for (const [kind, headers] of [["report", json] as const, ["heartbeat", {}] as const, ["leave", {}] as const]) {
      expect(requestOf(messageOf(kind)).headers).toEqual(headers);
      const sent = requestOf({ ...messageOf(kind), ...from("240.1.2.3") });
      expect(sent).toEqual({ ...requestOf(messageOf(kind)), headers: { ...headers, "x-forwarded-for": "240.1.2.3" } });
    }
    expect(batchRequestOf([report, report]).headers).toEqual(json);
    const batch = batchRequestOf(["240.1.2.3", "3fff::1"].map((address) => ({ ...report, ...from(address) })));
    expect(batch.headers).toEqual({ ...json, "x-forwarded-for": "240.1.2.3" });
    expect(batch.body).toBe(batchRequestOf([report, report]).body);
  });

  test("outcomeOf() throws where the pace is missing or no number", () => {
    for (const body of [{}, { renewInMs: "soon" }, { renewInMs: -1 }]) {
      expect(() => outcomeOf(report, answer(200, body))).toThrow(/^Not a time to renew in/);
    }
    expect(() => outcomeOf(messageOf("heartbeat"), answer(204))).toThrow(/^Not a time to renew in/);
    expect(() => outcomeOf(report, { status: 200, headers: {}, body: "<html>" })).toThrow(SyntaxError);
  });

  test("batchOutcomesOf() settles row by row", () => {
    const refused: string[] = [];
    const rejected = [{ index: 1, code: "503", message: "no owner in time" }];
    const outcomes = batchOutcomesOf(
      [report, report, report],
      answer(202, { accepted: 2, remembered: 0, rejected }),
      (code) => refused.push(code),
    );
    expect(outcomes).toEqual([{ kind: "heard" }, { kind: "failed", retryInMs: 0 }, { kind: "heard" }]);
    expect(refused).toEqual(["503"]);
    const none = batchOutcomesOf([report], answer(503, "", { "retry-after": "2" }), () => {});
    expect(none).toEqual([{ kind: "failed", retryInMs: 2_000 }]);
    expect(() => batchOutcomesOf([report, report], answer(200, { accepted: 1, rejected: [] }), () => {})).toThrow(
      TypeError,
    );
  });
});

function messageOf(kind: Message["kind"]): Message {
  const profileId = profileIdOf(1, 1);
  return { kind, cause: "renew", seat: 0, profileId, region: "CA", gamemode: "dota2:turbo", dueMs: 0 };
}
