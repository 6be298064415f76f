import { ClusterNode } from "/work/main/cluster/cluster-node.ts";
import { makeRandomWorld, runRandom } from "/work/main/simulator/random-run.ts";
import { HeldRecord } from "/work/main/cluster/records/held-record.ts";
import { TakeBack } from "/work/main/cluster/moves/take-back.ts";
const P = Number(process.argv[3] ?? -1);
for (const verb of ["loseClaim", "fall", "beginHealing", "beginProving", "level", "retake", "regainClaim"] as const) {
  const o = (HeldRecord.prototype as any)[verb];
  (HeldRecord.prototype as any)[verb] = function (...a: any[]) {
    const b = this.state;
    o.apply(this, a);
    if (this.partition === P && (b !== this.state || verb === "retake"))
      console.log(
        world.nowMs.toFixed(1),
        this.claim.incarnation.slice(0, 4),
        verb,
        b,
        "->",
        this.state,
        verb === "loseClaim"
          ? new Error()
              .stack!.split("\n")
              .slice(2, 6)
              .map((l) => l.trim().split(" ")[1])
              .join("<")
          : "",
      );
  };
}
{
  const o = (TakeBack.prototype as any).isDone;
  (TakeBack.prototype as any).isDone = async function (p: number, q: any) {
    const r = await o.call(this, p, q).catch((e: any) => {
      if (p === P) console.log(world.nowMs.toFixed(1), "isDone threw", String(e));
      throw e;
    });
    if (p === P) console.log(world.nowMs.toFixed(1), "isDone", r);
    return r;
  };
  const a = (TakeBack.prototype as any).add;
  (TakeBack.prototype as any).add = function (p: number) {
    if (p === P) console.log(world.nowMs.toFixed(1), "add", this.pending.has(p));
    a.call(this, p);
  };
}
const seed = Number(process.argv[2]);
const world = makeRandomWorld(seed, ClusterNode, false);
try {
  await runRandom(world, seed);
} catch (e) {
  console.log(String(e));
}
for (const n of world.nodes) {
  const p = n.node.parts!;
  const m = p.membership as any;
  console.log(
    n.name,
    p.membership.me.incarnation.slice(0, 8),
    n.node.status,
    n.node.degradedReason,
    "epoch",
    m.view.epoch,
    "lic",
    m.isLicensed,
  );
  const rows = [];
  for (let i = 0; i < 16; i++) {
    const h: any = p.holdings.get(i);
    const r = p.recorder.recordOf(i);
    rows.push(
      `${i}:${h.kind}${r ? " " + r.state + " c" + r.claim.term + " raised" + r.raisedTo + " snap" + r.isSnapshotting + " len" + r.length + " num" + r.snapshotNumber : ""}`,
    );
  }
  console.log(rows.join("\n"));
  const tags = (p.recorder as any).tags;
  for (const [i, t] of tags.entries())
    console.log(
      "tag",
      i,
      "ahead",
      t.aheadCount,
      "retry",
      t.retryMs,
      "at",
      t.retryAtMs - n.node.nowMs(),
      "snapshotting",
      t.snapshotting,
      "stuck",
      t.commits.isStuck,
      "idle",
      t.commits.isIdle,
      "full",
      t.isFull,
      "n",
      t.records.length,
    );
  console.log(
    "pending",
    [...(p as any).takeBack.pending.entries()].map(([a, b]: any) => `${a} uw=${b.isUnderWay}`).join(),
    "underWay",
    [...(p as any).takeBack.underWay.entries()].join(";"),
  );
}
const rec = world.store.model.records;
console.log(
  [...rec]
    .map(
      ([p, r]: any) =>
        `${p}: c${r.claim?.term} ${r.claim?.incarnation.slice(0, 8)} len${r.length} num${r.snapshotNumber}`,
    )
    .join("\n"),
);
process.exit(0);
