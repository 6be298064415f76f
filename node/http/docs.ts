/** The page that shows the description, for people to read and to try. */
import fastifySwaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import { AS_TYPED, type Context, routeLabel } from "./http.ts";

/**
 * The page runs its own scripts and asks the node it came from, and nothing else; its icons are in its style sheet and its
 * logo, as data. The library's own policy would also have everything asked over TLS, which a node need not speak.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
/** Only of the page, which a browser shows; who asks the service from a script needs none of them. */
const PAGE_HEADERS = {
  [AS_TYPED[0]]: AS_TYPED[1],
  vary: "Accept-Encoding", // with 304 too, of which nobody knows how long the answer would be
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** Heads, and how many of them are where. */
const MARK = `<g fill="#2dd4bf"><circle cx="8" cy="19" r="4"/><rect x="4" y="25" width="8" height="11" rx="2"/>
<circle cx="20" cy="7" r="4"/><rect x="16" y="13" width="8" height="23" rx="2"/>
<circle cx="32" cy="13" r="4"/><rect x="28" y="19" width="8" height="17" rx="2"/></g>`;
const SVG = `xmlns="http://www.w3.org/2000/svg"`;
const ICON = `<svg ${SVG} viewBox="0 0 40 40">${MARK}</svg>`;
const LOGO = `<svg ${SVG} viewBox="0 0 190 40" role="img" aria-label="Headcount">${MARK}
<text x="48" y="28" fill="#ffffff" font-family="system-ui, sans-serif" font-size="24" font-weight="600">Headcount</text></svg>`;
const SVG_TYPE = "image/svg+xml";

/** To be called after the description is registered. */
export async function registerDocs(app: FastifyInstance, { metrics }: Context): Promise<void> {
  await app.register(async (docs) => {
    docs.addHook("onResponse", ({ method, routeOptions }, { statusCode }, done) => {
      const { answers } = metrics.route(routeLabel(method, routeOptions.url));
      if (statusCode < 400) (answers[statusCode] as number)++; // a refusal was counted when it was made
      done();
    });
    docs.addHook("onRequest", (_request, reply, done) => {
      reply.headers(PAGE_HEADERS);
      done();
    });
    await docs.register(fastifySwaggerUi, {
      routePrefix: "/docs",
      staticCSP: POLICY,
      theme: {
        title: "Headcount",
        favicon: [{ filename: "icon.svg", rel: "icon", sizes: "any", type: SVG_TYPE, content: ICON }],
      },
      logo: { type: SVG_TYPE, content: LOGO, href: "/docs", target: "_self" },
    });
  });
}
