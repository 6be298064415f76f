/**
 * `npm run check-catalogue -- <file>`: says what is wrong with a catalogue of modes, and where; else what is in it, and what would
 * change against the one in force (`--admin`) or another file (`--against`).
 */
import { Command, CommanderError, Option } from "commander";
import { asPlainText, FAULTS_MAX } from "../node/rules/catalogue-file.ts";
import { type CatalogueText, checkCatalogue } from "../node/rules/catalogue-form.ts";
import { compare, summaryOf } from "../node/rules/catalogue-changes.ts";
import { readCatalogue } from "../node/rules/read-catalogue.ts";

interface Options {
  readonly admin?: string;
  readonly token?: string;
  readonly against?: string;
}

/** What is said instead of what was asked for. */
class PlainError extends Error {}

const ANSWER_WITHIN_MS = 10_000;
const ANSWER_BYTES_MAX = 4_194_304;
const command = new Command("npm run check-catalogue --")
  .description(
    "Checks a catalogue of modes (docs/catalogue.md). Ends with 1 where something is wrong, or it would not be followed.",
  )
  .argument("<file>", "the catalogue, YAML or JSON")
  .addOption(
    new Option(
      "--admin <url>",
      "compare with what is in force at a running node: the address of its admin listener",
    ).conflicts("against"),
  )
  .addOption(new Option("--token <token>", "the admin token").env("HEADCOUNT_ADMIN_TOKEN"))
  .addOption(new Option("--against <file>", "compare with another file"))
  .showHelpAfterError("(--help lists the options)")
  .exitOverride();

try {
  command.parse();
  await check(command.args[0] as string, command.opts<Options>());
} catch (error) {
  if (error instanceof PlainError) console.error(error.message);
  else if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error instanceof CommanderError ? error.exitCode : 1;
}

async function check(file: string, { admin, token, against }: Options): Promise<void> {
  const catalogue = await soundIn(file);
  for (const line of summaryOf(catalogue)) say(line);
  if (against !== undefined) return sayChanges(await soundIn(against), catalogue, against);
  if (admin !== undefined) return sayChanges(await inForceAt(admin, token), catalogue, new URL(admin).origin);
  say("");
  say("What would change? Compare with what is in force: --admin http://127.0.0.1:8079 and the token, in --token or");
  say("HEADCOUNT_ADMIN_TOKEN; or with another file: --against <file>.");
}

async function soundIn(file: string): Promise<CatalogueText> {
  const read = await readCatalogue(file);
  if (read.kind === "sound") return read.catalogue;
  const { length } = read.faults;
  const lines = read.faults.map(({ message }) => message);
  const heading =
    length >= FAULTS_MAX
      ? `The first ${length} faults of ${file}:`
      : `${file} has ${length === 1 ? "one fault" : `${length} faults`}:`;
  throw new PlainError([heading, ...lines].join("\n"));
}

function sayChanges(standing: CatalogueText | undefined, catalogue: CatalogueText, where: string): void {
  const { isFollowed, lines } = compare(standing, catalogue, where);
  say("");
  for (const line of lines) say(line);
  if (!isFollowed) process.exitCode = 1;
}

/** @throws {PlainError} (rejects) where it cannot be learned */
async function inForceAt(admin: string, token: string | undefined): Promise<CatalogueText | undefined> {
  if (!URL.canParse(admin) || !/^https?:\/\//i.test(admin))
    throw new PlainError(`--admin must be an address such as http://127.0.0.1:8079, got ${JSON.stringify(admin)}`);
  const url = new URL("/admin/catalogue", admin);
  // As the node prints it: with the token behind it.
  const shown = token ?? /^#token=(.+)$/.exec(new URL(admin).hash)?.[1];
  const body = await ask(url, shown);
  const { version, catalogue } = body as { readonly version?: unknown; readonly catalogue?: unknown };
  if (version === 0) return undefined;
  const checked = checkCatalogue(catalogue, 1);
  if (checked.kind === "sound") return checked.catalogue;
  throw new PlainError(
    `${url.href} does not answer with a catalogue: ${asPlainText(checked.faults[0]?.message ?? "")}`,
  );
}

async function ask(url: URL, token: string | undefined): Promise<object> {
  const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
  let answer: Response;
  let text: string;
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    answer = await fetch(url, { ...(headers && { headers }), redirect: "error", signal });
    text = await answer.text();
  } catch (error) {
    const { cause, message } = error as Error;
    throw new PlainError(`${url.href} cannot be asked: ${cause instanceof Error ? cause.message : message}`);
  }
  if (answer.status === 401)
    throw new PlainError(`${url.href} wants the admin token: give it by --token or HEADCOUNT_ADMIN_TOKEN`);
  if (answer.status !== 200)
    throw new PlainError(`${url.href} answers ${answer.status}: ${asPlainText(text.slice(0, 200))}`);
  try {
    const body: unknown = text.length > ANSWER_BYTES_MAX ? undefined : JSON.parse(text);
    if (typeof body === "object" && body !== null) return body;
  } catch {
    // told below
  }
  throw new PlainError(`${url.href} is not the admin listener of a node: it does not answer in JSON`);
}

function say(line: string): void {
  console.log(line);
}
