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
    'case "absent":\n        this.list = answer.list;',
    'case "absent":\n        return this.rejoin(answer.list.view);\n        this.list = answer.list;',
    "the store back as another while all owners live",
  ),
  "a list that is gone is not written back": fault(
    "R9",
    "cluster/members/membership.ts",
    "await this.ports.store.restore(run, this.view, this.ports.randomId(), this.leaseMs);",
    "",
    "the store back as another while all owners live",
  ),
  "two lists under one number are not told apart": {
    ...fault("R9", LIST, "if (isForked) raise(standing, standing.epoch + 1, freshNonce);", ""),
    scenarios: ["the store back as another, views that differ and a newcomer"],
    harmless:
      "whoever renews under another nonce raises the epoch as well, and takes over the list that it is answered",
  },
  "one node's word marks": fault(
    "R10",
    LIST,
    "if (accusers.length > others.length / 2) marked.push(target);",
    "if (accusers.length > 0) marked.push(target);",
    "two of four that cannot hear each other keep their places",
  ),
  "the word of who is marked counts": fault(
    "R10",
    LIST,
    "entry !== target && !entry.isJoining && !marked.includes(entry)",
    "entry !== target && !entry.isJoining",
    "of members that all fail to hear each other one is left, and the others come back",
  ),
  "who is marked lives on": fault(
    "R10",
    LIST,
    "if (!isMarked) Object.assign(entry, {",
    "Object.assign(entry, {",
    "of members that all fail to hear each other one is left, and the others come back",
    "a node that only the store can reach",
  ),
  "nobody is accused": fault(
    "R10",
    "cluster/member-node.ts",
    "accused: () => this.peers.accused(leaseMs),",
    "accused: () => [],",
    "a node that only the store can reach",
  ),
  "who does not answer at its address is not accused": fault(
    "R10",
    "cluster/peers/peers.ts",
    "nowMs - Math.min(peer.heardAtMs, peer.answeredAtMs) > withinMs",
    "nowMs - peer.heardAtMs > withinMs",
    "a member that nobody reaches any more loses its place until it is reached",
  ),
  "a renewal takes no accusation back": fault(
    "R10",
    LIST,
    "accusedBefore: entry.accused,\n      closed: NOBODY,",
    "accusedBefore: entry.accused,",
    "resets that lie expel nobody",
  ),
  "a closed port is not noticed": fault(
    "R10",
    "cluster/peers/peers.ts",
    "this.ports.onClosed(incarnation);",
    "",
    "a killed node is expelled in half a second and served by others soon after",
  ),
  "who joins owns its share at once": fault(
    "R10",
    "cluster/members/placement.ts",
    "members.filter(({ isJoining }) => isJoining !== true)",
    "[...members]",
    "a node that nobody can reach gets nothing, and says so",
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
