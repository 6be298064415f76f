/** What happened to the cluster, as lines of the log for operators. */
import type { Logger } from "pino";
import type { ClusterEvent } from "../../cluster/cluster-node.ts";
import { classOf, type Level, type PacedLog } from "../paced-log.ts";

/** A new event cannot compile untold. */
const TOLD: Readonly<Record<ClusterEvent["kind"], readonly [level: Level, message: string]>> = {
  view: ["info", "the list of members changed"],
  "took partitions": ["info", "took partitions over"],
  "could not take": ["warn", "could not take partitions over: trying again"],
  "lost partition": ["error", "players were lost: the store no longer had what it had acknowledged"],
  "unreadable record": [
    "error",
    "a record cannot be read: its players get 503; HEADCOUNT_REPAIR=1 goes on without what is damaged",
  ],
  superseded: ["warn", "another node took a partition over"],
  expelled: ["warn", "was expelled: this node answers for no player until it has joined anew"],
  "not called back": [
    "error",
    "the other nodes cannot reach this node at its peer address: it gets no players until they do; is HEADCOUNT_PEER_URL right?",
  ],
  "other run": [
    "warn",
    "Redis restarted, failed over or is another: its partitions are checked and then stored again, and reports get 202 until then",
  ],
  "takes back": [
    "info",
    "all members have seen the new Redis: taking the partitions again, with all that is known of them",
  ],
  "other key": ["error", "the cluster was founded anew with another key: joining it, and reporting the players there"],
  "dropped records of another key": ["warn", "dropped records that were written under a key that was replaced"],
  rekeyed: ["warn", "reported the players under the cluster's key"],
  "store fault": ["error", "Redis fails or refuses calls: reports that it cannot store get 202"],
  "modes lost": [
    "error",
    "tables name more modes than there is room for: these players are connected, but nobody knows what they play until they report again",
  ],
  "modes returned": [
    "warn",
    "late reports brought back modes that had been removed: there may be more modes than the limit now",
  ],
  "store healed": ["info", "Redis is well again, everything is stored: reports get 200"],
};

/** What goes on while something else is broken. The others happen once, or each says what no other line says. */
const REPEATED: ReadonlySet<ClusterEvent["kind"]> = new Set([
  "could not take",
  "superseded",
  "expelled",
  "other run",
  "takes back",
  "store fault",
  "store healed",
]);

export function logEvent(log: Logger, paced: PacedLog, event: ClusterEvent): void {
  const { kind } = event;
  const fields = fieldsOf(event);
  const [level, message] = TOLD[kind];
  if (!REPEATED.has(kind)) return log[level](fields, message);
  const reason = "reason" in event ? classOf(event.reason) : "";
  paced.write(level, `${kind} ${reason}`, fields, message);
}

function fieldsOf(event: ClusterEvent): object {
  const { kind, ...fields } = event;
  if (kind !== "store fault" || event.partitionsAhead > 0) return fields;
  return { reason: event.reason };
}

/** Of whom TLS at the peer port keeps out. Anybody may try, as often as they like. */
export function logStranger(paced: PacedLog, reason: string, address: string | undefined): void {
  paced.write("warn", classOf(reason), { reason, address }, "a connection to the peer port was refused");
}
