/**
 * Hands the requests of a connection to the framework one after another, each once the one before is answered. Node's server
 * hands out all that it has parsed: then a call without a body overtakes one whose body is still read, and one packet
 * of small requests makes thousands of answers that nobody reads.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Methods whose bodies the framework does not read. */
const BODILESS = new Set(["GET", "HEAD", "TRACE"]);
/** Requests that may wait behind others, over all connections, before connections are handed fewer at once: some 50 MB. */
const WAITING_MAX = 10_000;

/** What happens after the requests that came before it. */
type Turn = () => void;

interface Line {
  /** The newest request, and its answer. */
  newest: { readonly request: IncomingMessage; readonly response: ServerResponse };
  readonly waiting: Turn[];
  /** Whose turn it is; undefined where all are answered, even if the end of the newest has not come yet. */
  current: ServerResponse | undefined;
  /** The newest request broke off: what to do about it once it has its turn. */
  onBrokenOff: Turn | undefined;
}

export interface Handlers {
  /** Told of each request when it has its turn; false where it was answered. */
  readonly admit: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** The framework. */
  readonly handle: RequestListener;
}

export interface InTurnEvents {
  /** Told of each request. */
  readonly onTake: (connection: Duplex, request: IncomingMessage) => void;
  /** Told when no request of a connection waits any more behind the one whose turn it is. */
  readonly onRoom: (connection: Duplex) => void;
  /** Told when a connection's requests are all answered. */
  readonly onIdle: (connection: Duplex) => void;
}

export class InTurn {
  /** Every answer from now on ends its connection. */
  private isClosing = false;
  private readonly handlers: Handlers;
  private readonly events: InTurnEvents;
  private readonly lines = new Map<Duplex, Line>();
  /** Requests that wait behind others, over all connections. */
  private waiting = 0;

  constructor(handlers: Handlers, events: InTurnEvents) {
    this.handlers = handlers;
    this.events = events;
  }

  /** Whether requests wait behind the one whose turn it is. */
  hasWaiting(connection: Duplex): boolean {
    return (this.lines.get(connection)?.waiting.length ?? 0) > 0;
  }

  /** Whether a connection may be handed more: the rest of a body, or what begins when all before it is answered. */
  hasRoom(connection: Duplex): boolean {
    const line = this.lines.get(connection);
    return (
      line === undefined || (line.waiting.length === 0 && (line.current === undefined || !line.newest.request.complete))
    );
  }

  get isCrowded(): boolean {
    return this.waiting > WAITING_MAX;
  }

  isBusy(connection: Duplex): boolean {
    return this.lines.get(connection)?.current !== undefined;
  }

  /** Whether a request is not answered, or not whole. */
  isUnderWay(connection: Duplex): boolean {
    return this.isBusy(connection) || this.unfinished(connection) !== undefined;
  }

  forget(connection: Duplex): void {
    this.waiting -= this.lines.get(connection)?.waiting.length ?? 0;
    this.lines.delete(connection);
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    const connection = request.socket as Duplex;
    this.events.onTake(connection, request);
    const line = this.lines.get(connection);
    const newest = { request, response };
    const turn = (): void => this.begin(connection, request, response);
    if (line?.current === undefined) {
      this.lines.set(connection, { newest, waiting: [], current: response, onBrokenOff: undefined });
      turn();
    } else {
      line.newest = newest;
      this.queue(line, turn);
    }
  }

  /** The request that the newest bytes belong to; undefined where they begin another, or its head is not whole. */
  unfinished(connection: Duplex): IncomingMessage | undefined {
    const request = this.lines.get(connection)?.newest.request;
    return request?.complete === false ? request : undefined;
  }

  /**
   * What came after the newest request is no HTTP, or came too late.
   * @param answer writes why, and ends the connection; called when all whole requests before are answered
   * @param end ends the connection; called instead where the request that broke off was answered already: one request, one answer
   */
  break(connection: Duplex, answer: () => void, end: () => void): void {
    const line = this.lines.get(connection);
    if (line === undefined) return answer();
    const { request, response } = line.newest;
    if (request.complete) return line.current === undefined ? answer() : this.queue(line, answer);
    if (line.onBrokenOff !== undefined) return; // it is told already
    line.onBrokenOff = () => (response.headersSent ? end() : answer());
    if (line.current === response || line.current === undefined) whenDecided(request, response, line.onBrokenOff);
  }

  /** Tells clients to go elsewhere, also with the answers that are under way. */
  tellToClose(): void {
    this.isClosing = true;
    for (const { current } of this.lines.values()) if (current?.headersSent === false) current.shouldKeepAlive = false;
  }

  private queue(line: Line, turn: Turn): void {
    line.waiting.push(turn);
    this.waiting++;
  }

  private begin(connection: Duplex, request: IncomingMessage, response: ServerResponse): void {
    const line = this.lines.get(connection) as Line;
    line.current = response;
    if (this.isClosing) response.shouldKeepAlive = false;
    response.once("close", () => this.next(connection));
    const { admit, handle } = this.handlers;
    if (admit(request, response)) {
      // What nobody reads has to have come all the same: it may not be what the head says.
      if (isBodyUnread(request)) request.once("end", () => handle(request, response)).resume();
      else handle(request, response);
    }
    // It may be answered without its body being read, as what is too large.
    if (line.newest.response === response && line.onBrokenOff !== undefined)
      whenDecided(request, response, line.onBrokenOff);
  }

  private next(connection: Duplex): void {
    const line = this.lines.get(connection);
    const turn = connection.destroyed || connection.writableEnded ? undefined : line?.waiting.shift();
    if (turn !== undefined) {
      this.waiting--;
      turn();
      if (!this.hasWaiting(connection)) this.events.onRoom(connection); // its body may be among what was not handed on yet
      return;
    }
    if (line?.newest.request.complete === false) line.current = undefined;
    else this.forget(connection);
    this.events.onIdle(connection);
  }
}

/** Whether it has a body that the framework does not read. */
export function isBodyUnread(request: IncomingMessage): boolean {
  return hasBody(request) && BODILESS.has(request.method as string);
}

/** Whether the client waits with its body until it is told to send it. */
export function isContinueAsked({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion === "1.1" && /(?:^|\W)100-continue(?:$|\W)/i.test(headers.expect ?? "");
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/**
 * Calls `then` once it is known whether a request that broke off is refused without the rest of its body: as who may not ask is. That is its
 * answer then, however early or late the rest was known to be missing.
 */
function whenDecided(request: IncomingMessage, response: ServerResponse, then: () => void): void {
  if (response.headersSent || request.readableFlowing !== null) return void setImmediate(then);
  let isDecided = false;
  const decided = (): void => {
    if (!isDecided) setImmediate(then);
    isDecided = true;
  };
  request.once("resume", decided); // its body is read
  response.once("close", decided);
}
