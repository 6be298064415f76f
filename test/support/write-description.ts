/** Before the tests of real nodes: writes the description of the service, which `described.ts` holds their answers to. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import { ADMIN_DESCRIPTION_FILE, DESCRIPTION_FILE } from "../../scripts/answers-seen.ts";
import { describeService } from "../../scripts/describe.ts";

export async function setup(): Promise<void> {
  mkdirSync(dirname(DESCRIPTION_FILE), { recursive: true });
  const { service, admin } = await describeService();
  writeFileSync(DESCRIPTION_FILE, JSON.stringify(service, null, 2));
  writeFileSync(ADMIN_DESCRIPTION_FILE, JSON.stringify(admin, null, 2));
}
