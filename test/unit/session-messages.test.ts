import { expect, test } from "vitest";

import { framed, leftText, playedText, readMessage, refusedText } from "../../node/live/session-messages.ts";
import { regionOf } from "../../engine/places.ts";

const CA = regionOf("CA");

test("readMessage() reads what it knows, with what is left out", () => {
  expect(readMessage(`{"type":"play","region":"ca","gamemode":"GM01"}`)).toEqual({
    type: "play",
    region: CA,
    mode: "GM01",
    seq: -1,
    ref: undefined,
  });
  expect(readMessage(`{"type":"watch","place":"CA","ref":1,"more":true}`)).toEqual({
    type: "watch",
    place: CA,
    top: 5,
    everyMs: 2000,
    ref: 1,
  });
  expect(readMessage(`{"type":"leave","seq":3}`)).toEqual({ type: "leave", seq: 3, ref: undefined });
});

test.each([`{"type":"constructor"}`, `{"type":["play"]}`, `null`, `1`, `"play"`, `[]`, `{`, ``])(
  "%s is no message",
  (text) => {
    expect(readMessage(text)).toEqual({ type: "unreadable", message: expect.stringMatching(/ must be .*, got ./) });
  },
);

test.each([
  [`{"type":"token","token":["secret"]}`, "malformed", "token must be a signed token, got an array of 1"],
  [`{"type":"token","token":{"secret":1}}`, "malformed", "token must be a signed token, got an object"],
  [`{"type":"token","token":"secret","ref":[]}`, "malformed", /^ref must be .*, got an array of 0$/],
  [`{"type":"token","token":"secret`, "unreadable", "message must be a JSON object, got what is no JSON"],
  [`{"type":"tokens","token":"secret"}`, "unreadable", /^type must be one of .*, got "tokens"$/],
])("a token that is malformed is not shown: %s", (text, type, told) => {
  const message = typeof told === "string" ? told : expect.stringMatching(told);
  const read = readMessage(text);
  expect(read).toMatchObject({ type, message });
  expect((read as { message: string }).message).not.toContain("secret");
});

test("answers are ASCII and JSON, whatever the client sent", () => {
  const texts = [
    playedText('κόσμε 🎮\u2028"', CA, "GM01", true, false),
    refusedText("é", { status: 400, reason: "malformed", message: `region must be one, got "é"` }),
    playedText(undefined, -1, "", false, true),
    leftText("ü"),
    leftText(undefined),
  ];
  for (const text of texts) expect(text).toMatch(/^[ -~]*$/);
  expect(texts.map((text) => JSON.parse(text) as unknown)).toEqual([
    { type: "played", ref: 'κόσμε 🎮\u2028"', region: "CA", gamemode: "GM01", changed: true, remembered: false },
    { type: "refused", ref: "é", code: "400", reason: "malformed", message: `region must be one, got "é"` },
    { type: "played", region: null, gamemode: null, changed: false, remembered: true },
    { type: "left", ref: "ü" },
    { type: "left" },
  ]);
});

test.each([1, 125, 126, 127, 255, 256, 65_535])("framed() says the length of %i bytes", (length) => {
  const bytes = Buffer.from(framed("x".repeat(length)), "latin1");
  const head = length < 126 ? 2 : 4;
  expect(bytes.length).toBe(head + length);
  expect(bytes[0]).toBe(0x81);
  expect(length < 126 ? bytes[1] : bytes.readUInt16BE(2)).toBe(length);
});
