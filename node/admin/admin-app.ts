/** The admin listener: what operators change and see, and every GET of the public one but its documentation page. */
import type { FastifyInstance } from "fastify";
import { type App, type LaneCalls, makeFrame } from "../http/frame.ts";
import { registerDescription } from "../http/description.ts";
import type { Context } from "../http/http.ts";
import { limitAddresses } from "../http/rate-limits.ts";
import { registerDetails, registerOperators } from "../http/routes/operators.ts";
import { ProfileCalls, registerLookUp } from "../http/routes/profiles.ts";
import { registerModes } from "../http/routes/modes.ts";
import { registerPlaces } from "../http/routes/places.ts";
import { registerRegions } from "../http/routes/regions.ts";
import { makeStreams, registerStreams } from "../http/routes/streams.ts";
import { Limits, NO_LIMITS } from "../limits/limits.ts";
import { type AdminAdmissionOptions, admitOperators, OPEN_PATHS } from "./admission.ts";
import { REFUSED_OPERATORS } from "./answers.ts";
import { registerCatalogue } from "./catalogue.ts";
import { registerPage } from "./page.ts";
import { registerControls } from "./routes.ts";

const BODY_BYTES_MAX = 4096;
export const CONNECTIONS_MAX = 256;
/** One address cannot keep the others out; tokens that nobody knows must not keep the verifier from players. */
const LIMITS = {
  ...NO_LIMITS,
  connections: CONNECTIONS_MAX,
  connectionsOfAddress: 32,
  address: { count: 600, windowMs: 10_000 },
};
/** A few pages may watch; there is room for other connections then. */
const STREAMS = { all: 64, ofAddress: 16 };
const KEEP_ALIVE_MS = 5000;

const ABOUT = {
  text: `What operators change and see. Every call but /, /livez and /readyz needs the admin token, or a token with the scope admin; a page of another origin may not ask.`,
  tags: [{ name: "control", description: "Switches, quarantine, blocks, the catalogue, usage." }],
};

export async function makeAdminApp(context: Context, options: AdminAdmissionOptions): Promise<App> {
  // Whoever is admitted may see all.
  const open = {
    ...context,
    cors: undefined,
    access: undefined,
    limits: new Limits(LIMITS),
    isForOperators: true,
  };
  const { places, refused } = open.limits;
  context.metrics.labelledCounter(
    "admin_limit_refusals_total",
    "Connections and requests refused at the admin listener, by limit: all connections, those of an address, requests of an address",
    "limit",
    () => ({
      connections: places.refused.all,
      "connections of address": places.refused.address,
      address: refused.address,
    }),
  );
  return makeFrame(open, {
    isLaneOpen: false,
    keepAliveMs: KEEP_ALIVE_MS,
    isLoadShed: false, // whoever mends what is wrong has to be heard
    bodyBytesMax: BODY_BYTES_MAX,
    bodyBytesMaxOf: () => BODY_BYTES_MAX,
    register: (app) => register(app, open, options),
  });
}

async function register(app: FastifyInstance, context: Context, options: AdminAdmissionOptions): Promise<LaneCalls> {
  secure(app);
  limitAddresses(app, context);
  admitOperators(app, context, options);
  describeRefusals(app);
  await registerDescription(app, context.version, ABOUT);
  registerPage(app, context);
  registerControls(app, context);
  registerCatalogue(app, context);
  const profiles = new ProfileCalls(context);
  registerLookUp(app, context, profiles);
  const popularModes = registerRegions(app, context);
  registerStreams(app, context, makeStreams(context, STREAMS));
  registerModes(app, context);
  registerPlaces(app, context);
  registerOperators(app, context);
  registerDetails(app, context);
  return { profiles, popularModes };
}

/** No other page may show it in a frame, run something in it, or read it. */
function secure(app: FastifyInstance): void {
  app.addHook("onRequest", async (_request, reply) => {
    reply.headers({
      "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    });
  });
}

/** What the hooks answer belongs to every call's description. */
function describeRefusals(app: FastifyInstance): void {
  app.addHook("onRoute", (route) => {
    if (route.schema?.response === undefined) return;
    const { 401: unknown, ...refused } = REFUSED_OPERATORS;
    const added = OPEN_PATHS.has(route.url) ? refused : { 401: unknown, ...refused };
    route.schema = { ...route.schema, response: { ...(route.schema.response as object), ...added } };
  });
}
