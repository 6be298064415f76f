/**
 * One running node for all tests of a file, so that a file costs one start.
 *
 * Each test takes players and regions of its own (`freshPlayer`, `freshRegion`), so none sees what another left. When the file
 * is done the node must stop with exit code 0 and must not have logged an error: bad input is no error of the node.
 */

import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect } from "vitest";

import { REASONS } from "../../node/http/reasons.ts";
import { REGIONS } from "./corpora.ts";
import { type Answer, HttpClient, JSON_TYPE } from "./http.ts";
import { type NodeProcess, type StartOptions, startNode } from "./node-process.ts";

export interface SharedNode {
  readonly node: NodeProcess;
  readonly http: HttpClient;
}

/** One player goes through hundreds of values. */
const MANY_VALUES = { HEADCOUNT_RATE_PROFILE: "0" };

/** Call it at the top of a test file; its fields can be read inside tests. */
export function shareNode(options: StartOptions = {}): SharedNode {
  let node: NodeProcess | undefined;
  let http: HttpClient | undefined;

  beforeAll(async () => {
    node = await startNode({ ...options, env: { ...MANY_VALUES, ...options.env } });
    http = new HttpClient(node.url);
  });

  afterAll(async () => {
    await http?.[Symbol.asyncDispose]();
    if (node === undefined) return;
    await using ending = node;
    expect(await ending.stop(), `exit code; log:\n${ending.stderr}`).toBe(0);
    expect(errorsLogged(ending)).toEqual([]);
  });

  const started = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error("Cannot use the shared node outside of a test");
    return value;
  };
  return {
    get node() {
      return started(node);
    },
    get http() {
      return started(http);
    },
  };
}

export const freshPlayer: () => string = randomUUID;

let regionsTaken = 0;

/** A region that no other test of this file uses. */
export function freshRegion(): string {
  const region = REGIONS[regionsTaken++];
  if (region === undefined) throw new RangeError(`Cannot take a fresh region: all ${REGIONS.length} are taken`);
  return region;
}

/** Lines of the log at level error or above, and lines that are no log. */
export function errorsLogged(node: NodeProcess): string[] {
  return node.stderr.split("\n").filter((line) => {
    if (line === "") return false;
    return !line.startsWith("{") || (JSON.parse(line) as { readonly level: number }).level >= 50;
  });
}

/** The body of a refusal: its reason is one of those that there are for the status. */
export function refusalOf(status: number, message: unknown = expect.any(String)): Record<string, unknown> {
  const ofStatus = Object.entries(REASONS).filter(([, { statuses }]) =>
    (statuses as readonly number[]).includes(status),
  );
  return { code: String(status), message, reason: expect.toBeOneOf(ofStatus.map(([reason]) => reason)) };
}

/** The body, the content type and the status that every error has. */
export function expectError(answer: Answer, status: number, message: string | RegExp): void {
  expect(answer, answer.text).toMatchObject({ status, headers: { "content-type": JSON_TYPE } });
  expect(answer.json).toEqual(refusalOf(status));
  if (typeof message === "string") expect(answer.json.message).toBe(message);
  else expect(answer.json.message).toMatch(message);
}

export const TTL_MS = 90_000;

/** The pace that the service sets: a third of the session's life, give or take a fifth, and never above half. */
export function expectPace(renewInMs: unknown, ttlMs: number = TTL_MS): void {
  expect(renewInMs).toSatisfy(Number.isInteger);
  expect(renewInMs).toBeGreaterThanOrEqual(Math.floor((ttlMs / 3) * 0.8));
  expect(renewInMs).toBeLessThanOrEqual(ttlMs / 2);
}

export const RFC_3339_MS = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

/** What the counts say: all players, and players by region. Plain answers, so up to 200 ms behind. */
export async function countsOf(
  http: HttpClient,
): Promise<{ readonly players: number; readonly regions: Record<string, number> }> {
  const [players, regions] = await Promise.all([http.get("/v1/players"), http.get("/v1/regions")]);
  expect([players.status, regions.status]).toEqual([200, 200]);
  return {
    players: players.json.players,
    regions: Object.fromEntries(
      regions.json.regions.map((row: { region: string; players: number }) => [row.region, row.players]),
    ),
  };
}
