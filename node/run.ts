/** Runs a node until it is told to end: one listener, a greeting, and exit 0 once everything is stored. */
import { flushCompileCache } from "node:module";
import { resolve } from "node:path";
import { type Logger, pino } from "pino";
import type { Rules } from "../cluster/ports/rules.ts";
import type { Access } from "./access/access.ts";
import { type Admin, openAdmin } from "./admin/open-admin.ts";
import { makeApp, type PublicApp } from "./http/app.ts";
import { Controls } from "./controls/controls.ts";
import { Cors } from "./http/cors.ts";
import { listenWidely } from "./http/listening.ts";
import { CatalogueSource } from "./rules/catalogue-source.ts";
import { FollowedRules } from "./rules/followed-rules.ts";
import { Limits } from "./limits/limits.ts";
import { speakTls } from "./http/speak-tls.ts";
import type { LineWriter } from "./line-writer.ts";
import { Metrics } from "./metrics.ts";
import { hostOf, listenedUrl, listenFailure, portOf, reachableUrl } from "./place.ts";
import type { Service } from "./service.ts";
import { LOOPBACK, type Settings } from "./settings.ts";
import { Usage } from "./usage/usage.ts";
import { Certificate } from "./tls/certificate.ts";

type App = PublicApp["app"];

const USUAL_MODE = "GM01";
const CLOSE_WITHIN_MS = 25_000;
/** Ctrl-C arrives twice (from the terminal and from npm): a second signal so soon is ignored. */
const REPEAT_WITHIN_MS = 1000;

/** Where the node tells what it does. */
export interface Outputs {
  readonly out: LineWriter;
  readonly log: LineWriter;
}

/**
 * Does not return: the process ends by a signal.
 * @throws {SettingError | FolderInUseError | DamagedStoreError | StoreUnavailableError | UnreadableRecordError}
 */
export async function run(settings: Settings, version: string, outputs: Outputs): Promise<never> {
  const log = pino({ level: settings.logLevel }, outputs.log);
  const certificate = settings.tls && new Certificate(settings.tls, { log, nowMs: Date.now });
  const { catalogue } = settings;
  const rules = new FollowedRules(catalogue === undefined ? undefined : new CatalogueSource(catalogue, log), log);
  const service = await makeService(settings, rules, log);
  const metrics = new Metrics(service);
  metrics.counter(
    "log_lines_dropped_total",
    "Lines of the outputs that could not be written",
    () => outputs.log.dropped + outputs.out.dropped,
  );
  const { corsOrigins, isLaneOpen } = settings;
  const cors = corsOrigins === undefined ? undefined : new Cors(corsOrigins);
  const access = await makeAccess(settings, log, metrics);
  const limits = new Limits(settings.limits, log);
  limits.registerMetrics(metrics);
  const controls = new Controls(service.texts.controls, log);
  controls.registerMetrics(metrics);
  controls.start();
  rules.registerMetrics(metrics);
  rules.follow(service.texts.catalogue, () => service.id);
  const context = { service, metrics, log, version, cors, access, limits, controls, rules, usage: new Usage(metrics) };
  const { app, connections, streams, sessions } = await makeApp(context, isLaneOpen);
  certificate?.registerMetrics(metrics, "tls");
  if (certificate !== undefined) speakTls(app, certificate, settings.limits.connections, metrics, "tls");
  await listen(app, settings);
  const scheme = certificate === undefined ? "http" : "https";
  const admin = await openAdmin(context, settings.admin, certificate);
  const closeAll = async (): Promise<boolean> => {
    const isStored = await close({ app, connections, streams, sessions }, service, log);
    await admin?.close();
    return isStored;
  };
  const isAlone = settings.redisUrl === undefined; // until it serves it has nothing to finish, and may just end
  if (!isAlone) closeOnSignals(closeAll, log);
  await rules.fileRead; // what is wrong with it is to be told before a cluster is joined
  const known = Promise.all([controls.known, rules.known]);
  await Promise.race([service.start(portOf(app.server), reachableUrl(app.server, scheme)), rejectionOf(known)]);
  if (isAlone) closeOnSignals(closeAll, log);
  await Promise.race([known, service.failure]);
  flushCompileCache(); // what headcount.js keeps: a node may run for months, and end by SIGKILL
  if (service.status.kind === "ready")
    outputs.out.write(greetingOf(listenedUrl(app.server, scheme), settings, version, { admin, certificate, rules }));
  throw await service.failure;
}

/** Never resolves. */
function rejectionOf(promise: Promise<unknown>): Promise<never> {
  return promise.then(() => new Promise<never>(() => {}));
}

/** Only what is needed is loaded. */
async function makeService(settings: Settings, rules: Rules, log: Logger): Promise<Service> {
  if (settings.redisUrl === undefined) {
    const { ServiceAlone } = await import("./alone/service-alone.ts");
    return new ServiceAlone(settings, rules, log);
  }
  const { ServiceCluster } = await import("./clustered/service-cluster.ts");
  return new ServiceCluster(settings, settings.redisUrl, rules, log);
}

