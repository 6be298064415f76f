/** What is not HTTP, or came too late, gets an answer all the same, and the connection ends. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Cors } from "../cors.ts";
import { AS_TYPED, JSON_TYPE } from "../http.ts";
import { type Refusal, refusalBody } from "../reasons.ts";
import { DateLine } from "./date-line.ts";
import type { InTurn } from "./in-turn.ts";
import { StandIn } from "./stand-in.ts";

const HEADERS_BYTES_MAX = 16_384;
/** The code of Node's error about a request that was not whole in time. */
export const LATE = "ERR_HTTP_REQUEST_TIMEOUT";
const dateLine = new DateLine();

export interface MalformedError extends Error {
  /** Of Node's parser. */
  readonly code?: string;
}

export interface MalformedOptions {
  /** Within which a request must be whole. */
  readonly requestMs: number;
  /** Told of each status that is answered here. */
  readonly onRefused: (status: number) => void;
  readonly cors: Cors | undefined;
}

export function refuseMalformed(
  inTurn: InTurn,
  { requestMs, onRefused, cors }: MalformedOptions,
): (error: MalformedError, connection: Duplex) => void {
  return (error, connection) => {
    if (error.code === "ECONNRESET" || connection.destroyed || connection.writableEnded) return;
    const isLineLong = connection instanceof StandIn && connection.isInRequestLine;
    const refusal = refusalOf(error, requestMs, isLineLong);
    const origin = inTurn.unfinished(connection)?.headers.origin;
    const answer = (): void => {
      if (connection.writableEnded) return;
      onRefused(refusal.status);
      connection.end(lastAnswer(refusal, cors, origin));
    };
    inTurn.break(connection, answer, () => connection.end());
  };
}

function refusalOf({ code }: MalformedError, requestMs: number, isLineLong: boolean): Refusal {
  const most = `must be at most ${HEADERS_BYTES_MAX} bytes, got more`;
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      if (isLineLong) return { status: 414, reason: "too-large", message: `the target ${most}` };
      return { status: 431, reason: "too-large", message: `headers ${most}` };
    case LATE:
      return tooLate(requestMs);
    default:
      return { status: 400, reason: "malformed", message: "the request must be well-formed HTTP/1.1" };
  }
}

export function tooLate(requestMs: number): Refusal {
  return { status: 408, reason: "malformed", message: `a request must be whole within ${requestMs} ms` };
}

/**
 * A whole answer, after which the connection ends.
 * @param origin of the request, where it is known
 */
export function lastAnswer(refusal: Refusal, cors?: Cors, origin?: string): string {
  const { status } = refusal;
  const body = refusalBody(refusal);
  const more = [...(cors?.sharing(origin) ?? []), ...Object.entries(refusal.headers ?? {})];
  const lines = more.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const typed = `content-type: ${JSON_TYPE}\r\n${AS_TYPED.join(": ")}\r\n`;
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncache-control: no-store\r\n${typed}`;
  return `${head}${lines}content-length: ${Buffer.byteLength(body)}\r\n${dateLine.text()}Connection: close\r\n\r\n${body}`;
}
