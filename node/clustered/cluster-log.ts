/** What happened to the cluster, as lines of the log for operators. */
import type { Logger } from "pino";
import type { ClusterEvent } from "../../cluster/cluster-node.ts";

type Level = "info" | "warn" | "error";

/** A new event cannot compile untold. */
const TOLD: Readonly<Record<ClusterEvent["kind"], readonly [level: Level, message: string]>> = {
  view: ["info", "the list of members changed"],
  "took partitions": ["info", "took partitions over"],
  "could not take": ["warn", "could not take partitions over: tries again"],
  "lost partition": ["error", "players were lost: the store no longer had what it had acknowledged"],
  "unreadable record": [
    "error",
    "a record cannot be read: its players get 503; HEADCOUNT_REPAIR=1 goes on without what is damaged",
  ],
  superseded: ["warn", "another node took a partition over"],
  expelled: ["warn", "was expelled: drops everything and joins anew"],
  "other run": ["warn", "Redis restarted, failed over or is another: everything is stored again"],
  "writes back": ["info", "all members have seen the new Redis: writes its partitions back"],
  "store fault": ["error", "Redis does not do what it should: reports to partitions that are ahead get 202"],
  "modes lost": [
    "error",
    "tables name more modes than there is room for: these players are connected, but nobody knows what they play until they report again",
  ],
  "modes returned": ["warn", "modes that had gone are in use: they are known again, perhaps past the limit"],
  "store healed": ["info", "Redis is well again, everything is stored: reports get 200"],
};

export function logEvent(log: Logger, { kind, ...fields }: ClusterEvent): void {
  const [level, message] = TOLD[kind];
  log[level](fields, message);
}
