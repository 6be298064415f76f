/** Who may make a call: what is asked of its token, and what is told where that does not do. Source: RFC 6750. */
import type { FastifyRequest } from "fastify";
import { NO_ENTITLEMENTS } from "../../engine/entitlement.ts";
import { emptyProfileId, parseProfileId, type ProfileId } from "../../engine/profile-id.ts";
import type { Access } from "../access/access.ts";
import { type Grant, mayLookUp, mayReport, type Scope } from "../access/grant.ts";
import type { Judgement } from "../access/tokens.ts";
import { refusal } from "../values.ts";
import { type Hook, refusing } from "./hooks.ts";
import type { Context } from "./http.ts";
import type { Refusal } from "./reasons.ts";

/** What is wrong with a token that is good, for this request; `undefined`: nothing. */
type Right = (grant: Grant, request: FastifyRequest) => Lack | undefined;

interface Lack {
  /** What the token would need. */
  readonly scope: Scope;
  readonly message: string;
}

const BEARER = /^Bearer +([\w.~+/-]+=*)$/i;
const NEEDED = "a signed token that is valid now (Bearer ...)";
const id = emptyProfileId();
/** Of requests whose tokens were good. */
const grants = new WeakMap<FastifyRequest, Grant>();

/** The hooks of the routes; none where tokens are not asked for. To be given as `preHandler`, or as `onRequest`. */
export class Admission {
  private readonly context: Context;

  constructor(context: Context) {
    this.context = context;
  }

  /** Reports, renews or removes the player in the path. */
  toReport(label: string): Hook[] {
    return this.hooks(label, ofPlayer(mayReport, "reports:batch"));
  }

  toLookUp(label: string): Hook[] {
    return this.hooks(label, ofPlayer(mayLookUp, "profiles:read"));
  }

  /** Looks up the players in the body. */
  toLookUpMany(label: string): Hook[] {
    return this.hooks(label, (grant, { body }) => {
      const { profileIds } = body as { readonly profileIds: readonly string[] };
      const other = profileIds.find((each) => !parseProfileId(each, id) || !mayLookUp(grant, id));
      return other === undefined ? undefined : lackOf("profileIds", other, "profiles:read");
    });
  }

  /** Reports many players: the token comes before the body, which costs far more than it. */
  toReportMany(label: string): Hook[] {
    return this.hooks(label, ({ scopes }) =>
      scopes.has("reports:batch")
        ? undefined
        : { scope: "reports:batch", message: "the token's scope must have reports:batch" },
    );
  }

  /** Reads what is everybody's. */
  toRead(label: string): Hook[] {
    return this.context.access?.areReadsGuarded === true ? this.hooks(label, () => undefined) : [];
  }

  private hooks(label: string, right: Right): Hook[] {
    const { context } = this;
    const { access } = context;
    if (access === undefined) return [];
    const whyNot = async (request: FastifyRequest): Promise<Refusal | undefined> => {
      const token = bearerOf(request.headers.authorization);
      const judgement = token === undefined ? noToken(request) : await access.tokens.judge(token);
      if (judgement.kind !== "granted") return refusalOf(judgement);
      grants.set(request, judgement.grant);
      const lack = right(judgement.grant, request);
      return lack === undefined ? undefined : refusalFor(lack);
    };
    return [refusing(context, label, whyNot)];
  }
}

/** What the token of a request that was admitted gives its player. */
export function entitlementsOf(request: FastifyRequest): readonly string[] {
  return grants.get(request)?.entitlements ?? NO_ENTITLEMENTS;
}

/** The token that the header shows; undefined where it shows none. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
}

/** Whether the token of a request that was admitted is still one, whenever that is asked. */
export function isStillGranted({ tokens }: Access, request: FastifyRequest): () => boolean {
  const grant = grants.get(request) as Grant;
  return () => tokens.isGood(grant);
}

/** Of a player's session: what it may do, and whether its token is good still, whenever that is asked. */
export interface PlayersRight {
  readonly entitlements: readonly string[];
  readonly isGood: () => boolean;
}

/** @returns what the token allows for this player, or why it does not open the player's session. Never rejects. */
export async function judgeForPlayer(
  { tokens }: Access,
  token: string | undefined,
  player: ProfileId,
): Promise<PlayersRight | Refusal> {
  const judgement: Judgement = token === undefined ? NO_TOKEN : await tokens.judge(token);
  if (judgement.kind !== "granted") return refusalOf(judgement);
  const { grant } = judgement;
  if (!mayReport(grant, player)) return NOT_OF_PLAYER;
  return { entitlements: grant.entitlements, isGood: () => tokens.isGood(grant) };
}

const NO_TOKEN: Judgement = { kind: "refused", why: "nothing" };
const NOT_OF_PLAYER = refusalFor({
  scope: "reports:batch",
  message: "profileId must be the sub of the token, or its scope must have reports:batch",
});

function ofPlayer(isRight: (grant: Grant, player: ProfileId) => boolean, scope: Scope): Right {
  return (grant, { params }) => {
    const { profileId } = params as { readonly profileId: string };
    parseProfileId(profileId, id);
    return isRight(grant, id) ? undefined : lackOf("profileId", profileId, scope);
  };
}

function lackOf(field: string, profileId: string, scope: Scope): Lack {
  return { scope, message: refusal(field, `the sub of the token, or its scope must have ${scope}`, profileId) };
}

function noToken({ headers }: FastifyRequest): Judgement {
  return { kind: "refused", why: headers.authorization === undefined ? "nothing" : "no bearer token" };
}

function refusalOf(judgement: Judgement): Refusal {
  switch (judgement.kind) {
    case "refused": {
      const message = `authorization must be ${NEEDED}, got ${judgement.why}`;
      return { status: 401, reason: "credentials", message, headers: asking('error="invalid_token"', message) };
    }
    case "no keys":
      return { status: 503, reason: "starting", message: "the keys of tokens are not known yet: try again soon" };
    default:
      return { status: 503, reason: "overloaded", message: "too many tokens wait to be verified: try again soon" };
  }
}

function refusalFor({ scope, message }: Lack): Refusal {
  const headers = asking(`error="insufficient_scope", scope="${scope}"`, message);
  return { status: 403, reason: "forbidden", message, headers };
}

/** The message stands there as text between quotes may be (RFC 6750, 3). */
export function asking(error: string, message: string): NonNullable<Refusal["headers"]> {
  const description = message.replaceAll(/["\\]/g, "'").replaceAll(/[^\x20-\x7e]/g, "?");
  return { "www-authenticate": `Bearer ${error}, error_description="${description}"` };
}