/** `undefined` where no tokens are asked for: beyond loopback that is told. */
async function makeAccess(settings: Settings, log: Logger, metrics: Metrics): Promise<Access | undefined> {
  const { tokens, areReadsGuarded, host } = settings;
  if (tokens !== undefined) {
    const { openAccess } = await import("./access/access.ts");
    return openAccess(tokens, areReadsGuarded, log, metrics);
  }
  if (!LOOPBACK.test(host))
    log.warn({ host }, "HEADCOUNT_AUTH is off: whoever reaches this port may report and look up any player");
  return undefined;
}

/** What whoever opens a node to others must not overlook. */
function openness({ tokens, host }: Settings): string {
  if (tokens !== undefined || LOOPBACK.test(host)) return "";
  return "  open  to anybody who reaches it: HEADCOUNT_AUTH is off\n";
}

/** Of the catalogue, where there is one. */
function modesIn({ catalogue: { version, data } }: FollowedRules): string {
  return version === 0 ? "" : `  modes ${data.modes.length}, by version ${version} of the catalogue\n`;
}

/** One that anybody may report, if there is any. */
function modeToTry({ catalogue }: FollowedRules): string {
  return catalogue.isFree(USUAL_MODE)
    ? USUAL_MODE
    : (catalogue.data.modes.find(({ mode }) => catalogue.isFree(mode))?.mode ?? USUAL_MODE);
}

/** Of the certificate what is wrong most often: for whom it is, and until when. */
function secrecy(certificate: Certificate | undefined): string {
  if (certificate === undefined) return "";
  const names = certificate.names.join(", ") || "no name";
  return `  tls   https only, with a certificate for ${names} until ${new Date(certificate.expiresAtMs).toISOString()}\n`;
}

/** Ends the process, once, in good order; a later signal ends it at once. */
function closeOnSignals(closeAll: () => Promise<boolean>, log: Logger): void {
  let closingSinceMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closingSinceMs !== undefined) {
      if (performance.now() - closingSinceMs > REPEAT_WITHIN_MS) process.exit(1);
      return;
    }
    closingSinceMs = performance.now();
    log.info({ signal }, "draining");
    setTimeout(() => process.exit(1), CLOSE_WITHIN_MS).unref();
    closeAll().then(
      (isStored) => process.exit(isStored ? 0 : 1),
      (error: unknown) => {
        log.fatal({ err: error }, "could not close in good order");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

/** Finishes what is in flight, then stores everything; false where not all could be stored. */
async function close(
  { app, connections, streams, sessions }: PublicApp,
  service: Service,
  log: Logger,
): Promise<boolean> {
  connections.tellToClose();
  await Promise.all([service.drain(), streams.drain(), sessions.drain()]);
  connections.drain();
  await app.close();
  const isStored = await service.stop();
  if (isStored) log.info(farewellOf(service));
  else log.error("could not store everything in time");
  return isStored;
}

/** What is logged last: a node that stored nothing must not say that it did. */
export function farewellOf({ entry, settings }: Pick<Service, "entry" | "settings">): string {
  if (settings.durability === "none") return "stopped: players were kept in memory only (HEADCOUNT_DURABILITY=none)";
  return entry === undefined ? "stopped before any player was reported" : "stored everything, stopped";
}

async function listen(app: App, { host, port }: Settings): Promise<void> {
  try {
    await listenWidely(app, { host, port });
  } catch (error) {
    throw listenFailure(error, "HEADCOUNT", host, port);
  }
}

interface Opened {
  readonly admin: Admin | undefined;
  readonly certificate: Certificate | undefined;
  readonly rules: FollowedRules;
}

function greetingOf(url: string, settings: Settings, version: string, opened: Opened): string {
  const { admin, certificate, rules } = opened;
  const { dataDir, durability, redisUrl, cluster, tokens } = settings;
  const place = redisUrl === undefined ? resolve(dataDir) : `in Redis, all keys begin with headcount:${cluster}:`;
  const curl = certificate === undefined || certificate.isFor(hostOf(url)) ? "curl" : "curl -k";
  const shown =
    tokens === undefined
      ? ""
      : ` \\\n          -H "authorization: Bearer $TOKEN"    # npm run token makes one to try with`;
  const data = durability === "none" ? "kept in memory only (HEADCOUNT_DURABILITY=none)" : place;
  return `Headcount ${version} listens on ${url}

  try   ${curl} -X POST ${url}/v1/profiles/6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21/gamemode \\
          -H 'content-type: application/json' -d '{"region":"CA","gamemode":"${modeToTry(rules)}"}'${shown}
        ${curl} '${url}/v1/regions/CA/gamemode?top=5'
  read  ${url}/docs
  data  ${data}
${admin === undefined ? "" : `  admin ${admin.shownUrl}\n`}${modesIn(rules)}${secrecy(certificate)}${openness(settings)}
`;
}
