/** What is asked before a call is answered: each hook may refuse it. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { Answers, type Context } from "./http.ts";
import type { Refusal } from "./reasons.ts";

export type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
/** @returns why the request is refused; `undefined` where it may go on */
export type WhyNot = (request: FastifyRequest) => Refusal | undefined | Promise<Refusal | undefined>;

/** @param label of the route, as `routeLabel` makes it */
export function refusing(context: Context, label: string, whyNot: WhyNot): Hook {
  const answers = new Answers(context, label);
  return async (request, reply) => {
    const refusal = await whyNot(request);
    if (refusal === undefined) return undefined;
    answers.refuse(reply, refusal);
    return reply;
  };
}
