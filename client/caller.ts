/** Requests over HTTP: one attempt each, at the URL in use, with the token; and which URL that is. */
import { HeadcountError, notUnderstood, refusal } from "./error.ts";
import type { Tokens } from "./tokens.ts";
import { alarmOf, ANSWER_MS, onAbort, type World } from "./world.ts";

export interface Question {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly json?: object;
  readonly headers?: Record<string, string>;
  /** Goes on where the page is left meanwhile. */
  readonly keepalive?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Undefined where there is no body. */
  readonly body: unknown;
}

/** Reads an answer, of which nothing more is taken when it is done; `wait` begins the time anew in which it must be done. */
type Read<T> = (response: Response, wait: (ms: number) => void) => T | Promise<T>;

export type Caller = ReturnType<typeof callerTo>;

/** @throws {TypeError} where a URL is none */
export function callerTo(given: string | readonly string[], tokens: Tokens, world: World) {
  const urls = [given].flat().map((url) => {
    if (!/^https?:/.test(url)) throw new TypeError(`url must be http(s), got ${url}`);
    return url.replace(/\/+$/, "");
  });
  let at = 0;

  /** @throws {HeadcountError} for every answer but a good one, and where there is none; what `signal` was aborted with */
  async function send<T>(path: string, question: Question, read: Read<T>, isSecond?: boolean): Promise<T> {
    const { signal, json, headers, ...rest } = question;
    const token = await tokens.get();
    const { url } = caller;
    const abort = new AbortController();
    const cut = (): void => abort.abort();
    const alarm = alarmOf(world);
    const wait = (ms: number): void => alarm(ms, cut);
    wait(ANSWER_MS);
    const forget = onAbort(signal, cut);
    try {
      const response = await world.fetch(url + path, {
        ...rest,
        headers: {
          ...headers,
          ...(token && { authorization: `Bearer ${token}` }),
          ...(json && { "content-type": "application/json" }),
        },
        body: json ? JSON.stringify(json) : null,
        signal: abort.signal,
      });
      if (response.ok || response.status === 304) return await read(response, wait);
      throw await refusalIn(response);
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      const reason = abort.signal.aborted ? "timeout" : "unreachable";
      const failure =
        cause instanceof HeadcountError ? cause : new HeadcountError(0, reason, `${url}: ${String(cause)}`, 0, cause);
      if (failure.status === 401) {
        tokens.forget(token);
        if (tokens.canRenew && !isSecond) return await send(path, question, read, true);
      } else if (!(failure.status >= 400 && failure.status < 500) || failure.reason === "not-understood")
        caller.leave(url);
      throw failure;
    } finally {
      alarm();
      forget();
      cut(); // what is not read of the answer
    }
  }

  const caller = {
    /** Without a slash at its end. */
    get url(): string {
      return urls[at]!;
    },
    canRenew: tokens.canRenew,
    /** It failed: another one from now on, any, so that those who leave a dead node do not all go to the same. */
    leave(url: string): void {
      if (caller.url === url) at = (at + 1 + Math.floor(world.random() * (urls.length - 1))) % urls.length;
    },
    send,
    ask: (path: string, question: Question): Promise<Answer> => send(path, question, answerIn),
  };
  return caller;
}

async function answerIn(response: Response): Promise<Answer> {
  const { status, headers } = response;
  return { status, headers, body: status === 204 || status === 304 ? undefined : await jsonOf(response) };
}

async function jsonOf(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw notUnderstood(response.status, text);
  }
}

/** A refusal by the service says its status in the body too; whatever does not was said by somebody in between. */
async function refusalIn(response: Response): Promise<HeadcountError> {
  const { status, headers } = response;
  const retryAfterMs = Number(headers.get("retry-after")) * 1000 || 0;
  const body = (await jsonOf(response).catch(() => undefined)) as Record<string, unknown> | undefined;
  const isOurs = body?.["code"] === `${status}`;
  return refusal(isOurs ? body : { code: status, reason: "not-understood", message: status }, retryAfterMs);
}
