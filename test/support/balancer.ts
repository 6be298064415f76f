/**
 * A TCP balancer: one address, behind it whichever server it is told; connections that stand stay where they are. It may take
 * its time, as a slow server or a long way does.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Balancer extends AsyncDisposable {
  readonly port: number;
  /** Where connections to it go from now on. */
  target: number;
  /** What is sent there arrives so much later; answers come at once, so this is what a call takes longer. */
  delayMs: number;
}

export async function startBalancer(target: number): Promise<Balancer> {
  const sockets = new Set<Socket>();
  const server = createServer((inside) => {
    const outside = connect(balancer.target, "127.0.0.1");
    for (const [socket, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      passOn(socket, other, () => (socket === inside ? balancer.delayMs : 0));
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const balancer: Balancer = {
    port: (server.address() as AddressInfo).port,
    target,
    delayMs: 0,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
  return balancer;
}

/** In the order in which it came, also where the delay becomes shorter meanwhile. */
function passOn(source: Socket, target: Socket, delayMs: () => number): void {
  const chunks: Buffer[] = [];
  let dueMs = 0;
  const writeNext = (): void => {
    const chunk = chunks.shift();
    if (chunk !== undefined && target.writable) target.write(chunk);
  };
  source.on("data", (chunk: Buffer) => {
    const nowMs = performance.now();
    chunks.push(chunk);
    dueMs = Math.max(dueMs, nowMs + delayMs());
    if (dueMs <= nowMs && chunks.length === 1) writeNext();
    else setTimeout(writeNext, dueMs - nowMs);
  });
}
