/**
 * A player's session over WebSocket (RFC 6455). What is wrong with the request, and with the page that asks, is told by status; what is
 * wrong with the token, and that there is no room, by close code, since a browser's page sees no status. From then on it is `node/live/`.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Static, Type } from "typebox";
import type { Outcome, PlayerRequest } from "../../../cluster/ports/rows.ts";
import { NO_ENTITLEMENTS } from "../../../engine/entitlement.ts";
import { emptyProfileId, parseProfileId, type ProfileId } from "../../../engine/profile-id.ts";
import type { Client } from "../../limits/clients.ts";
import type { FanOut } from "../../live/fan-out.ts";
import { CLOSED, type SessionHost } from "../../live/session.ts";
import type { Right } from "../../live/session-credentials.ts";
import { Sessions, SUBPROTOCOL } from "../../live/sessions.ts";
import { ProfileParams, refusal, shown } from "../../values.ts";
import { bearerOf, judgeForPlayer } from "../admission.ts";
import { ErrorAnswer, ForbiddenAnswer, NotNowAnswer, TOO_OFTEN, UpgradeAnswer } from "../answers.ts";
import type { StandIn } from "../connections/stand-in.ts";
import { refusalOfClient, refusalOfIssuer, refusalOfKind, whileOn } from "../decided.ts";
import { type Hook, refusing } from "../hooks.ts";
import { Answers, type Context, DRAINING, notServing, routeLabel, type ServingService } from "../http.ts";
import { isShown } from "../live-answers.ts";
import { clientOf } from "../rate-limits.ts";
import { OVERLOADED, type Refusal } from "../reasons.ts";
import { isStrangePage } from "../strange-pages.ts";
import { refusalFor } from "./profiles.ts";
import { NOT_SHOWN } from "./regions.ts";

export const SESSION_ROUTE = "/v1/session";
/** A token that a browser's page shows, since it can set no header: it is never selected. */
const BEARER = "bearer.";
const VERSION = "13";
/** 16 bytes in base64 (RFC 6455, 4.1). */
const KEY = /^[A-Za-z0-9+/]{22}==$/;
const SUBPROTOCOLS = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/;

type Asked = { Querystring: Static<typeof ProfileParams> };

/** The sessions of the public listener. */
export function makeSessions(context: Context, fanOut: FanOut): Sessions {
  const { sessionsMax, sessionMs } = context.service.settings;
  const isOff = (): boolean => context.controls.offOf("sessions") !== undefined;
  return new Sessions(new Host(context, fanOut), { sessionsMax, sessionMs, isOff });
}

/** HEAD is not for sessions. */
export function registerSession(app: FastifyInstance, context: Context, sessions: Sessions): void {
  const label = routeLabel("GET", SESSION_ROUTE);
  const answers = new Answers(context, label);
  const toOpen = {
    schema: SESSION_SCHEMA,
    exposeHeadRoute: false,
    onRequest: whileOn(context, "sessions", label),
    preHandler: [upgrading(context, label), ofKnownPage(context, label)],
  };
  app.get<Asked>(SESSION_ROUTE, toOpen, async (request, reply) => {
    if (!answers.isServing(context.service, reply)) return reply;
    if (sessions.isDraining) answers.refuse(reply, DRAINING);
    else await open(request);
    return reply;

    async function open({ query, headers, raw }: FastifyRequest<Asked>): Promise<void> {
      const id = emptyProfileId();
      parseProfileId(query.profileId, id);
      const client = clientOf(request, context);
      const right = await rightOf(context, tokenIn(headers), id);
      if (raw.socket.destroyed) return void reply.hijack(); // its client went meanwhile
      answers.begun(101);
      context.metrics.totals.sessions++;
      void reply.hijack();
      // Every connection comes here by its stand-in.
      const taken = (raw.socket as unknown as StandIn).letGo();
      if ("status" in right && right.status !== 503)
        return sessions.turnAway(raw, taken, CLOSED.credentials, right.message);
      if (sessions.isDraining) return sessions.turnAwayDraining(raw, taken);
      if ("status" in right || sessions.isFull) return sessions.turnAwayFull(raw, taken);
      sessions.open(raw, taken, { id, client, right });
    }
  });
  app.addHook("preClose", async () => {
    await sessions.drain();
    sessions.close();
  });
}

/** Refuses what is no opening handshake (RFC 6455, 4.2.1). */
function upgrading(context: Context, label: string): Hook {
  return refusing(context, label, ({ headers }) => {
    const isUpgrade =
      headers.upgrade?.toLowerCase() === "websocket" && /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(headers.connection ?? "");
    if (!isUpgrade) return NO_UPGRADE;
    if (headers["sec-websocket-version"] !== VERSION)
      return upgradeRequired(refusal("sec-websocket-version", VERSION, headers["sec-websocket-version"]));
    const key = headers["sec-websocket-key"];
    if (typeof key !== "string" || !KEY.test(key))
      return malformed(refusal("sec-websocket-key", "16 bytes in base64", key));
    return whyNoSubprotocol(headers["sec-websocket-protocol"]);
  });
}

