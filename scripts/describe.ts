/** Makes the description of the service (OpenAPI) without a running node. */
import { Limits, NO_LIMITS } from "../node/limits/limits.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { makeApp } from "../node/http/app.ts";
import { Metrics } from "../node/metrics.ts";
import type { Service } from "../node/service.ts";
import { readSettings } from "../node/settings.ts";

export async function describeService(): Promise<object> {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8")) as {
    version: string;
  };
  const service = { settings: readSettings({}), registerMetrics: () => {} } as Partial<Service> as Service; // nobody asks it anything
  const context = {
    service,
    metrics: new Metrics(service),
    log: pino({ level: "silent" }),
    version,
    cors: undefined,
    access: undefined,
    limits: new Limits(NO_LIMITS),
  };
  const { app } = await makeApp(context, true);
  await app.ready();
  const description = app.swagger();
  await app.close();
  return description;
}
