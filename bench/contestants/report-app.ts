/**
 * A Fastify route that takes the report of API.md, validates it and answers in its form; what it does with the report is
 * the contestant's. With nothing to do it is the floor. Nothing else is switched on, the logger off.
 */
import { fastify, type FastifyInstance } from "fastify";

export interface ReportBody {
  readonly region: string;
  readonly gamemode: string;
}

/** Whether the report moved the player. */
export type TakeReport = (profileId: string, report: ReportBody) => boolean | Promise<boolean>;

const RENEW_IN_MS = 30_000;

const string = (pattern: string, maxLength: number): object => ({ type: "string", pattern, maxLength });
export const PROFILE_ID = string("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", 36);
export const REGION = string("^[A-Za-z]{2}$", 2);
export const GAMEMODE = string("^[A-Za-z0-9][A-Za-z0-9._:-]*$", 64);

const schema = {
  params: { type: "object", required: ["profileId"], properties: { profileId: PROFILE_ID } },
  body: { type: "object", required: ["region", "gamemode"], properties: { region: REGION, gamemode: GAMEMODE } },
  response: {
    200: {
      type: "object",
      properties: {
        profileId: { type: "string" },
        region: { type: "string" },
        gamemode: { type: "string" },
        changed: { type: "boolean" },
        renewInMs: { type: "integer" },
      },
    },
  },
};

interface ReportRoute {
  Params: { profileId: string };
  Body: ReportBody;
}

/** An app with the report's route; a promise is awaited only where `take` gives one. */
export function reportApp(take: TakeReport): FastifyInstance {
  const app = fastify({ logger: false });
  app.post<ReportRoute>("/v1/profiles/:profileId/gamemode", { schema }, ({ params, body }) => {
    const answer = (changed: boolean): object => ({
      profileId: params.profileId,
      region: body.region,
      gamemode: body.gamemode,
      changed,
      renewInMs: RENEW_IN_MS,
    });
    const changed = take(params.profileId, body);
    return typeof changed === "boolean" ? answer(changed) : changed.then(answer);
  });
  return app;
}

/** Listens on a free port of loopback and says so, as the node does. */
export async function listen(app: FastifyInstance): Promise<void> {
  console.log(`The contestant listens on ${await app.listen({ host: "127.0.0.1", port: 0 })}`);
}
