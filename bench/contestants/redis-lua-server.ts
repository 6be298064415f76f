/** The design on Redis, well made: one script a report; what comes in one turn of the event loop goes as one pipeline. */
import { connectLua } from "./redis-lua.ts";
import { listen, reportApp } from "./report-app.ts";

const redis = connectLua(process.argv[2] as string, true);

await listen(
  reportApp(
    async (profileId, { region, gamemode }) => (await redis.report(`profile:${profileId}`, region, gamemode)) === 1,
  ),
);
