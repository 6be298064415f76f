/**
 * A node on loopback that asks for no tokens trusts whoever reaches it: the programs of its machine. A browser there also runs what any page
 * brings. A page of another origin is not granted to send JSON, and cannot read an answer. But a page whose name was made to
 * lead to this machine (DNS rebinding) asks its own origin, as the browser sees it. It cannot hide that origin when it reports, so it is
 * refused unless the origin is of this machine, or is one that may ask. Readers show no origin: what they may read is no secret
 * of the machine's. A node beyond loopback is for any page of any name: there tokens decide.
 */
import type { FastifyInstance } from "fastify";
import { LOOPBACK } from "../settings.ts";
import { refusal } from "../values.ts";
import { Answers, type Context, routeLabel } from "./http.ts";

const READS = new Set(["GET", "HEAD", "OPTIONS"]);

/** To be called before the routes are registered. */
export function refuseStrangePages(app: FastifyInstance, context: Context): void {
  if (!isTrusting(context)) return;
  app.addHook("onRequest", ({ method, headers: { origin }, routeOptions: { url } }, reply, done) => {
    const isKnown = origin === undefined || isOfThisMachine(origin) || context.cors?.isAllowed(origin) === true;
    if (isKnown || READS.has(method) || url === undefined || url === "*") return done();
    const expected = "one of this machine's, or one of HEADCOUNT_CORS_ORIGINS, at a node on loopback without tokens";
    const message = refusal("origin", expected, origin);
    new Answers(context, routeLabel(method, url)).refuse(reply, { status: 403, reason: "forbidden", message });
  });
}

/** Whether a page of this origin, though it asks its own, may not report here. */
export function isStrangePage(context: Context, origin: string): boolean {
  return isTrusting(context) && !isOfThisMachine(origin);
}

function isTrusting({ access, service }: Context): boolean {
  return access === undefined && LOOPBACK.test(service.settings.host);
}

function isOfThisMachine(origin: string): boolean {
  return URL.canParse(origin) && LOOPBACK.test(new URL(origin).hostname.replaceAll(/^\[|\]$/g, ""));
}
