/** Asks a peer whether this node may join, before it joins: whoever may not is told why. */
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { text } from "node:stream/consumers";
import { doorHeaders, type PeerCredentials } from "./peer-door.ts";

const ANSWER_WITHIN_MS = 1000;

/** Why the peer does not let this node in; `undefined` where it does, or where it does not answer: it may be dead. */
export async function askWhyNot(peerUrl: string, credentials: PeerCredentials): Promise<string | undefined> {
  try {
    const { status, body } = await hello(peerUrl, credentials);
    return status === 200 ? undefined : messageOf(body);
  } catch {
    return undefined;
  }
}

function hello(peerUrl: string, credentials: PeerCredentials): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const url = new URL("/peer/hello", peerUrl);
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const options = { agent: false, headers: doorHeaders(credentials), signal };
    const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, options, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    request.on("error", reject);
    request.end();
  });
}

function messageOf(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message);
  } catch {
    return "it is no node of Headcount";
  }
}
