/** Batches of reports, from game servers and gateways. */
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Static } from "typebox";
import { NO_SEQ, type Owner } from "../../cluster/owner.ts";
import { regionOf } from "../../engine/regions.ts";
import { BatchAnswer, ErrorAnswer } from "../answers.ts";
import { Answers, type Context, validatorCompiler } from "../http.ts";
import { BATCH_ROWS_MAX, BatchBody, BatchBodyShown, Check, checkedId, ReportRow } from "../values.ts";
import { REPORT_REFUSALS } from "./profiles.ts";

const ROUTE = "/v1/reports";
const BODY_BYTES_MAX = 2 * 1024 * 1024;
/** Rows whose cache misses overlap: see Engine.warm. */
const ROWS_WARMED = 64;

interface Rejection {
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

const rowCheck = new Check(ReportRow, "report");
const ids = Array.from({ length: ROWS_WARMED }, () => new Int32Array(4));
const warmedHashes = new Int32Array(ROWS_WARMED);
const indexes = new Int32Array(ROWS_WARMED);

export function registerReports(app: FastifyInstance, context: Context): void {
  const answers = new Answers(context.metrics, `POST ${ROUTE}`);
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
  const startedMs = metrics.startTiming();
  const batch = new Batch(service.owner, rows.length);
  for (let first = 0; first < rows.length; first += ROWS_WARMED)
    batch.apply(rows, first, Math.min(first + ROWS_WARMED, rows.length));
  batch.addTo(metrics.totals);
  const { hashes, accepted } = batch;
  const rejected = batch.rejected.sort((one, other) => one.index - other.index);
  service.owner.whenAllRemembered(hashes, accepted, (remembered) => {
    metrics.observe("reports", startedMs);
    answers.json(reply, remembered === accepted ? 200 : 202, JSON.stringify({ accepted, remembered, rejected }));
  });
}

/** Applies rows in their order; bad ones are set aside, each with its reason. */
class Batch {
  readonly rejected: Rejection[] = [];
  /** Of the rows that were accepted, in `accepted` entries. */
  readonly hashes: Int32Array;
  accepted = 0;
  private readonly owner: Owner;
  private readonly counts = { moved: 0, renewed: 0, late: 0 };

  constructor(owner: Owner, rows: number) {
    this.owner = owner;
    this.hashes = new Int32Array(Math.min(rows, BATCH_ROWS_MAX));
  }

  /** Applies rows `first` to `end` - 1, ROWS_WARMED of them at the most. */
  apply(rows: readonly unknown[], first: number, end: number): void {
    const { engine } = this.owner;
    const good: ReportRow[] = [];
    for (let index = first; index < end; index++) {
      const row = rows[index];
      if (!rowCheck.accepts(row)) {
        this.reject(index, 400, rowCheck.explain(row));
        continue;
      }
      ids[good.length].set(checkedId);
      warmedHashes[good.length] = engine.hash(checkedId);
      indexes[good.length] = index;
      good.push(row);
    }
    engine.warm(warmedHashes, good.length);
    for (let at = 0; at < good.length; at++) this.report(good[at], indexes[at], at);
  }

  addTo(totals: { moved: number; renewed: number; late: number; rejected: number }): void {
    totals.moved += this.counts.moved;
    totals.renewed += this.counts.renewed;
    totals.late += this.counts.late;
    totals.rejected += this.rejected.length;
  }

  private report({ region, gamemode, seq = NO_SEQ }: ReportRow, index: number, at: number): void {
    const hash = warmedHashes[at];
    const outcome = this.owner.report(hash, ids[at], regionOf(region), gamemode, seq);
    if (outcome === "moved" || outcome === "renewed" || outcome === "late") {
      this.counts[outcome]++;
      this.hashes[this.accepted++] = hash;
    } else this.reject(index, REPORT_REFUSALS[outcome].status, REPORT_REFUSALS[outcome].message(gamemode));
  }

  private reject(index: number, status: number, message: string): void {
    this.rejected.push({ index, code: String(status), message });
  }
}

const SCHEMA = {
  tags: ["players"],
  summary: "Report many players at once",
  description:
    "For game servers and gateways. Bad rows are refused one by one and the good ones stand; in order for one player.",
  body: BatchBodyShown,
  response: {
    200: BatchAnswer,
    202: BatchAnswer,
    400: ErrorAnswer,
    413: ErrorAnswer,
    415: ErrorAnswer,
    503: ErrorAnswer,
  },
};
