/** The HTTP side of a node without sockets, over an entry that only notes which batches came. */
import { Limits, NO_LIMITS } from "../../node/limits/limits.ts";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";

import { TextInMemory } from "../../node/alone/text-file.ts";
import { Controls } from "../../node/controls/controls.ts";
import { FollowedRules } from "../../node/rules/followed-rules.ts";
import { Usage } from "../../node/usage/usage.ts";
import type { Entry, Reports } from "../../node/entry.ts";
import { makeApp } from "../../node/http/app.ts";
import { Metrics } from "../../node/metrics.ts";
import type { Service } from "../../node/service.ts";
import { readSettings } from "../../node/settings.ts";

/** Reports with this mode are refused. */
export const REFUSED_MODE = "a";

/**
 * @param env settings, by the names of the environment
 * @returns `taken`: the batches that came, oldest first
 */
export async function recordingApp(
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly app: FastifyInstance; readonly taken: Reports[] }> {
  const taken: Reports[] = [];
  const entry: Pick<Entry, "submitAll"> = {
    submitAll(reports, settle) {
      taken.push(reports);
      const rows = [...Array(reports.count).keys()];
      const refused = rows
        .filter((index) => reports.modes[reports.modeOf[index] as number] === REFUSED_MODE)
        .map((index) => ({ index, why: { kind: "refused" as const, reason: "no room for the mode" as const } }))
        .toReversed();
      const changed = reports.count - refused.length;
      const changedBy = new Int32Array(reports.modes.length);
      settle({ changed, changedBy, renewed: 0, late: 0, removed: 0, nowhere: 0, remembered: changed, refused });
    },
  };
  const ready = { status: { kind: "ready" }, settings: readSettings(env), registerMetrics: () => undefined };
  const service = { ...ready, entry } as unknown as Service;
  const [metrics, log] = [new Metrics(service), pino({ level: "silent" })];
  const context = {
    service,
    metrics,
    log,
    controls: new Controls(new TextInMemory(), log),
    rules: new FollowedRules(undefined, log),
    usage: new Usage(metrics),
    version: "0.0.0",
    cors: undefined,
    access: undefined,
    limits: new Limits(NO_LIMITS),
  };
  context.controls.start();
  context.rules.follow(new TextInMemory(), () => "");
  await Promise.all([context.controls.known, context.rules.known]);
  const { app } = await makeApp(context, true);
  return { app, taken };
}
