/** The tests' own parser reads what the standard's examples say. */
import { expect, test } from "vitest";
import { EventStreamParser } from "../support/event-stream.ts";

function parsed(text: string, cut = Infinity): EventStreamParser {
  const parser = new EventStreamParser();
  const bytes = Buffer.from(text, "utf8");
  for (let at = 0; at < bytes.length; at += cut) parser.push(bytes.subarray(at, Math.min(bytes.length, at + cut)));
  return parser;
}

const told = (text: string, cut?: number) =>
  parsed(text, cut).events.map(({ type, data, lastEventId }) => [type, data, lastEventId]);

/** Source: WHATWG HTML, 9.2.6, the examples. */
const EXAMPLES: readonly (readonly [text: string, events: readonly (readonly string[])[]])[] = [
  ["data: YHOO\ndata: +2\ndata: 10\n\n", [["message", "YHOO\n+2\n10", ""]]],
  [
    ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
    [
      ["message", "first event", "1"],
      ["message", "second event", ""],
      ["message", " third event", ""],
    ],
  ],
  [
    "data\n\ndata\ndata\n\ndata:",
    [
      ["message", "", ""],
      ["message", "\n", ""],
    ],
  ],
  [
    "data:test\n\ndata: test\n\n",
    [
      ["message", "test", ""],
      ["message", "test", ""],
    ],
  ],
  [
    "event: top\rdata: 1\r\rdata: 2\r\n\r\n",
    [
      ["top", "1", ""],
      ["message", "2", ""],
    ],
  ],
  ["\ufeffevent: a\ndata: ü\n\n", [["a", "ü", ""]]],
  [
    "id: 7\n\ndata: x\n\nid: a\0b\ndata: y\n\n",
    [
      ["message", "x", "7"],
      ["message", "y", "7"],
    ],
  ],
  ["event: empty\n\ndata: whole\n\ndata: broken off", [["message", "whole", ""]]],
];

test.each(EXAMPLES)("%j", (text, events) => {
  // "data\n\n" has an empty buffer of data behind its one line end: it is dispatched.
  expect(told(text)).toEqual(events);
  expect(told(text, 1)).toEqual(events);
  expect(told(text, 3)).toEqual(events);
});

test("retry is digits only, and comments are skipped", () => {
  const parser = parsed("retry: 12\n: a\n:\nretry: 1x\nretry:\n\n");
  expect([parser.retryMs, parser.comments, parser.events]).toEqual([12, 2, []]);
});
