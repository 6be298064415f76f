/**
 * The three calls that make up nearly all traffic, read from the bytes of a request: a report, a heartbeat, the popular modes of
 * a place. What is not in their plain form, or is wrong in any way, is left to fastify, whose routes take any form and
 * word every refusal.
 */
import { NO_ENTITLEMENTS } from "../../../engine/entitlement.ts";
import { emptyProfileId, parseProfileId } from "../../../engine/profile-id.ts";
import { placeOf, regionOf } from "../../../engine/places.ts";
import { Check, ReportBody } from "../../values.ts";
import { readReport, type Report, REPORT_BYTES_MAX } from "../report-reader.ts";
import type { Switch } from "../../controls/decisions.ts";
import { refusalOfClient, refusalOfIssuer, refusalOfKind } from "../decided.ts";
import { Answers, type Context, NOWHERE, type Reply, routeLabel } from "../http.ts";
import { refusalOfRate } from "../rate-limits.ts";
import type { Refusal } from "../reasons.ts";
import { POPULAR_MODES_ROUTE, type PopularModesCall } from "../routes/regions.ts";
import { type Beside, HEARTBEAT_ROUTE, type ProfileCalls, REPORT_ROUTE, reportOf } from "../routes/profiles.ts";
import { type Grant, mayReport } from "../../access/grant.ts";
import type { Access } from "../../access/access.ts";
import type { TokenHolder } from "../../access/tokens.ts";
import { type Client, PROXIED } from "../../limits/clients.ts";
import { type Head, isThere, type Span } from "./head.ts";

export interface Calls {
  readonly profiles: ProfileCalls;
  readonly popularModes: PopularModesCall;
  readonly context: Context;
}

/** The connection that a request came over. */
export interface Sender extends TokenHolder {
  /** Whose it is, for limits; PROXIED: each request says. */
  readonly client: Client | typeof PROXIED | undefined;
}

const REPORT = routeLabel("POST", REPORT_ROUTE);
const RENEWAL = routeLabel("PUT", HEARTBEAT_ROUTE);
const POPULAR = routeLabel("GET", POPULAR_MODES_ROUTE);
const KINDS: ReadonlyMap<string, Switch> = new Map([
  [REPORT, "reports"],
  [POPULAR, "queries"],
]);

/** Answers a request; to be called at once, while the bytes stand. */
export type FastCall = (reply: Reply) => void;

const PROFILE_ID_LENGTH = 36;
const PROFILES = Buffer.from("/v1/profiles/", "latin1");
const GAMEMODE = Buffer.from("/gamemode", "latin1");
const HEARTBEAT = Buffer.from("/heartbeat", "latin1");
const REGIONS = Buffer.from("/v1/regions/", "latin1");
const TOP = Buffer.from("?top=", "latin1");
const BEARER = Buffer.from("Bearer ", "latin1");
const BESIDE = /^\?top=([1-9]\d{0,2})(?:&known=(?:(?:W(?:\/|%2[Ff]))?%22([\w-]{1,64})%22|([\w-]{1,64})))?$/;
const TOP_STANDARD = 5;
const TOP_MAX = 100;
const COUNTRY_LENGTH = 2;
const CODE_LENGTH_MAX = 6;
const SLASH = 0x2f;

/** Spellings that clients send; fastify knows the others. */
const JSON_TYPES = ["application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"];
/** The usual one, compared as bytes. */
const USUAL_JSON_TYPE = Buffer.from("application/json", "latin1");
/** Text that JSON.parse and fastify's own parser may read differently, or that is not ASCII. */
const ODD_TEXT = /[^\x20-\x7e\t\r\n]|\\|__proto__/;

const bodyCheck = new Check(ReportBody, "body");
const id = emptyProfileId();

export class FastCalls {
  /** Of the call that was matched last, as the metrics name it. */
  route = NOWHERE;
  private readonly calls: Calls;
  private readonly context: Context;
  /** Of the token that was looked at last. */
  private grant: Grant | undefined;
  /** Who sent the request that is looked at; `undefined` until that is asked. */
  private client: { readonly known: Client | undefined } | undefined;

  constructor(calls: Calls) {
    this.calls = calls;
    this.context = calls.context;
  }

  /**
   * @param head a whole head of these bytes, whose body is at hand
   * @param sender its connection
   * @returns undefined where it is not one of the three in their plain form, or its token is not known to allow it
   */
  match(head: Head, bytes: Buffer, sender: Sender): FastCall | undefined {
    if (isThere(head.contentEncoding) || isThere(head.origin)) return undefined;
    if (sender.client === PROXIED && head.isForwardedTwice) return undefined;
    this.grant = undefined;
    this.client = undefined;
    const call = this.matchForm(head, bytes, sender);
    return call === undefined ? undefined : this.admitted(call, head, bytes, sender);
  }

