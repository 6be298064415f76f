/** The calls of operators: switches, quarantine, blocks, usage. */
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Static } from "typebox";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { Changed } from "../followed-text.ts";
import { type Block, BLOCK_FORM, blockOf } from "../controls/block.ts";
import { type Blocked, type Off, type Switch, SWITCHES } from "../controls/decisions.ts";
import { ErrorAnswer, NotJsonAnswer, Nothing, TooLargeAnswer } from "../http/answers.ts";
import { Answers, type Context, RefusalError, routeLabel } from "../http/http.ts";
import { refusal } from "../values.ts";
import {
  BlockedAnswer,
  BlockParams,
  BlocksAnswer,
  NoteBody,
  NotStoredAnswer,
  PrefixParams,
  QuarantineAnswer,
  QuarantinedAnswer,
  QuarantineParams,
  SwitchAnswer,
  SwitchBody,
  SwitchesAnswer,
  SwitchParams,
  UsageAnswer,
  UsageQuery,
} from "./answers.ts";
import { blocking, type Change, lifting, quarantining, switching, unblocking } from "./changes.ts";

const TAGS = ["control"];
const CHANGED = { 400: ErrorAnswer, 503: NotStoredAnswer };
const WITH_BODY = { ...CHANGED, 413: TooLargeAnswer, 415: NotJsonAnswer };
const SWITCH = "/admin/switches/:switch";
const QUARANTINED = "/admin/quarantine/:mode";
const BLOCK = "/admin/blocks/:block";
/** A prefix as people write it. */
const PREFIX_BLOCK = "/admin/blocks/:address/:bits";

export function registerControls(app: FastifyInstance, context: Context): void {
  registerSwitches(app, context);
  registerQuarantine(app, context);
  registerBlocks(app, context);
  registerUsage(app, context);
}

/** Makes changes and says what became of them. */
class Changing {
  private readonly context: Context;
  private readonly answers: Answers;

  constructor(context: Context, method: string, url: string) {
    this.context = context;
    this.answers = new Answers(context, routeLabel(method, url));
  }

  /**
   * @param what for the log
   * @param body what is answered; `undefined`: nothing
   * @throws {RefusalError} (rejects) what the change throws
   */
  async make(change: Change, what: object, reply: FastifyReply, body: () => object | undefined): Promise<FastifyReply> {
    const { controls, log } = this.context;
    let changed: Changed;
    try {
      changed = await controls.change(change);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      log.error({ err: error }, "what an operator changed cannot be stored");
      return this.refuse(
        reply,
        "no-owner",
        "the store cannot be asked just now, so perhaps nothing changed: try again soon",
      );
    }
    if (changed === "crowded")
      return this.refuse(reply, "overloaded", "others changed the same at the same time: try again");
    log.info(what, "an operator changed what is allowed");
    const answer = body();
    if (answer === undefined) this.answers.empty(reply, 204);
    else this.answers.json(reply, 200, JSON.stringify(answer));
    return reply;
  }

  private refuse(reply: FastifyReply, reason: "overloaded" | "no-owner", message: string): FastifyReply {
    this.answers.refuse(reply, { status: 503, reason, message });
    return reply;
  }
}

/** Registers a GET of what stands. */
function getting(app: FastifyInstance, context: Context, url: string, schema: object, body: () => object): void {
  const answers = new Answers(context, routeLabel("GET", url));
  app.get(url, { schema: { tags: TAGS, ...schema } }, (_request, reply) => {
    answers.json(reply, 200, JSON.stringify(body()));
  });
}

function registerSwitches(app: FastifyInstance, context: Context): void {
  const stateOf = (name: Switch): object => {
    const off = context.controls.offOf(name);
    return off === undefined ? { enabled: true } : { enabled: false, ...off };
  };
  getting(
    app,
    context,
    "/admin/switches",
    { operationId: "listSwitches", summary: "Which calls are answered", response: { 200: SwitchesAnswer } },
    () => ({ switches: Object.fromEntries(SWITCHES.map((name) => [name, stateOf(name)])) }),
  );
  const changing = new Changing(context, "PUT", SWITCH);
  type Asked = { Params: Static<typeof SwitchParams>; Body: Static<typeof SwitchBody> };
  const schema = {
    tags: TAGS,
    operationId: "setSwitch",
    summary: "Switch calls off or on, in the whole cluster within a second",
    description: "Heartbeats and disconnections are never off. Without until it stays off until it is switched on.",
    params: SwitchParams,
    body: SwitchBody,
    response: { 200: SwitchAnswer, ...WITH_BODY },
  };
  app.put<Asked>(SWITCH, { schema }, async ({ params, body }, reply) => {
    const off = offOf(body);
    const what = { switch: params.switch, enabled: body.enabled, ...off };
    const answer = () => ({ switch: params.switch, ...stateOf(params.switch) });
    return changing.make(switching(params.switch, off), what, reply, answer);
  });
}

