/** What is said over a session: frames of JSON, read strictly, and the answers as text. */
import { Type } from "typebox";
import { NO_SEQ } from "../../engine/partition.ts";
import { placeOf, regionOf, REGIONS } from "../../engine/places.ts";
import { Check, PlaceParams, refusal, RemovalQuery, ReportBody, StreamsQuery } from "../values.ts";
import type { Frame, FrameKind } from "./frame.ts";

/** From the client; ws closes with 1009 where a message is longer. */
export const MESSAGE_BYTES_MAX = 1024;
export const WATCHES_MAX = 8;
const REF_LENGTH_MAX = 64;
const [TOP, EVERY_MS] = [5, 2000];

/** The client's own name for what it asks, given back with the answer. */
export type Ref = string | number | undefined;

export type Message =
  | { readonly type: "play"; readonly region: number; readonly mode: string; readonly seq: number; readonly ref: Ref }
  | {
      readonly type: "watch";
      readonly place: number;
      readonly top: number;
      readonly everyMs: number;
      readonly ref: Ref;
    }
  | { readonly type: "unwatch"; readonly place: number; readonly ref: Ref }
  | { readonly type: "leave"; readonly seq: number; readonly ref: Ref }
  | { readonly type: "token"; readonly token: string; readonly ref: Ref }
  | { readonly type: "ping" }
  /** Of a known type, and malformed: the client is told, and the session stays. */
  | { readonly type: "malformed"; readonly message: string; readonly ref: Ref }
  /** No JSON object, or of no known type: the session ends. */
  | { readonly type: "unreadable"; readonly message: string };

/** Why something is refused, as it is told. */
export interface Refusal {
  readonly status: number;
  readonly reason: string | undefined;
  readonly message: string;
}

const Ref = Type.Union([Type.String({ maxLength: REF_LENGTH_MAX }), Type.Number()], {
  description: `a string of up to ${REF_LENGTH_MAX} characters, or a number`,
});
const named = { ref: Type.Optional(Ref) };
const place = { place: PlaceParams.properties.region };
const Include = Type.Literal("", { description: "left out, since there is nothing more to include" });
const Token = Type.String({ minLength: 1, description: "a signed token" });

const PLAY = new Check(Type.Object({ ...ReportBody.properties, ...named }), "play");
const WATCH = new Check(
  Type.Object({ ...place, ...StreamsQuery.properties, include: Type.Optional(Include), ...named }),
  "watch",
);
const UNWATCH = new Check(Type.Object({ ...place, ...named }), "unwatch");
const LEAVE = new Check(Type.Object({ ...RemovalQuery.properties, ...named }), "leave");
const TOKEN = new Check(Type.Object({ token: Token, ...named }), "token");
const REF = new Check(Ref, "ref");

export function readMessage(text: string): Message {
  const value = parsed(text);
  if (value === undefined) return NO_JSON;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return unreadable(refusal("message", "a JSON object", value));
  const { type } = value as { type?: unknown };
  switch (type) {
    case "play": {
      if (!PLAY.accepts(value)) return malformed(PLAY, value);
      const { region, gamemode: mode, seq = NO_SEQ } = value;
      return { type: "play", region: regionOf(region), mode, seq, ref: value.ref };
    }
    case "watch": {
      if (!WATCH.accepts(value)) return malformed(WATCH, value);
      const { top = TOP, every: everyMs = EVERY_MS } = value;
      return { type: "watch", place: placeOf(value.place), top, everyMs, ref: value.ref };
    }
    case "unwatch":
      if (!UNWATCH.accepts(value)) return malformed(UNWATCH, value);
      return { type: "unwatch", place: placeOf(value.place), ref: value.ref };
    case "leave":
      if (!LEAVE.accepts(value)) return malformed(LEAVE, value);
      return { type: "leave", seq: value.seq ?? NO_SEQ, ref: value.ref };
    case "token":
      if (!TOKEN.accepts(value)) return malformed(TOKEN, value); // no token is shown: what is wrong with it is that it is none
      return { type: "token", token: value.token, ref: value.ref };
    case "ping":
      return PING;
    default:
      return unreadable(refusal("type", `one of ${TYPES.join(", ")}`, type));
  }
}

function unreadable(message: string): Message {
  return { type: "unreadable", message };
}

const TYPES = ["play", "watch", "unwatch", "leave", "token", "ping"] as const satisfies readonly Message["type"][];
const PING: Message = { type: "ping" };
/** It is not shown: there may be a token in it. */
const NO_JSON = unreadable("message must be a JSON object, got what is no JSON");
export const BINARY = unreadable("message must be text, got a binary one");

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function malformed(check: { explain(value: unknown): string }, value: object): Message {
  const { ref } = value as { ref?: unknown };
  return { type: "malformed", message: check.explain(value), ref: REF.accepts(ref) ? ref : undefined };
}

// Answers. Codes of regions and names of modes hold nothing that JSON would escape. All of it is ASCII.

/** @param region its number, and the mode, where the player stands now; -1 where it is not connected */
export function playedText(ref: Ref, region: number, mode: string, changed: boolean, remembered: boolean): string {
  const where = region < 0 ? `"region":null,"gamemode":null` : `"region":"${REGIONS[region]}","gamemode":"${mode}"`;
  return `{"type":"played",${refText(ref)}${where},"changed":${changed},"remembered":${remembered}}`;
}

export function refusedText(ref: Ref, { status, reason, message }: Refusal): string {
  const why = ascii(JSON.stringify({ code: String(status), reason, message }));
  return `{"type":"refused",${refText(ref)}${why.slice(1)}`;
}

export function leftText(ref: Ref): string {
  return ref === undefined ? LEFT : `{"type":"left",${refText(ref).slice(0, -1)}}`;
}

const LEFT = `{"type":"left"}`;
export const PONG = `{"type":"pong"}`;
export const SUPERSEDED = `{"type":"superseded"}`;

function refText(ref: Ref): string {
  return ref === undefined ? "" : `"ref":${ascii(JSON.stringify(ref))},`;
}

function ascii(json: string): string {
  return json.replaceAll(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * An answer as a whole frame (RFC 6455, 5.2), its bytes as characters: `ws` would write head and text apart, and each answer by itself. Several
 * answers are joined and leave in one write.
 */
export function framed(text: string): string {
  return headOf(text.length) + text;
}

function headOf(length: number): string {
  return length < SHORT
    ? String.fromCharCode(WHOLE_TEXT, length)
    : String.fromCharCode(WHOLE_TEXT, SHORT, length >> 8, length & 0xff);
}

const WHOLE_TEXT = 0x81;
/** From here on the length stands in two bytes of its own. Nothing that is sent has 64 KiB. */
const SHORT = 126;

/** What is popular, as the GET answers it, with its head; made once for all sessions. */
export const AS_MESSAGE: FrameKind = {
  encode: ({ body }: Frame) => Buffer.from(framed(`{"type":"top",${body.slice(1)}`), "latin1"),
};

export const TOO_MANY_WATCHES: Refusal = {
  status: 400,
  reason: "malformed",
  message: refusal("place", `one of at most ${WATCHES_MAX} that a session watches`, WATCHES_MAX + 1),
};
