/** What no route takes: a method that a path has no call for (405, and OPTIONS), and paths that there are none of (404). */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { METHODS } from "node:http";
import { refusal, shown } from "../values.ts";
import { Answers, type Context, NOWHERE, routeLabel } from "./http.ts";
import type { Refusal } from "./reasons.ts";

/** Node itself closes the connection of whoever asks for a tunnel. */
const ANSWERED_METHODS = METHODS.filter((method) => method !== "CONNECT");

interface Path {
  /** As the router writes it. */
  readonly url: string;
  readonly pattern: RegExp;
  /** For `Allow`. */
  readonly methods: string;
}

/** Notes the paths of all routes that are registered from now on, as the router writes them. */
export function notePaths(app: FastifyInstance): ReadonlySet<string> {
  const paths = new Set<string>();
  app.addHook("onRoute", ({ url }) => void paths.add(url));
  return paths;
}

/**
 * To be called after all other routes are there. The answer comes before the body is read: that may be of any type and
 * size.
 */
export function answerTheRest(app: FastifyInstance, context: Context, urls: ReadonlySet<string>): void {
  const paths = pathsOf(app, urls);
  const answer = (request: FastifyRequest, reply: FastifyReply): void => {
    const asked = decodedPathOf(request.url);
    const path = paths.find(({ pattern }) => pattern.test(asked));
    if (path !== undefined) answerOther(context, path, request, reply);
    else elsewhere.refuse(reply, noSuchPath(request));
  };
  const elsewhere = new Answers(context, NOWHERE);
  for (const method of ANSWERED_METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  const rest = { url: "*", method: ANSWERED_METHODS, schema: { hide: true }, exposeHeadRoute: false };
  app.route({ ...rest, onRequest: answer, handler: answer }); // the hook does not go on to the handler
  app.setNotFoundHandler(answer); // what a route's own handler does not find
}

function noSuchPath({ method, url }: FastifyRequest): Refusal {
  return { status: 404, reason: "no-such-path", message: `no such thing: ${method} ${shown(url)}` };
}

/** As the router reads it: a target may be a whole URL, whatever host it names (RFC 9112, 3.2.2). */
export function decodedPathOf(url: string): string {
  const [path = ""] = url.replace(/^https?:\/\/[^/?#]*/i, "").split(/[?#]/, 1);
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

/** Of a path with a wildcard only the route's own handler knows whether there is something. */
function pathsOf(app: FastifyInstance, urls: ReadonlySet<string>): Path[] {
  return Array.from(urls)
    .filter((url) => !url.includes("*"))
    .map((url) => {
      const methods = ANSWERED_METHODS.filter((method) => app.hasRoute({ method, url }));
      const pattern = new RegExp(`^${url.replaceAll(".", String.raw`\.`).replaceAll(/:\w+/g, "[^/]*")}$`);
      return { url, pattern, methods: [...methods, "OPTIONS"].join(", ") };
    });
}

function answerOther(context: Context, path: Path, { method, headers }: FastifyRequest, reply: FastifyReply): void {
  const { url, methods } = path;
  reply.header("allow", methods);
  if (method !== "OPTIONS") {
    const message = refusal("method", `one of ${methods}`, method);
    return new Answers(context, routeLabel("*", url)).refuse(reply, { status: 405, reason: "no-such-method", message });
  }
  if (headers["access-control-request-method"] !== undefined) context.cors?.allow(headers.origin, methods, reply);
  new Answers(context, routeLabel("OPTIONS", url)).empty(reply, 204);
}
