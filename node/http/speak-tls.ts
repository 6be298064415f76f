/** Has an app speak TLS only, whichever socket its connections come by; who speaks HTTP in the clear is told so. */
import type { FastifyInstance } from "fastify";
import type { Metrics } from "../metrics.ts";
import type { Certificate } from "../tls/certificate.ts";
import { Handshakes } from "../tls/handshakes.ts";
import { lastAnswer } from "./connections/malformed.ts";
import type { Refusal } from "./reasons.ts";

/** Half a handshake costs up to 76 KB. Players who come over from a node that died begin thousands a second, and need some 0.3 s each. */
const HANDSHAKES_MAX = 2048;
/** And a file each: of those that are kept for connections, so that some are left for the store. */
const HANDSHAKES_SHARE = 1 / 8;
const HANDSHAKE_WITHIN_MS = 10_000;
const PLAIN: Refusal = { status: 400, reason: "malformed", message: "the request must come over TLS (https://)" };

/**
 * To be called before the app listens.
 * @param connectionsMax how many connections there may be
 * @param prefix of the names of metrics: `tls`
 */
export function speakTls(
  app: FastifyInstance,
  certificate: Certificate,
  connectionsMax: number,
  metrics: Metrics,
  prefix: string,
): Handshakes {
  const handshakes = new Handshakes(app.server, {
    certificate,
    countMax: Math.max(1, Math.min(HANDSHAKES_MAX, Math.floor(connectionsMax * HANDSHAKES_SHARE))),
    withinMs: HANDSHAKE_WITHIN_MS,
    onPlain: (socket) => {
      metrics.countUnrouted(PLAIN.status);
      socket.end(lastAnswer(PLAIN), "latin1");
    },
  });
  handshakes.registerMetrics(metrics, prefix);
  app.addHook("preClose", async () => handshakes.close());
  return handshakes;
}
