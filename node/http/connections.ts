/** The listener's connections, so that none that nobody uses holds up the end of the process. */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

const LOOK_EVERY_MS = 20;
const DRAIN_WITHIN_MS = 10_000;

export class Connections {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(server: Server) {
    this.server = server;
    server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
    });
  }

  /** The answer to every request that begins from now on ends its connection, so that clients go elsewhere without an error. */
  tellToClose(): void {
    this.server.prependListener("request", (_request, response: ServerResponse) => {
      response.shouldKeepAlive = false;
    });
  }

  /**
   * Closes each connection once no request is under way on it: those that never sent one, and those kept alive after
   * an answer, too. What is not done after 10 s is cut off.
   */
  drain(): void {
    const looking = setInterval(() => this.closeUnused(), LOOK_EVERY_MS);
    looking.unref();
    setTimeout(() => this.server.closeAllConnections(), DRAIN_WITHIN_MS).unref();
    this.closeUnused();
  }

  private closeUnused(): void {
    this.server.closeIdleConnections();
    for (const socket of this.sockets) if (socket.bytesRead === 0) socket.destroy();
  }
}
