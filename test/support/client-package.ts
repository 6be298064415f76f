/** The client as a game has it: built, in the node_modules of a folder of its own. */
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { buildClient } from "../../scripts/build-client.ts";
import { PROJECT_DIR, temporaryFolder } from "./node-process.ts";

/** @returns the folder; `client` is where the package lies in it, the examples included */
export async function installClient(): Promise<{ readonly path: string; readonly client: string } & AsyncDisposable> {
  const folder = await temporaryFolder();
  const client = join(folder.path, "node_modules/@headcount/client");
  mkdirSync(client, { recursive: true });
  const complaints = buildClient(join(client, "dist"));
  if (complaints !== "") throw new Error(`Cannot build the client: ${complaints}`);
  cpSync(join(PROJECT_DIR, "client/package.json"), join(client, "package.json"));
  cpSync(join(PROJECT_DIR, "client/examples"), join(client, "examples"), { recursive: true });
  return { ...folder, client };
}
