/** Breaches of R13 to R19: moves, licence, the store as another, forwarding. */
import { fault, KEYS, type PlantedFault, RECORD } from "./planted-fault.ts";

export const MOVING_FAULTS: Readonly<Record<string, PlantedFault>> = {
  "serves at once when nobody let go": {
    ...fault(
      "R13",
      "cluster/moves/take-over-steps.ts",
      "if (how.mustSettle) {",
      "if (how.mustSettle && how.storedBytes < 0) {",
    ),
    scenarios: [
      "a holder whose licence is long hears nothing any more",
      "an old holder that has learned nothing goes on",
      "one-way cuts",
    ],
  },
  "goes on serving after the last round": {
    rule: "R13",
    patches: [
      {
        file: "cluster/moves/outgoing-copies.ts",
        find: "    keep(partition);\n    const holding = holdings.get(partition);",
        replace: `    const { serving } = holdings.get(partition);
    const holding = { kind: "kept", serving, untilMs: 0 };
    if (keep !== undefined) holdings.serve(partition, serving);`,
      },
      // R1 finds out too: the record is longer than the holder said.
      {
        file: "cluster/moves/take-over-steps.ts",
        find: 'if (!isShort && !(isUnclaimedSince && before.length === said.length)) return "misfit";',
        replace: 'if (!isShort && !isUnclaimedSince) return "misfit";',
      },
    ],
    scenarios: ["moving while everybody reports without pause", "moving with a slow store and a slow worker"],
  },
  "lets go before its append has landed": {
    ...fault("R13", "cluster/moves/outgoing-copies.ts", 'if (fate === "remembered" && isStopping)', "if (isStopping)"),
    scenarios: ["moving with a slow store and a slow worker"],
    harmless: "a record shorter than its holder said puts the taker's table above it (R15), as ahead",
  },
  "a round is left out": fault(
    "R13",
    "cluster/moves/outgoing-copies.ts",
    "const { asOf, bytes } = copy.changes.takeRound(this.writtenAtMs());",
    `copy.changes.takeRound(this.writtenAtMs());
    const { asOf, bytes } = copy.changes.takeRound(this.writtenAtMs());`,
    "moving while everybody reports without pause",
  ),
  "a round is left out, and nobody compares": {
    rule: "R13",
    patches: [
      {
        file: "cluster/moves/outgoing-copies.ts",
        find: "const { asOf, bytes } = copy.changes.takeRound(this.writtenAtMs());",
        replace: `copy.changes.takeRound(this.writtenAtMs());
    const { asOf, bytes } = copy.changes.takeRound(this.writtenAtMs());`,
      },
      {
        file: "cluster/moves/puller.ts",
        find: "return last.rounds === rounds && isSameSum(last, incoming.sum());",
        replace: "return last.rounds === rounds;",
      },
    ],
    scenarios: ["moving while everybody reports without pause"],
  },
  "an expired row is not told": fault(
    "R13",
    "engine/partition.ts",
    "if (this.changed !== undefined) this.noteChange(base);\n    this.isTouched = true;\n  }\n\n  /** Forgets who",
    "this.isTouched = true;\n  }\n\n  /** Forgets who",
    "players who fall silent while their partition is copied",
  ),
  "a renewed row is not told": fault(
    "R13",
    "engine/partition.ts",
    "if (seq !== NO_SEQ) rows[base + SEQ] = seq;\n    if (this.changed !== undefined) this.noteChange(base);",
    "if (seq !== NO_SEQ) rows[base + SEQ] = seq;",
    "moving while everybody reports without pause",
  ),
  "being slow is taken for silence": fault(
    "R13",
    "cluster/moves/puller.ts",
    "silentMs = 0;\n        tries = -1;",
    "silentMs += Math.min(timeoutMs, nowMs() - askedMs);\n        tries = -1;",
    "moving while everybody reports without pause",
  ),
  "claims held for another are not proven": fault(
    "R13",
    "cluster/moves/claim-prover.ts",
    'if (fate === "remembered") proof.provenAtMs = askedAtMs;',
    "",
    "moving while everybody reports without pause",
  ),
  "a holder that goes on is not named": fault(
    "R13",
    "cluster/rows/row-applier.ts",
    'case "taking": // R13: its holder serves on while it is copied\n',
    'case "taking":\n        if (holding.kind === "taking") return LOADING;\n',
    "moving while everybody reports without pause",
  ),
  "no licence": fault(
    "R14",
    "cluster/members/renewals.ts",
    "return this.clocks.nowMs() - atMs < licenceMs && this.clocks.wallMs() - atWallMs < licenceMs;",
    "return licenceMs + atMs + atWallMs > -Infinity;",
    "moved and dead in one breath",
    "a thawed owner asked only for what writes nothing",
  ),
  "a licence that does not keep the store's pace": fault(
    "R14",
    "cluster/members/licence.ts",
    "Math.ceil(RENEWALS_OUTLIVED * slowestMs)",
    "0 * slowestMs * RENEWALS_OUTLIVED",
    "a slow store, and licences that keep its pace",
  ),
  "alone with a Redis, and tells 200": {
    ...fault(
      "R14",
      "cluster/rows/row-applier.ts",
      'if (fate === "remembered" && !this.ports.membership.isAlone) return outcome;',
      'if (fate === "remembered") return outcome;',
    ),
    scenarios: ["one node is left alone with a master that was replaced"],
  },
  "a licence for claims that are not raised": {
    rule: "R14",
    patches: [
      {
        file: "cluster/moves/holdings.ts",
        find: "serving.record.raisedTo < membership.view.epoch",
        replace: "serving.record.raisedTo < 0",
      },
      {
        file: "cluster/moves/claim-raiser.ts",
        find: "const raised = this.records(true);",
        replace: "const raised: HeldRecord[] = [];",
      },
    ],
    scenarios: ["a taker that was expelled before its claim landed"],
  },
  "a paused machine does not notice": fault(
    "R14",
    "cluster/members/wakeful-clock.ts",
    "if (aheadMs > SLEW_MAX_MS)",
    "if (aheadMs > 1e12)",
    "a thawed owner asked only for what writes nothing",
  ),
  "calls of another run are done": {
    ...fault("R15", KEYS, 'if (!master.split(",").includes(standing))', 'if (master === "")'),
    scenarios: [
      "a claim that was sent to a store that came back older",
      "the store back as another while all owners live",
      "the store back as another, views that differ and a newcomer",
    ],
  },
  "another run is believed at once": {
    rule: "R15",
    patches: [
      {
        file: "cluster/records/run-guard.ts",
        find: "if (!this.namedByAll().every((named) => named.get(tag)?.run === run)) continue;",
        replace: "",
      },
      {
        file: "cluster/records/run-guard.ts",
        find: "if (this.namedByAll().some((named) => named.get(tag)?.run !== run)) return true;",
        replace: "",
      },
    ],
    scenarios: [
      "the store back older while a holder is frozen and its partitions move",
      "the store back as another while all owners live",
      "the store back as another, views that differ and a newcomer",
    ],
  },
  "a claim taken under another run is adopted as level": fault(
    "R15",
    "cluster/moves/take-over-steps.ts",
    "guard.runOf(guard.tagOf(partition)) !== run;",
    "guard.runOf(guard.tagOf(partition)) === undefined;",
    "one tag's master back as another while a taker decompresses",
  ),
  "a table is written back over a record of a higher term": fault(
    "R15",
    RECORD,
    "(record.claim?.term ?? 0) > notAbove || claim.term <= record.raisedTo",
    "claim.term <= record.raisedTo || notAbove < 0",
    "a table that was kept is written back to a record that another has written since",
  ),
  "what is being taken back is taken beside that": fault(
    "R15",
    "cluster/moves/take-over.ts",
    "filter((partition) => !isTakingBack(partition))",
    "filter((partition) => !isTakingBack(partition) || partition >= 0)",
    "a table that was kept for a taker that died is written back by its owner",
  ),
  "another run loses no claim": fault(
    "R15",
    "cluster/moves/store-return.ts",
    "recorder.loseClaims(isOf);\n    tell(",
    "tell(",
    "the store back with less, and reports that change nothing before all is written back",
  ),
  "a record that is absent is taken, whatever anybody may have": fault(
    "R15",
    "cluster/records/run-guard.ts",
    "return gate?.openedAtMs !== undefined && !this.isYoung(gate) && this.isKnownAbsent(partition);",
    "return gate !== undefined;",
    "the store flushed under the same run while a claim is planned",
    "one tag flushed under the same run while its partitions move",
  ),
  "what some name only in part is taken for all": fault(
    "R15",
    "cluster/records/run-guard.ts",
    "if (namings.some((naming) => naming?.namesAll !== true)) return undefined;",
    "",
    "a newcomer to a flushed tag whose holder is frozen",
  ),
  "a record that was there may be absent": fault(
    "R15",
    "cluster/records/run-guard.ts",
    "const isNews = !gate.absentAtMs.has(partition) && this.isYoung(gate);",
    "const isNews = true;",
    "one tag flushed under the same run while its partitions move",
  ),
  "a loss that was seen is not told": fault(
    "R15",
    "cluster/moves/store-return.ts",
    "await store.beginRun(membership.run, randomId()).catch(onFault);",
    "await Promise.resolve(store).catch(onFault);\n    randomId();",
    "one tag flushed under the same run while its partitions move",
  ),
  "a table is written back to an absent record before all have named theirs": fault(
    "R15",
    "cluster/moves/take-back.ts",
    "const mayBeAbsent = pending.newestUnder === guard.runOf(guard.tagOf(partition));",
    "const mayBeAbsent = pending.isUnderWay;",
    "a stale holder meets a record that was flushed under the same run",
  ),
  "a member names what it has written back for as long as any other table waits": {
    ...fault(
      "R15",
      "cluster/moves/store-return.ts",
      "isAhead || takeBack.isPending(partition);",
      "isAhead || tables.some(([other]) => takeBack.isPending(other));",
      "the store back as another while all owners live",
    ),
    rare: "of the runs before areas were counted one in tens of thousands caught it; none of 391 of its scenario and of 2,000 random ones does now",
  },
  "written back by whoever comes first": {
    rule: "R15",
    patches: [
      {
        file: "cluster/moves/take-back.ts",
        find: "guard.newestOf(partition)?.incarnation === membership.me.incarnation;",
        replace: "guard.newestOf(partition) !== undefined || membership.isListed;",
      },
      {
        file: "cluster/moves/take-back.ts",
        find: "return serving !== undefined && guard.isNamedAbove(partition, serving.record.claim.term);",
        replace: "return false;",
      },
    ],
    scenarios: [
      "the store back older while a table is kept that its owner has written past",
      "the store back as another while all owners live",
      "the store back as another, views that differ and a newcomer",
    ],
  },
  "a message for another incarnation is handled": {
    ...fault(
      "R17",
      "cluster/peers/peers.ts",
      'if (request.to !== this.ports.me()) return this.answer(request, "stranger", NO_BODY);',
      "",
    ),
    harmless:
      "its sender refuses the answer of another incarnation, and a new one serves only what it has claimed itself",
  },
  "a row from before the claim is applied": {
    ...fault("R17", "cluster/rows/row-applier.ts", "if (epoch < serving.record.claim.term) return settle(MOVED);", ""),
    scenarios: ["a batch that arrives after its partition went and came back"],
    harmless:
      "a partition does not go and come back within a deadline; past it rows are dropped, and older batches refused (R19)",
  },
  "a forward is forwarded": {
    rule: "R18",
    patches: [
      {
        file: "cluster/member-parts.ts",
        find: "handler: new RowApplier({ presences, recorder, holdings, membership, rules, nowMs }),",
        replace: `handler: {
        apply: (row, epoch, settle) =>
          new RowApplier({ presences, recorder, holdings, membership, rules, nowMs }).apply(row, epoch, (outcome) =>
            outcome.reason === "moved" ? node.forwarder.submit(row, settle) : settle(outcome),
          ),
      },`,
      },
    ],
    scenarios: ["partitions and regions moving while players cross borders"],
  },
  "a row without a number that was taken in goes again": {
    ...fault(
      "R18",
      "cluster/ports/rows.ts",
      'if (operation === "report") return seq !== NO_SEQ;',
      'if (operation === "report") return true;',
    ),
    scenarios: ["a holder that is superseded with rows that it took in"],
    harmless:
      "a report may take effect at any time until it is answered; that none does so twice is what the property of forwarding checks",
  },
  "a batch is answered only when its rows have landed": fault(
    "R18",
    "cluster/rows/row-receiver.ts",
    "if (batch.waiting.some(({ sinceMs }) => nowMs - sinceMs >= TAKEN_IN_MS)) this.answer(batch);",
    "if (batch.waiting.some(({ sinceMs }) => nowMs - sinceMs >= 1e9)) this.answer(batch);",
    "a store that takes its time over each append",
  ),
  "a fate that was lost is not told again": fault(
    "R18",
    "cluster/rows/fate-sender.ts",
    "peer.pausedUntilMs = this.ports.nowMs() + peer.backoffMs;",
    "this.remove(peer, new Set(fates));",
    "fates that are lost on their way",
  ),
  "an entry that left is not told the fates of its rows": fault(
    "R18",
    "cluster/peers/peers.ts",
    "view.expelled.includes(incarnation) ?",
    "true ?",
    "a node leaves while reports through it wait for a slow store",
  ),
  "what came back goes behind what waits": fault(
    "R19",
    "cluster/rows/partition-queue.ts",
    "this.waiting = rows.concat(this.waiting);",
    "this.waiting = this.waiting.concat(rows);",
    "two rows of one player split by a flush",
  ),
  "a batch that comes again is applied again": fault(
    "R19",
    "cluster/rows/row-receiver.ts",
    "newest !== undefined && number <= newest.number",
    "newest !== undefined && number < 0",
    "two rows of one player split by a flush",
  ),
  "rows past their deadline are applied": fault(
    "R19",
    "cluster/rows/row-receiver.ts",
    "} else if (row.untilMs <= latestMs) {",
    "} else if (row.untilMs <= 0) {",
    "a batch that arrives long after its deadline",
  ),
  "what may be too old is dropped, and not sent back": fault(
    "R19",
    "cluster/rows/row-receiver.ts",
    "answers[index] = OUT_OF_DATE;",
    "answers[index] = EXPIRED;",
    "a step of an owner's clock under forwarded reports",
  ),
};
