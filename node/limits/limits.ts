/** How often anybody may ask, and over how many connections: the limits that are kept where a request enters. */
import { hash } from "node:crypto";
import type { Logger } from "pino";
import { PacedLog } from "../paced-log.ts";
import type { Metrics } from "../metrics.ts";
import type { LimitSettings } from "../limit-settings.ts";
import type { Rate } from "../../engine/rate.ts";
import { type Client, Clients } from "./clients.ts";
import { type Full, Places } from "./places.ts";
import { Rates, type Taken } from "./rates.ts";
import { Shedding } from "./shedding.ts";

export type Limit = "profile" | "address" | "token";

/** Which limit refused, and what it says. */
export interface Refused {
  readonly limit: Limit;
  /** `undefined` where only another node knows it: a player's owner with other settings. */
  readonly rate: Rate | undefined;
  /** What may be taken at once now. */
  readonly left: number;
  /** From when on what was refused is taken, if nobody else takes of it. */
  readonly waitS: number;
}

/** For what is no node. */
export const NO_LIMITS: LimitSettings = {
  trusted: undefined,
  profile: undefined,
  address: undefined,
  token: undefined,
  connections: Infinity,
  connectionsOfAddress: Infinity,
  streams: Infinity,
  streamsOfAddress: Infinity,
};
/** Some 10 MB. */
const KEYS_MAX = 65_536;
const TICK_MS = 1000;
const MS_IN_S = 1000;

export class Limits {
  readonly clients: Clients;
  readonly places: Places;
  readonly shedding = new Shedding();
  /** Requests that were refused, by limit; counted where they are told so. */
  readonly refused = { profile: 0, address: 0, token: 0 };
  private readonly profile: Rate | undefined;
  private readonly addresses: Rates | undefined;
  private readonly tokens: Rates | undefined;

  private readonly paced: PacedLog | undefined;
  private readonly isProxyNamed: boolean;

  /** @param log told once a minute that somebody was refused */
  constructor(settings: LimitSettings, log?: Pick<Logger, "info" | "warn" | "error">) {
    const { trusted, profile, address, token, connections, connectionsOfAddress } = settings;
    this.paced = log === undefined ? undefined : new PacedLog(log, () => performance.now());
    if (this.paced !== undefined) setInterval(() => this.paced?.tick(), TICK_MS).unref();
    this.isProxyNamed = trusted !== undefined;
    this.clients = new Clients(trusted);
    this.profile = profile;
    this.places = new Places({ all: connections, ofAddress: connectionsOfAddress });
    this.addresses = address === undefined ? undefined : new Rates(address, KEYS_MAX);
    this.tokens = token === undefined ? undefined : new Rates(token, KEYS_MAX);
  }

  /** Whether requests are counted by address at all. */
  get areAddressesLimited(): boolean {
    return this.addresses !== undefined;
  }

  /** One request of an address. @returns undefined where it may go on */
  ofAddress({ key }: Client): Refused | undefined {
    return key === undefined ? undefined : this.take("address", this.addresses, key, 1);
  }

  /** @param players of a look-up whose request `ofAddress` has counted as one of them */
  ofLookup({ key }: Client, players: number): Refused | undefined {
    return key === undefined ? undefined : this.take("address", this.addresses, key, players, 1);
  }

  /**
   * @param token that the batch, or the look-up of many, showed; without one there is nobody to count by
   * @param rows or players; undefined: whether any may come, nothing is taken
   */
  ofBatch(token: string | undefined, rows: number | undefined): Refused | undefined {
    if (this.tokens === undefined || token === undefined) return undefined;
    const signed = token.slice(0, token.lastIndexOf(".")); // what one signs may have more than one signature
    const key = hash("sha256", signed, "base64url");
    if (rows !== undefined) return this.take("token", this.tokens, key, rows);
    const taken = this.tokens.ask(key, performance.now());
    return refusedBy("token", this.tokens.rate, taken);
  }

  /** A player's owner refused: it counts by the player. */
  ofProfile(waitS: number): Refused {
    return { limit: "profile", rate: this.profile, left: 0, waitS };
  }

  noteRefused(limit: Limit): void {
    this.refused[limit]++;
    this.paced?.write("warn", limit, { limit }, `requests came too often and were refused${this.hintOf(limit)}`);
  }

  noteNoPlace(limit: Full): void {
    const { count } = this.places;
    const what = limit === "all" ? "all places for connections are taken" : "one address has too many connections";
    const fields = { limit, connections: count };
    this.paced?.write("warn", `place of ${limit}`, fields, `${what}: more were refused${this.hintOf(limit)}`);
  }

  /** @param unread connections that are not read */
  noteLoad(unread: number): void {
    const { level, refused } = this.shedding;
    if (level === 0 && unread === 0) return;
    const fields = { level: Number(level.toFixed(2)), unread, refused: { ...refused } };
    this.paced?.write("warn", "overloaded", fields, "the node has more to do than it can: it refuses requests");
  }

  private hintOf(limit: string): string {
    return limit === "address" && !this.isProxyNamed
      ? ": behind a load balancer HEADCOUNT_TRUST_PROXY must name it"
      : "";
  }

  registerMetrics(metrics: Metrics): void {
    metrics.labelledCounter("rate_refusals_total", "Requests that came too often", "limit", () => this.refused);
    metrics.counter(
      "clients_unknown_total",
      "Requests whose sender a trusted proxy did not name, or not well",
      () => this.clients.unknown,
    );
    metrics.gauge(
      "overload_level",
      "How many kinds of calls are refused since there is too much to do, in their order; a fraction of the last",
      () => this.shedding.level,
    );
    metrics.labelledCounter(
      "overload_refusals_total",
      "Requests refused since there was too much to do, by kind; unread: connections that waited too long",
      "kind",
      () => this.shedding.refused,
    );
    metrics.gauge("connections", "Connections of clients that are open", () => this.places.count);
    metrics.labelledCounter(
      "connections_refused_total",
      "Connections closed at once since there were too many, of all or of one address",
      "limit",
      () => this.places.refused,
    );
  }

  private take(limit: Limit, rates: Rates | undefined, key: string, cost: number, paid?: number): Refused | undefined {
    if (rates === undefined) return undefined;
    return refusedBy(limit, rates.rate, rates.take(key, performance.now(), cost, paid));
  }
}

function refusedBy(limit: Limit, rate: Rate, { isTaken, left, waitMs }: Taken): Refused | undefined {
  return isTaken ? undefined : { limit, rate, left, waitS: Math.max(1, Math.ceil(waitMs / MS_IN_S)) };
}
