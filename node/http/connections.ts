/** The listener's connections, so that none that nobody uses holds up the end of the process. */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Node keeps the response to the request under way in this field, which it does not document. Else each request would have to be noted. */
type AnsweringSocket = Socket & { readonly _httpMessage?: ServerResponse | null };

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

  /** Every answer from now on ends its connection, so that clients go elsewhere without an error. */
  tellToClose(): void {
    this.server.prependListener("request", (_request, response: ServerResponse) => {
      response.shouldKeepAlive = false;
    });
    for (const { _httpMessage: response } of this.sockets as Set<AnsweringSocket>)
      if (response?.headersSent === false) response.shouldKeepAlive = false;
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
