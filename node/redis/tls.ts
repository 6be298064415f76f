/** TLS to Redis: against which names certificates are verified, and connections that cannot end the process. */
import { isIP } from "node:net";
import { checkServerIdentity, connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { AbstractConnector, type RedisOptions, SentinelConnector } from "ioredis";
import { hostsOf, type RedisUrl } from "./redis-url.ts";

/** What of the client's options is about TLS. */
export function tlsOptions(url: RedisUrl): Pick<RedisOptions, "tls" | "Connector"> {
  if (!url.isEncrypted) return {};
  return { tls: identityOf(url), Connector: url.kind === "sentinel" ? TlsSentinelConnector : TlsConnector };
}

/**
 * Certificates are verified against the host that is connected to. A node that Redis Cluster or Sentinel tells by its
 * address may also show a certificate for a name of the URL: that the operator wrote.
 */
export function identityOf(url: RedisUrl): ConnectionOptions {
  const names = hostsOf(url).filter((host) => isIP(host) === 0);
  return {
    checkServerIdentity: (host, certificate) => {
      const error = checkServerIdentity(host, certificate);
      if (error === undefined || isIP(host) === 0) return error;
      return names.some((name) => checkServerIdentity(name, certificate) === undefined) ? undefined : error;
    },
  };
}

/**
 * The client ends connections that are still in their handshake, and listens for one error of each. The handshake then
 * fails a second time (the server's "decode error"), and an error that nobody listens for ends the process.
 */
function withErrorsHeard<T extends { on(event: "error", listener: () => void): unknown }>(stream: T): T {
  stream.on("error", () => {});
  return stream;
}

class TlsConnector extends AbstractConnector {
  private readonly options: RedisOptions;

  constructor(options: unknown) {
    const own = options as RedisOptions & { readonly disconnectTimeout: number };
    super(own.disconnectTimeout);
    this.options = own;
  }

  override async connect(): Promise<TLSSocket> {
    this.connecting = true;
    await Promise.resolve(); // whoever made the client may close it at once
    if (!this.connecting) throw new Error("Connection is closed.");
    const { host, port, tls } = this.options;
    const stream = withErrorsHeard(connect({ ...(host && { host }), ...(port && { port }), ...tls }));
    stream.once("error", (error) => (this.firstError = error));
    this.stream = stream;
    return stream;
  }
}

type ConnectToSentinel = (endpoint: unknown, options: RedisOptions | undefined) => unknown;

class TlsSentinelConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as ConstructorParameters<typeof SentinelConnector>[0]);
    // The types say that it is private, but there is no other way to the options of the connection to a Sentinel.
    const own = this as unknown as { connectToSentinel: ConnectToSentinel };
    const connectToSentinel = own.connectToSentinel.bind(this);
    own.connectToSentinel = (endpoint, more) => connectToSentinel(endpoint, { ...more, Connector: TlsConnector });
  }

  override async connect(...args: Parameters<SentinelConnector["connect"]>): ReturnType<SentinelConnector["connect"]> {
    return withErrorsHeard(await super.connect(...args));
  }
}
