/** Cross-origin requests (Fetch standard, "CORS protocol"): pages of which origins may ask, send and see what. */
import type { FastifyInstance } from "fastify";
import type { CorsOrigins } from "../cors-origins.ts";
import type { Reply } from "./http.ts";

const SENT = "authorization, content-type, if-none-match, cache-control, last-event-id, traceparent";
const SEEN = "etag, as-of, renew-in-ms, retry-after, ratelimit, ratelimit-policy";
/** So long a browser need not ask again whether it may ask. */
const PREFLIGHT_MAX_AGE_S = 600;

type Header = readonly [name: string, value: string];

export class Cors {
  private readonly origins: CorsOrigins;

  constructor(origins: CorsOrigins) {
    this.origins = origins;
  }

  register(app: FastifyInstance): void {
    app.addHook("onRequest", ({ headers }, reply, done) => {
      this.share(headers.origin, reply);
      done();
    });
  }

  /** Lets the page that asks see the answer, where it may. @param origin the request's header */
  share(origin: string | undefined, reply: Reply): void {
    if (origin !== undefined) for (const [name, value] of this.sharing(origin)) reply.header(name, value);
  }

  /**
   * The headers that let the page that asks see the answer, none where it may not.
   * @param origin of the request; undefined where nobody can tell: then only pages of any origin may see it
   */
  sharing(origin: string | undefined): readonly Header[] {
    if (this.origins === "*") return headersFor("*");
    return origin !== undefined && this.isAllowed(origin) ? headersFor(origin) : [];
  }

  /**
   * For an answer that caches keep: it may be given to pages that did not ask for it themselves.
   * @returns the request's header that it depends on, for Vary
   */
  shareCached(reply: Reply): "Origin" | undefined {
    if (this.origins !== "*") return "Origin";
    for (const [name, value] of headersFor("*")) reply.header(name, value);
    return undefined;
  }

  /** Answers a browser that asks whether it may ask. @param methods of the path, comma-separated */
  allow(origin: string | undefined, methods: string, reply: Reply): void {
    if (origin === undefined || !this.isAllowed(origin)) return;
    reply.header("access-control-allow-methods", methods).header("access-control-allow-headers", SENT);
    reply.header("access-control-max-age", PREFLIGHT_MAX_AGE_S);
  }

  isAllowed(origin: string): boolean {
    return this.origins === "*" || this.origins.has(origin);
  }
}

function headersFor(origin: string): readonly Header[] {
  return [
    ["access-control-allow-origin", origin],
    ["access-control-expose-headers", SEEN],
  ];
}
