/** Batches of reports, from game servers and gateways. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { type Static, Type } from "typebox";
import { NO_SEQ } from "../../../cluster/records/presences.ts";
import { NO_ENTITLEMENTS } from "../../../engine/entitlement.ts";
import { regionOf } from "../../../engine/places.ts";
import {
  BatchAnswer,
  BatchNotNowAnswer,
  ErrorAnswer,
  NotJsonAnswer,
  REFUSED_BATCHES,
  TOKEN,
  TooLargeAnswer,
} from "../answers.ts";
import { Admission, entitlementsOf } from "../admission.ts";
import { BATCH_BYTES_MAX, readBatch } from "../report-reader.ts";
import { bodyParserOf, codingOf, readWhole } from "../body.ts";
import type { Reports, ReportsOutcome } from "../../entry.ts";
import { Answers, type Context, NoRoomError, routeLabel, validatorCompiler } from "../http.ts";
import { refusing } from "../hooks.ts";
import { issuerUnblocked, refusalOfKind, unblocked } from "../decided.ts";
import { clientOf, refusalOfBatch } from "../rate-limits.ts";
import { Slices } from "../slices.ts";
import { BatchBody, BatchBodyShown, Check, checkedId, LeaveRow, ReportRow } from "../../values.ts";
import type { Refusal } from "../reasons.ts";
import { refusalFor, type Reporter } from "./profiles.ts";

const REPORTS_ROUTE = "/v1/reports";
/** Of bodies that are whole and take long to read. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

interface Rejection {
  readonly index: number;
  readonly code: string;
  readonly message: string;
  readonly reason: Refusal["reason"];
}

const rowCheck = new Check(ReportRow, "report");
const leaveCheck = new Check(LeaveRow, "report");
/** Without them no row of a batch says that its player leaves: a name may be written with escapes. */
const [LEAVE, ESCAPE] = ["leave", "\\"];
const bodyValidator = validatorCompiler({ schema: BatchBody, httpPart: "body", method: "POST", url: REPORTS_ROUTE });

export function registerReports(app: FastifyInstance, context: Context): void {
  const label = routeLabel("POST", REPORTS_ROUTE);
  const answers = new Answers(context, label);
  const onRequest = [
    unblocked(context, label),
    ...new Admission(context).toReportMany(label),
    ...issuerUnblocked(context, label),
    // Before a body is read that would be refused for its first row.
    refusing(context, label, (request) => refusalOfBatch(context, request, undefined)),
  ];
  const options = {
    bodyLimit: BATCH_BYTES_MAX,
    schema: SCHEMA,
    validatorCompiler: () => toBatchOf(context),
    onRequest,
  };
  void app.register((batches, _options, done) => {
    registerBatchParser(
      batches,
      context,
      new Slices({ waitMs: context.service.settings.deadlineMs / 2, bytesMax: WAITING_BYTES_MAX }),
    );
    batches.post<{ Body: Batch }>(REPORTS_ROUTE, options, (request, reply) => {
      if (!answers.isServing(context.service, reply)) return;
      const refused = request.body.refused ?? refusalOfBatch(context, request, request.body.rows);
      const reporter = { client: clientOf(request, context), entitlements: entitlementsOf(request) };
      if (refused === undefined) reportAll(context, answers, request.body, reporter, reply);
      else answers.refuse(reply, refused);
    });
    done();
  });
}

/**
 * Batches as clients write them are read from their bytes. All others go the way of any body, in slices: 10,000 bad rows take some
 * 40 ms. R19: what has waited so long that its client may have given up, or whose client has gone, is not read at all.
 */
function registerBatchParser(app: FastifyInstance, context: Context, slices: Slices): void {
  const parse = bodyParserOf(app);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", (request, payload, done) => {
    readWhole(request, payload, BATCH_BYTES_MAX, (error, bytes) => {
      if (error !== null) return done(error);
      const isPlain = codingOf(request) === undefined;
      const off = refusalOfKind(context, "reports");
      if (off !== undefined && isPlain && !bytes.includes(LEAVE) && !bytes.includes(ESCAPE))
        return done(null, Batch.refusedWhole(off));
      const reports = off === undefined && isPlain ? readBatch(bytes) : undefined;
      if (reports !== undefined) return done(null, new Batch(reports));
      const read = (isLate: boolean): void => {
        if (isLate || request.raw.socket.destroyed) done(new NoRoomError());
        else parse(request, bytes.toString(), done);
      };
      if (!slices.add(bytes.length, read)) done(new NoRoomError());
    });
  });
}

/** Makes a batch of what was parsed. Rows are checked one by one; the schema that readers see says what they are. */
function toBatchOf(context: Context): typeof bodyValidator {
  return (body: unknown) => {
    if (body instanceof Batch) return true;
    const verdict = bodyValidator(body);
    if (verdict !== true) return verdict;
    const { reports } = body as Static<typeof BatchBody>;
    return { value: checkedBatch(reports, refusalOfKind(context, "reports")) };
  };
}

function reportAll(
  context: Context,
  answers: Answers,
  batch: Batch,
  { client, entitlements }: Reporter,
  reply: FastifyReply,
): void {
  const { service, metrics, usage, access } = context;
  if (!answers.isServing(service, reply)) return;
  const startedMs = answers.startTiming();
  const reports = batch.reportsOf(entitlements);
  service.entry.submitAll(reports, (outcome) => {
    const { changed, changedBy, renewed, late, removed, nowhere, remembered, refused } = outcome;
    const accepted = changed + renewed + late + removed + nowhere;
    for (const { why } of refused) metrics.refused[why.reason]++;
    const rejected = batch.rejectedWith(refused, reports, context);
    metrics.totals.changed += changed;
    for (const [at, mode] of batch.reports.modes.entries())
      if (changedBy[at] !== 0) usage.arrivals.note(mode, client?.prefix, access?.issuer, changedBy[at]);
    metrics.totals.renewed += renewed;
    metrics.totals.late += late;
    metrics.totals.removals += removed;
    metrics.totals.rejected += rejected.length;
    const body = JSON.stringify({ accepted, remembered, rejected });
    answers.json(reply, remembered === accepted ? 200 : 202, body, startedMs);
  });
}

