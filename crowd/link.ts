// HTTP to the service: one call, one answer, over connections that stay open.
import { Pool } from "undici";

/** Twice what a service waits for an owner, and some; what takes longer is not coming. */
const ANSWER_MS = 5_000;
const IDLE_MS = 60_000; // below the 72 s after which fastify closes: the side that sends must close first

export const TIMEOUT = "timeout";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** What is needed of it to talk to the service. */
export interface Caller {
  /** Rejects where there was no whole answer; see `reasonOf`. */
  call(method: string, path: string, headers: Readonly<Record<string, string>>, body?: string): Promise<Answer>;
}

export class Link implements Caller {
  readonly #pool: Pool;
  readonly #prefix: string;

  constructor(url: URL, connections: number) {
    this.#prefix = url.pathname.replace(/\/$/, "");
    this.#pool = new Pool(url.origin, {
      connections,
      connect: { timeout: ANSWER_MS },
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
      keepAliveTimeout: IDLE_MS,
      allowH2: false,
    });
  }

  async call(method: string, path: string, headers: Readonly<Record<string, string>>, body?: string): Promise<Answer> {
    const answer = await this.#pool.request({ method, path: this.#prefix + path, headers, body: body ?? null });
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  }

  /** Closes all connections, whatever is under way. */
  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** A word for why there was no answer: ECONNREFUSED, timeout … */
export function reasonOf(error: unknown): string {
  const { code, name, message } = error as { code?: string; name?: string; message?: string };
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") return TIMEOUT;
  if (code === "UND_ERR_CONNECT_TIMEOUT") return "connect timeout";
  if (code === "UND_ERR_SOCKET") return "closed";
  return code || message || name || String(error);
}
