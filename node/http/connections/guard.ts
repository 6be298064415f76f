/** Stands before the framework: what is wrong with a request as a message never reaches it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isIPv6 } from "node:net";
import { refusal } from "../../values.ts";
import type { Cors } from "../cors.ts";
import { AS_TYPED, JSON_TYPE } from "../http.ts";
import { type Refusal, refusalBody, tooLong } from "../reasons.ts";
import { type Handlers, isBodyUnread, isContinueAsked } from "./in-turn.ts";

export interface GuardOptions {
  /** How long the body of a request may be. */
  readonly bodyBytesMax: (request: IncomingMessage) => number;
  /** Told of each status with which something is refused before the framework sees it. */
  readonly onRefused: (status: number) => void;
  /** `undefined` where no page of another origin may ask. */
  readonly cors: Cors | undefined;
}

/** The form of a host and its port. Source: RFC 3986, 3.2.2 and 3.2.3. */
const HOST = /^(?:\[(?<address>[^\]%]*)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::\d*)?$/;

export function guardOf({ bodyBytesMax, onRefused, cors }: GuardOptions): Handlers["admit"] {
  return (request, response) => {
    const length = Number(request.headers["content-length"] ?? 0);
    const isTooLong = length > bodyBytesMax(request);
    const wrong =
      refusalOfVersion(request) ??
      refusalOfHost(request) ??
      refusalOfExpectation(request) ??
      (isTooLong && isBodyUnread(request) ? tooLong(bodyBytesMax(request)) : undefined); // else the framework says so
    if (wrong !== undefined) {
      onRefused(wrong.status);
      const { origin } = request.headers;
      refuse(response, wrong, origin === undefined ? {} : Object.fromEntries(cors?.sharing(origin) ?? []));
      return false;
    }
    // A client that waits with its body is told to send it, unless it would be refused for its length.
    if (isContinueAsked(request) && !isTooLong) response.writeContinue();
    return true;
  };
}

/** The connection ends: nobody reads the request's body. */
function refuse(response: ServerResponse, why: Refusal, shared: Readonly<Record<string, string>>): void {
  const body = refusalBody(why);
  response.writeHead(why.status, {
    ...shared,
    "cache-control": "no-store",
    "content-type": JSON_TYPE,
    [AS_TYPED[0]]: AS_TYPED[1],
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}

/** A request without a version is one of HTTP/0.9, whose answers have no head. */
function refusalOfVersion({ httpVersion }: IncomingMessage): Refusal | undefined {
  return httpVersion === "0.9" ? malformed(refusal("version", "HTTP/1.1 or HTTP/1.0", undefined)) : undefined;
}

/** Source: RFC 9112, 3.2. */
function refusalOfHost({ rawHeaders, httpVersion }: IncomingMessage): Refusal | undefined {
  const hosts = rawHeaders.filter((_, index) => index % 2 === 1 && isHostName(rawHeaders[index - 1] as string));
  const [host] = hosts;
  if (host === undefined) return httpVersion === "1.1" ? malformed(refusal("host", "given", undefined)) : undefined;
  if (hosts.length === 1 && isHost(host)) return undefined;
  return malformed(refusal("host", "one name or address, with or without a port", hosts.length === 1 ? host : hosts));
}

function malformed(message: string, status = 400): Refusal {
  return { status, reason: "malformed", message };
}

function isHost(text: string): boolean {
  const form = HOST.exec(text);
  const address = form?.groups?.["address"];
  return form !== null && (address === undefined || isIPv6(address));
}

function isHostName(header: string): boolean {
  return header.length === 4 && header.toLowerCase() === "host";
}

function refusalOfExpectation(request: IncomingMessage): Refusal | undefined {
  const { expect } = request.headers;
  if (expect === undefined || request.httpVersion !== "1.1" || isContinueAsked(request)) return undefined;
  return malformed(refusal("expect", "100-continue", expect), 417);
}