  private matchForm(head: Head, bytes: Buffer, sender: Sender): FastCall | undefined {
    switch (head.method) {
      case "POST":
        return this.report(head, bytes, sender);
      case "PUT":
        return this.heartbeat(head, bytes, sender);
      case "GET":
        return this.popular(head, bytes, sender);
      default:
        return undefined;
    }
  }

  private report(head: Head, bytes: Buffer, sender: Sender): FastCall | undefined {
    const { bodyLength = 0, end } = head;
    const profileId = profileIdIn(head.target, bytes, GAMEMODE);
    const beside = besideIn(head.target, bytes, GAMEMODE);
    if (beside === null || beside?.known !== undefined) return undefined;
    if (profileId === undefined || bodyLength === 0 || bodyLength > REPORT_BYTES_MAX) return undefined;
    if (!isJsonType(head.contentType, bytes) || !this.mayReport(head, bytes, sender)) return undefined;
    const report =
      readReport(bytes, end, end + bodyLength) ?? parseReport(bytes.toString("latin1", end, end + bodyLength));
    this.route = REPORT;
    if (report === undefined) return undefined;
    const entitlements = this.grant?.entitlements ?? NO_ENTITLEMENTS;
    const reporter = { client: this.clientOf(head, bytes, sender), entitlements };
    return (reply) => this.calls.profiles.report(profileId, report, reporter, beside?.top, reply);
  }

  private heartbeat(head: Head, bytes: Buffer, sender: Sender): FastCall | undefined {
    if ((head.bodyLength ?? 0) > 0 || isThere(head.contentType)) return undefined;
    const profileId = profileIdIn(head.target, bytes, HEARTBEAT);
    const beside = besideIn(head.target, bytes, HEARTBEAT);
    if (beside === null || profileId === undefined || !this.mayReport(head, bytes, sender)) return undefined;
    this.route = RENEWAL;
    return (reply) => this.calls.profiles.renew(profileId, beside, reply);
  }

  private popular(head: Head, bytes: Buffer, sender: Sender): FastCall | undefined {
    if ((head.bodyLength ?? 0) > 0 || isThere(head.cacheControl) || head.isEncodingTwice) return undefined;
    const { from, to } = head.target;
    const code = from + REGIONS.length;
    if (!isAt(bytes, from, to, REGIONS)) return undefined;
    const rest = endOfCode(bytes, code);
    if (!isAt(bytes, rest, to, GAMEMODE)) return undefined;
    const text = bytes.toString("latin1", code, rest);
    const place = rest - code === COUNTRY_LENGTH ? regionOf(text) : placeOf(text);
    const top = topIn(bytes, rest + GAMEMODE.length, to);
    if (place < 0 || top === undefined) return undefined;
    const { access } = this.context;
    if (access?.areReadsGuarded === true && this.grantOf(access, head, bytes, sender) === undefined) return undefined;
    this.route = POPULAR;
    const tag = head.ifNoneMatch;
    const known = isThere(tag) ? bytes.toString("latin1", tag.from, tag.to) : undefined;
    const { acceptEncoding: codings } = head;
    const accepted = isThere(codings) ? bytes.toString("latin1", codings.from, codings.to) : undefined;
    return (reply) => this.calls.popularModes.answer({ place, top, known, accepted }, false, reply);
  }

  /** What is asked of every request, in the order in which the routes ask. */
  private admitted(call: FastCall, head: Head, bytes: Buffer, sender: Sender): FastCall | undefined {
    const { limits, controls, rules, access } = this.context;
    if (limits.areAddressesLimited && this.grant === undefined && sender.client !== undefined) {
      // A token that is not known here is left to fastify, which has it verified before anybody is refused.
      const hasToken = access !== undefined && isThere(head.authorization);
      if (hasToken && this.grantOf(access, head, bytes, sender) === undefined) return undefined;
      const client = hasToken ? undefined : this.clientOf(head, bytes, sender);
      const refused = client === undefined ? undefined : limits.ofAddress(client);
      if (refused !== undefined) return this.refusing(refusalOfRate(this.context, refused));
    }
    if (!controls.isAnyOff && !controls.hasBlocks && rules.isKnown) return call;
    const refusal = this.decidedAgainst(head, bytes, sender);
    return refusal === undefined ? call : this.refusing(refusal);
  }

