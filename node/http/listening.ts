/**
 * Listens at one port with several sockets. libuv accepts one connection of a socket in each turn of the event loop (libuv
 * #3696). Where a turn takes 10 ms, as while partitions move, one socket lets in a hundred connections a second, and clients
 * that come over from a dead node wait for seconds.
 */
import dns from "node:dns";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import type { FastifyInstance } from "fastify";
import { addressOf } from "../place.ts";

/** At most so many connections are accepted in a turn of the event loop: fewer where the kernel spreads them unevenly. */
const SOCKETS = 16;
/** Other systems refuse to share a port, or do not spread connections over its sockets. */
const MAY_SHARE = process.platform === "linux";
/** A name may stand for addresses that this machine does not have, as ::1 where there is no IPv6. */
const NOT_HERE = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

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
  const others: Server[] = [];
  let closed: Promise<unknown> | undefined;
  // All stop listening at once, and then each waits for the requests on its own connections.
  app.addHook("preClose", async () => {
    closed = Promise.all(others.map(close));
  });
  app.addHook("onClose", async () => void (await closed));
  await app.ready(); // else the port would be free for some 20 ms between the try and the next listen
  const [first, ...rest] = await addressesOf({ host, port });
  const place = { host: first, port, reusePort: MAY_SHARE };
  await app.listen(place);
  const listen = async (address: string, sockets: number): Promise<void> => {
    const further = { ...place, host: address, port: addressOf(app.server).port };
    for (let count = 0; count < sockets; count++) {
      const other = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        app.server.emit("connection", socket);
      });
      others.push(await open(other, further));
    }
  };
  const sockets = MAY_SHARE ? SOCKETS : 1;
  await listen(first, sockets - 1);
  for (const address of rest) await listen(address, sockets);
}

/**
 * Where to listen. At `localhost`, which may be several addresses, fastify would open servers of its own for all but the first,
 * whose connections nobody bounds.
 * @throws {NodeJS.ErrnoException} where nothing can listen at one that this machine has
 */
async function addressesOf({ host, port }: Place): Promise<readonly [string, ...string[]]> {
  const all = host === "localhost" ? await lookUp(host) : [host];
  const here: string[] = [];
  for (const address of all) {
    const isLast = here.length === 0 && address === all.at(-1);
    if (await canListen({ host: address, port }, isLast)) here.push(address);
  }
  return here as [string, ...string[]];
}

/** A second node could join a shared port, and nobody would notice. So the port is first tried alone. */
async function canListen(place: Place, mustBeHere: boolean): Promise<boolean> {
  try {
    await close(await open(createServer(), { ...place, reusePort: false }));
    return true;
  } catch (error) {
    if (mustBeHere || !NOT_HERE.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return false;
  }
}

function lookUp(host: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    dns.lookup(host, { all: true }, (error, found) => {
      if (error !== null) reject(error);
      else resolve([...new Set(found.map(({ address }) => address))]);
    });
  });
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
