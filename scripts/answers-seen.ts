/** Which documented answers the tests have seen. The tests note them, file after file; `npm test` reads them at the end. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const REPORTS = join(import.meta.dirname, "../reports");
export const DESCRIPTION_FILE = join(REPORTS, "openapi.json");
/** Of the admin listener. */
export const ADMIN_DESCRIPTION_FILE = join(REPORTS, "openapi-admin.json");
/** Lines of operation and status. */
export const SEEN_FILE = join(REPORTS, "answers-seen.txt");

interface Description {
  readonly paths: Readonly<
    Record<
      string,
      Record<string, { readonly operationId: string; readonly responses: Readonly<Record<string, unknown>> }>
    >
  >;
}

/** "report 202", … */
export function answersUnseen(): string[] {
  const seen = new Set(readFileSync(SEEN_FILE, "utf8").split("\n"));
  const described = [DESCRIPTION_FILE, ADMIN_DESCRIPTION_FILE]
    .map((file) => JSON.parse(readFileSync(file, "utf8")) as Description)
    .flatMap(({ paths }) => Object.values(paths))
    .flatMap((methods) => Object.values(methods))
    .flatMap(({ operationId, responses }) => Object.keys(responses).map((status) => `${operationId} ${status}`));
  return [...new Set(described)].filter((answer) => !seen.has(answer));
}