  /** Heartbeats are never off, and nobody is blocked from them. */
  private decidedAgainst(head: Head, bytes: Buffer, sender: Sender): Refusal | undefined {
    const kind = KINDS.get(this.route);
    const refused = kind === undefined ? undefined : refusalOfKind(this.context, kind);
    if (refused !== undefined) return refused;
    if (kind !== "reports" || !this.context.controls.hasBlocks) return undefined;
    return refusalOfClient(this.context, this.clientOf(head, bytes, sender)) ?? refusalOfIssuer(this.context);
  }

  private refusing(refusal: Refusal): FastCall {
    const answers = new Answers(this.context, this.route);
    return (reply) => answers.refuse(reply, refusal);
  }

  private clientOf(head: Head, bytes: Buffer, { client }: Sender): Client | undefined {
    if (client !== PROXIED) return client;
    if (this.client === undefined) {
      const { from, to } = head.forwardedFor;
      const named = isThere(head.forwardedFor) ? bytes.toString("latin1", from, to) : "";
      this.client = { known: this.context.limits.clients.ofForwarded(named) };
    }
    return this.client.known;
  }

  /** For the player whose id was read last. */
  private mayReport(head: Head, bytes: Buffer, sender: Sender): boolean {
    const { access } = this.context;
    if (access === undefined) return true;
    const grant = this.grantOf(access, head, bytes, sender);
    return grant !== undefined && mayReport(grant, id);
  }

  private grantOf({ tokens }: Access, head: Head, bytes: Buffer, sender: Sender): Grant | undefined {
    const { from, to } = head.authorization;
    const start = from + BEARER.length;
    if (!isThere(head.authorization) || !isAt(bytes, from, to, BEARER) || start === to) return undefined;
    return (this.grant = tokens.known(bytes.subarray(start, to), sender));
  }
}

/** @returns undefined where the target does not begin with `/v1/profiles/{profileId}` and the ending, or the id is none */
function profileIdIn({ from, to }: Span, bytes: Buffer, ending: Buffer): string | undefined {
  const start = from + PROFILES.length;
  const end = start + PROFILE_ID_LENGTH;
  if (!isAt(bytes, from, to, PROFILES) || !isAt(bytes, end, to, ending)) return undefined;
  const text = bytes.toString("latin1", start, end);
  return parseProfileId(text, id) ? text : undefined;
}

/**
 * What is asked for beside a call about a player: nothing, or `?top=` and perhaps `&known=` with a tag of ours, its quotes escaped or
 * left out.
 * @returns null where it is anything else
 */
function besideIn({ from, to }: Span, bytes: Buffer, ending: Buffer): Beside | undefined | null {
  const query = from + PROFILES.length + PROFILE_ID_LENGTH + ending.length;
  if (query >= to) return undefined;
  const [, digits, quoted, bare] = BESIDE.exec(bytes.toString("latin1", query, to)) ?? [];
  const top = Number(digits);
  return top >= 1 && top <= TOP_MAX ? { top, known: quoted ?? bare } : null;
}

function isJsonType(type: Span, bytes: Buffer): boolean {
  const { from, to } = type;
  if (!isThere(type)) return false;
  if (to - from === USUAL_JSON_TYPE.length && isAt(bytes, from, to, USUAL_JSON_TYPE)) return true;
  return JSON_TYPES.includes(bytes.toString("latin1", from, to).toLowerCase());
}

function parseReport(text: string): Report | undefined {
  if (ODD_TEXT.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return bodyCheck.accepts(value) ? reportOf(value) : undefined;
  } catch {
    return undefined; // fastify says what is wrong with it
  }
}

/** Where a slash follows, or where the longest code would end. */
function endOfCode(bytes: Buffer, from: number): number {
  let end = from;
  while (end < from + CODE_LENGTH_MAX && bytes[end] !== SLASH) end++;
  return end;
}

/** Reads what follows the path: nothing, or `?top=` and a whole number. */
function topIn(bytes: Buffer, from: number, to: number): number | undefined {
  if (from === to) return TOP_STANDARD;
  const digits = from + TOP.length;
  if (!isAt(bytes, from, to, TOP) || digits === to || to - digits > 3) return undefined;
  const text = bytes.toString("latin1", digits, to);
  const top = Number(text);
  return /^[1-9]\d*$/.test(text) && top <= TOP_MAX ? top : undefined;
}

function isAt(bytes: Buffer, from: number, to: number, word: Buffer): boolean {
  if (to - from < word.length) return false;
  for (let index = 0; index < word.length; index++) if (bytes[from + index] !== word[index]) return false;
  return true;
}
