/** Opens the admin listener, and says where it is. */
import { randomBytes } from "node:crypto";
import type { Context } from "../http/http.ts";
import { listenFailure, listenedUrl } from "../place.ts";
import type { AdminSettings } from "../admin-settings.ts";
import type { Certificate } from "../tls/certificate.ts";
import { speakTls } from "../http/speak-tls.ts";
import { CONNECTIONS_MAX, makeAdminApp } from "./admin-app.ts";

export interface Admin {
  /** For people: with the token behind it where that was made at the start. */
  readonly shownUrl: string;
  close(): Promise<void>;
}

/** Looked at for one that is free. */
const PORTS_TRIED = 20;
const TOKEN_BYTES = 32;

/**
 * @param certificate `undefined`: it speaks HTTP
 * @returns `undefined` where there is none
 * @throws {SettingError} (rejects) where nothing can listen there
 */
export async function openAdmin(
  context: Context,
  settings: AdminSettings,
  certificate: Certificate | undefined,
): Promise<Admin | undefined> {
  const { host, hosts, port } = settings;
  if (port === 0) {
    if (settings.token !== undefined)
      context.log.warn("HEADCOUNT_ADMIN_TOKEN is set and HEADCOUNT_ADMIN_PORT is 0: there is no admin listener");
    if (context.access !== undefined)
      context.log.warn("HEADCOUNT_ADMIN_PORT is 0: with HEADCOUNT_AUTH=jwt /metrics and /v1/cluster answer nowhere");
    return undefined;
  }
  const isMade = settings.token === undefined && context.access === undefined;
  const token = isMade ? randomBytes(TOKEN_BYTES).toString("base64url") : settings.token;
  const { app, connections } = await makeAdminApp(context, { token, access: context.access, host, hosts });
  if (certificate !== undefined) speakTls(app, certificate, CONNECTIONS_MAX, context.metrics, "admin_tls");
  // Of a name with several addresses fastify would open servers of its own, whose connections nobody bounds, and without TLS.
  const address = host === "localhost" ? "127.0.0.1" : host;
  await listen(settings, (tried) => app.listen({ host: address, port: tried }));
  const url = listenedUrl(app.server, certificate === undefined ? "http" : "https");
  return {
    shownUrl: `${url}/${isMade ? `#token=${token}` : ""}`,
    close: () => {
      connections.drain();
      return app.close();
    },
  };
}

async function listen(
  { host, port, mayBeNext }: AdminSettings,
  tryPort: (port: number) => Promise<unknown>,
): Promise<void> {
  for (let tried = port; ; tried++) {
    try {
      await tryPort(tried);
      return;
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (!isTaken || !mayBeNext || tried - port === PORTS_TRIED)
        throw listenFailure(error, "HEADCOUNT_ADMIN", host, tried);
    }
  }
}
