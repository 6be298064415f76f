/**
 * Who may ask the admin listener. A page of the operator's own browser must not: it could have a name that means this machine (DNS rebinding), so `Host` is
 * checked, and `Origin` where there is one. All else is asked for the token.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Access } from "../access/access.ts";
import { plainAddress } from "../addresses.ts";
import { asking, bearerOf } from "../http/admission.ts";
import { Answers, type Context, routeLabel } from "../http/http.ts";
import type { Refusal } from "../http/reasons.ts";
import { refusal } from "../values.ts";

export interface AdminAdmissionOptions {
  /** `undefined`: only a token with the scope `admin` will do. */
  readonly token: string | undefined;
  /** `undefined` where players show no tokens. */
  readonly access: Access | undefined;
  /** As its settings name it. */
  readonly host: string;
  /** Names by which it is asked, besides its own; in lower case. */
  readonly hosts: readonly string[];
}

/** What whoever starts processes asks, and a page that tells nothing. */
export const OPEN_PATHS = new Set(["/livez", "/readyz", "/"]);
const HOST = /^(\[[\da-f:.]+\]|[^:]*)(?::\d*)?$/i;

/** Checks every request, whatever its path. */
export function admitOperators(app: FastifyInstance, context: Context, options: AdminAdmissionOptions): void {
  const admission = new AdminAdmission(options);
  app.addHook("onRequest", async (request, reply) => {
    const why = refusalOfPage(request, options) ?? (await admission.refusalOf(request));
    if (why === undefined) return undefined;
    new Answers(context, routeLabel(request.method, request.routeOptions.url)).refuse(reply, why);
    return reply;
  });
}

function refusalOfPage(
  { headers, raw: { socket } }: FastifyRequest,
  { host, hosts }: AdminAdmissionOptions,
): Refusal | undefined {
  const named = (headers.host ?? "").toLowerCase();
  const name = HOST.exec(named)?.[1] ?? "";
  const own = [
    host.toLowerCase(),
    bracketed(host),
    "localhost",
    bracketed(plainAddress(socket.localAddress ?? "") ?? ""),
  ];
  if (name === "" || !(own.includes(name) || hosts.includes(name) || hosts.includes(named)))
    return forbidden(
      refusal("host", "the admin listener's own address, localhost or one of HEADCOUNT_ADMIN_HOSTS", headers.host),
    );
  const { origin } = headers;
  if (origin === undefined || origin === `http://${named}` || origin === `https://${named}`) return undefined;
  return forbidden(refusal("origin", "left out, or the admin listener's own", origin));
}

function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

function forbidden(message: string): Refusal {
  return { status: 403, reason: "forbidden", message };
}

class AdminAdmission {
  private readonly digest: Buffer | undefined;
  private readonly access: Access | undefined;

  constructor({ token, access }: AdminAdmissionOptions) {
    this.digest = token === undefined ? undefined : digestOf(token);
    this.access = access;
  }

  async refusalOf({ headers, routeOptions: { url } }: FastifyRequest): Promise<Refusal | undefined> {
    if (url !== undefined && OPEN_PATHS.has(url)) return undefined;
    const shown = bearerOf(headers.authorization);
    if (shown === undefined) return unknown(headers.authorization === undefined ? "nothing" : "no bearer token");
    if (this.digest !== undefined && timingSafeEqual(this.digest, digestOf(shown))) return undefined;
    const judgement = await this.access?.tokens.judge(shown);
    if (judgement === undefined) return unknown("another token (one that is made at the start is new at every start)");
    if (judgement.kind === "refused") return unknown(judgement.why);
    if (judgement.kind !== "granted")
      return { status: 503, reason: "overloaded", message: "the token cannot be verified just now: try again soon" };
    if (judgement.grant.scopes.has("admin")) return undefined;
    return forbidden("the token's scope must have admin");
  }
}

/** All digests have one length, so comparing them tells nothing of the token's. */
function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function unknown(what: string): Refusal {
  const message = `authorization must be the admin token, or a token with the scope admin (Bearer ...), got ${what}`;
  return { status: 401, reason: "credentials", message, headers: asking('error="invalid_token"', message) };
}
