/** Breaches of R7 to R12: membership. */
import { fault, LIST, type PlantedFault } from "./planted-fault.ts";

export const MEMBER_FAULTS: Readonly<Record<string, PlantedFault>> = {
  "leases by the store's bare clock": {
    rule: "R7",
    patches: [
      { file: LIST, find: "Math.min(Math.max(passedMs, 0), Math.floor(leaseMs / 3))", replace: "passedMs" },
      { file: LIST, find: "if (passedMs <= leaseMs) return;", replace: "if (passedMs > -Infinity) return;" },
    ],
    scenarios: ["an outage of the store with a death inside and its clock jumping"],
  },
  "all who lapsed renewed again and again": fault(
    "R7",
    LIST,
    "if (entry.isExcused) continue;",
    "",
    "a lone slow survivor buries the dead",
  ),
  "expelled, and goes on with what it held": {
    ...fault("R8", "cluster/members/membership.ts", "this.ports.onExpelled(before);", ""),
    scenarios: ["a thawed owner asked only for what writes nothing", "moved and dead in one breath"],
    harmless:
      "its claims are not raised to the epoch under which it joins anew, so it may answer nothing unproven (R14)",
  },
  "absence taken for expulsion": fault(
    "R8",
    "cluster/members/membership.ts",
    'case "absent":\n        this.isJoining = true;',
    'case "absent":\n        return this.rejoin(answer.list.view);\n        this.isJoining = true;',
    "the store back as another while all owners live",
  ),
  "a list that is gone is not written back": fault(
    "R9",
    "cluster/members/membership.ts",
    "await this.ports.store.restore(run, this.view, key, this.ports.randomId(), key.leaseMs);",
    "",
    "the store back as another while all owners live",
  ),
  "two lists under one number are not told apart": {
    ...fault("R9", LIST, "if (isForked) raise(standing, standing.epoch + 1, freshNonce);", ""),
    scenarios: ["the store back as another, views that differ and a newcomer"],
    harmless:
      "whoever renews under another nonce raises the epoch as well, and takes over the list that it is answered",
  },
  "one node's word expels": fault(
    "R10",
    LIST,
    "accusers.includes(accuser) && accusers.length > 1 && accusers.length > others.length / 2",
    "accusers.includes(accuser)",
    "two nodes that cannot hear each other",
  ),
  "nobody is accused": fault(
    "R10",
    "cluster/member-node.ts",
    "unheard: () => this.peers.unheard(leaseMs),",
    "unheard: () => [],",
    "a node that only the store can reach",
  ),
  "leaves with what it holds": fault(
    "R11",
    "cluster/member-node.ts",
    "const mayGo = isAnybodyStaying ? held === 0 && !handOff.isAwaited : recorder.isIdle;",
    "const mayGo = held >= 0 || handOff.isAwaited || recorder.isIdle;",
    "the silent through rolling restarts",
    "partitions and regions moving while players cross borders",
  ),
  "a founder does not wait": fault(
    "R12",
    "cluster/members/founding.ts",
    "WAITED_LEASES = 2",
    "WAITED_LEASES = 0",
    "the store back as another, views that differ and a newcomer",
    "the store back as another while all owners live",
  ),
};
