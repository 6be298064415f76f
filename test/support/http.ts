/** Talking to a node as a client would, and as no client should. */

import { connect } from "node:net";
import { Pool } from "undici";

import { checkDescribed } from "./described.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON, `undefined` where there is none. Untyped: whether it has the right form is what the tests ask. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any;
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is, without a content type of its own. */
  readonly body?: string | Uint8Array;
  /** Sent as JSON, with its content type. */
  readonly json?: unknown;
  /** Gives the request up, and with it its connection. */
  readonly signal?: AbortSignal;
}

export interface Report {
  readonly region: unknown;
  readonly gamemode: unknown;
  readonly seq?: unknown;
}

export const JSON_TYPE = "application/json; charset=utf-8";
export const NO_CACHE = { headers: { "cache-control": "no-cache" } } as const;

/** A pool of connections to one node. Paths are sent as they are given: nothing is normalized or escaped. */
export class HttpClient implements AsyncDisposable {
  readonly #pool: Pool;
  readonly #check: typeof checkDescribed;

  /**
   * @param check what is asked of every answer; else it must be as the service is described
   * @param authority by whom a node's certificate is, as PEM
   */
  constructor(url: string, connections = 32, check = checkDescribed, authority?: string) {
    this.#check = check;
    this.#pool = new Pool(url, { connections, pipelining: 1, ...(authority && { connect: { ca: authority } }) });
  }

  async request(
    method: string,
    path: string,
    { headers = {}, body, json, signal }: RequestOptions = {},
  ): Promise<Answer> {
    const answer = await this.#pool.request({
      method,
      path,
      headers: json === undefined ? headers : { "content-type": "application/json", ...headers },
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
      signal: signal ?? null,
    });
    const text = await answer.body.text();
    this.#check(method, path, { status: answer.statusCode, headers: answer.headers, text });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text,
      get json() {
        return text === "" ? undefined : JSON.parse(text);
      },
    };
  }

  get(path: string, options?: RequestOptions): Promise<Answer> {
    return this.request("GET", path, options);
  }

  report(profileId: string, report: Report): Promise<Answer> {
    return this.request("POST", gamemodePath(profileId), { json: report });
  }

  reports(rows: readonly unknown[]): Promise<Answer> {
    return this.request("POST", "/v1/reports", { json: { reports: rows } });
  }

  profile(profileId: string): Promise<Answer> {
    return this.get(gamemodePath(profileId));
  }

  heartbeat(profileId: string): Promise<Answer> {
    return this.request("PUT", `/v1/profiles/${profileId}/heartbeat`);
  }

  remove(profileId: string, seq?: number | string): Promise<Answer> {
    return this.request("DELETE", gamemodePath(profileId) + (seq === undefined ? "" : `?seq=${seq}`));
  }

  /** The authoritative answer: it includes every report acknowledged before. */
  top(region: string, top?: number | string): Promise<Answer> {
    return this.get(`/v1/regions/${region}/gamemode${top === undefined ? "" : `?top=${top}`}`, NO_CACHE);
  }

  /** Ends all connections, also those still waiting for an answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}

export function gamemodePath(profileId: string): string {
  return `/v1/profiles/${profileId}/gamemode`;
}

/** Percent-encodes every byte of a text, whatever it is: `encodeURIComponent` refuses lone surrogates and lets dots through. */
export function percentEncoded(text: string): string {
  return Array.from(Buffer.from(text, "utf8"), (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends bytes over a connection of their own and reads until the node closes it, or until `limitMs` have passed without that.
 * @returns the first answer, or `undefined` where the node closed without one
 */
export async function rawRequest(
  url: string,
  bytes: string | Uint8Array,
  limitMs = 10_000,
): Promise<RawAnswer | undefined> {
  const { hostname, port } = new URL(url);
  const text = await new Promise<string>((resolve, reject) => {
    let received = "";
    const socket = connect(Number(port), hostname);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`The connection stayed open for ${limitMs} ms; received so far: ${JSON.stringify(received)}`));
    }, limitMs);
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(bytes));
    socket.on("data", (data: string) => (received += data));
    // A reset is a close as well: what matters is what was answered before.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(received);
    });
  });
  return text === "" ? undefined : parseAnswer(text);
}

export function parseAnswer(text: string): RawAnswer {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [statusLine = "", ...headerLines] = head.split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(`${statusLine} `)?.[1];
  if (status === undefined) throw new Error(`Not an HTTP answer: ${JSON.stringify(text.slice(0, 200))}`);
  const headers = headerLines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(status), headers: Object.fromEntries(headers), body: rest.join("\r\n\r\n") };
}
