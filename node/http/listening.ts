/**
 * Listens at one port with several sockets. libuv accepts one connection of a socket in each turn of the event loop (libuv
 * #3696). Where a turn takes 10 ms, as while partitions move, one socket lets in a hundred connections a second, and clients
 * that come over from a dead node wait for seconds.
 */
import { createServer, type Server } from "node:net";
import type { FastifyInstance } from "fastify";
import { addressOf } from "../place.ts";

/** So many connections are accepted in a turn of the event loop, give or take how the kernel spreads them. */
const SOCKETS = 16;
/** Elsewhere a port either has one socket, or the kernel does not spread connections over them. */
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
  await app.ready(); // so that nothing comes between the next two
  // Whoever shares a port is let in by all who share it, so a second node would listen there too, and nobody be told.
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

function open(server: Server, place: Place & { readonly reusePort: boolean }): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(place, () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
