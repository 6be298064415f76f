/** The process of the idle connections: each asks once, and then keeps silent. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface IdleOptions {
  readonly url: string;
  readonly connections: number;
}

export interface IdleFigures {
  /** Connections that are open. */
  readonly open: number;
}

const AT_ONCE = 64;
const ASK = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";

const { url, connections } = JSON.parse(process.argv[2] as string) as IdleOptions;
const { hostname, port } = new URL(url);
const open = new Set<Socket>();
let left = connections;
const opened = Promise.all(Array.from({ length: AT_ONCE }, openOn));

async function openOn(): Promise<void> {
  while (left-- > 0) {
    const socket = connect({ host: hostname, port: Number(port) });
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    socket.write(ASK);
    await once(socket, "data");
  }
}

process.on("message", () => void opened.then(() => process.send?.({ open: open.size } satisfies IdleFigures)));
process.once("disconnect", () => process.exit(0));
