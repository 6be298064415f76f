/**
 * The plain alternative to the node's streams: a Fastify route that keeps each response open, and writes each event through it.
 *   POST /v1/reports                        counts who is where
 *   GET  /v1/regions/:region/gamemode/stream  every 250 ms what changed, made once for all
 */
import type { ServerResponse } from "node:http";
import { listen, reportApp } from "./report-app.ts";

interface Row {
  readonly profileId: string;
  readonly region: string;
  readonly gamemode: string;
}

interface Region {
  players: number;
  readonly modes: Map<string, number>;
  isChanged: boolean;
  readonly responses: Set<ServerResponse>;
}

const BODY_LIMIT = 2 * 1024 * 1024;
const EVERY_MS = 250;
const TOP = 5;
const players = new Map<string, readonly [region: string, mode: string]>();
const regions = new Map<string, Region>();

function regionOf(name: string): Region {
  let region = regions.get(name);
  if (region === undefined)
    regions.set(name, (region = { players: 0, modes: new Map(), isChanged: false, responses: new Set() }));
  return region;
}

function count(name: string, mode: string, by: number): void {
  const region = regionOf(name);
  region.players += by;
  region.modes.set(mode, (region.modes.get(mode) ?? 0) + by);
  region.isChanged = true;
}

function report({ profileId, region, gamemode }: Row): void {
  const before = players.get(profileId);
  if (before !== undefined) count(...before, -1);
  count(region, gamemode, 1);
  players.set(profileId, [region, gamemode]);
}

function eventOf(name: string, { players: all, modes }: Region): string {
  const gamemodes = [...modes]
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, TOP)
    .map(([mode, of], at) => ({ mode, rank: at + 1, players: of, share: Math.round((of / all) * 10_000) / 10_000 }));
  const body = JSON.stringify({ region: name, players: all, asOf: new Date().toISOString(), gamemodes });
  return `event: top\nid: ${all}\ndata: ${body}\n\n`;
}

const app = reportApp(() => true);
app.post<{ Body: { readonly reports: readonly Row[] } }>("/v1/reports", { bodyLimit: BODY_LIMIT }, ({ body }) => {
  for (const row of body.reports) report(row);
  return { accepted: body.reports.length, remembered: body.reports.length, rejected: [] };
});
app.get<{ Params: { readonly region: string } }>("/v1/regions/:region/gamemode/stream", ({ params }, reply) => {
  const [region, { raw }] = [regionOf(params.region), reply.hijack()];
  raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  raw.write(eventOf(params.region, region));
  region.responses.add(raw);
  raw.once("close", () => region.responses.delete(raw));
});
setInterval(() => {
  for (const [name, region] of regions) {
    if (!region.isChanged || region.responses.size === 0) continue;
    region.isChanged = false;
    const event = eventOf(name, region);
    for (const response of region.responses) response.write(event);
  }
}, EVERY_MS).unref();
await listen(app);
