/**
 * Packs what fastify answers to GET, where the client takes it; what has a tag is packed once. The popular modes pack
 * themselves (`popular-modes.ts`), since they also leave over the fast lane.
 */
import { ReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import type { FastifyInstance, FastifyReply, FastifyRequest, onSendAsyncHookHandler } from "fastify";
import { type Coding, codingFor, isLong, packLater, wantedBy } from "./packing.ts";

type Payload = string | Buffer | ReadStream | null | undefined;

/** The newest answer of a route, or a file. */
interface Kept {
  readonly etag: string;
  readonly packed: Map<Coding, Promise<Buffer>>;
}

/** To be called before the routes are registered. */
export function packAnswers(app: FastifyInstance): void {
  const kept = new Map<string, Kept>();
  app.addHook("onRoute", (route) => {
    const methods = [route.method].flat();
    if (!methods.every((method) => method === "GET" || method === "HEAD")) return;
    const onSend: onSendAsyncHookHandler<Payload> = async (request, reply, payload) =>
      packed(kept, request, reply, payload);
    route.onSend = [onSend as onSendAsyncHookHandler, ...[route.onSend ?? []].flat()]; // before fastify takes the body of HEAD away
  });
}

async function packed(
  kept: Map<string, Kept>,
  { headers, routeOptions }: FastifyRequest,
  reply: FastifyReply,
  payload: Payload,
): Promise<Payload> {
  if (payload === null || payload === undefined || reply.statusCode !== 200 || reply.hasHeader("content-encoding"))
    return payload;
  const length = payload instanceof ReadStream ? Number(reply.getHeader("content-length")) : payload.length;
  const coding = codingFor(wantedBy(headers["accept-encoding"]), length);
  if (isLong(length) || coding !== undefined) vary(reply);
  if (coding === undefined) return payload;
  // A file is named by its path: how the client wrote that does not matter, so there are as many as files.
  const name = payload instanceof ReadStream ? String(payload.path) : routeOptions.url;
  const bytes = await packedOnce(kept, name, reply.getHeader("etag"), coding, payload);
  reply.header("content-encoding", coding).header("content-length", bytes.length);
  reply.removeHeader("accept-ranges"); // ranges are of the file as it is
  return bytes;
}

/** What has no tag is packed anew. */
function packedOnce(
  kept: Map<string, Kept>,
  name: string | undefined,
  etag: unknown,
  coding: Coding,
  payload: string | Buffer | ReadStream,
): Promise<Buffer> {
  const make = async (): Promise<Buffer> =>
    packLater(payload instanceof ReadStream ? await buffer(payload) : payload, coding);
  if (name === undefined || typeof etag !== "string") return make();
  let newest = kept.get(name);
  if (newest?.etag !== etag) kept.set(name, (newest = { etag, packed: new Map() }));
  const there = newest.packed.get(coding);
  if (there !== undefined) {
    if (payload instanceof ReadStream) payload.destroy();
    return there;
  }
  const { packed: all } = newest;
  const made = make();
  all.set(coding, made);
  made.catch(() => all.delete(coding)); // the next one tries again
  return made;
}

function vary(reply: FastifyReply): void {
  const others = reply.getHeader("vary");
  if (String(others).includes("Accept-Encoding")) return;
  reply.header("vary", others === undefined ? "Accept-Encoding" : `${String(others)}, Accept-Encoding`);
}
