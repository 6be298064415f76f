/** What a node tells Prometheus of its log and snapshots. */
import type { Recorder } from "../cluster/records/recorder.ts";
import type { Metrics } from "./metrics.ts";

/** @param recorder `undefined` while nothing is stored */
export function registerRecorder(metrics: Metrics, recorder: () => Recorder | undefined): void {
  const of = (value: (recorder: Recorder) => number) => () => {
    const current = recorder();
    return current === undefined ? 0 : value(current);
  };
  metrics.gauge(
    "partitions_ahead",
    "Partitions that know more than their record",
    of(({ aheadCount }) => aheadCount),
  );
  metrics.gauge(
    "log_rows_queued",
    "Rows waiting for the log",
    of(({ rowsQueued }) => rowsQueued),
  );
  metrics.gauge(
    "log_commit_seconds",
    "Time of the latest group commit",
    of(({ totals }) => totals.commitMs / 1000),
  );
  metrics.gauge(
    "snapshot_lag_seconds",
    "Longest time since the snapshot of a partition that changed",
    of(({ snapshotLagMs }) => snapshotLagMs / 1000),
  );
  metrics.gauge(
    "snapshot_bytes",
    "Bytes of the newest snapshots",
    of(({ totals }) => totals.snapshotBytes),
  );
  metrics.counter(
    "log_commits_total",
    "Group commits",
    of(({ totals }) => totals.commits),
  );
  metrics.counter(
    "log_rows_total",
    "Rows appended to logs",
    of(({ totals }) => totals.rows),
  );
  metrics.counter(
    "log_bytes_total",
    "Bytes appended to logs",
    of(({ totals }) => totals.bytes),
  );
  metrics.counter(
    "snapshots_total",
    "Snapshots stored",
    of(({ totals }) => totals.snapshots),
  );
  metrics.counter(
    "store_faults_total",
    "Calls of the store that failed or were given up",
    of(({ totals }) => totals.faults),
  );
}
