/** What operators see of the catalogue: what is in force and from where, and what this node's file says. */
import type { FastifyInstance } from "fastify";
import { Answers, type Context } from "../http/http.ts";
import { plainJson } from "../http/offered-modes.ts";
import type { CatalogueSource } from "../rules/catalogue-source.ts";
import type { Relation } from "../rules/followed-rules.ts";
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
    const { standing, source, relation, degradedReason } = rules;
    const { text, origin, catalogue } = standing;
    const body = {
      node: service.id,
      version: catalogue.version,
      store: service.catalogue.place,
      storedBy: origin?.node,
      storedAt: origin?.at,
      catalogue: text,
      file: source === undefined || relation === undefined ? undefined : fileOf(source, relation),
      reason: degradedReason,
    };
    answers.json(reply, 200, plainJson(body));
  });
}

function fileOf({ path, read, catalogue }: CatalogueSource, state: Relation): object {
  const faults = read?.kind === "faulty" ? read.faults.map(({ message }) => message) : undefined;
  return { path, state, version: catalogue?.version, faults };
}
