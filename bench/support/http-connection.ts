/** A connection to a server, one request at a time, with no more work than a load generator must do. */
import { connect, type Socket } from "node:net";

/** What is told of a connection that broke or was refused. */
export const BROKEN = 0;

const HEAD_END = "\r\n\r\n";
const STATUS_AT = "HTTP/1.1 ".length;

export class HttpConnection {
  private readonly url: URL;
  private readonly onIdle: () => void;
  private socket: Socket | undefined;
  private onAnswer: ((status: number, body: string) => void) | undefined;
  private received = "";

  /** @param onIdle told after each answer: another request may be sent */
  constructor(url: string, onIdle: () => void) {
    this.url = new URL(url);
    this.onIdle = onIdle;
  }

  /** @param onAnswer told the status, BROKEN where there was no answer */
  send(request: Buffer | string, onAnswer: (status: number, body: string) => void): void {
    this.onAnswer = onAnswer;
    this.socket ??= this.open();
    this.socket.write(request);
  }

  close(): void {
    this.socket?.destroy();
  }

  private open(): Socket {
    const socket = connect({ host: this.url.hostname, port: Number(this.url.port), noDelay: true });
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.received = this.received === "" ? text : this.received + text;
      this.read(socket);
    });
    socket.on("error", () => undefined); // "close" follows
    socket.once("close", () => {
      if (this.socket === socket) this.socket = undefined;
      this.settle(BROKEN, "");
    });
    return socket;
  }

  private read(socket: Socket): void {
    const { received } = this;
    const headEnd = received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const length = /\r\ncontent-length: *(\d+)/i.exec(received);
    const bodyAt = headEnd + HEAD_END.length;
    const bodyEnd = bodyAt + Number(length?.[1] ?? 0);
    if (received.length < bodyEnd) return;
    if (/\r\nconnection: *close/i.test(received.slice(0, headEnd))) {
      this.socket = undefined;
      socket.end();
    }
    this.settle(Number(received.slice(STATUS_AT, STATUS_AT + 3)), received.slice(bodyAt, bodyEnd));
  }

  private settle(status: number, body: string): void {
    const { onAnswer } = this;
    this.received = "";
    this.onAnswer = undefined;
    if (onAnswer === undefined) return;
    onAnswer(status, body);
    this.onIdle();
  }
}
