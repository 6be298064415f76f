/** Makes the descriptions of the service (OpenAPI), of the public listener and of the admin listener, without a running node. */
import { Limits, NO_LIMITS } from "../node/limits/limits.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { TextInMemory } from "../node/alone/text-file.ts";
import type { FastifyInstance } from "fastify";
import { makeAdminApp } from "../node/admin/admin-app.ts";
import { Controls } from "../node/controls/controls.ts";
import { makeApp } from "../node/http/app.ts";
import { Metrics } from "../node/metrics.ts";
import type { Service } from "../node/service.ts";
import { FollowedRules } from "../node/rules/followed-rules.ts";
import { Usage } from "../node/usage/usage.ts";
import { readSettings } from "../node/settings.ts";

const ADMIN = { token: undefined, access: undefined, host: "localhost", hosts: [] };

export async function describeService(): Promise<{ readonly service: object; readonly admin: object }> {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8")) as {
    version: string;
  };
  const service = { settings: readSettings({}), registerMetrics: () => {} } as Partial<Service> as Service; // nobody asks it anything
  const metrics = new Metrics(service);
  const log = pino({ level: "silent" });
  const context = {
    service,
    metrics,
    log,
    controls: new Controls(new TextInMemory(), log),
    rules: new FollowedRules(undefined, log),
    usage: new Usage(metrics),
    version,
    cors: undefined,
    access: undefined,
    limits: new Limits(NO_LIMITS),
  };
  const apps = [await makeApp(context, true), await makeAdminApp(context, ADMIN)] as const;
  const [ofService, ofAdmin] = await Promise.all(apps.map(({ app }) => descriptionOf(app)));
  return { service: ofService as object, admin: ofAdmin as object };
}

async function descriptionOf(app: FastifyInstance): Promise<object> {
  await app.ready();
  const description = app.swagger();
  await app.close();
  return description;
}
