/**
 * The listener's connections: what they share, their time limits, and their end. Node's HTTP server gets a stand-in of each
 * connection, when first needed.
 */
import type { RequestListener, Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { invariant } from "../../../engine/invariant.ts";
import { PROXIED } from "../../limits/clients.ts";
import type { Limits } from "../../limits/limits.ts";
import type { Reply } from "../http.ts";
import { Connection, TICK_MS } from "./connection.ts";
import { DateLine } from "./date-line.ts";
import type { FastCall, FastCalls } from "./fast-calls.ts";
import { type GuardOptions, guardOf } from "./guard.ts";
import { HeldRequest } from "./held-request.ts";
import { loopMeter, Overload, type OverloadPorts } from "./overload.ts";
import { InTurn } from "./in-turn.ts";
import type { LaneReply } from "./lane-answers.ts";
import { lastAnswer, LATE, type MalformedError, refuseMalformed, tooLate } from "./malformed.ts";
import { type Reading, READING_TICK_MS } from "./reading.ts";
import { UNREAD } from "../shed-load.ts";
import { idleStandIns, StandIn } from "./stand-in.ts";
import { refusalOfConnection, TurnedAway } from "./turned-away.ts";

const LOOK_EVERY_MS = 20;
const DRAIN_WITHIN_MS = 10_000;
/** Node's server waits for so much longer than it tells clients, who may be about to send. */
const IDLE_BUFFER_MS = 1000;

export interface ConnectionsOptions extends GuardOptions, Pick<OverloadPorts, "storeQueue" | "onStrain"> {
  readonly limits: Limits;
  readonly isLaneOpen: boolean;
  /** A request must be whole within so long. */
  readonly requestMs: number;
  /** A client that takes nothing of its answers for so long is given up. */
  readonly takeMs: number;
  /** Answers a request of the fast lane whose call threw; there is no reply where it has been answered. */
  readonly onFault: (error: unknown, route: string, reply: Reply | undefined) => void;
  /** Whether the request to this route is refused, and told so, since there is too much to do. */
  readonly isShed: (route: string, reply: Reply) => boolean;
}

/** A connection that Node's server has a stand-in of. */
interface Served {
  readonly connection: Connection;
  readonly held: HeldRequest;
}

export class Connections {
  /** For what Node's parser gives up. */
  readonly refuse: (error: MalformedError, connection: Duplex) => void;
  readonly inTurn: InTurn;
  readonly calls: FastCalls;
  readonly isLaneOpen: boolean;
  readonly requestMs: number;
  readonly takeMs: number;
  private readonly limits: Limits;
  private readonly overload: Overload;
  private readonly isShed: ConnectionsOptions["isShed"];
  private readonly turnedAway = new TurnedAway();
  private readonly onFault: ConnectionsOptions["onFault"];
  /** Requests by the way they took. */
  readonly ways = { lane: 0, detour: 0, "handed over": 0 };
  /** Connections that were closed since their clients took nothing of their answers. */
  givenUp = 0;
  isClosing = false;
  /** As of the last tick. */
  nowMs = performance.now();
  private readonly onRefused: (status: number) => void;
  private readonly cors: ConnectionsOptions["cors"];
  private readonly server: Server;
  private readonly refuseAny: Connections["refuse"];
  private readonly closeIdle: () => void;
  /** Node's own listener of connections. */
  private readonly serveAny: (connection: Duplex) => void;
  private readonly all = new Set<Connection>();
  private readonly byStandIn = new Map<Duplex, Served>();
  private readonly dirty: Connection[] = [];
  private readonly dateLine = new DateLine();

  /** @param server the framework's: its requests and connections come here first from now on */
  constructor(server: Server, calls: FastCalls, options: ConnectionsOptions) {
    this.server = server;
    this.calls = calls;
    this.isLaneOpen = options.isLaneOpen;
    this.limits = options.limits;
    this.overload = this.overloadOf(options);
    this.isShed = options.isShed;
    this.requestMs = options.requestMs;
    this.takeMs = options.takeMs;
    this.onFault = options.onFault;
    this.onRefused = options.onRefused;
    this.cors = options.cors;
    const framework = takenFrom(server, "request") as RequestListener;
    this.inTurn = new InTurn(
      { admit: guardOf(options), handle: framework },
      {
        onTake: (standIn, request) => {
          const served = this.byStandIn.get(standIn);
          if (standIn instanceof StandIn) standIn.noteRequest(request);
          this.ways["handed over"] += Number(served?.connection.isHandedOver);
          served?.held.onTake();
        },
        onRoom: (standIn) => this.byStandIn.get(standIn)?.connection.goOn(),
        onIdle: (standIn) => {
          if (standIn instanceof StandIn) standIn.noteEnd();
          this.byStandIn.get(standIn)?.connection.onIdle();
        },
      },
    );
    for (const event of ["request", "checkContinue", "checkExpectation"])
      server.on(event, (request, response) => this.inTurn.take(request, response));
    const serveAny = takenFrom(server, "connection");
    this.serveAny = (connection) => serveAny.call(server, connection);
    server.on("connection", (socket: Socket) => this.open(socket));
    this.refuseAny = refuseMalformed(this.inTurn, options);
    this.refuse = (error, standIn) => {
      if (error.code !== LATE || !this.spare(standIn)) this.refuseAny(error, standIn);
    };
    // A client may end its side after a request, and is answered all the same. Not in Node's types.
    Object.assign(server, { httpAllowHalfOpen: true });
    // Node would cut off answers that are on their way: `drain` knows better.
    this.closeIdle = server.closeIdleConnections.bind(server);
    server.closeIdleConnections = () => undefined;
    setInterval(() => this.tick(), TICK_MS).unref();
  }

  private overloadOf({ storeQueue, onStrain, limits, onRefused }: ConnectionsOptions): Overload {
    const { shedding } = limits;
    const onGivenUp = (): void => {
      shedding.refused.unread++;
      onRefused(UNREAD.status);
    };
    const nowMs = (): number => performance.now();
    const overload = new Overload({ shedding, storeQueue, onStrain, nowMs, soon: setImmediate, onGivenUp });
    const meter = loopMeter();
    const tick = (): void => {
      overload.tick(meter());
      limits.noteLoad(overload.reading.unreadCount);
    };
    this.server.once("listening", () => setInterval(tick, READING_TICK_MS).unref());
    return overload;
  }

  /** Whoever is beyond a limit costs one small answer. */
  private open(socket: Socket): void {
    const { places, clients } = this.limits;
    const client = clients.ofSocket(socket.remoteAddress);
    const full = places.take(keyOf(client));
    if (full === undefined) {
      this.all.add(new Connection(socket, this, client));
      return;
    }
    const refusal = refusalOfConnection(full, places.options);
    this.limits.noteNoPlace(full);
    this.onRefused(refusal.status);
    this.turnedAway.refuse(socket, refusal);
  }

  /** What a client is told that was too slow. */
  tooLate(): string {
    const refusal = tooLate(this.requestMs);
    this.onRefused(refusal.status);
    return lastAnswer(refusal, this.cors);
  }

  /** What a client is told whose connection was not read. */
  unread(): string {
    return lastAnswer(UNREAD, this.cors);
  }

  get reading(): Reading {
    return this.overload.reading;
  }

  /** How long a connection may be idle. */
  get idleMs(): number {
    return this.server.keepAliveTimeout + IDLE_BUFFER_MS;
  }

  /** Has a call of the fast lane answer, the one that was matched last. */
  answer(call: FastCall, reply: LaneReply): void {
    try {
      if (!this.limits.shedding.isShedding || !this.isShed(this.calls.route, reply)) call(reply);
    } catch (error) {
      this.onFault(error, this.calls.route, reply.isSettled ? undefined : reply.restarted());
    }
  }

  serve(standIn: StandIn, connection: Connection): void {
    this.byStandIn.set(standIn, { connection, held: new HeldRequest() });
    standIn.once("close", () => {
      this.byStandIn.delete(standIn);
      this.inTurn.forget(standIn);
    });
    this.serveAny(standIn);
  }

  /** The request that Node's server gets next began at `sinceMs`. */
  watch(standIn: StandIn, sinceMs: number): void {
    this.byStandIn.get(standIn)?.held.watch("head", sinceMs);
  }

  forget(connection: Connection): void {
    if (this.all.delete(connection)) this.limits.places.release(keyOf(connection.client));
  }

  /** Answers that settle in one turn of the event loop leave together. */
  flushSoon(connection: Connection): void {
    if (this.dirty.push(connection) === 1) process.nextTick(() => this.flush());
  }

  private flush(): void {
    for (const connection of this.dirty.splice(0)) connection.flush();
  }

  /** It is not one of these any more, and keeps its place among all. @returns what gives that back, unless it has closed already */
  letGo(connection: Connection): () => void {
    if (!this.all.delete(connection)) return () => undefined;
    const { places } = this.limits;
    const key = keyOf(connection.client);
    return () => places.release(key);
  }

  /** The last lines of the head of an answer after which the connection stays. */
  keptAliveLines(): string {
    const seconds = Math.floor(this.server.keepAliveTimeout / 1000);
    return `${this.dateLine.text()}Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n\r\n`;
  }

  closedLines(): string {
    return `${this.dateLine.text()}Connection: close\r\n\r\n`;
  }

  /** Every answer from now on ends its connection, so that clients go elsewhere without an error. */
  tellToClose(): void {
    this.isClosing = true;
    this.inTurn.tellToClose();
  }

  /** Closes each connection once nothing is under way on it; what is not done after 10 s is cut off. */
  drain(): void {
    const closeUnused = (): void => {
      const idle = idleStandIns(this.closeIdle);
      const isServed = (standIn: StandIn): boolean => this.inTurn.isBusy(standIn) || !idle.has(standIn);
      this.all.forEach((connection) => connection.closeIfUnused(isServed));
    };
    setInterval(closeUnused, LOOK_EVERY_MS).unref();
    setTimeout(() => this.all.forEach((connection) => connection.destroy()), DRAIN_WITHIN_MS).unref();
    closeUnused();
  }

  private tick(): void {
    this.nowMs = performance.now();
    for (const connection of this.all) connection.tick(this.nowMs);
    for (const [standIn, { connection, held }] of this.byStandIn) {
      const isWhole = this.inTurn.unfinished(standIn) === undefined;
      if (held.isLate(this.nowMs, this.requestMs, connection.unread.length > 0, isWhole))
        this.refuseAny(Object.assign(new Error("the request came too late"), { code: LATE }), standIn);
    }
  }

  /** Node's server says that a request is late. @returns whether it is not, since bytes of it wait here */
  private spare(standIn: Duplex): boolean {
    const served = this.byStandIn.get(standIn);
    if (served === undefined || served.connection.unread.length === 0) return false;
    served.held.watch(this.inTurn.unfinished(standIn) === undefined ? "head" : "body", this.nowMs);
    return true;
  }
}

/** Where a proxy stands for many there is no limit for it alone. */
function keyOf(client: Connection["client"]): string | undefined {
  return client === PROXIED ? undefined : client?.key;
}

/** For fastify: Node's server keeps the same limits, for what is handed to it. */
export function limitsOf(requestMs: number) {
  return {
    requestTimeout: requestMs,
    // Node takes the longer one of both for the whole request.
    http: { connectionsCheckingInterval: TICK_MS, headersTimeout: requestMs, requireHostHeader: false },
  };
}

/** The one listener of an event, which hears no more of it. */
function takenFrom(server: Server, event: string): Function {
  const [listener] = server.listeners(event);
  invariant(listener !== undefined, `the server listens to its ${event}s`);
  server.removeAllListeners(event);
  return listener;
}