/** @throws {RefusalError} where it is off for no reason, or until an instant that is over */
function offOf({ enabled, reason, until }: Static<typeof SwitchBody>): Off | undefined {
  if (enabled) return undefined;
  if (reason === undefined) throw new RefusalError(refusal("reason", "given where enabled is false", reason));
  if (until !== undefined && !(Date.parse(until) > Date.now()))
    throw new RefusalError(refusal("until", "an instant that is still to come", until));
  return { reason, since: new Date().toISOString(), ...(until === undefined ? {} : { until }) };
}

function registerQuarantine(app: FastifyInstance, context: Context): void {
  const { controls } = context;
  getting(
    app,
    context,
    "/admin/quarantine",
    { operationId: "listQuarantine", summary: "Modes that are on no board", response: { 200: QuarantineAnswer } },
    () => ({ quarantine: controls.decisions.quarantine }),
  );
  type Asked = { Params: Static<typeof QuarantineParams>; Body: Static<typeof NoteBody> };
  const put = {
    tags: TAGS,
    operationId: "quarantineMode",
    summary: "Take a mode out of every board",
    description: "Its players stay counted where they are.",
    params: QuarantineParams,
    body: NoteBody,
    response: { 200: QuarantinedAnswer, ...WITH_BODY },
  };
  const putting = new Changing(context, "PUT", QUARANTINED);
  app.put<Asked>(QUARANTINED, { schema: put }, async ({ params: { mode }, body }, reply) => {
    const one = { mode, ...noteOf(body) };
    return putting.make(quarantining(one), { quarantined: mode }, reply, () => one);
  });
  const deleting = new Changing(context, "DELETE", QUARANTINED);
  const lift = {
    tags: TAGS,
    operationId: "liftQuarantine",
    summary: "Show a mode again",
    params: QuarantineParams,
    response: { 204: Nothing, ...CHANGED },
  };
  app.delete<Asked>(QUARANTINED, { schema: lift }, async ({ params: { mode } }, reply) =>
    deleting.make(lifting(mode), { lifted: mode }, reply, () => undefined),
  );
}

function registerBlocks(app: FastifyInstance, context: Context): void {
  const { controls } = context;
  getting(
    app,
    context,
    "/admin/blocks",
    { operationId: "listBlocks", summary: "Whose reports are refused", response: { 200: BlocksAnswer } },
    () => ({ blocks: controls.decisions.blocks.map(withKind) }),
  );
  type Asked = { Params: Record<string, string>; Body: Static<typeof NoteBody> };
  for (const { url, params, name } of [
    { url: BLOCK, params: BlockParams, name: "Block" },
    { url: PREFIX_BLOCK, params: PrefixParams, name: "PrefixBlock" },
  ]) {
    const [putting, deleting] = [new Changing(context, "PUT", url), new Changing(context, "DELETE", url)];
    const put = {
      tags: TAGS,
      operationId: `set${name}`,
      summary: "Refuse reports from a prefix of addresses, or with tokens of an issuer",
      params,
      body: NoteBody,
      response: { 200: BlockedAnswer, ...WITH_BODY },
    };
    app.put<Asked>(url, { schema: put }, async ({ params: asked, body }, reply) => {
      const one = { block: blockIn(asked), ...noteOf(body) };
      return putting.make(blocking(one), { blocked: one.block }, reply, () => withKind(one));
    });
    const lift = {
      tags: TAGS,
      operationId: `lift${name}`,
      summary: "Take their reports again",
      params,
      response: { 204: Nothing, ...CHANGED },
    };
    app.delete<Asked>(url, { schema: lift }, async ({ params: asked }, reply) => {
      const block = blockIn(asked);
      return deleting.make(unblocking(block), { unblocked: block }, reply, () => undefined);
    });
  }
}

function withKind(blocked: Blocked): Blocked & Pick<Block, "kind"> {
  return { ...blocked, kind: (blockOf(blocked.block) as Block).kind };
}

/** @throws {RefusalError} */
function blockIn(params: Readonly<Record<string, string>>): string {
  const text = Object.values(params).join("/");
  const block = blockOf(text);
  if (block === undefined) throw new RefusalError(refusal("block", BLOCK_FORM, text));
  return block.name;
}

function noteOf(body: Static<typeof NoteBody>): { readonly reason?: string; readonly since: string } {
  return { ...(body?.reason === undefined ? {} : { reason: body.reason }), since: new Date().toISOString() };
}

function registerUsage(app: FastifyInstance, context: Context): void {
  const { service, usage } = context;
  const answers = new Answers(context, "GET /admin/usage");
  const schema = {
    tags: TAGS,
    operationId: "showUsage",
    summary: "What was asked of this node, and from where players came to modes",
    querystring: UsageQuery,
    response: { 200: UsageAnswer, 400: ErrorAnswer },
  };
  app.get<{ Querystring: { hours: number } }>("/admin/usage", { schema }, ({ query }, reply) => {
    const body = { node: service.id, hours: usage.byHour(query.hours), arrivals: usage.arrivals.byMode() };
    answers.json(reply, 200, JSON.stringify(body));
  });
}
