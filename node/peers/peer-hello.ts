/** Asks a peer whether this node may join, before it joins: whoever may not is told why. */
import type { IncomingMessage } from "node:http";
import { DOOR_MARK, type PeerCredentials } from "./peer-door.ts";
import { requestPeer, tlsFault } from "./peer-tls.ts";

/**
 * Whoever lets this node in, or refuses it, says in Headcount's own form that it is a node. Anything else that answers is a
 * stranger: addresses in the list of members outlive their nodes, and a proxy or another service may answer there now.
 */
export type HelloAnswer =
  | { readonly kind: "welcome" | "silent" }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "stranger"; readonly status: number };

const ANSWER_WITHIN_MS = 1000;
const BODY_BYTES_MAX = 4096;
const REASON_CHARACTERS_MAX = 256;
const REFUSALS = [401, 409, 426];

/**
 * A node that does not answer may be dead: that is `silent`, and no reason not to join. One with which there is no TLS
 * connection would be none to work with: that is a refusal too, whichever side refuses.
 */
export async function sayHello(peerUrl: string, credentials: PeerCredentials): Promise<HelloAnswer> {
  try {
    const { status, isMarked, body } = await ask(new URL("/peer/hello", peerUrl), credentials);
    if (isMarked && status === 200) return { kind: "welcome" };
    const reason = isMarked && REFUSALS.includes(status) ? messageOf(body) : undefined;
    return reason === undefined ? { kind: "stranger", status } : { kind: "refused", reason };
  } catch (error) {
    const reason = tlsFault(error as NodeJS.ErrnoException, credentials.certificate);
    return reason === undefined ? { kind: "silent" } : { kind: "refused", reason };
  }
}

interface Heard {
  readonly status: number;
  readonly isMarked: boolean;
  readonly body: string;
}

function ask(url: URL, credentials: PeerCredentials): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const request = requestPeer(url, credentials, { signal });
    request.on("response", (response) => {
      const isMarked = Object.keys(DOOR_MARK).every((name) => response.headers[name] !== undefined);
      const status = response.statusCode ?? 0;
      bodyOf(response).then((body) => resolve({ status, isMarked, body }), reject);
    });
    // A stranger may speak of something else altogether, and then offer to upgrade to it.
    request.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, isMarked: false, body: "" });
    });
    request.on("error", reject);
    request.end();
  });
}

/** The beginning of it: a stranger's may never end. */
async function bodyOf(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    pieces.push(piece);
    if ((bytes += piece.length) > BODY_BYTES_MAX) break; // which destroys the response
  }
  return Buffer.concat(pieces).toString();
}

function messageOf(body: string): string | undefined {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    if (typeof message !== "string") return undefined;
    return message.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, REASON_CHARACTERS_MAX);
  } catch {
    return undefined;
  }
}
