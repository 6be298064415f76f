/** The token that requests show: given once, or asked for by a callback whenever there is none that still holds. */
import { HeadcountError } from "./error.ts";
import { ANSWER_MS, sleep, type World } from "./world.ts";

export type TokenSource = string | (() => string | Promise<string>);

export type Tokens = ReturnType<typeof tokensFrom>;

/** A token is replaced so long before its end, or when a tenth of what is left of its life has to do. */
const LEAD_MS = 30_000;

/** A callback that takes too long counts as having no token: the service then says that it needs one. */
export function tokensFrom(source: TokenSource | undefined, world: World) {
  const callback = typeof source === "function" ? source : undefined;
  let token = callback ? undefined : (source as string | undefined);
  let asking: Promise<string | undefined> | undefined;

  async function ask(): Promise<string | undefined> {
    const done = new AbortController();
    try {
      const asked = (async () => callback!())();
      return (token = (await Promise.race([asked, sleep(world, ANSWER_MS, done.signal)])) as string | undefined);
    } catch (cause) {
      throw new HeadcountError(0, "token", `token(): ${String(cause)}`, 0, cause);
    } finally {
      done.abort();
      asking = undefined;
    }
  }

  return {
    canRenew: !!callback,
    get: async (): Promise<string | undefined> =>
      callback && (!token || endOf(token) <= world.now()) ? (asking ??= ask()) : token,
    /** The service does not take it, or it is about to end: the next `get()` asks for another. */
    forget(used: string | undefined): void {
      if (callback && token === used) token = undefined;
    },
    /** How long until a session should show another one; `Infinity` where that cannot be known. */
    renewInMs(): number {
      const leftMs = callback && token ? endOf(token) - world.now() : Infinity;
      return leftMs - Math.min(LEAD_MS, leftMs / 10);
    },
  };
}

/** When a JWT ends, in milliseconds since 1970; `Infinity` where it does not say, or is no JWT. It is not verified: the service does that. */
function endOf(token: string): number {
  try {
    const claims = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(claims)).exp * 1000 || Infinity;
  } catch {
    return Infinity;
  }
}