/** The good rows of a batch in their order; bad ones are set aside, each with its reason. */
class Batch {
  /** Why none of it is looked at. */
  refused: Refusal | undefined;
  readonly reports: Reports;
  private readonly rejected: Rejection[];
  /** Where each good row stood in the batch; `undefined` where all rows are good. */
  private readonly indexes: Int32Array | undefined;
  /** What the rows themselves say that their players have; `undefined` where none says anything. */
  private readonly entitled: readonly (readonly string[] | undefined)[] | undefined;

  constructor(reports: Reports, rejected: Rejection[] = [], indexes?: Int32Array, entitled?: Batch["entitled"]) {
    this.reports = reports;
    this.rejected = rejected;
    this.indexes = indexes;
    this.entitled = entitled;
  }

  static refusedWhole(why: Refusal): Batch {
    const batch = checkedBatch([]);
    batch.refused = why;
    return batch;
  }

  /** Good ones and bad ones. */
  get rows(): number {
    return this.reports.count + this.rejected.length;
  }

  /** @param ofToken what its token says that players have: it holds for rows that say nothing themselves */
  reportsOf(ofToken: readonly string[]): Reports {
    const { reports, entitled } = this;
    if (entitled === undefined && ofToken.length === 0) return reports;
    return { ...reports, entitlementsOf: (index) => entitled?.[index] ?? ofToken };
  }

  /**
   * What was set aside and what was refused since, in the order of the batch.
   * @param reports as they were submitted
   */
  rejectedWith(refused: ReportsOutcome["refused"], reports: Reports, context: Context): readonly Rejection[] {
    const { modes, modeOf, regions, entitlementsOf: entitlementsIn } = reports;
    for (const { index, why } of refused) {
      const [mode, region] = [modes[modeOf[index] as number] ?? "", regions[index] as number];
      const asked = { mode, region, entitlements: entitlementsIn?.(index) ?? NO_ENTITLEMENTS };
      this.rejected.push(rejection(this.indexes?.[index] ?? index, refusalFor(context, why, asked)));
    }
    return this.rejected.sort((one, other) => one.index - other.index);
  }
}

/** @param off why reports are refused just now, and only disconnections are not */
function checkedBatch(rows: readonly unknown[], off?: Refusal): Batch {
  if (off !== undefined && !rows.some(isLeaving)) return Batch.refusedWhole(off);
  const { length } = rows;
  const [ids, seqs] = [new Int32Array(4 * length), new Float64Array(length)];
  const [regions, modeOf, indexes] = [new Uint16Array(length), new Uint16Array(length), new Int32Array(length)];
  const modes: string[] = [];
  const rejected: Rejection[] = [];
  let entitled: (readonly string[] | undefined)[] | undefined;
  let leaves: Uint8Array | undefined;
  let count = 0;
  for (const [index, row] of rows.entries()) {
    const isLeave = isLeaving(row);
    const check = isLeave ? leaveCheck : rowCheck;
    if (!check.accepts(row)) {
      rejected.push(rejection(index, { status: 400, reason: "malformed", message: check.explain(row) }));
      continue;
    }
    if (off !== undefined && !isLeave) {
      rejected.push(rejection(index, off));
      continue;
    }
    ids.set(checkedId, 4 * count);
    seqs[count] = row.seq ?? NO_SEQ;
    indexes[count] = index;
    if (isLeave) (leaves ??= new Uint8Array(length))[count] = 1;
    else {
      const { region, gamemode, entitlements } = row as ReportRow;
      regions[count] = regionOf(region);
      modeOf[count] = modes.push(gamemode) - 1;
      if (entitlements !== undefined) (entitled ??= Array(length))[count] = entitlements;
    }
    count++;
  }
  const reports = { count, ids, regions, modes, modeOf, seqs, ...(leaves === undefined ? {} : { leaves }) };
  return new Batch(reports, rejected, indexes, entitled);
}

/** Whether a row says that its player leaves; whoever says that it does not, reports. */
function isLeaving(row: unknown): boolean {
  if (typeof row !== "object" || row === null || !Object.hasOwn(row, "leave")) return false;
  return (row as { leave: unknown }).leave !== false;
}

function rejection(index: number, { status, message, reason }: Refusal): Rejection {
  return { index, code: String(status), message, reason };
}

const SCHEMA = {
  tags: ["players"],
  security: TOKEN,
  operationId: "reportMany",
  summary: "Report many players at once",
  description:
    "For game servers and gateways. Bad rows are refused one by one and the good ones stand; in order for one player. A row's `entitlements` hold for it alone; where it has none, those of the token do. A row with `leave` disconnects its player, also one who is not connected, and also while reports are switched off: then the other rows of its batch are rejected.",
  body: BatchBodyShown,
  response: {
    200: BatchAnswer,
    202: Type.Unsafe({ ...BatchAnswer, description: "As 200, but not every accepted row is remembered yet" }),
    ...REFUSED_BATCHES,
    400: ErrorAnswer,
    413: TooLargeAnswer,
    415: NotJsonAnswer,
    503: BatchNotNowAnswer,
  },
};