/** Who offers some must be told which one is taken: browsers close the connection else. None may stand twice (RFC 6455, 4.1): `ws` would refuse it in HTML. */
function whyNoSubprotocol(offered: string | undefined): Refusal | undefined {
  if (offered === undefined) return undefined;
  const names = SUBPROTOCOLS.test(offered) ? subprotocolsIn(offered) : [];
  const hasOurs = names.includes(SUBPROTOCOL);
  if (hasOurs && new Set(names).size === names.length) return undefined;
  const expected = hasOurs ? "have each in its list once" : `have ${SUBPROTOCOL} in its list`;
  const told = offered.includes(BEARER) ? "a list with a token" : shown(offered); // a token is not shown
  return malformed(`sec-websocket-protocol must be left out, or ${expected}, got ${told}`);
}

function subprotocolsIn(offered: string): string[] {
  return offered.split(",").map((name) => name.trim());
}

function tokenIn(headers: IncomingHttpHeaders): string | undefined {
  if (headers.authorization !== undefined) return bearerOf(headers.authorization);
  const shownByPage = subprotocolsIn(headers["sec-websocket-protocol"] ?? "").find((name) => name.startsWith(BEARER));
  return shownByPage?.slice(BEARER.length);
}

/** A page of another origin may open a WebSocket to anybody, whatever CORS says: so it is refused here. */
function ofKnownPage(context: Context, label: string): Hook {
  return refusing(context, label, ({ headers: { origin, host } }) => {
    if (origin === undefined || context.cors?.isAllowed(origin) === true) return undefined;
    if (isOwn(origin, host) && !isStrangePage(context, origin)) return undefined;
    const message = refusal("origin", "this node's own, or one of HEADCOUNT_CORS_ORIGINS", origin);
    return { status: 403, reason: "forbidden", message };
  });
}

/** Whoever ends TLS in front of the node changes the scheme, and not the host. */
function isOwn(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: from } = new URL(origin);
  return URL.canParse(`${protocol}//${host}`) && new URL(`${protocol}//${host}`).host === from;
}

/** Where no tokens are asked for everybody may be anybody. */
const ANYTHING: Right = { entitlements: NO_ENTITLEMENTS, isGood: () => true };

async function rightOf(context: Context, token: string | undefined, id: ProfileId): Promise<Right | Refusal> {
  const { access } = context;
  if (access === undefined) return ANYTHING;
  return judgeForPlayer(access, token, id);
}

/** What sessions ask of the node. */
class Host implements SessionHost {
  readonly fanOut: FanOut;
  private readonly context: Context;

  constructor(context: Context, fanOut: FanOut) {
    this.context = context;
    this.fanOut = fanOut;
  }

  submit(request: PlayerRequest, settle: (outcome: Outcome) => void): void {
    const { entry } = this.context.service;
    if (entry === undefined) settle({ kind: "refused", reason: "no owner" });
    else entry.submit(request, settle);
  }

  whyNoReport(client: Client | undefined): Refusal | undefined {
    const { context } = this;
    const { service, controls, limits } = context;
    if (service.entry === undefined) return notServing(service);
    const why = refusalOfKind(context, "reports") ?? (controls.hasBlocks ? this.blocked(client) : undefined);
    if (why !== undefined) return why;
    return limits.shedding.isShedding && limits.shedding.refuses("reports") ? OVERLOADED : undefined;
  }

  whyNoWatch(place: number): Refusal | undefined {
    const { context } = this;
    const { service } = context;
    if (service.entry !== undefined && !isShown(context, service as ServingService, place)) return NOT_SHOWN;
    return refusalOfKind(context, "streams");
  }

  refusalFor(...[why, asked]: Parameters<SessionHost["refusalFor"]>): Refusal {
    const { metrics } = this.context;
    if (asked.operation === "report") {
      metrics.totals.rejected++;
      metrics.refused[why.reason]++;
    }
    return refusalFor(this.context, why, { entitlements: NO_ENTITLEMENTS, ...asked });
  }

  notePlayed(...[effect, mode, client]: Parameters<SessionHost["notePlayed"]>): void {
    const { metrics, usage, access } = this.context;
    if (effect !== "changed" && effect !== "renewed" && effect !== "late") return;
    metrics.totals[effect]++;
    if (effect === "changed") usage.arrivals.note(mode, client?.prefix, access?.issuer);
  }

  noteRemoved(): void {
    this.context.metrics.totals.removals++;
  }

  async judge(token: string, id: ProfileId): Promise<Right | Refusal> {
    return rightOf(this.context, token, id);
  }

  private blocked(client: Client | undefined): Refusal | undefined {
    return refusalOfClient(this.context, client) ?? refusalOfIssuer(this.context);
  }
}

function malformed(message: string): Refusal {
  return { status: 400, reason: "malformed", message };
}

function upgradeRequired(message: string): Refusal {
  const headers = { upgrade: "websocket", connection: "upgrade", "sec-websocket-version": VERSION };
  return { status: 426, reason: "malformed", message, headers };
}

const NO_UPGRADE = upgradeRequired(
  "a session is a WebSocket: the request must have connection: upgrade and upgrade: websocket",
);

const SESSION_SCHEMA = {
  tags: ["players"],
  operationId: "openSession",
  summary: "Open a player's session (WebSocket)",
  description: `Subprotocol \`${SUBPROTOCOL}\`; a page shows its token as the subprotocol \`${BEARER}<token>\`. The messages and the close codes are in docs/sessions.md.`,
  querystring: ProfileParams,
  response: {
    101: Type.Unsafe({ description: "The session begins", type: "null" }),
    400: ErrorAnswer,
    403: ForbiddenAnswer,
    426: UpgradeAnswer,
    ...TOO_OFTEN,
    503: NotNowAnswer,
  },
};
