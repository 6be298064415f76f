/**
 * The floor for each kind of call: the least that a Fastify application does for it.
 *   POST /v1/profiles/:profileId/gamemode   validates and answers
 *   POST /v1/reports                        parses the JSON and answers how many rows it has
 *   POST /validated/v1/reports              validates each row too
 *   PUT  /v1/profiles/:profileId/heartbeat  answers the same 204 always
 *   GET  /v1/regions/:region/gamemode       sends a constant
 */
import { GAMEMODE, listen, PROFILE_ID, REGION, reportApp } from "./report-app.ts";

interface BatchRoute {
  Body: { readonly reports: readonly unknown[] };
}

const BODY_LIMIT = 2 * 1024 * 1024;
const TOP = JSON.stringify({
  region: "CA",
  players: 1234,
  asOf: "2026-01-01T00:00:00.000Z",
  gamemodes: [1, 2, 3, 4, 5].map((rank) => ({ mode: `GM0${rank}`, rank, players: 600 / rank, share: 0.4862 })),
});

const row = {
  type: "object",
  required: ["profileId", "region", "gamemode"],
  properties: { profileId: PROFILE_ID, region: REGION, gamemode: GAMEMODE },
};
const body = { type: "object", required: ["reports"], properties: { reports: { type: "array", items: row } } };

const app = reportApp(() => true);
const accept = ({ body: { reports } }: { body: BatchRoute["Body"] }): object => ({
  accepted: reports.length,
  remembered: reports.length,
  rejected: [],
});
app.post<BatchRoute>("/v1/reports", { bodyLimit: BODY_LIMIT }, accept);
app.post<BatchRoute>("/validated/v1/reports", { bodyLimit: BODY_LIMIT, schema: { body } }, accept);
app.put("/v1/profiles/:profileId/heartbeat", (_request, reply) => {
  void reply.code(204).header("renew-in-ms", "30000").send();
});
app.get("/v1/regions/:region/gamemode", (_request, reply) => {
  void reply.header("content-type", "application/json; charset=utf-8").send(TOP);
});
await listen(app);
