/** A node with an admin listener, and a client of it. */
import { freePort } from "../../scripts/free-port.ts";
import { checkAdminDescribed } from "./described.ts";
import { type Answer, HttpClient, type RequestOptions } from "./http.ts";

export const ADMIN_TOKEN = "the-admin-token-of-the-tests";

export async function adminSettings(): Promise<Readonly<Record<string, string>>> {
  return { HEADCOUNT_ADMIN_PORT: String(await freePort()), HEADCOUNT_ADMIN_TOKEN: ADMIN_TOKEN };
}

export class AdminClient implements AsyncDisposable {
  private readonly http: HttpClient;
  private readonly token: string | null;

  /** @param settings of the node, as `adminSettings()` made them */
  constructor(settings: Readonly<Record<string, string | undefined>>, token: string | null = ADMIN_TOKEN) {
    this.http = new HttpClient(`http://127.0.0.1:${settings["HEADCOUNT_ADMIN_PORT"]}`, 8, checkAdminDescribed);
    this.token = token;
  }

  request(method: string, path: string, { headers = {}, ...rest }: RequestOptions = {}): Promise<Answer> {
    const shown = this.token === null ? {} : { authorization: `Bearer ${this.token}` };
    return this.http.request(method, path, { ...rest, headers: { ...shown, ...headers } });
  }

  get(path: string, options?: RequestOptions): Promise<Answer> {
    return this.request("GET", path, options);
  }

  put(path: string, json?: unknown): Promise<Answer> {
    return this.request("PUT", path, json === undefined ? {} : { json });
  }

  delete(path: string): Promise<Answer> {
    return this.request("DELETE", path);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.http[Symbol.asyncDispose]();
  }
}
