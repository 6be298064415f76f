/** Breaches of R20 to R27: counts and time. */
import { fault, type PlantedFault } from "./planted-fault.ts";

export const COUNT_FAULTS: Readonly<Record<string, PlantedFault>> = {
  "a change that was lost is not sent again": fault(
    "R20",
    "cluster/counts/tally-sender.ts",
    "cells.push(region, modes.numberOf(sources.modeOf(cell)), players);",
    "cells.push(region, modes.numberOf(sources.modeOf(cell)), players);\n      if (outbox.allDueAt === NOT_DUE) outbox.cells.delete(cell);",
    "the last push before silence lost",
  ),
  "boards without a word from a partition are not stale": fault(
    "R20",
    "cluster/counts/heard-sources.ts",
    "if (nowMs - (heardAtMs[source] as number) > STALE_MS) return true;",
    "if (heardAtMs[source] === -Infinity) return true;",
    "one-way cuts",
  ),
  "a whole without its empty cells": fault(
    "R21",
    "cluster/counts/partition-tally.ts",
    "if (isAllCells) for (const [cell, known] of before.entries()) onCount(regionOf(cell), modeOf(cell), known, 0);",
    "",
    "a region that empties during a failover",
  ),
  "tallies without term": fault(
    "R21",
    "cluster/counts/heard-sources.ts",
    'if (tally !== undefined && term < tally.term) return "superseded";\n    if (tally === undefined || term > tally.term)',
    "if (tally === undefined)",
    "moved and dead in one breath",
    "partitions and regions moving while players cross borders",
  ),
  "a new owner of a region is not told": fault(
    "R21",
    "cluster/counts/tally-sender.ts",
    "else if (gaining.has(destination)) for (const source of this.held.keys()) this.owe(destination, source);",
    "",
    "partitions and regions moving while players cross borders",
  ),
  "a board complete too soon": fault(
    "R22",
    "cluster/counts/region-boards.ts",
    "const isWhole = this.sources.oldestAnsweredEpoch >= term;",
    "const isWhole = this.sources.oldestAnsweredEpoch >= -1;",
    "areas while countries and their owners move",
  ),
  "a region after a skipped epoch goes on": {
    ...fault("R22", "cluster/counts/region-boards.ts", "epoch !== this.epoch && epoch !== this.epoch + 1", "epoch < 0"),
    harmless:
      "who had the region meanwhile showed nothing: its board was not whole before whoever skipped the epoch spoke",
  },
  "an older view replaces a newer one": fault(
    "R23",
    "cluster/counts/read-views.ts",
    "if (known !== undefined && isVersionAbove(known, term, version)) return true;",
    "",
    "partitions and regions moving while players cross borders",
  ),
  "views without a beat are not stale": fault(
    "R23",
    "cluster/counts/read-views.ts",
    "known.isStale || nowMs - known.asOfMs > STALE_MS",
    "known.isStale",
    "one-way cuts",
  ),
  "ready without a whole view": fault(
    "R23",
    "cluster/counts/read-views.ts",
    "return this.unknown === 0;",
    "return this.unknown >= 0;",
  ),
  "no flush before an authoritative answer": fault(
    "R24",
    "cluster/counts/asking.ts",
    "const isAllSpoken = !isFlush || (await this.rounds.flush());",
    "const isAllSpoken = await Promise.resolve(true);",
  ),
  "a flush that began before the question": fault(
    "R24",
    "cluster/counts/flush-rounds.ts",
    "const { promise } = this.next;",
    "const { promise } = this.running?.answer ?? this.next;",
    "asked while another answer is being gathered",
  ),
  "a flush of owners without proof": {
    ...fault(
      "R24",
      "cluster/moves/voice.ts",
      "const unlicensed = partitions.filter((partition) => !holdings.isLicensed(partition));",
      "const unlicensed = partitions.filter((partition) => holdings.servingOf(partition) === undefined);",
    ),
    scenarios: [
      "a flush by holders that are cut off from the store",
      "a thawed owner asked only for what writes nothing",
    ],
    harmless:
      "whom nobody let go serves half a lease later: who cannot prove its claim is expelled by then, or has heard",
  },
  "expiry by the bare clock": fault(
    "R25",
    "engine/observed-time.ts",
    "this.observedMs += Math.min(passedMs, stepMaxMs);",
    "this.observedMs += passedMs;",
    "the living through a pause of five minutes",
  ),
  "the deaf go on ageing their players": fault(
    "R25",
    "cluster/member-node.ts",
    "this.presences.tick(this.ports.nowMs(), this.membership.isAlone);",
    "this.presences.tick(this.ports.nowMs(), false && this.membership.isAlone);",
    "two nodes that cannot hear each other",
  ),
  "no grace": fault(
    "R26",
    "cluster/moves/filling.ts",
    "this.ports.engine.recover(partition, messages, this.ports.wallMs(), this.options.graceMs);",
    "this.ports.engine.recover(partition, messages, this.ports.wallMs(), 0);",
    "everybody killed, and back after a session's life",
  ),
  "grace at every hand-off": fault(
    "R26",
    "cluster/moves/puller.ts",
    "incoming.install(asOfHere, graceLeftMs);",
    "incoming.install(asOfHere, graceLeftMs + 15_000);",
    "the silent through rolling restarts",
  ),
  "no doubt where all were silent": fault(
    "R26",
    "cluster/moves/filling.ts",
    "const isDoubtful = newestMs > -Infinity &&",
    "const isDoubtful = newestMs > Infinity &&",
    "everybody killed, and back after a session's life",
  ),
  "a removal is not logged": fault(
    "R27",
    "engine/partition.ts",
    "    if (this.changed !== undefined) this.noteChange(base);\n    this.log(base);\n    return isConnected;",
    "    if (this.changed !== undefined) this.noteChange(base);\n    return isConnected;",
  ),
  "a removed player's number is forgotten": fault(
    "R27",
    "cluster/records/presences.ts",
    "removalMs: 2 * deadlineMs",
    "removalMs: 0",
    "a removal and its echo",
  ),
};
