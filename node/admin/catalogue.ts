/** What operators see of the catalogue: what is in force and from where, and what this node's file says. */
import type { FastifyInstance } from "fastify";
import { Answers, type Context } from "../http/http.ts";
import { plainJson } from "../http/offered-modes.ts";
import type { FollowedRules } from "../rules/followed-rules.ts";
import { CatalogueAnswer } from "./answers.ts";

const PATH = "/admin/catalogue";

export function registerCatalogue(app: FastifyInstance, context: Context): void {
  const { rules, service } = context;
  const answers = new Answers(context, `GET ${PATH}`);
  const schema = {
    tags: ["control"],
    operationId: "showCatalogue",
    summary: "The catalogue in force, and this node's file",
    response: { 200: CatalogueAnswer },
  };
  app.get(PATH, { schema }, (_request, reply) => {
    const { standing, degradedReason } = rules;
    const { text, origin, catalogue } = standing;
    const body = {
      node: service.id,
      version: catalogue.version,
      store: service.texts.catalogue.place,
      storedBy: origin?.node,
      storedAt: origin?.at,
      catalogue: text,
      file: fileOf(rules),
      reason: degradedReason,
    };
    answers.json(reply, 200, plainJson(body));
  });
}

function fileOf({ source, relation, written }: FollowedRules): object | undefined {
  if (source === undefined) return undefined;
  const faults = source.read?.kind === "faulty" ? source.read.faults.map(({ message }) => message) : undefined;
  return { path: source.path, state: relation, version: written?.version, faults };
}
