/**
 * Listens at one port with several sockets. libuv accepts one connection of a socket in each turn of the event loop (libuv
 * #3696). Where a turn takes 10 ms, as while partitions move, one socket lets in a hundred connections a second, and clients
 * that come over from a dead node wait for seconds.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import type { FastifyInstance } from "fastify";
import { addressOf } from "../place.ts";

/** At most so many connections are accepted in a turn of the event loop: fewer where the kernel spreads them unevenly. */
const SOCKETS = 16;
/** Other systems refuse to share a port, or do not spread connections over its sockets. */
const MAY_SHARE = process.platform === "linux";

interface Place {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/**
 * Connections of all sockets go to `app.server`; `app.close()` closes all.
 * @throws {NodeJS.ErrnoException} where nothing can listen there, as where another process does
 */
export async function listenWidely(app: FastifyInstance, { host, port }: Place): Promise<void> {
  if (!MAY_SHARE) return void (await app.listen({ host, port }));
  const others: Server[] = [];
  let closed: Promise<unknown> | undefined;
  // All stop listening at once, and then each waits for the requests on its own connections.
  app.addHook("preClose", async () => {
    closed = Promise.all(others.map(close));
  });
  app.addHook("onClose", async () => void (await closed));
  await app.ready(); // else the port would be free for some 20 ms between the try and the next listen
  // A second node could join a shared port, and nobody would notice. So the port is first tried alone.
  if (port !== 0) await close(await open(createServer(), { host, port, reusePort: false }));
  const first = { host, port, reusePort: true };
  await app.listen(first);
  const further = { ...first, port: addressOf(app.server).port };
  for (let count = 1; count < SOCKETS; count++) {
    const other = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      app.server.emit("connection", socket);
    });
    others.push(await open(other, further));
  }
}

async function open(server: Server, place: Place & { readonly reusePort: boolean }): Promise<Server> {
  server.listen(place);
  await once(server, "listening");
  return server;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}
