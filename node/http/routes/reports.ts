/** Batches of reports, from game servers and gateways. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { type Static, Type } from "typebox";
import { NO_SEQ } from "../../../cluster/records/presences.ts";
import { regionOf } from "../../../engine/regions.ts";
import { BatchAnswer, ErrorAnswer, NotJsonAnswer, TooLargeAnswer, TryAgainAnswer } from "../answers.ts";
import type { Reports, ReportsOutcome } from "../../entry.ts";
import { Answers, type Context, routeLabel, validatorCompiler } from "../http.ts";
import { BatchBody, BatchBodyShown, Check, checkedId, ReportRow } from "../../values.ts";
import { REFUSALS } from "./profiles.ts";

const ROUTE = "/v1/reports";
const BODY_BYTES_MAX = 2 * 1024 * 1024;

interface Rejection {
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

const rowCheck = new Check(ReportRow, "report");

export function registerReports(app: FastifyInstance, context: Context): void {
  const answers = new Answers(context, routeLabel("POST", ROUTE));
  const options = {
    bodyLimit: BODY_BYTES_MAX,
    schema: SCHEMA,
    // Rows are checked one by one; the schema that readers see says what they are.
    validatorCompiler: () => validatorCompiler({ schema: BatchBody, httpPart: "body", method: "POST", url: ROUTE }),
  };
  app.post<{ Body: Static<typeof BatchBody> }>(ROUTE, options, (request, reply) => {
    reportAll(context, answers, request.body.reports, reply);
  });
}

function reportAll(
  { service, metrics }: Context,
  answers: Answers,
  rows: readonly unknown[],
  reply: FastifyReply,
): void {
  if (!answers.isServing(service, reply)) return;
  const startedMs = answers.startTiming();
  const batch = new Batch(rows);
  service.entry.submitAll(batch, ({ changed, renewed, late, remembered, refused }) => {
    const accepted = changed + renewed + late;
    const rejected = batch.rejectedWith(refused);
    metrics.totals.changed += changed;
    metrics.totals.renewed += renewed;
    metrics.totals.late += late;
    metrics.totals.rejected += rejected.length;
    const body = JSON.stringify({ accepted, remembered, rejected });
    answers.json(reply, remembered === accepted ? 200 : 202, body, startedMs);
  });
}

/** The good rows of a batch in their order; bad ones are set aside, each with its reason. */
class Batch implements Reports {
  count = 0;
  readonly ids: Int32Array;
  readonly regions: Uint8Array;
  readonly modes: string[] = [];
  readonly seqs: Float64Array;
  private readonly rejected: Rejection[] = [];
  /** Where a good row stood in the batch. */
  private readonly indexes: Int32Array;

  constructor(rows: readonly unknown[]) {
    const { length } = rows;
    this.ids = new Int32Array(4 * length);
    this.regions = new Uint8Array(length);
    this.seqs = new Float64Array(length);
    this.indexes = new Int32Array(length);
    for (const [index, row] of rows.entries()) {
      if (rowCheck.accepts(row)) this.add(row, index);
      else this.reject(index, 400, rowCheck.explain(row));
    }
  }

  /** What was set aside and what was refused since, in the order of the batch. */
  rejectedWith(refused: ReportsOutcome["refused"]): readonly Rejection[] {
    for (const { index, reason } of refused)
      this.reject(
        this.indexes[index] as number,
        REFUSALS[reason].status,
        REFUSALS[reason].message(this.modes[index] as string),
      );
    return this.rejected.sort((one, other) => one.index - other.index);
  }

  private add({ region, gamemode, seq = NO_SEQ }: ReportRow, index: number): void {
    const { count, ids } = this;
    ids[4 * count] = checkedId[0];
    ids[4 * count + 1] = checkedId[1];
    ids[4 * count + 2] = checkedId[2];
    ids[4 * count + 3] = checkedId[3];
    this.regions[count] = regionOf(region);
    this.modes.push(gamemode);
    this.seqs[count] = seq;
    this.indexes[count] = index;
    this.count++;
  }

  private reject(index: number, status: number, message: string): void {
    this.rejected.push({ index, code: String(status), message });
  }
}

const SCHEMA = {
  tags: ["players"],
  operationId: "reportMany",
  summary: "Report many players at once",
  description:
    "For game servers and gateways. Bad rows are refused one by one and the good ones stand; in order for one player.",
  body: BatchBodyShown,
  response: {
    200: BatchAnswer,
    202: Type.Unsafe({ ...BatchAnswer, description: "As 200, but not every accepted row is remembered yet" }),
    400: ErrorAnswer,
    413: TooLargeAnswer,
    415: NotJsonAnswer,
    503: TryAgainAnswer,
  },
};
